//! Whether keypoints do anything: the known signs of a failed training are keypoints parked at the border, keypoints
//! on top of each other and keypoints that never move.

use serde::Serialize;
use tch::{Kind, Tensor};

use crate::error::Result;

/// A coordinate beyond this lies at the border.
pub const BORDER: f64 = 0.97;
/// A keypoint that is at the border in more than this share of samples is parked there.
pub const PARKED: f64 = 0.2;
/// Standard deviation over samples (normalised coordinates) below which a keypoint is dead.
pub const DEAD: f64 = 0.05;
/// Mean distance (normalised coordinates) below which two keypoints have collapsed onto each other.
pub const COLLAPSED: f64 = 0.05;
/// Correlation over samples above which two keypoints move as one.
pub const LOCKED: f64 = 0.995;

/// One keypoint over samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeypointStatistics {
    /// Mean position, normalised coordinates.
    pub mean: [f64; 2],
    /// Covariance of x and y: `[xx, xy, yy]`.
    pub covariance: [f64; 3],
    /// Standard deviation, mean of both coordinates.
    pub spread: f64,
    /// Share of samples in which it lies at the border.
    pub border: f64,
}

/// Two keypoints over samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeypointPair {
    /// Which.
    pub keypoints: [usize; 2],
    /// Mean distance, normalised coordinates.
    pub distance: f64,
    /// Correlation of their positions, mean of both coordinates.
    pub correlation: f64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HealthReport {
    /// Samples.
    pub n: usize,
    /// Each keypoint.
    pub keypoints: Vec<KeypointStatistics>,
    /// Pairs that have collapsed.
    pub collapsed: Vec<KeypointPair>,
    /// Pairs that move as one.
    pub locked: Vec<KeypointPair>,
    /// The two that are closest on average; none if there is one keypoint only.
    pub closest: Option<KeypointPair>,
    /// See `HealthReport::score`.
    pub score: f64,
}

/// Examines generated keypoints `[N, K, 2]`.
///
/// # Errors
/// Those of libtorch.
pub fn examine(keypoints: &Tensor) -> Result<HealthReport> {
    let points = keypoints.to_kind(Kind::Double);
    let (n, k) = (points.size()[0] as usize, points.size()[1] as usize);
    let data = Vec::<f64>::try_from(&points.flatten(0, 2))?;
    let at = |i: usize, k_: usize, axis: usize| data[(i * k + k_) * 2 + axis];
    let mean_of = |f: &dyn Fn(usize) -> f64| (0..n).map(f).sum::<f64>() / n.max(1) as f64;
    let found: Vec<KeypointStatistics> = (0..k)
        .map(|j| {
            let mean: [f64; 2] = std::array::from_fn(|a| mean_of(&|i| at(i, j, a)));
            let product =
                |a: usize, b: usize| mean_of(&|i| (at(i, j, a) - mean[a]) * (at(i, j, b) - mean[b]));
            let covariance = [product(0, 0), product(0, 1), product(1, 1)];
            let outside = |i: usize| f64::from(at(i, j, 0).abs() > BORDER || at(i, j, 1).abs() > BORDER);
            KeypointStatistics {
                mean,
                covariance,
                spread: (covariance[0].sqrt() + covariance[2].sqrt()) / 2.0,
                border: mean_of(&outside),
            }
        })
        .collect();
    let pair = |a: usize, b: usize| {
        let distance = mean_of(&|i| (at(i, a, 0) - at(i, b, 0)).hypot(at(i, a, 1) - at(i, b, 1)));
        let along = |axis: usize| {
            let (ma, mb) = (found[a].mean[axis], found[b].mean[axis]);
            let product = mean_of(&|i| (at(i, a, axis) - ma) * (at(i, b, axis) - mb));
            let variances = found[a].covariance[2 * axis] * found[b].covariance[2 * axis];
            // What does not move correlates with nothing.
            if variances > 1e-12 { product / variances.sqrt() } else { 0.0 }
        };
        KeypointPair { keypoints: [a, b], distance, correlation: (along(0) + along(1)) / 2.0 }
    };
    let pairs: Vec<KeypointPair> =
        (0..k).flat_map(|a| (a + 1..k).map(move |b| (a, b))).map(|(a, b)| pair(a, b)).collect();
    let mut report = HealthReport {
        n,
        keypoints: found,
        collapsed: pairs.iter().filter(|p| p.distance < COLLAPSED).cloned().collect(),
        locked: pairs.iter().filter(|p| p.correlation > LOCKED).cloned().collect(),
        closest: pairs.iter().min_by(|a, b| a.distance.total_cmp(&b.distance)).cloned(),
        score: 0.0,
    };
    report.score = report.score();
    Ok(report)
}

