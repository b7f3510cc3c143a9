//! What is said of a set of times. Nothing here knows what was measured, so everything is tested on numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

/// Draws of the bootstrap: enough for a 95 % interval that is stable to a hundredth of its width.
const DRAWS: usize = 2000;

/// Describes a set of times, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many times there are.
    pub n: usize,
    /// Shortest.
    pub min: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of the sample.
    pub sd: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Longest.
    pub max: f64,
    /// Standard deviation divided by the mean.
    pub cv: f64,
}

impl Summary {
    /// Describes `times`, in milliseconds; none if there are none.
    pub fn of(times: &[f64]) -> Option<Self> {
        let sorted = sorted(times);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let n = sorted.len();
        let mean = sorted.iter().sum::<f64>() / n as f64;
        let squares: f64 = sorted.iter().map(|t| (t - mean).powi(2)).sum();
        let sd = if n > 1 { (squares / (n - 1) as f64).sqrt() } else { 0.0 };
        let at = |share: f64| quantile(&sorted, share);
        Some(Self {
            n,
            min,
            mean,
            sd,
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max,
            cv: if mean > 0.0 { sd / mean } else { 0.0 },
        })
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// The value that a `share` (0 to 1) of `sorted` values stays at or below (nearest rank, so that it is one that was
/// measured); 0 if there are none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(0.0)
}

/// The median, between the two middle values where their number is even; none of none.
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let n = sorted.len();
    match n {
        0 => None,
        _ if n % 2 == 1 => Some(sorted[n / 2]),
        _ => Some((sorted[n / 2 - 1] + sorted[n / 2]) / 2.0),
    }
}

/// Standard deviation of `values` over their mean; 0 for fewer than two.
pub fn variation(values: &[f64]) -> f64 {
    Summary::of(values).map_or(0.0, |s| s.cv)
}

/// A ratio with the interval that holds it with a probability of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The estimate.
    pub ratio: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Ratio {
    /// Whether the interval leaves out 1, equality.
    pub fn differs(&self) -> bool {
        self.low > 1.0 || self.high < 1.0
    }
}

/// Median of `a` over median of `b`, with a bootstrap interval; none where either is empty. The values must be
/// independent of each other: medians of rounds, not the single times of one round.
pub fn ratio(a: &[f64], b: &[f64]) -> Option<Ratio> {
    let estimate = median(a)? / median(b)?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let draws = (0..DRAWS).filter_map(|_| {
        let (a, b) = (resample(a, &mut rng), resample(b, &mut rng));
        Some(median(&a)? / median(&b)?)
    });
    Some(interval(estimate, draws.collect()))
}

/// Median of the ratios of pairs, with a bootstrap interval; none where there are no pairs. What is common to the
/// two of a pair (the picture, the moment) cancels out.
pub fn paired_ratio(pairs: &[(f64, f64)]) -> Option<Ratio> {
    let ratios: Vec<f64> = pairs.iter().map(|(a, b)| a / b).collect();
    let estimate = median(&ratios)?;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let draws = (0..DRAWS).filter_map(|_| median(&resample(&ratios, &mut rng)));
    Some(interval(estimate, draws.collect()))
}

fn resample(values: &[f64], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let index = |r: u64| ((u128::from(r) * values.len() as u128) >> 64) as usize;
    (0..values.len()).map(|_| values[index(rng.next_u64())]).collect()
}

fn interval(estimate: f64, draws: Vec<f64>) -> Ratio {
    let draws = sorted(&draws);
    Ratio { ratio: estimate, low: quantile(&draws, 0.025), high: quantile(&draws, 0.975) }
}

