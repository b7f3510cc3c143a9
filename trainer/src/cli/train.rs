use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tch::Device;

use super::keep::{Keep, KeepBest};
use crate::config::{Config, Precision};
use crate::dataset::Store;
use crate::error::{Error, Result};
use crate::train::checkpoint::Checkpoint;
use crate::train::gan::{self, Gan, Schedule};
use crate::train::run::Run;
use crate::train::session::Session;

/// Pictures are kept in memory this many times as large as the image trained at, so that crops stay sharp.
pub const STORE_FACTOR: i64 = 2;

#[derive(Debug, Args)]
pub struct Train {
    /// Packs, folders, zips or pictures to learn from.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Folder of the run: checkpoints, log, samples.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// TOML file over the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Carry on a run from its last checkpoint. With --config, with that configuration from here on.
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
    keep: Keep,
    #[command(flatten)]
    keep_best: KeepBest,
}

fn parse_precision(text: &str) -> std::result::Result<Precision, String> {
    match text {
        "fp32" => Ok(Precision::Fp32),
        "bf16" => Ok(Precision::Bf16),
        _ => Err("fp32 or bf16".into()),
    }
}

impl Train {
    pub fn run(self) -> Result<()> {
        let given = self.config.as_deref().map(Config::read).transpose()?;
        let device = Device::Cpu;
        let (run, mut config, checkpoint) = if self.resume {
            let (run, stored) = Run::open(&self.out)?;
            let checkpoint = Checkpoint::open(&run.checkpoint(gan::STAGE))?;
            (run, given.unwrap_or(stored), Some(checkpoint))
        } else {
            let mut config = given.unwrap_or_default();
            self.override_config(&mut config)?;
            // The pictures are looked at before anything is written.
            Store::count(&self.data, config.gan.batch)?;
            gan::check_requirements(&config)?;
            (Run::create(&self.out, &config)?, config, None)
        };
        self.override_config(&mut config)?;
        if let Some(checkpoint) = &checkpoint {
            checkpoint.check_architecture(&config)?;
        }
        let side = config.architecture.image_size * STORE_FACTOR;
        let store = Arc::new(Store::load(&self.data, side as usize)?);
        store.check_batch(config.gan.batch)?;
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
        let run = self.keep.apply(run, self.keep_best.judge(&store, &config, device)?);
        run.begin(Session::now(gan::STAGE, gan.state().step, &self.data, size))?;
        eprintln!("run in {}", run.dir().display());
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
        if let Some(seed) = self.seed {
            config.seed = seed;
        }
        if let Some(precision) = self.precision {
            config.precision = precision;
        }
        config.check().map_err(|e| match (&self.config, e) {
            (Some(path), Error::Config(reason)) => Error::Config(format!("{}: {reason}", path.display())),
            (_, e) => e,
        })
    }
}
