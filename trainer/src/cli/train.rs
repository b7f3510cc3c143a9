use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tch::Device;

use super::choice::Choice;
use super::dry_run;
use super::stop::StopAfter;
use crate::config::{Config, Precision};
use crate::dataset::Store;
use crate::error::Result;
use crate::train::checkpoint::Checkpoint;
use crate::train::gan::{self, Gan, Schedule};
use crate::train::run::Run;

/// Pictures are kept in memory this many times as large as the image trained at, so that crops stay sharp.
pub const STORE_FACTOR: i64 = 2;

#[derive(Debug, Args)]
pub struct Train {
    /// Folders, zips or pictures to learn from.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Folder of the run: checkpoints, log, samples.
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
    /// Carry on a run from its last checkpoint. With --preset, --config or --set, with that configuration from here on.
    #[arg(long)]
    resume: bool,
    /// Stop after this many real images in all, if before the configuration's end.
    #[arg(long, value_name = "N")]
    images: Option<u64>,
    /// Seed of everything random (default: the configuration's).
    #[arg(long)]
    seed: Option<u64>,
    /// Arithmetic inside the networks: fp32 or bf16 (default: the configuration's).
    #[arg(long, value_parser = parse_precision)]
    precision: Option<Precision>,
    /// Minutes between checkpoints.
    #[arg(long, default_value_t = 3.0, value_name = "MINUTES")]
    save_every: f64,
    /// Images between sample sheets.
    #[arg(long, default_value_t = 10_000, value_name = "IMAGES", value_parser = clap::value_parser!(u64).range(1..))]
    sample_every: u64,
    /// Steps between lines of the log.
    #[arg(long, default_value_t = 16, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    log_every: u64,
    #[command(flatten)]
    stop: StopAfter,
    /// Write nothing: print the configuration, the networks' sizes, and estimates of memory and time.
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
    /// With --dry-run: print it as JSON.
    #[arg(long, requires = "dry_run")]
    json: bool,
}

fn parse_precision(text: &str) -> std::result::Result<Precision, String> {
    match text {
        "fp32" => Ok(Precision::Fp32),
        "bf16" => Ok(Precision::Bf16),
        _ => Err("fp32 or bf16".into()),
    }
}

impl Train {
    pub fn run(self, device: Device) -> Result<()> {
        self.stop.begin();
        let given = self.choice.named()?;
        let Some(out) = self.out.as_deref().filter(|_| !self.dry_run) else {
            let mut config = given.unwrap_or_default();
            self.override_config(&mut config)?;
            let pictures = crate::dataset::source::list(&self.data)?.len() as u64;
            config.gan.resolve_epochs(pictures);
            return dry_run::print(&self.choice.name(), &config, pictures, device, self.json);
        };
        let (run, mut config, checkpoint) = if self.resume {
            let (run, stored) = Run::open(out)?;
            let checkpoint = Checkpoint::open(&run.checkpoint(gan::STAGE))?;
            (run, given.unwrap_or(stored), Some(checkpoint))
        } else {
            let mut config = given.unwrap_or_default();
            self.override_config(&mut config)?;
            // The pictures are looked at before anything is written.
            config.gan.resolve_epochs(crate::dataset::source::list(&self.data)?.len() as u64);
            gan::check_requirements(&config)?;
            (Run::create(out, &config)?, config, None)
        };
        if self.resume {
            self.override_config(&mut config)?;
            config.gan.resolve_epochs(crate::dataset::source::list(&self.data)?.len() as u64);
        }
        if let Some(checkpoint) = &checkpoint {
            checkpoint.check_architecture(&config)?;
        }
        let side = config.architecture.image_size * STORE_FACTOR;
        let store = Arc::new(Store::load(&self.data, side as usize)?);
        let size = store.len() as u64;
        let mut gan = match &checkpoint {
            Some(checkpoint) => Gan::resume(checkpoint, &config, size, device)?,
            None => Gan::new(&config, size, device)?,
        };
        if self.resume {
            let state = gan.state();
            eprintln!("carrying on at step {}, {} images seen", state.step, state.images_seen);
            run.trim_log(gan::STAGE, state.step)?;
            run.write_config(&config)?;
        }
        eprintln!("{size} pictures, run in {}", run.dir().display());
        let schedule = Schedule {
            until_images: self.images,
            save_every: Duration::from_secs_f64((self.save_every * 60.0).clamp(0.0, 1e7)),
            sample_every: self.sample_every,
            log_every: self.log_every,
        };
        gan.train(store, &run, &schedule)?;
        println!("{}", run.checkpoint(gan::STAGE).display());
        Ok(())
    }

    fn override_config(&self, config: &mut Config) -> Result<()> {
        self.choice.overrule(config)?;
        if let Some(seed) = self.seed {
            config.seed = seed;
        }
        if let Some(precision) = self.precision {
            config.precision = precision;
        }
        config.check()
    }
}