/// Two-sided p value of the Mann-Whitney U test: how likely ranks as far apart as these are if `a` and `b` come from
/// the same distribution. Normal approximation with corrections for ties and continuity (Mann and Whitney, 1947);
/// 1 where there is nothing to tell them apart by.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    let (m, n) = (a.len() as f64, b.len() as f64);
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    let mut all: Vec<(f64, bool)> = a.iter().map(|v| (*v, true)).collect();
    all.extend(b.iter().map(|v| (*v, false)));
    all.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
    let (mut rank_sum, mut ties, mut at) = (0.0, 0.0, 0);
    while at < all.len() {
        let same = all[at..].iter().take_while(|v| v.0 == all[at].0).count();
        // Values that are equal share the mean of their ranks.
        let rank = at as f64 + (same as f64 + 1.0) / 2.0;
        rank_sum += rank * all[at..at + same].iter().filter(|v| v.1).count() as f64;
        ties += (same as f64).powi(3) - same as f64;
        at += same;
    }
    let u = rank_sum - m * (m + 1.0) / 2.0;
    let total = m + n;
    let variance = m * n / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)).max(1.0));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = ((u - m * n / 2.0).abs() - 0.5).max(0.0) / variance.sqrt();
    (2.0 * upper_tail(z)).min(1.0)
}

/// Probability that a normal variable exceeds `z` >= 0, to 1e-7 (Abramowitz and Stegun, 26.2.17).
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let series = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let sum = series.iter().rev().fold(0.0, |s, c| (s + c) * t);
    (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64, slack: f64) -> bool {
        (a - b).abs() <= slack
    }

    #[test]
    fn a_summary_of_the_numbers_to_a_thousand() {
        let times: Vec<f64> = (1..=1000).rev().map(f64::from).collect();
        let s = Summary::of(&times).unwrap();
        assert_eq!((s.n, s.min, s.max, s.mean), (1000, 1.0, 1000.0, 500.5));
        assert_eq!((s.p50, s.p90, s.p95, s.p99, s.p999), (500.0, 900.0, 950.0, 990.0, 999.0));
        assert!(near(s.sd, 288.819, 1e-3) && near(s.cv, s.sd / 500.5, 1e-12));
        assert_eq!(Summary::of(&[]), None);
        let one = Summary::of(&[3.0]).unwrap();
        assert_eq!((one.p50, one.p999, one.sd), (3.0, 3.0, 0.0));
    }

    #[test]
    fn medians_of_even_numbers_lie_between() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[9.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median(&[]), None);
    }

    /// Noise with a fixed seed, about 1 wide.
    fn noisy(seed: u64, n: usize, centre: f64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| centre + (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64 - 0.5).collect()
    }

    #[test]
    fn equal_distributions_do_not_differ_and_unequal_ones_do() {
        let same = ratio(&noisy(1, 20, 10.0), &noisy(2, 20, 10.0)).unwrap();
        assert!(!same.differs(), "{same:?}");
        let slower = ratio(&noisy(3, 20, 11.0), &noisy(4, 20, 10.0)).unwrap();
        assert!(slower.differs() && near(slower.ratio, 1.1, 0.04), "{slower:?}");
        assert!(slower.low < slower.ratio && slower.ratio < slower.high);
    }

    #[test]
    fn pairs_show_what_scatter_hides() {
        // Pictures differ by a factor of ten, the programs by 2 %.
        let pairs: Vec<_> = (1..=30).map(|i| (1.02 * f64::from(i), f64::from(i))).collect();
        let (a, b): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
        assert!(!ratio(&a, &b).unwrap().differs());
        let paired = paired_ratio(&pairs).unwrap();
        assert!(paired.differs() && near(paired.ratio, 1.02, 1e-9));
    }

    #[test]
    fn the_rank_test_agrees_with_published_values() {
        // The example of SciPy's mannwhitneyu(method="asymptotic").
        let a = [19.0, 22.0, 16.0, 29.0, 24.0];
        let b = [20.0, 11.0, 17.0, 12.0];
        assert!(near(mann_whitney(&a, &b), 0.1113, 5e-4), "{}", mann_whitney(&a, &b));
        assert_eq!(mann_whitney(&[1.0, 1.0], &[1.0, 1.0]), 1.0);
        assert!(mann_whitney(&noisy(1, 12, 10.0), &noisy(2, 12, 10.0)) > 0.05);
        assert!(mann_whitney(&noisy(1, 12, 11.5), &noisy(2, 12, 10.0)) < 0.001);
        // Too few to tell anything, however far apart.
        assert!(mann_whitney(&[1.0, 2.0], &[50.0, 60.0]) > 0.05);
    }
}
