use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;
use serde::{Deserialize, Serialize};
use tch::Device;

use super::choice::Source;
use super::json;
use crate::cli::output::print_line;
use crate::config::presets::{PRESETS, Preset};
use crate::config::{Config, overrides};
use crate::error::{Error, Result};
use crate::support::device::Wanted;
use crate::support::progress::Progress;
use crate::support::{interrupt, machine};
use crate::train::bench::measure::{self, Bench as Steps, Network};
use crate::train::bench::memory::Gauge;
use crate::train::stages::gan::Gan;

/// Linux counts processor time for programs in hundredths on every machine type.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer bench --preset faces64-edge faces128 --size 64")]
pub struct Bench {
    /// Configurations to measure. May be repeated (default: the first of `trainer presets`).
    #[arg(long, value_name = "NAME", num_args = 1.., value_parser = Preset::find)]
    preset: Vec<Preset>,
    /// TOML file to measure in place of a preset.
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    config: Option<PathBuf>,
    /// Change one value, as in --set gan.batch=32. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Only this image size (default: each that the configuration trains at).
    #[arg(long, value_name = "PIXELS")]
    size: Option<i64>,
    /// Repetitions.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Steps in a repetition (default: as many as it takes for each part of the loss to be due once).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write the networks' weights with an input and what they make of it, for another implementation to compare with.
    #[arg(long, value_name = "FILE", requires = "size")]
    reference: Option<PathBuf>,
    /// Measure in this process and print one row. Rows have processes of their own, so that peaks are their own.
    #[arg(long, hide = true, requires = "size")]
    row: bool,
}

/// A row that is to be measured.
struct Planned {
    source: Source,
    config: Config,
    size: i64,
}

/// What was measured at one size of one configuration.
#[derive(Serialize, Deserialize)]
struct BenchRow {
    name: String,
    size: i64,
    batch: i64,
    precision: String,
    device: String,
    threads: i32,
    networks: Vec<Network>,
    steps: u64,
    /// Of each repetition.
    images_per_second: Vec<f64>,
    /// Processor time of each repetition, of all threads: on a busy machine it says more than the clock does.
    cpu_seconds: Vec<f64>,
    /// Of the whole process, or of the GPU.
    peak_bytes: u64,
    config: Config,
}

#[derive(Serialize)]
struct BenchReport {
    schema: &'static str,
    trainer: &'static str,
    processor: String,
    rows: Vec<BenchRow>,
}

impl Bench {
    pub fn run(self, device: Wanted, threads: Option<usize>) -> Result<()> {
        let planned = self.resolve()?;
        if self.row || self.reference.is_some() {
            // Both require --size, so there is one row for each configuration.
            return planned.first().map_or(Ok(()), |row| self.measure_row(row, device.open()?));
        }
        let mut rows = Vec::new();
        let mut progress = Progress::new("measuring", planned.len() as u64);
        for row in &planned {
            interrupt::check()?;
            rows.push(self.spawn_row(row, device, threads)?);
            progress.advance(1, &format!("{} at {} px", row.source, row.size));
        }
        progress.finish("");
        let report = BenchReport {
            schema: "trainer-bench-1",
            trainer: machine::REVISION,
            processor: machine::describe(),
            rows,
        };
        if self.json {
            print_line!("{}", json::pretty(&report)?);
        } else {
            report.print();
        }
        Ok(())
    }

    /// The rows to measure, with checked configurations.
    fn resolve(&self) -> Result<Vec<Planned>> {
        let sources = match (&self.config, self.preset.as_slice()) {
            (Some(path), _) => vec![Source::File(path.clone())],
            (None, []) => vec![Source::Preset(PRESETS[0])],
            (None, presets) => presets.iter().copied().map(Source::Preset).collect(),
        };
        let mut rows = Vec::new();
        for source in sources {
            let config = overrides::apply(&source.read()?, &self.set)?;
            config.check()?;
            let sizes = config.architecture.sizes();
            match self.size {
                Some(size) if !sizes.contains(&size) => {
                    return Err(Error::Usage(format!(
                        "{source} does not train at {size} px but at {sizes:?}"
                    )));
                }
                Some(size) => rows.push(Planned { source, config, size }),
                None => rows.extend(sizes.into_iter().map(|size| Planned {
                    source: source.clone(),
                    config: config.clone(),
                    size,
                })),
            }
        }
        Ok(rows)
    }

