use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A step of a frame's way, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Compressed bytes to pixels.
    Decode,
    /// Pixels to the network's input.
    Preprocess,
    /// The network.
    Network,
    /// A network that draws.
    Generate,
    /// Drawing.
    Overlay,
    /// Handing the picture to the window.
    Show,
    /// Writing files.
    Write,
    /// From capture (files: from the start of reading) until the frame is shown and written.
    Total,
}

impl Step {
    /// All steps in the order of a frame's way.
    pub const ALL: [Self; 8] = [
        Self::Decode,
        Self::Preprocess,
        Self::Network,
        Self::Generate,
        Self::Overlay,
        Self::Show,
        Self::Write,
        Self::Total,
    ];

    /// Name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Preprocess => "preprocess",
            Self::Network => "network",
            Self::Generate => "generate",
            Self::Overlay => "overlay",
            Self::Show => "show",
            Self::Write => "write",
            Self::Total => "capture to display",
        }
    }
}

/// Ratio of a bin's upper to its lower edge: percentiles are right to 1 %.
const BIN_RATIO: f64 = 1.01;

/// Lower edge of the first bin, in seconds.
const SHORTEST: f64 = 1e-7;

/// Bins up to 1000 s.
const BINS: usize = 2320;

/// Durations of a run however long, in constant memory.
#[derive(Clone, Debug)]
pub struct Histogram {
    bins: Vec<u32>,
    count: u64,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { bins: vec![0; BINS], count: 0, longest: Duration::ZERO }
    }
}

impl Histogram {
    /// Adds a duration.
    pub fn add(&mut self, duration: Duration) {
        let bin = ((duration.as_secs_f64() / SHORTEST).max(1.0).ln() / BIN_RATIO.ln()) as usize;
        let bin = &mut self.bins[bin.min(BINS - 1)];
        *bin = bin.saturating_add(1);
        self.count += 1;
        self.longest = self.longest.max(duration);
    }

    /// How many were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The duration that a share (0 to 1) of all stay at or below, to 1 %; zero if there are none.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        for (bin, n) in self.bins.iter().enumerate() {
            below += u64::from(*n);
            if below >= wanted {
                let middle = SHORTEST * BIN_RATIO.powf(bin as f64 + 0.5);
                return Duration::from_secs_f64(middle).min(self.longest);
            }
        }
        Duration::ZERO
    }

    /// The longest one.
    pub fn longest(&self) -> Duration {
        self.longest
    }
}

/// A line of the latency table; times in milliseconds.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct StepRow {
    /// The step's name.
    #[serde(rename = "stage")]
    pub step: &'static str,
    /// How many frames went through it.
    pub n: u64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Longest.
    pub max_ms: f64,
}

/// Frames that the on-screen numbers look back on.
const RECENT: usize = 90;

/// Clocks the steps of a run.
#[derive(Clone, Debug)]
pub struct Clock {
    steps: [Histogram; Step::ALL.len()],
    /// How long each step took the last time.
    last: [Option<Duration>; Step::ALL.len()],
    /// When the latest frames were done, and how long each took in all.
    recent: VecDeque<(Instant, Duration)>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            steps: std::array::from_fn(|_| Histogram::default()),
            last: [None; Step::ALL.len()],
            recent: VecDeque::with_capacity(RECENT),
        }
    }
}

impl Clock {
    /// Notes how long a step took for one frame.
    pub fn add(&mut self, step: Step, duration: Duration) {
        self.steps[step as usize].add(duration);
        self.last[step as usize] = Some(duration);
        if step == Step::Total {
            if self.recent.len() == RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back((Instant::now(), duration));
        }
    }

    /// How long each step took the last time in milliseconds, with `total` for the whole so far.
    pub fn latest(&self, total: Duration) -> Vec<(&'static str, f64)> {
        let ms = |d: Duration| (d.as_secs_f64() * 1e5).round() / 1e2;
        let steps = Step::ALL.into_iter().filter(|s| *s != Step::Total);
        let rows = steps.filter_map(|s| Some((s.name(), ms(self.last[s as usize]?))));
        rows.chain([(Step::Total.name(), ms(total))]).collect()
    }

    /// A step's durations so far.
    pub fn step(&self, step: Step) -> &Histogram {
        &self.steps[step as usize]
    }

    /// Frames a second over the latest frames; none before there are two.
    pub fn fps(&self) -> Option<f64> {
        let (first, last) = (self.recent.front()?, self.recent.back()?);
        let seconds = last.0.duration_since(first.0).as_secs_f64();
        (seconds > 0.0).then(|| (self.recent.len() - 1) as f64 / seconds)
    }

    /// Median and 90th percentile of the total over the latest frames.
    pub fn recent_latency(&self) -> Option<(Duration, Duration)> {
        let mut totals = [Duration::ZERO; RECENT];
        for (place, (_, total)) in totals.iter_mut().zip(&self.recent) {
            *place = *total;
        }
        let totals = &mut totals[..self.recent.len()];
        totals.sort_unstable();
        let at = |share: f64| totals.get(((totals.len() as f64 * share).ceil() as usize).max(1) - 1).copied();
        Some((at(0.5)?, at(0.9)?))
    }

    /// The latency table: the steps that saw a frame.
    pub fn table(&self) -> Vec<StepRow> {
        let ms = |d: Duration| (d.as_secs_f64() * 1e6).round() / 1e3;
        Step::ALL
            .into_iter()
            .map(|step| (step, self.step(step)))
            .filter(|(_, h)| h.count() > 0)
            .map(|(step, h)| StepRow {
                step: step.name(),
                n: h.count(),
                p50_ms: ms(h.quantile(0.5)),
                p90_ms: ms(h.quantile(0.9)),
                p99_ms: ms(h.quantile(0.99)),
                max_ms: ms(h.longest()),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: Duration, b: Duration) -> bool {
        a.abs_diff(b).as_secs_f64() <= 0.011 * b.as_secs_f64()
    }

    #[test]
    fn percentiles_are_right_to_one_percent() {
        let mut histogram = Histogram::default();
        for i in 1..=1000 {
            histogram.add(Duration::from_micros(10 * i));
        }
        assert!(near(histogram.quantile(0.5), Duration::from_millis(5)));
        assert!(near(histogram.quantile(0.9), Duration::from_millis(9)));
        assert!(near(histogram.quantile(0.99), Duration::from_micros(9900)));
        assert_eq!((histogram.count(), histogram.longest()), (1000, Duration::from_millis(10)));
    }

    #[test]
    fn extremes_have_a_place() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        histogram.add(Duration::ZERO);
        assert_eq!(histogram.quantile(1.0), Duration::ZERO);
        histogram.add(Duration::from_secs(100_000));
        assert!(histogram.quantile(1.0) > Duration::from_secs(900));
    }

    #[test]
    fn the_table_has_the_steps_that_ran() {
        let mut clock = Clock::default();
        for i in 0..200 {
            clock.add(Step::Network, Duration::from_millis(2));
            clock.add(Step::Total, Duration::from_millis(if i < 150 { 50 } else { 10 }));
        }
        let table = clock.table();
        assert_eq!(
            table.iter().map(|r| (r.step, r.n)).collect::<Vec<_>>(),
            [("network", 200), ("capture to display", 200)]
        );
        assert!((table[0].p50_ms - 2.0).abs() < 0.02);
        // The screen shows what was just now: 40 slow frames of the latest 90 leave the median fast.
        let (p50, p90) = clock.recent_latency().unwrap();
        assert_eq!((p50, p90), (Duration::from_millis(10), Duration::from_millis(50)));
        assert!(clock.fps().unwrap() > 100.0);
    }
}
