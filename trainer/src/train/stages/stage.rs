//! The loop that the stages after the generator's share: batches of real pictures in, records and checkpoints out.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tch::Tensor;

use crate::config::Config;
use crate::dataset::{Batches, Loader, Pick, Store};
use crate::error::Result;
use crate::support::progress::Progress;
use crate::support::share::Share;
use crate::train::optim::parameters;
use crate::train::ranks::Single;
use crate::train::run::Run;
use crate::train::run::checkpoint::{Checkpoint, State};
use crate::train::run::stored::Staged;
use crate::train::stages::cadence::Cadence;
use crate::train::stages::learner::Learner;

/// Part of the training over which the learning rate rises.
const WARM_UP: f64 = 0.02;

/// What only one stage's steps measure. Losses are as they were before their weights.
pub trait Measured: Serialize {
    /// The most telling of it, for the progress line.
    fn note(&self) -> String;
}

/// How far a stage has come, and what a step measured; also a line of the log.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport<M> {
    /// Steps done.
    pub step: u64,
    /// Images seen.
    pub images: u64,
    /// The weighted sum of all losses.
    pub loss: f64,
    /// What else.
    #[serde(flatten)]
    pub measured: M,
    /// The learning rate.
    #[serde(rename = "rate")]
    pub learning_rate: f64,
}

impl<M: Measured> StepReport<M> {
    /// The report as the progress line has it.
    pub fn note(&self) -> String {
        format!("loss {:.4} {}", self.loss, self.measured.note())
    }
}

/// A stage in training.
pub trait Stage {
    /// The network that it trains.
    type Net: Staged;
    /// What a step measures besides its loss.
    type Measured: Measured;

    /// What learns.
    fn learner(&self) -> &Learner<Self::Net>;
    /// The same, to be changed.
    fn learner_mut(&mut self) -> &mut Learner<Self::Net>;
    /// Images of a step, and images to show in all.
    fn schedule(&self) -> (i64, u64);
    /// How many real pictures of which side a step gets, and the seed of their order.
    fn pictures(&self) -> Pictures;
    /// Everything that a checkpoint holds, by name, sharing memory.
    fn tensors(&self) -> Vec<(String, Tensor)> {
        self.learner().tensors()
    }
    /// Sees the first pictures, before the first step and after every resume alike.
    ///
    /// # Errors
    /// Those of the loader.
    fn begin(&mut self, _: &mut Loader) -> Result<()> {
        Ok(())
    }
    /// One update with `real` pictures `[N, 3, S, S]`, at `rate`, 0 to 1, of its learning rate.
    ///
    /// # Errors
    /// Those of libtorch.
    fn step(&mut self, real: &Tensor, rate: f64) -> Result<StepReport<Self::Measured>>;
    /// Calibrates what is averaged, after the last step.
    ///
    /// # Errors
    /// Those of the loader.
    fn end(&mut self, _: &mut Loader) -> Result<()> {
        Ok(())
    }
    /// Whether sheets are written at every checkpoint, too, and not at the end alone.
    fn sheets_at_saves(&self) -> bool {
        false
    }
    /// Writes sheets of what was learned.
    ///
    /// # Errors
    /// Those of the loader and of the file system.
    fn write_sheets(&self, loader: &mut Loader, run: &Run) -> Result<()>;
}

/// What a stage wants of the training pictures.
#[derive(Clone, Copy, Debug)]
pub struct Pictures {
    /// Pictures a step.
    pub count: i64,
    /// Their side.
    pub size: i64,
    /// Seed of their order and crops.
    pub seed: u64,
    /// Whether they are pairs of pictures of one person: the first half and the second half of a batch.
    pub pairs: bool,
}

/// Restores the state of an earlier run of the stage, to go on with `config`.
///
/// # Errors
/// [`crate::Error::Checkpoint`].
pub fn restore<S: Stage>(stage: &mut S, checkpoint: &Checkpoint, config: &Config) -> Result<()> {
    checkpoint.check_architecture(config)?;
    checkpoint.restore(&mut stage.tensors())?;
    let learner = stage.learner_mut();
    learner.state = State { config: config.clone(), ..checkpoint.state.clone() };
    learner.saved = Some(learner.state.step);
    Ok(())
}

