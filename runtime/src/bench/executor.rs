//! What is measured, how long, and what comes of it.

use std::time::Duration;

use crate::error::Result;

/// How much of a frame's way a time covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Scope {
    /// A network alone, inputs and outputs in memory.
    #[serde(rename = "network")]
    Network,
    /// The whole way that a user waits for.
    #[serde(rename = "end to end")]
    EndToEnd,
}

impl Scope {
    /// The word used in every table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::EndToEnd => "end to end",
        }
    }
}

/// One run of an [`Executor`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lap {
    /// From beginning to end.
    pub total: Duration,
    /// Time in each of the executor's steps, in their order.
    pub steps: Vec<Duration>,
    /// Which of its inputs it ran on, so that runs can be paired.
    pub item: u64,
    /// Whether there was something to find in the input; `false` for what finds nothing.
    pub found: bool,
}

/// How something is computed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Setting {
    /// The provider in use.
    pub provider: String,
    /// Threads within an operator.
    pub threads: usize,
    /// `stored` (as the weights are), or what the provider makes of them.
    pub precision: String,
}

/// Something that is run again and again. It takes its own time, so that a mock can say what it likes.
pub trait Executor {
    /// A name that is unique in the run.
    fn name(&self) -> String;

    /// What its total covers.
    fn scope(&self) -> Scope;

    /// How it is computed.
    fn setting(&self) -> Setting {
        Setting::default()
    }

    /// Images that one run works on.
    fn batch(&self) -> usize {
        1
    }

    /// Names of its steps, if it has any.
    fn steps(&self) -> &'static [&'static str] {
        &[]
    }

    /// Runs once.
    ///
    /// # Errors
    /// What is measured failed.
    fn run(&mut self) -> Result<Lap>;
}

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Least time of warm-up.
    pub warmup: Duration,
    /// Least runs of warm-up.
    pub warmup_runs: usize,
    /// Least time that is measured, warm-up not counted.
    pub time: Duration,
    /// Least runs that are measured.
    pub samples: usize,
    /// Parts that the time is cut into; everything takes its turn once a part.
    pub rounds: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            warmup: Duration::from_millis(300),
            warmup_runs: 10,
            time: Duration::from_secs(3),
            samples: 100,
            rounds: 10,
        }
    }
}

/// What a process had used up at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Since any fixed moment.
    pub wall: Duration,
    /// Processor time of all threads.
    pub cpu: Duration,
    /// Energy of the board, in joules, where it tells.
    pub joules: Option<f64>,
}

/// Shows progress, says whether to stop, and reads the meters.
pub trait Watch {
    /// Whether to stop now.
    fn stop(&mut self) -> bool {
        false
    }

    /// Called between runs: how much of all is done, 0 to 1, and what is being run.
    fn progress(&mut self, _done: f64, _what: &str) {}

    /// Time since any fixed moment; called after every run, so it must be quick.
    fn now(&mut self) -> Duration {
        Duration::ZERO
    }

    /// What the process has used so far.
    fn reading(&mut self) -> Reading {
        Reading::default()
    }
}

/// A run of a [`Series`].
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// In which round.
    pub round: usize,
    /// When it ended, in seconds after the measuring began.
    pub at: f64,
    /// What it took.
    pub lap: Lap,
}

/// All runs of one executor.
#[derive(Clone, Debug)]
pub struct Series {
    /// [`Executor::name`].
    pub name: String,
    /// [`Executor::scope`].
    pub scope: Scope,
    /// [`Executor::setting`].
    pub setting: Setting,
    /// [`Executor::batch`].
    pub batch: usize,
    /// [`Executor::steps`].
    pub steps: &'static [&'static str],
    /// The first run of all.
    pub first: Duration,
    /// Runs that were measured.
    pub samples: Vec<Sample>,
    /// Used while it had its turns: wall time, processor time, joules.
    pub used: Reading,
}

impl Series {
    pub(super) fn new(executor: &dyn Executor) -> Self {
        Self {
            name: executor.name(),
            scope: executor.scope(),
            setting: executor.setting(),
            batch: executor.batch(),
            steps: executor.steps(),
            first: Duration::ZERO,
            samples: Vec::new(),
            used: Reading::default(),
        }
    }

    pub(super) fn add_use(&mut self, before: Reading, after: Reading) {
        self.used.wall += after.wall.saturating_sub(before.wall);
        self.used.cpu += after.cpu.saturating_sub(before.cpu);
        if let (Some(before), Some(after)) = (before.joules, after.joules) {
            *self.used.joules.get_or_insert(0.0) += after - before;
        }
    }

    /// Times of whole runs, in milliseconds.
    pub fn totals(&self) -> Vec<f64> {
        self.samples.iter().map(|s| ms(s.lap.total)).collect()
    }

    /// Time measured.
    pub fn measured(&self) -> Duration {
        self.samples.iter().map(|s| s.lap.total).sum()
    }
}

/// Milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
