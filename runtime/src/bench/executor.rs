//! Running what is measured: warm-up by time and count, then rounds in which everything takes its turn, so that what
//! the machine does meanwhile falls on all alike.

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

/// Runs at the start of a turn that are not counted: whoever had the last turn left its data in the caches.
const SETTLING: usize = 3;

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

/// Told how it goes, asked whether to stop, and reads the meters.
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
    fn new(executor: &dyn Executor) -> Self {
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

    fn add_use(&mut self, before: Reading, after: Reading) {
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

/// What a run is taken to last at least, so that a clock that stands still does not keep us here for ever.
const SHORTEST: Duration = Duration::from_nanos(1);

/// Milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// What [`measure`] gives.
#[derive(Clone, Debug)]
pub struct Measured {
    /// A series for every executor that was run at least once after warm-up.
    pub series: Vec<Series>,
    /// Whether it was cut short by [`Watch::stop`].
    pub interrupted: bool,
}

/// Warms up and measures `executors`.
///
/// # Errors
/// An executor failed.
pub fn measure(
    executors: &mut [Box<dyn Executor>],
    bounds: &Bounds,
    watch: &mut dyn Watch,
) -> Result<Measured> {
    let mut series: Vec<Series> = executors.iter().map(|e| Series::new(e.as_ref())).collect();
    let interrupted = !take_turns(executors, &mut series, bounds, watch)?;
    series.retain(|s| !s.samples.is_empty());
    Ok(Measured { series, interrupted })
}

/// Warm-up, then the rounds; `false` if it was stopped on the way.
fn take_turns(
    executors: &mut [Box<dyn Executor>],
    series: &mut [Series],
    bounds: &Bounds,
    watch: &mut dyn Watch,
) -> Result<bool> {
    let rounds = bounds.rounds.max(1);
    // Every turn takes about as long as the others, and warming up all about as long as a round.
    let turns = (executors.len() * (rounds + 1)) as f64;
    let mut turn = 0.0;
    for (executor, series) in executors.iter_mut().zip(series.iter_mut()) {
        if !warm_up(executor.as_mut(), series, bounds, watch, turn / turns)? {
            return Ok(false);
        }
        turn += 1.0;
    }
    let start = watch.now();
    for round in 0..rounds {
        for (executor, series) in executors.iter_mut().zip(series.iter_mut()) {
            for _ in 0..SETTLING {
                executor.run()?;
            }
            let before = watch.reading();
            let (mut spent, mut runs) = (Duration::ZERO, 0);
            let (time, samples) = (bounds.time.div_f64(rounds as f64), bounds.samples.div_ceil(rounds));
            let mut stopped = false;
            while !stopped && (spent < time || runs < samples) {
                watch.progress(turn / turns, &series.name);
                let lap = executor.run()?;
                spent += lap.total.max(SHORTEST);
                runs += 1;
                let at = watch.now().saturating_sub(start).as_secs_f64();
                series.samples.push(Sample { round, at, lap });
                stopped = watch.stop();
            }
            series.add_use(before, watch.reading());
            if stopped {
                return Ok(false);
            }
            turn += 1.0;
        }
    }
    Ok(true)
}

fn warm_up(
    executor: &mut dyn Executor,
    series: &mut Series,
    bounds: &Bounds,
    watch: &mut dyn Watch,
    done: f64,
) -> Result<bool> {
    let (mut spent, mut runs) = (Duration::ZERO, 0);
    while spent < bounds.warmup || runs < bounds.warmup_runs {
        if watch.stop() {
            return Ok(false);
        }
        watch.progress(done, "warm-up");
        let lap = executor.run()?;
        if runs == 0 {
            series.first = lap.total;
        }
        spent += lap.total.max(SHORTEST);
        runs += 1;
    }
    Ok(true)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Says that it took what it was told, again and again from the start.
    pub(in crate::bench) struct Mock {
        pub name: &'static str,
        pub micros: Vec<u64>,
        pub runs: usize,
    }

    impl Mock {
        pub(in crate::bench) fn boxed(name: &'static str, micros: &[u64]) -> Box<dyn Executor> {
            Box::new(Self { name, micros: micros.to_vec(), runs: 0 })
        }
    }

    impl Executor for Mock {
        fn name(&self) -> String {
            self.name.to_owned()
        }

        fn scope(&self) -> Scope {
            Scope::EndToEnd
        }

        fn steps(&self) -> &'static [&'static str] {
            &["first half", "second half"]
        }

        fn run(&mut self) -> Result<Lap> {
            let total = Duration::from_micros(self.micros[self.runs % self.micros.len()]);
            let item = (self.runs % self.micros.len()) as u64;
            self.runs += 1;
            Ok(Lap { total, steps: vec![total / 2, total / 2], item, found: true })
        }
    }

    /// Stops after so many looks, and counts what it is told.
    #[derive(Default)]
    pub(in crate::bench) struct Looks {
        pub stop_after: Option<usize>,
        pub looks: usize,
        pub most: f64,
    }

    impl Watch for Looks {
        fn stop(&mut self) -> bool {
            self.looks += 1;
            self.stop_after.is_some_and(|n| self.looks > n)
        }

        fn progress(&mut self, done: f64, _what: &str) {
            assert!(done >= self.most, "progress never goes back");
            self.most = done;
        }

        fn now(&mut self) -> Duration {
            Duration::from_millis(self.looks as u64)
        }

        fn reading(&mut self) -> Reading {
            let wall = self.now();
            Reading { wall, cpu: wall / 2, joules: Some(self.looks as f64) }
        }
    }

    fn bounds(time_ms: u64, samples: usize, rounds: usize) -> Bounds {
        let warmup = Duration::from_millis(5);
        Bounds { warmup, warmup_runs: 4, time: Duration::from_millis(time_ms), samples, rounds }
    }

    #[test]
    fn both_the_time_and_the_number_are_reached_in_every_round() {
        // 30 ms of 1 ms runs in 3 rounds are 10 runs each; 90 runs asked for of the slower one are 30 each.
        let mut executors = vec![Mock::boxed("a", &[1000])];
        let measured = measure(&mut executors, &bounds(30, 5, 3), &mut Looks::default()).unwrap();
        assert!(!measured.interrupted);
        let rounds = |round| measured.series[0].samples.iter().filter(|s| s.round == round).count();
        assert_eq!([rounds(0), rounds(1), rounds(2)], [10, 10, 10]);
        assert_eq!(measured.series[0].measured(), Duration::from_millis(30));

        let mut executors = vec![Mock::boxed("a", &[1000])];
        let measured = measure(&mut executors, &bounds(30, 90, 3), &mut Looks::default()).unwrap();
        assert_eq!(measured.series[0].samples.len(), 90);
    }

    #[test]
    fn warm_up_and_settling_are_left_out_and_the_first_run_is_kept_apart() {
        let mut micros = vec![2000; 40];
        micros[0] = 90_000;
        let mut executors = vec![Mock::boxed("a", &micros)];
        let measured = measure(&mut executors, &bounds(20, 1, 1), &mut Looks::default()).unwrap();
        let series = &measured.series[0];
        assert_eq!(series.first, Duration::from_millis(90));
        // 4 runs of warm-up by number, 3 to settle.
        assert_eq!(series.samples[0].lap.item, 4 + SETTLING as u64);
        assert!(series.totals().iter().all(|t| *t == 2.0));
    }

    #[test]
    fn executors_take_turns() {
        let mut executors = vec![Mock::boxed("a", &[1000]), Mock::boxed("b", &[500])];
        let measured = measure(&mut executors, &bounds(20, 1, 4), &mut Looks::default()).unwrap();
        let [a, b] = measured.series.as_slice() else { panic!("two series") };
        assert_eq!((a.samples.len(), b.samples.len()), (20, 40));
        // The first of b comes before the second round of a.
        assert!(a.samples[5].round == 1 && a.samples[5].at > b.samples[0].at);
        assert!(a.used.wall > Duration::ZERO && a.used.joules.unwrap() > 0.0);
    }

    #[test]
    fn stopping_keeps_what_was_measured() {
        let mut executors = vec![Mock::boxed("a", &[1000]), Mock::boxed("b", &[500])];
        let mut watch = Looks { stop_after: Some(30), ..Looks::default() };
        let measured = measure(&mut executors, &bounds(1000, 1, 10), &mut watch).unwrap();
        assert!(measured.interrupted);
        // Warm-up took 5 and 10 looks, the last of 30 ended it.
        assert_eq!(measured.series.len(), 1);
        assert_eq!(measured.series[0].samples.len(), 16);
        let mut watch = Looks { stop_after: Some(0), ..Looks::default() };
        assert!(measure(&mut executors, &bounds(10, 1, 1), &mut watch).unwrap().series.is_empty());
    }
}
