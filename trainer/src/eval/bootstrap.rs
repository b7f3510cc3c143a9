//! Bootstrap intervals of a mean.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Resamples drawn.
pub const RESAMPLES: usize = 2_000;
/// Seed of the resamples.
const SEED: u64 = 23;

/// 95 % percentile interval of the mean of `values` (Efron, 1979): the 2.5 and 97.5 % points of the means of
/// [`RESAMPLES`] resamples, each as large as `values` and drawn from it with replacement. NaN if there is none.
pub fn interval(values: &[f64]) -> [f64; 2] {
    if values.is_empty() {
        return [f64::NAN; 2];
    }
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let n = values.len();
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| (0..n).map(|_| values[rng.random_range(0..n)]).sum::<f64>() / n as f64)
        .collect();
    means.sort_by(f64::total_cmp);
    [quantile(&means, 0.025), quantile(&means, 0.975)]
}

/// Quantile of sorted values, interpolated linearly.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_large_sample_is_the_textbook_one() {
        // 0 to 999: mean 499.5, standard error 288.7 / sqrt(1000) = 9.13, so 499.5 +/- 17.9.
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let [low, high] = interval(&values);
        assert!((low - (499.5 - 17.9)).abs() < 1.5 && (high - (499.5 + 17.9)).abs() < 1.5, "{low} {high}");
        assert_eq!(interval(&values), [low, high]);
    }

    #[test]
    fn a_skewed_sample_has_a_skewed_interval_and_one_value_none() {
        let mut values = vec![1.0; 30];
        values.push(100.0);
        let mean = values.iter().sum::<f64>() / 31.0;
        let [low, high] = interval(&values);
        assert!(high - mean > 1.5 * (mean - low) && low == 1.0, "{low} {mean} {high}");
        assert_eq!(interval(&[4.0]), [4.0, 4.0]);
        assert!(interval(&[])[0].is_nan());
    }
}
