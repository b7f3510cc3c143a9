//! What a training run would be, without starting it.

use serde::Serialize;
use tch::Device;

use crate::cli::json;
use crate::cli::output::print_line;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::nets::Detector;
use crate::train::bench::measure::{self, Held, Network, SizeEstimate};
use crate::train::optim::parameters;
use crate::train::run::stored::Stored;
use crate::train::stages::gan::Gan;

#[derive(Serialize)]
struct Plan<'a> {
    name: &'a str,
    device: String,
    pictures: u64,
    config: &'a Config,
    networks: Vec<Network>,
    /// Bytes.
    memory: Memory,
    sizes: Vec<SizeEstimate>,
    /// Of the generator's training.
    total_seconds: f64,
}

#[derive(Serialize)]
struct Memory {
    #[serde(flatten)]
    held: Held,
    /// Of the most demanding size.
    activations: u64,
    total: u64,
}

/// Prints the plan of a run with `config` over `pictures` pictures.
///
/// # Errors
/// [`Error::Diverged`], [`Error::Torch`].
pub fn print(name: &str, config: &Config, pictures: u64, device: Device, json: bool) -> Result<()> {
    let mut gan = Gan::new(config, pictures, device)?;
    let mut networks = measure::networks(&gan);
    let detector = Stored::<Detector>::new(&config.architecture, device);
    let count: usize = parameters::trained(&detector.store).iter().map(|(_, t)| t.numel()).sum();
    networks.push(Network { name: "detector (second stage)".into(), parameters: count as u64 });
    let held = measure::held(&gan);
    let sizes = measure::estimate(&mut gan, config, device)?;
    let activations = sizes.iter().map(|s| s.activations).max().unwrap_or_default();
    let total_seconds = sizes.iter().map(|s| s.seconds_per_1000 * s.images as f64 / 1000.0).sum();
    let total = held.weights + held.gradients + held.optimiser + activations;
    let memory = Memory { held, activations, total };
    let device = format!("{device:?}").to_lowercase();
    let plan = Plan { name, device, pictures, config, networks, memory, sizes, total_seconds };
    if json {
        print_line!("{}", json::pretty(&plan)?);
        return Ok(());
    }
    plan.print()
}

impl Plan<'_> {
    fn print(&self) -> Result<()> {
        print_line!("{}", toml::to_string(self.config).map_err(|e| Error::Config(e.to_string()))?);
        print_line!("# {}: {} pictures, on {}. Nothing was written.", self.name, self.pictures, self.device);
        print_line!("#");
        print_line!("# {:<28}{:>14}", "network", "parameters");
        for network in &self.networks {
            print_line!("# {:<28}{:>14}", network.name, network.parameters);
        }
        let mib = |bytes: u64| format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20));
        let Memory { held, activations, total } = &self.memory;
        print_line!("#\n# {:<28}{:>14}", "memory, estimated", mib(*total));
        print_line!("# {:<28}{:>14}  counted: networks and averages", "  weights", mib(held.weights));
        print_line!(
            "# {:<28}{:>14}  counted: as many as trained parameters",
            "  gradients",
            mib(held.gradients)
        );
        print_line!("# {:<28}{:>14}  counted: Adam's two moments", "  optimiser", mib(held.optimiser));
        let batch = self.sizes.first().map_or(0, |s| s.measured_batch);
        print_line!(
            "# {:<28}{:>14}  measured: growth over a step of {batch} images, times {}/{batch}",
            "  activations",
            mib(*activations),
            self.config.gan.batch
        );
        print_line!("# Pictures, and what libtorch itself takes, come on top.\n#");
        print_line!("# {:<6}{:>12}{:>20}{:>12}", "size", "images", "s per 1,000 images", "hours");
        for s in &self.sizes {
            let hours = s.seconds_per_1000 * s.images as f64 / 3.6e6;
            print_line!("# {:<6}{:>12}{:>20.2}{:>12.2}", s.size, s.images, s.seconds_per_1000, hours);
        }
        print_line!(
            "# {:.2} hours for the generator, by a few steps on noise of {batch} images here; the detector comes after.",
            self.total_seconds / 3600.0
        );
        Ok(())
    }
}