    /// Measures one row in a process of its own.
    fn spawn_row(&self, row: &Planned, device: Wanted, threads: Option<usize>) -> Result<BenchRow> {
        let Planned { source, size, .. } = row;
        let program = std::env::current_exe().map_err(Error::io("trainer"))?;
        let mut command = Command::new(&program);
        command.args(["bench", "--row", "--size", &size.to_string(), "--device", &device.to_string()]);
        command.args(["--repeats", &self.repeats.to_string()]);
        match source {
            Source::File(path) => command.arg("--config").arg(path),
            Source::Preset(preset) => command.args(["--preset", preset.name]),
        };
        command.args(self.set.iter().flat_map(|s| ["--set", s]));
        command.args(self.steps.iter().flat_map(|n| ["--steps".to_owned(), n.to_string()]));
        command.args(threads.iter().flat_map(|n| ["--threads".to_owned(), n.to_string()]));
        let output = command.stderr(Stdio::inherit()).output().map_err(Error::io(&program))?;
        interrupt::check()?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let code = output.status.code().map_or("a signal".into(), |c| format!("code {c}"));
            Error::Usage(format!("measuring {source} at {size} px ended with {code}: too little memory?"))
        })
    }

    fn measure_row(&self, row: &Planned, device: Device) -> Result<()> {
        let Planned { source, config, size } = row;
        let size = *size;
        // Reports and references say what was computed, not what was asked for.
        let config = &Config { precision: config.precision.on(device), ..config.clone() };
        let gauge = Gauge::start(device);
        let mut gan = Gan::new(config, 1, device)?;
        if let Some(path) = &self.reference {
            return measure::write_reference(path, &gan, config, size);
        }
        let networks = measure::networks(&gan);
        let batch = config.gan.batch;
        let mut steps = Steps::new(&mut gan, config, size, batch, device);
        steps.warm_up()?;
        let count = self.steps.unwrap_or_else(|| measure::period(config));
        let (mut images_per_second, mut cpu_seconds) = (Vec::new(), Vec::new());
        for _ in 0..self.repeats {
            interrupt::check()?;
            let before = cpu_time();
            images_per_second.push((count * batch as u64) as f64 / steps.seconds(count)?);
            cpu_seconds.push(cpu_time() - before);
        }
        let row = BenchRow {
            name: source.to_string(),
            size,
            batch,
            precision: config.precision.to_string(),
            device: format!("{device:?}").to_lowercase(),
            threads: tch::get_num_threads(),
            networks,
            steps: count,
            images_per_second,
            cpu_seconds,
            peak_bytes: gauge.peak_bytes(),
            config: config.clone(),
        };
        print_line!("{}", json::pretty(&row)?);
        Ok(())
    }
}

impl BenchReport {
    fn print(&self) {
        print_line!("{}; trainer {}", self.processor, self.trainer);
        print_line!(
            "{:<16}{:>6}{:>7}{:>6}{:>9}{:>13}{:>12}{:>9}{:>16}{:>4}{:>11}",
            "preset",
            "size",
            "batch",
            "",
            "threads",
            "parameters",
            "images/s",
            "sd",
            "min to max",
            "n",
            "peak MiB"
        );
        for row in &self.rows {
            let s = Spread::of(&row.images_per_second);
            let parameters: u64 = row.networks.iter().map(|n| n.parameters).sum();
            print_line!(
                "{:<16}{:>6}{:>7}{:>6}{:>9}{:>13}{:>12.2}{:>9.2}{:>16}{:>4}{:>11.0}",
                row.name,
                row.size,
                row.batch,
                row.precision,
                if row.device == "cpu" { row.threads.to_string() } else { row.device.clone() },
                parameters,
                s.mean,
                s.deviation,
                format!("{:.2} to {:.2}", s.min, s.max),
                row.images_per_second.len(),
                row.peak_bytes as f64 / f64::from(1 << 20),
            );
        }
        for row in &self.rows {
            let s = Spread::of(&row.images_per_second);
            if s.deviation > 0.05 * s.mean {
                print_line!("{} at {} px varies by over 5 %: was the machine busy?", row.name, row.size);
            }
        }
    }
}

struct Spread {
    mean: f64,
    deviation: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Self {
            mean,
            deviation: (squares / (n - 1.0).max(1.0)).sqrt(),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(0.0, f64::max),
        }
    }
}

/// Processor time of this process so far, seconds, to a hundredth.
fn cpu_time() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in brackets, may hold spaces; of what follows, the 12th and 13th fields are user and system time.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_that_of_a_sample() {
        let s = Spread::of(&[1.0, 2.0, 3.0]);
        assert_eq!((s.mean, s.deviation, s.min, s.max), (2.0, 1.0, 1.0, 3.0));
        assert_eq!(Spread::of(&[4.0]).deviation, 0.0);
    }
}
