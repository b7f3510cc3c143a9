//! Running what is measured: warm-up by time and count, then rounds in which everything takes its turn, so that what
//! the machine does meanwhile falls on all alike.

use std::time::Duration;

use super::executor::{Bounds, Executor, Sample, Series, Watch};
use crate::error::Result;

/// Runs at the start of a turn that are not counted: whoever had the last turn left its data in the caches.
const SETTLING: usize = 3;

/// What a run is taken to last at least, so that a clock that stands still does not keep us here for ever.
const SHORTEST: Duration = Duration::from_nanos(1);

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
    executors: &mut [Box<dyn Executor + '_>],
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
    executors: &mut [Box<dyn Executor + '_>],
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
mod tests {
    use super::super::testing::{Checks, Mock};
    use super::*;

    fn bounds(time_ms: u64, samples: usize, rounds: usize) -> Bounds {
        let warmup = Duration::from_millis(5);
        Bounds { warmup, warmup_runs: 4, time: Duration::from_millis(time_ms), samples, rounds }
    }

    #[test]
    fn both_the_time_and_the_number_are_reached_in_every_round() {
        // 30 ms of 1 ms runs in 3 rounds are 10 runs each; 90 runs asked for of the slower one are 30 each.
        let mut executors = vec![Mock::boxed("a", &[1000])];
        let measured = measure(&mut executors, &bounds(30, 5, 3), &mut Checks::default()).unwrap();
        assert!(!measured.interrupted);
        let rounds = |round| measured.series[0].samples.iter().filter(|s| s.round == round).count();
        assert_eq!([rounds(0), rounds(1), rounds(2)], [10, 10, 10]);
        assert_eq!(measured.series[0].measured(), Duration::from_millis(30));

        let mut executors = vec![Mock::boxed("a", &[1000])];
        let measured = measure(&mut executors, &bounds(30, 90, 3), &mut Checks::default()).unwrap();
        assert_eq!(measured.series[0].samples.len(), 90);
    }

    #[test]
    fn warm_up_and_settling_are_left_out_and_the_first_run_is_kept_apart() {
        let mut micros = vec![2000; 40];
        micros[0] = 90_000;
        let mut executors = vec![Mock::boxed("a", &micros)];
        let measured = measure(&mut executors, &bounds(20, 1, 1), &mut Checks::default()).unwrap();
        let series = &measured.series[0];
        assert_eq!(series.first, Duration::from_millis(90));
        // 4 runs of warm-up by number, 3 to settle.
        assert_eq!(series.samples[0].lap.item, 4 + SETTLING as u64);
        assert!(series.totals().iter().all(|t| *t == 2.0));
    }

    #[test]
    fn executors_take_turns() {
        let mut executors = vec![Mock::boxed("a", &[1000]), Mock::boxed("b", &[500])];
        let measured = measure(&mut executors, &bounds(20, 1, 4), &mut Checks::default()).unwrap();
        let [a, b] = measured.series.as_slice() else { panic!("two series") };
        assert_eq!((a.samples.len(), b.samples.len()), (20, 40));
        // The first of b comes before the second round of a.
        assert!(a.samples[5].round == 1 && a.samples[5].at > b.samples[0].at);
        assert!(a.used.wall > Duration::ZERO && a.used.joules.unwrap() > 0.0);
    }

    #[test]
    fn stopping_keeps_what_was_measured() {
        let mut executors = vec![Mock::boxed("a", &[1000]), Mock::boxed("b", &[500])];
        let mut watch = Checks { stop_after: Some(30), ..Checks::default() };
        let measured = measure(&mut executors, &bounds(1000, 1, 10), &mut watch).unwrap();
        assert!(measured.interrupted);
        // Warm-up took 5 and 10 checks, the last of 30 ended it.
        assert_eq!(measured.series.len(), 1);
        assert_eq!(measured.series[0].samples.len(), 16);
        let mut watch = Checks { stop_after: Some(0), ..Checks::default() };
        assert!(measure(&mut executors, &bounds(10, 1, 1), &mut watch).unwrap().series.is_empty());
    }
}
