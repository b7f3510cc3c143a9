//! The one rate of an AVI, for frames with times of their own: frames lie on its ticks, and ticks between them stay empty.

use std::time::Duration;

/// Most that a frame may be moved, in seconds.
const NEAR: f64 = 1e-3;

/// Rates that are tried, in ticks a second: those of cameras and films, and of what comes of two of them.
const RATES: [f64; 17] = [
    10.0,
    12.5,
    15.0,
    24_000.0 / 1001.0,
    24.0,
    25.0,
    30_000.0 / 1001.0,
    30.0,
    48.0,
    50.0,
    60_000.0 / 1001.0,
    60.0,
    100.0,
    120.0,
    150.0,
    240.0,
    300.0,
];

/// Ticks a second where no rate fits.
const FINEST: f64 = 1000.0;

/// Most ticks of a file: each takes 24 bytes, and players read them all.
const MOST: f64 = 1e6;

/// Frame rate of a clip of a single frame.
const SINGLE: f64 = 25.0;

/// Which tick each frame lies on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pace {
    /// Ticks a second.
    pub rate: f64,
    /// Ticks of frames, each greater than the one before.
    pub places: Vec<u32>,
    /// Ticks in all: the last frame is shown as long as the one before.
    pub ticks: u32,
}

impl Pace {
    /// The slowest rate that frames at `times` fit within a millisecond.
    pub fn of(times: &[Duration]) -> Self {
        let mean = Self::mean(times);
        let seconds = seconds(times);
        if mean.fits(&seconds) {
            return mean;
        }
        let shortest = seconds.windows(2).map(|w| w[1] - w[0]).fold(f64::INFINITY, f64::min);
        let own = Some(1.0 / shortest).filter(|rate| (0.01..FINEST).contains(rate));
        let fitting =
            own.into_iter().chain(RATES).map(|rate| Self::at(rate, &seconds)).find(|p| p.fits(&seconds));
        fitting.unwrap_or_else(|| {
            let length = seconds.last().copied().unwrap_or_default();
            Self::at(FINEST.min(MOST / length.max(1.0)), &seconds)
        })
    }

    /// One frame a tick, at the mean rate.
    pub fn mean(times: &[Duration]) -> Self {
        let gaps = times.len().saturating_sub(1) as f64;
        let length = seconds(times).last().copied().unwrap_or_default();
        let rate = if gaps > 0.0 && length > 0.0 { gaps / length } else { SINGLE };
        let ticks = times.len() as u32;
        Self { rate, places: (0..ticks).collect(), ticks }
    }

    /// Every frame on the tick that is nearest, but none on that of the one before.
    fn at(rate: f64, seconds: &[f64]) -> Self {
        let mut places: Vec<u32> = Vec::with_capacity(seconds.len());
        for time in seconds {
            let free = places.last().map_or(0, |last| last + 1);
            places.push(((time * rate).round() as u32).max(free));
        }
        let last = places.last().copied().unwrap_or_default();
        let before = places.len().checked_sub(2).and_then(|i| places.get(i)).copied();
        Self { rate, ticks: last + before.map_or(1, |before| last - before), places }
    }

    fn fits(&self, seconds: &[f64]) -> bool {
        let near = |(place, time): (&u32, &f64)| (f64::from(*place) / self.rate - time).abs() <= NEAR;
        self.places.iter().zip(seconds).all(near)
    }

    /// The rate as a fraction, scale and rate, as AVI has it.
    pub fn fraction(&self) -> (u32, u32) {
        fraction(self.rate)
    }
}

/// Ticks a second as a fraction, scale and rate, as AVI has it.
pub(super) fn fraction(ticks: f64) -> (u32, u32) {
    for scale in [1u32, 1001] {
        let rate = (ticks * f64::from(scale)).round();
        let whole = scale == 1 || rate % 1000.0 == 0.0;
        if rate >= 1.0 && whole && (rate / f64::from(scale) / ticks - 1.0).abs() < 1e-6 {
            return (scale, rate as u32);
        }
    }
    ((1e6 / ticks).round().clamp(1.0, 1e9) as u32, 1_000_000)
}

/// Seconds since the first frame, none before the one before.
fn seconds(times: &[Duration]) -> Vec<f64> {
    let first = times.first().copied().unwrap_or_default();
    let mut last = Duration::ZERO;
    let since = |time: &Duration| {
        last = last.max(time.saturating_sub(first));
        last.as_secs_f64()
    };
    times.iter().map(since).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ms: &[f64]) -> Pace {
        Pace::of(&ms.iter().map(|ms| Duration::from_secs_f64(ms / 1e3)).collect::<Vec<_>>())
    }

    #[test]
    fn a_steady_rate_leaves_no_tick_empty() {
        let pace = of(&[500.0, 533.0, 567.0, 600.0]);
        assert_eq!((pace.places, pace.ticks), (vec![0, 1, 2, 3], 4));
        let ntsc: Vec<f64> = (0..300).map(|i| f64::from(i) * 1001.0 / 30.0).collect();
        assert_eq!(of(&ntsc).fraction(), (1001, 30_000));
        assert_eq!(of(&[0.0, 40.0]).fraction(), (1, 25));
        assert_eq!((of(&[7.0]).fraction(), of(&[]).ticks), ((1, 25), 0));
        assert_eq!(of(&[0.0, 80.0, 160.0]).fraction(), (80_000, 1_000_000));
    }

    #[test]
    fn frames_of_two_rates_lie_on_the_ticks_of_one() {
        let pace = of(&[0.0, 1e3 / 30.0, 2e3 / 30.0, 200.0 + 2e3 / 30.0, 400.0 + 2e3 / 30.0]);
        assert_eq!((pace.fraction(), pace.places, pace.ticks), ((1, 30), vec![0, 1, 2, 8, 14], 20));
        // Slow first, and one frame late: found without knowing.
        let pace = of(&[0.0, 200.0, 400.0, 400.0 + 1e3 / 30.0, 400.0 + 3e3 / 30.0]);
        assert_eq!((pace.fraction(), pace.places), ((1, 30), vec![0, 6, 12, 13, 15]));
    }

    #[test]
    fn whatever_comes_is_right_to_a_millisecond() {
        let ms = [0.0, 31.0, 70.0, 99.0, 99.2, 133.0, 2000.0];
        let pace = of(&ms);
        assert_eq!((pace.rate, pace.places), (1000.0, vec![0, 31, 70, 99, 100, 133, 2000]));
        let long = of(&[0.0, 31.0, 3.6e6]);
        assert!(long.ticks < 2_100_000, "{}", long.ticks);
    }
}
