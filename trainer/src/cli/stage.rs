//! What the commands that train a stage of its own share: those that learn from a generator, and the portraits'.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tch::Device;

use super::checkpoint::CheckpointChoice;
use super::choice::Choice;
use super::keep::Keep;
use super::minutes;
use super::stop::StopAfter;
use crate::cli::output::print_line;
use crate::config::Config;
use crate::dataset::{STORE_FACTOR, Store};
use crate::error::{Error, Result};
use crate::train::run::Run;
use crate::train::run::checkpoint::Checkpoint;
use crate::train::run::generator::Generator;
use crate::train::run::session::Session;
use crate::train::run::stored::Staged;
use crate::train::stages::gan;
use crate::train::stages::stage::{self, Stage};

/// What every stage of its own takes, whatever it learns from.
#[derive(Debug, Args)]
pub struct LoopArgs {
    #[command(flatten)]
    pub choice: Choice,
    /// Carry on from the last checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// Images to show in all (default: the configuration's).
    #[arg(long, value_name = "N")]
    pub images: Option<u64>,
    /// Minutes between checkpoints.
    #[arg(long, help_heading = "Checkpoints and records", default_value = "3", value_name = "MINUTES", value_parser = minutes::any)]
    save_every: Duration,
    /// Steps between lines of the log.
    #[arg(long, help_heading = "Checkpoints and records", default_value_t = 16, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    log_every: u64,
    #[command(flatten)]
    keep: Keep,
    #[command(flatten)]
    pub stop: StopAfter,
}

#[derive(Debug, Args)]
pub struct StageArgs {
    /// Packs, folders, zips or pictures without labels: those that the generator, or the portrait networks, learned from.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    common: LoopArgs,
    /// Folder of the run, with what the stages before this one trained in it.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Start over although this stage was trained already.
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// Generator (or portrait networks) to learn from: latest, best (see `trainer train --keep-best`) or a checkpoint file.
    #[arg(long, value_name = "CHECKPOINT", default_value = "latest")]
    checkpoint: CheckpointChoice,
}

/// A stage's part of the configuration.
pub trait Section {
    /// What is configured.
    type Value: Clone;

    /// It, in `config`.
    fn of(config: &mut Config) -> &mut Self::Value;
    /// The images to show.
    fn images(section: &mut Self::Value) -> &mut u64;
    /// Refuses a run that lacks what the stage learns from.
    fn check(_: &Run) -> Result<()> {
        Ok(())
    }
    /// The stage whose networks it learns from, in `run`.
    fn source(_: &Run) -> &'static str {
        gan::STAGE
    }
    /// Side of the pictures that the stage sees.
    fn side(config: &Config) -> i64;
}

/// What a stage begins with.
struct Start {
    run: Run,
    config: Config,
    source: Checkpoint,
    /// That to carry on from.
    checkpoint: Option<Checkpoint>,
}

impl LoopArgs {
    /// Trains `training`, restored from `checkpoint` if there is one, on the pictures `store` of `data`, into `run`.
    pub fn train<S: Stage>(
        &self,
        training: &mut S,
        checkpoint: Option<&Checkpoint>,
        (data, store): (&[PathBuf], &Arc<Store>),
        run: Run,
        device: Device,
    ) -> Result<()> {
        let name = S::Net::NAME;
        if checkpoint.is_some() {
            eprintln!("carrying on at step {}", training.learner().state.step);
        }
        let first_step = training.learner().state.step;
        run.trim_log(name, first_step)?;
        let run = self.keep.apply(run, None);
        run.begin(Session::now(name, first_step, data, store.len() as u64, device))?;
        stage::train(training, store, &run, self.save_every, self.log_every)?;
        print_line!("{}", run.checkpoint(name).display());
        Ok(())
    }
}

impl StageArgs {
    /// Trains on `device` the stage that `make` makes of the configuration, the run, the checkpoint that it learns from and the
    /// number of pictures.
    pub fn run<P: Section, S: Stage>(
        self,
        device: Device,
        make: impl FnOnce(&Config, &Run, &Checkpoint, u64) -> Result<S>,
    ) -> Result<()> {
        self.common.stop.begin();
        let Start { run, config, source, checkpoint } = self.resolve::<P>(S::Net::NAME)?;
        let store = Arc::new(Store::load(&self.data, (P::side(&config) * STORE_FACTOR) as usize)?);
        if source.state.stage == gan::STAGE {
            eprintln!("calibrating the generator of {} images", source.state.images_seen);
        }
        let mut training = make(&config, &run, &source, store.len() as u64)?;
        store.check_batch(training.schedule().0)?;
        if let Some(checkpoint) = &checkpoint {
            stage::restore(&mut training, checkpoint, &config)?;
        }
        self.common.train(&mut training, checkpoint.as_ref(), (&self.data, &store), run, device)
    }

    /// The run, what it learns from, and the checked configuration of the stage `name`.
    fn resolve<P: Section>(&self, name: &str) -> Result<Start> {
        let (run, mut config) = Run::open(&self.run)?;
        let source = Checkpoint::open(&self.checkpoint.path(&run, P::source(&run)))?;
        if source.state.stage == gan::STAGE {
            Generator::check_finished(&source)?;
        }
        P::check(&run)?;
        let LoopArgs { choice, resume, images, .. } = &self.common;
        let path = run.checkpoint(name);
        let checkpoint = resume.then(|| Checkpoint::open(&path)).transpose()?;
        if path.exists() && !resume && !self.force {
            return Err(Error::exists(&path, "carry on with --resume, or start over with --force"));
        }
        if let Some(checkpoint) = &checkpoint {
            *P::of(&mut config) = P::of(&mut checkpoint.state.config.clone()).clone();
        }
        // Only this stage's section counts: the networks are the run's.
        if let Some(mut named) = choice.named()? {
            *P::of(&mut config) = P::of(&mut named).clone();
        }
        let mut overruled = config.clone();
        choice.overrule(&mut overruled)?;
        *P::of(&mut config) = P::of(&mut overruled).clone();
        if let Some(images) = images {
            *P::images(P::of(&mut config)) = *images;
        }
        config.check()?;
        Ok(Start { run, config, source, checkpoint })
    }
}
