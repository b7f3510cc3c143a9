//! The loop that the stages after the generator's share: batches of real pictures in, records and checkpoints out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tch::Tensor;

use crate::config::Config;
use crate::dataset::{Loader, Pick, Store};
use crate::error::{Error, Result};
use crate::support::interrupt;
use crate::support::progress::Progress;
use crate::support::share::Share;
use crate::train::run::Run;
use crate::train::run::checkpoint::{Checkpoint, State};
use crate::train::run::stored::Staged;
use crate::train::stages::learner::Learner;

/// Part of the training over which the step length rises.
const WARM_UP: f64 = 0.02;

/// What a step measured; also a line of the log.
pub trait Report: Serialize {
    /// The total loss.
    fn loss(&self) -> f64;
    /// The report as the progress line has it.
    fn note(&self) -> String;
}

/// A stage in training.
pub trait Stage {
    /// The network that it trains.
    type Net: Staged;
    /// What a step measures.
    type Report: Report;

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
    /// One update with `real` pictures `[N, 3, S, S]`, at the step length that the schedule's `rate` (0 to 1) says.
    ///
    /// # Errors
    /// Those of libtorch.
    fn step(&mut self, real: &Tensor, rate: f64) -> Result<Self::Report>;
    /// Calibrates what is averaged, after the last step.
    ///
    /// # Errors
    /// Those of the loader.
    fn end(&mut self, _: &mut Loader) -> Result<()> {
        Ok(())
    }
    /// Whether sheets are written at every checkpoint, too, and not at the end alone.
    fn draws_at_saves(&self) -> bool {
        false
    }
    /// Writes sheets of what was learned.
    ///
    /// # Errors
    /// Those of the loader and of the file system.
    fn draw(&self, loader: &mut Loader, run: &Run) -> Result<()>;
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
/// [`Error::Checkpoint`].
pub fn restore<S: Stage>(stage: &mut S, checkpoint: &Checkpoint, config: &Config) -> Result<()> {
    checkpoint.check_architecture(config)?;
    checkpoint.restore(&mut stage.tensors())?;
    stage.learner_mut().state = State { config: config.clone(), ..checkpoint.state.clone() };
    Ok(())
}

/// Trains until the configuration's end or Ctrl-C, saving as it goes and at the end.
///
/// # Errors
/// [`Error::Interrupted`] after Ctrl-C (what was trained is saved), [`Error::Diverged`] (it is not).
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
    let crops = stage.learner().state.config.crop.clone();
    let start = |first| {
        let (count, size) = (count as usize, size as usize);
        Loader::start(store.clone(), crops.clone(), seed, count, size, first, Share::WHOLE, pick.clone())
    };
    // From the first pictures on, also after a resume: what is made of them must be the same then.
    stage.begin(&mut start(0))?;
    let mut loader = start(stage.learner().state.step);
    let (mut saved, mut clock) = (Instant::now(), Instant::now());
    let mut note = String::new();
    while stage.learner().state.images_seen < end {
        let real = loader.next_batch()?;
        let report = stage.step(&real, rate(stage.learner().state.images_seen, end))?;
        if !report.loss().is_finite() {
            return Err(Error::Diverged(format!(
                "training diverged at step {} (the loss is not a number)",
                stage.learner().state.step + 1
            )));
        }
        let state = &mut stage.learner_mut().state;
        state.step += 1;
        state.images_seen += batch as u64;
        state.seconds += clock.elapsed().as_secs_f64();
        clock = Instant::now();
        if stage.learner().state.step.is_multiple_of(log_every) {
            run.log(S::Net::NAME, &report)?;
        }
        if progress.is_due() {
            note = report.note();
        }
        progress.advance(batch as u64, &note);
        if interrupt::asked() || saved.elapsed() >= save_every {
            run.save(S::Net::NAME, &stage.tensors(), &stage.learner().state)?;
            if stage.draws_at_saves() {
                // The first pictures, by a loader of their own: what is trained on must not depend on sheets.
                stage.draw(&mut start(0), run)?;
            }
            saved = Instant::now();
            interrupt::end()?;
        }
    }
    progress.finish(&note);
    stage.end(&mut loader)?;
    run.save(S::Net::NAME, &stage.tensors(), &stage.learner().state)?;
    stage.draw(&mut loader, run)
}

/// Of the step length, 0 to 1: a short rise, then half a cosine down to 0.
fn rate(seen: u64, end: u64) -> f64 {
    let done = (seen as f64 / end.max(1) as f64).min(1.0);
    (done / WARM_UP).min(1.0) * (1.0 + (std::f64::consts::PI * done).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_length_rises_and_falls_to_nothing() {
        assert_eq!(rate(0, 100), 0.0);
        assert!((rate(50, 100) - 0.5).abs() < 1e-9);
        assert!(rate(2, 100) > 0.99 && rate(100, 100) < 1e-9 && rate(300, 100) < 1e-9);
    }
}
