//! How far keypoints may go: as far as the generator's own ones do.

/// What is added to the variance of every coordinate: about half a pixel of 64, below which positions say nothing.
const FLOOR: f64 = 0.016 * 0.016;
/// Share of the generator's own layouts that lie within the limit.
const SHARE: f64 = 0.99;
/// How much further out than the source's own layout keypoints may go, if that lies outside already.
const LEEWAY: f64 = 1.1;

/// The Mahalanobis distance (1936) from the mean of sampled layouts, and the one that nearly all of them stay within.
#[derive(Clone, Debug)]
pub struct Limit {
    mean: Vec<f64>,
    /// Lower triangular factor of the covariance (Cholesky), row by row.
    factor: Vec<Vec<f64>>,
    most: f64,
}

/// `L` of `matrix = L L^T`; a matrix that is not positive definite gives a diagonal of at least the floor.
fn cholesky(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = matrix.len();
    let mut factor = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let below: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
            let rest = matrix[i][j] - below;
            factor[i][j] = if i == j { rest.max(FLOOR).sqrt() } else { rest / factor[j][j] };
        }
    }
    factor
}

impl Limit {
    /// The limit that `samples` set, each a layout of K keypoints.
    pub fn new(samples: &[Vec<[f32; 2]>]) -> Self {
        let flat: Vec<Vec<f64>> =
            samples.iter().map(|s| s.iter().flatten().map(|v| f64::from(*v)).collect()).collect();
        let (n, size) = (flat.len().max(1) as f64, flat.first().map_or(0, Vec::len));
        let mean: Vec<f64> = (0..size).map(|i| flat.iter().map(|s| s[i]).sum::<f64>() / n).collect();
        let mut covariance = vec![vec![0.0; size]; size];
        for sample in &flat {
            for i in 0..size {
                for j in 0..=i {
                    covariance[i][j] += (sample[i] - mean[i]) * (sample[j] - mean[j]) / n;
                }
            }
        }
        covariance.iter_mut().enumerate().for_each(|(i, row)| row[i] += FLOOR);
        let mut limit = Self { mean, factor: cholesky(&covariance), most: 0.0 };
        let mut distances: Vec<f64> = samples.iter().map(|s| limit.distance(s)).collect();
        distances.sort_by(f64::total_cmp);
        let last = ((distances.len() as f64 * SHARE) as usize).min(distances.len().saturating_sub(1));
        limit.most = distances.get(last).copied().unwrap_or(0.0);
        limit
    }

    /// The coordinates of `difference` in units of the samples' spread.
    fn whitened(&self, difference: &[f64]) -> Vec<f64> {
        let mut out: Vec<f64> = Vec::with_capacity(difference.len());
        for (row, value) in self.factor.iter().zip(difference) {
            let below: f64 = row.iter().zip(&out).map(|(l, v)| l * v).sum();
            out.push((value - below) / row[out.len()]);
        }
        out
    }

    /// How far `points` are from the mean layout.
    pub fn distance(&self, points: &[[f32; 2]]) -> f64 {
        let values = points.iter().flatten().map(|v| f64::from(*v));
        let difference: Vec<f64> = values.zip(&self.mean).map(|(v, m)| v - m).collect();
        self.whitened(&difference).iter().map(|v| v * v).sum::<f64>().sqrt()
    }

    /// The distance that nearly all samples stay within.
    pub fn most(&self) -> f64 {
        self.most
    }

    /// The mean layout.
    pub fn mean(&self) -> Vec<[f32; 2]> {
        self.mean.chunks_exact(2).map(|p| [p[0] as f32, p[1] as f32]).collect()
    }

    /// `to`, or where the straight way from `from` to it leaves the limit. A `from` that lies outside widens the limit
    /// to a little beyond itself, so that it can move.
    pub fn keep(&self, from: &[[f32; 2]], to: &[[f32; 2]]) -> Vec<[f32; 2]> {
        let most = self.most.max(LEEWAY * self.distance(from));
        if self.distance(to) <= most {
            return to.to_vec();
        }
        // |a + t b|^2 = most^2 for the whitened start a and way b, t > 0.
        let start: Vec<f64> = from.iter().flatten().zip(&self.mean).map(|(v, m)| f64::from(*v) - m).collect();
        let pairs = from.iter().flatten().zip(to.iter().flatten());
        let way: Vec<f64> = pairs.map(|(a, b)| f64::from(*b) - f64::from(*a)).collect();
        let (a, b) = (self.whitened(&start), self.whitened(&way));
        let dot = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(u, v)| u * v).sum::<f64>();
        let (bb, ab, aa) = (dot(&b, &b), dot(&a, &b), dot(&a, &a));
        if bb < 1e-12 {
            return from.to_vec();
        }
        let root = (ab * ab - bb * (aa - most * most)).max(0.0).sqrt();
        let t = ((root - ab) / bb).clamp(0.0, 1.0) as f32;
        let between = |(a, b): (&[f32; 2], &[f32; 2])| [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
        from.iter().zip(to).map(between).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two points that move together along x by up to 0.4, the second one also along y by up to 0.1.
    fn limit() -> Limit {
        let sample = |i: usize| {
            let (a, b) = ((i % 21) as f32 / 10.0 - 1.0, (i / 21) as f32 / 10.0 - 1.0);
            vec![[0.4 * a, 0.0], [0.4 * a, 0.5 + 0.1 * b]]
        };
        Limit::new(&(0..441).map(sample).collect::<Vec<_>>())
    }

    #[test]
    fn what_samples_do_is_free_and_what_they_never_do_is_kept_back() {
        let limit = limit();
        let mean = limit.mean();
        assert!((mean[1][1] - 0.5).abs() < 1e-5);
        let together = [[0.3, 0.0], [0.3, 0.55]];
        assert_eq!(limit.keep(&mean, &together), together);
        // As far, but one without the other.
        let apart = [[0.3, 0.0], [-0.3, 0.5]];
        let kept = limit.keep(&mean, &apart);
        assert!(limit.distance(&apart) > 4.0 * limit.most());
        assert!((limit.distance(&kept) - limit.most()).abs() < 1e-3, "{}", limit.distance(&kept));
        assert!(kept[0][0] > 0.0 && kept[0][0] < 0.1 && kept[1][0] < 0.0, "along the way: {kept:?}");
    }

    #[test]
    fn a_source_outside_can_still_move() {
        let limit = limit();
        let outside = [[0.2, 0.0], [-0.2, 0.5]];
        let back = [[0.1, 0.0], [-0.1, 0.5]];
        assert_eq!(limit.keep(&outside, &back), back);
        let further = limit.keep(&outside, &[[0.4, 0.0], [-0.4, 0.5]]);
        assert!(further[0][0] > 0.2 && further[0][0] < 0.25, "{further:?}");
        assert_eq!(limit.keep(&outside, &outside), outside);
    }
}