impl HealthReport {
    /// One number to compare checkpoints by, 0 at best: the mean over keypoints of the share of samples at the border,
    /// plus 1 for each that is dead or has collapsed onto another.
    fn score(&self) -> f64 {
        let lost = |j: usize, p: &KeypointStatistics| {
            f64::from(p.spread < DEAD) + f64::from(self.collapsed.iter().any(|c| c.keypoints.contains(&j)))
        };
        let sum: f64 = self.keypoints.iter().enumerate().map(|(j, p)| p.border + lost(j, p)).sum();
        sum / self.keypoints.len().max(1) as f64
    }

    /// What is wrong, a line each; one line if nothing is.
    pub fn verdicts(&self, names: &[String]) -> Vec<String> {
        let name = |j: usize| names.get(j).cloned().unwrap_or_else(|| format!("k{j}"));
        let mut lines = vec![];
        for (j, p) in self.keypoints.iter().enumerate() {
            if p.spread < DEAD {
                lines.push(format!(
                    "{} is dead: it moves by {:.3} only (less than {DEAD})",
                    name(j),
                    p.spread
                ));
            }
            if p.border > PARKED {
                lines.push(format!(
                    "{} is parked at the border in {:.0} % of samples",
                    name(j),
                    p.border * 100.0
                ));
            }
        }
        for p in &self.collapsed {
            let [a, b] = p.keypoints;
            lines.push(format!(
                "{} and {} have collapsed: {:.3} apart on average",
                name(a),
                name(b),
                p.distance
            ));
        }
        for p in &self.locked {
            let [a, b] = p.keypoints;
            lines.push(format!("{} and {} move as one (correlation {:.3})", name(a), name(b), p.correlation));
        }
        if lines.is_empty() {
            let k = self.keypoints.len();
            lines.push(format!(
                "all {k} keypoints move, none is parked at the border, none collapsed onto another"
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 moves freely; 1 is at the border half of the time; 2 never moves; 3 sits on 0; 4 moves with 0, far away.
    fn samples() -> Tensor {
        let mut data = vec![];
        for i in 0..200 {
            let (x, y) = (f64::from(i % 20) * 0.04 - 0.4, f64::from(i % 7) * 0.1 - 0.3);
            let far = if i % 2 == 0 { 0.99 } else { 0.5 };
            data.extend([x, y, far, -0.2 + x * 0.3, 0.1, 0.2, x + 0.01, y, x * 0.9 + 0.3, y * 0.9 + 0.3]);
        }
        Tensor::from_slice(&data).view([200, 5, 2])
    }

    #[test]
    fn every_sign_of_failure_is_found_and_named() {
        let r = examine(&samples()).unwrap();
        assert!((r.keypoints[1].border - 0.5).abs() < 1e-9 && r.keypoints[0].border == 0.0);
        assert!(r.keypoints[2].spread < 1e-9 && r.keypoints[0].spread > 0.2);
        assert_eq!(r.collapsed.iter().map(|p| p.keypoints).collect::<Vec<_>>(), [[0, 3]]);
        assert!((r.collapsed[0].distance - 0.01).abs() < 1e-9);
        assert_eq!(r.locked.iter().map(|p| p.keypoints).collect::<Vec<_>>(), [[0, 3], [0, 4], [3, 4]]);
        assert_eq!(r.closest.as_ref().unwrap().keypoints, [0, 3]);
        // Border 0.5, one dead, two collapsed, of five.
        assert!((r.score - 3.5 / 5.0).abs() < 1e-9, "{}", r.score);
        let text = r.verdicts(&["eye".into()]).join("\n");
        for part in ["k2 is dead", "k1 is parked", "eye and k3 have collapsed", "eye and k4 move as one"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn sound_keypoints_get_one_line() {
        let r = examine(&samples().narrow(1, 0, 1)).unwrap();
        assert_eq!((r.score, r.closest.clone()), (0.0, None));
        assert_eq!(r.verdicts(&[]).len(), 1);
    }
}