/// Trains until the configuration's end or Ctrl-C, saving as it goes and at the end.
///
/// # Errors
/// [`crate::Error::Interrupted`] after Ctrl-C (what was trained is saved), [`crate::Error::Diverged`] (it is not).
pub fn train<S: Stage>(
    stage: &mut S,
    store: &Arc<Store>,
    run: &Run,
    save_every: Duration,
    log_every: u64,
) -> Result<()> {
    let (batch, end) = stage.schedule();
    let mut progress = Progress::resumed("training", stage.learner().state.images_seen, end);
    let Pictures { count, size, seed, pairs } = stage.pictures();
    let pick = if pairs { Pick::Pairs(Arc::new(store.people()?)) } else { Pick::Single };
    let what = Batches {
        crops: stage.learner().state.config.crop.clone(),
        seed,
        count: count as usize,
        size: size as usize,
        share: Share::WHOLE,
        pick,
    };
    let start = |first| Loader::start(store.clone(), first, what.clone());
    // What the end mixes and calibrates is done to a finished run once, however often it is resumed.
    let learner = stage.learner();
    let was_finished = learner.state.images_seen >= end && learner.saved == Some(learner.state.step);
    // From the first pictures on, also after a resume: what is made of them must be the same then.
    stage.begin(&mut start(0))?;
    let mut loader = start(stage.learner().state.step);
    let mut cadence = Cadence::start(save_every, log_every);
    let mut note = String::new();
    while stage.learner().state.images_seen < end {
        let real = loader.next_batch()?;
        let report = stage.step(&real, rate(stage.learner().state.images_seen, end))?;
        stage.learner().check_losses()?;
        let state = &mut stage.learner_mut().state;
        state.step += 1;
        state.images_seen += batch as u64;
        state.seconds += cadence.lap();
        if cadence.logs(stage.learner().state.step) {
            run.log(S::Net::NAME, &report)?;
        }
        if progress.is_due() {
            note = report.note();
        }
        progress.advance(batch as u64, &note);
        // At the end it is saved calibrated, or a run that stops between would never be.
        if stage.learner().state.images_seen < end && cadence.saves(&Single) {
            save(stage, run)?;
            if stage.sheets_at_saves() {
                // The first pictures, by a loader of their own: what is trained on must not depend on sheets.
                stage.write_sheets(&mut start(0), run)?;
            }
            cadence.saved(&Single)?;
        }
    }
    progress.finish(&note);
    if !was_finished {
        stage.end(&mut loader)?;
        save(stage, run)?;
    }
    stage.write_sheets(&mut loader, run)
}

/// Writes the checkpoint, unless anything in it is not a finite number.
fn save<S: Stage>(stage: &mut S, run: &Run) -> Result<()> {
    let (tensors, learner) = (stage.tensors(), stage.learner());
    parameters::check_finite(&tensors, learner.state.step, learner.saved)?;
    run.save(S::Net::NAME, &tensors, &learner.state)?;
    let learner = stage.learner_mut();
    learner.saved = Some(learner.state.step);
    Ok(())
}

/// Of the learning rate, 0 to 1: a short rise, then half a cosine down to 0.
fn rate(seen: u64, end: u64) -> f64 {
    let done = (seen as f64 / end.max(1) as f64).min(1.0);
    (done / WARM_UP).min(1.0) * (1.0 + (std::f64::consts::PI * done).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_rises_and_falls_to_nothing() {
        assert_eq!(rate(0, 100), 0.0);
        assert!((rate(50, 100) - 0.5).abs() < 1e-9);
        assert!(rate(2, 100) > 0.99 && rate(100, 100) < 1e-9 && rate(300, 100) < 1e-9);
    }
}
