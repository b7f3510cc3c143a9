use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tch::Device;

use super::choice::Choice;
use super::keep::Keep;
use super::stop::StopAfter;
use super::train::STORE_FACTOR;
use crate::dataset::Store;
use crate::error::{Error, Result};
use crate::train::checkpoint::Checkpoint;
use crate::train::detector::{self, DetectorTraining};
use crate::train::gan;
use crate::train::generator::Generator;
use crate::train::run::Run;
use crate::train::session::Session;

#[derive(Debug, Args)]
pub struct Detector {
    /// Packs, folders, zips or pictures to adapt to, without labels: those that the generator learned from.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Folder of the run, with a trained generator in it.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Only the [detector] section counts: the networks are the run's.
    #[command(flatten)]
    choice: Choice,
    /// Carry on from the last checkpoint.
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Start over although there is a trained detector.
    #[arg(long)]
    force: bool,
    /// Generated pairs to show in all (default: the configuration's).
    #[arg(long, value_name = "N")]
    images: Option<u64>,
    /// Minutes between checkpoints.
    #[arg(long, default_value_t = 3.0, value_name = "MINUTES")]
    save_every: f64,
    /// Steps between lines of the log.
    #[arg(long, default_value_t = 16, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    log_every: u64,
    /// Generator to learn from: latest, best (see `trainer train --keep-best`) or a checkpoint file.
    #[arg(long, value_name = "CHECKPOINT", default_value = "latest")]
    checkpoint: String,
    #[command(flatten)]
    keep: Keep,
    #[command(flatten)]
    stop: StopAfter,
}

impl Detector {
    pub fn run(self, device: Device) -> Result<()> {
        self.stop.begin();
        let (run, mut config) = Run::open(&self.run)?;
        let generator = Checkpoint::open(&run.named_checkpoint(gan::STAGE, &self.checkpoint))?;
        Generator::check_finished(&generator)?;
        let path = run.checkpoint(detector::STAGE);
        let checkpoint = self.resume.then(|| Checkpoint::open(&path)).transpose()?;
        if path.exists() && !self.resume && !self.force {
            return Err(Error::Usage(format!(
                "{} exists: carry on with --resume, or start over with --force",
                path.display()
            )));
        }
        if let Some(checkpoint) = &checkpoint {
            config.detector = checkpoint.state.config.detector.clone();
        }
        if let Some(named) = self.choice.named()? {
            config.detector = named.detector;
        }
        let mut overruled = config.clone();
        self.choice.overrule(&mut overruled)?;
        config.detector = overruled.detector;
        if let Some(images) = self.images {
            config.detector.images = images;
        }
        config.check()?;
        // At the detector's own size crops must stay sharp too.
        let side = config.architecture.image_size.max(config.architecture.detector_size) * STORE_FACTOR;
        let store = Arc::new(Store::load(&self.data, side as usize)?);
        store.check_batch(config.detector.batch)?;
        eprintln!("calibrating the generator of {} images", generator.state.images_seen);
        let mut training = DetectorTraining::new(&config, &generator, store.len() as u64, device)?;
        if let Some(checkpoint) = &checkpoint {
            training.restore(checkpoint)?;
            eprintln!("carrying on at step {}", training.state().step);
        }
        let first_step = training.state().step;
        run.trim_log(detector::STAGE, first_step)?;
        let run = self.keep.apply(run, None);
        run.begin(Session::now(detector::STAGE, first_step, &self.data, store.len() as u64))?;
        let save_every = Duration::from_secs_f64((self.save_every * 60.0).clamp(0.0, 1e7));
        training.train(store, &run, save_every, self.log_every)?;
        println!("{}", path.display());
        Ok(())
    }
}
