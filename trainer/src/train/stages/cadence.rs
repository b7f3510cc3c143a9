//! When a training logs, saves and stops: the same for every stage.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::support::interrupt;
use crate::train::ranks::{self, Ranks};

/// The clock of a training loop.
#[derive(Debug)]
pub struct Cadence {
    save_every: Duration,
    log_every: u64,
    saved: Instant,
    step: Instant,
}

impl Cadence {
    /// Begins to count: a checkpoint every `save_every`, a line of the log every `log_every` steps.
    pub fn start(save_every: Duration, log_every: u64) -> Self {
        let now = Instant::now();
        Self { save_every, log_every, saved: now, step: now }
    }

    /// Seconds since the last step.
    pub fn lap(&mut self) -> f64 {
        std::mem::replace(&mut self.step, Instant::now()).elapsed().as_secs_f64()
    }

    /// Whether step number `step` is logged.
    pub fn logs(&self, step: u64) -> bool {
        step.is_multiple_of(self.log_every)
    }

    /// Whether to save now: it is time, or someone asked to stop. Agreed upon, so that all ranks save and stop after the same
    /// step.
    pub fn saves(&self, ranks: &dyn Ranks) -> bool {
        let mut flags = [interrupt::asked(), self.saved.elapsed() >= self.save_every];
        ranks.any(&mut flags);
        flags.contains(&true)
    }

    /// All is saved: stops here if someone asked to.
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`], [`crate::Error::TimeUp`].
    pub fn saved(&mut self, ranks: &dyn Ranks) -> Result<()> {
        self.saved = Instant::now();
        ranks::together(ranks, interrupt::end())
    }
}
