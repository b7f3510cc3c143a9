//! What the detector minimises.

use tch::{Kind, Tensor};

use crate::nets::detector::Detection;
use crate::nets::heatmap;

/// Weight of the cross entropy between heat maps and Gaussians: dense guidance for where the soft-argmax peaks.
const HEAT_WEIGHT: f64 = 0.2;
/// Weight of the confidence's cross entropy.
const CONFIDENCE_WEIGHT: f64 = 0.1;
/// Error (normalised coordinates) at which the wanted confidence is `exp(-1/2)`: wide, about half the distance of a large
/// face's eyes, so that it tells whether the part is there and not how well a hard picture shows it.
const CONFIDENCE_SCALE: f64 = 0.35;
/// Standard deviation of a heat map's target, in cells.
const HEAT_DEVIATION: f64 = 1.5;

/// A batch with what is known of it.
pub(super) struct Batch {
    /// `[N, 3, D, D]` in [-1, 1].
    pub images: Tensor,
    /// `[N, K, 2]`, normalised coordinates.
    pub keypoints: Tensor,
    /// `[N, K]`: 1 where the position counts.
    pub weight: Tensor,
    /// `[N, 1]`: how much the confidence counts.
    pub sureness_weight: Tensor,
}

/// Loss on generated pairs and the plain mean distance.
pub(super) fn supervised(seen: &Detection, batch: &Batch) -> (Tensor, Tensor) {
    let distance = weighted_distance(&seen.keypoints, batch);
    let loss = &distance + heat_cross_entropy(seen, batch) * HEAT_WEIGHT + sureness(seen, batch);
    (loss, distance)
}

/// Weighted cross entropy of the confidence: 1 is wanted where a keypoint is found, 0 where it is far off, outside of the
/// picture, or where there is none.
pub(super) fn sureness(seen: &Detection, batch: &Batch) -> Tensor {
    let off = square_distance(&seen.keypoints, batch).detach();
    let sure = (off / (-2.0 * CONFIDENCE_SCALE * CONFIDENCE_SCALE)).exp() * &batch.weight;
    let weight = Some(&batch.sureness_weight);
    seen.confidence.binary_cross_entropy_with_logits(&sure, weight, None, tch::Reduction::Mean)
        * CONFIDENCE_WEIGHT
}

/// `[N, K]`.
fn square_distance(keypoints: &Tensor, batch: &Batch) -> Tensor {
    (keypoints - &batch.keypoints).square().sum_dim_intlist([-1i64].as_slice(), false, Kind::Float)
}

/// Mean distance over the keypoints that count.
pub(super) fn weighted_distance(keypoints: &Tensor, batch: &Batch) -> Tensor {
    // The constant keeps the gradient finite at 0.
    let distance = (square_distance(keypoints, batch) + 1e-6).sqrt();
    (distance * &batch.weight).sum(Kind::Float) / (batch.weight.sum(Kind::Float) + 1e-6)
}

/// Cross entropy between the heat maps and Gaussians round the known positions, mean over those that count.
fn heat_cross_entropy(seen: &Detection, batch: &Batch) -> Tensor {
    let side = seen.heat_logits.size()[2];
    let deviation = 2.0 * HEAT_DEVIATION / side as f64;
    let pose = heatmap::Pose::natural(batch.keypoints.shallow_clone());
    let target = heatmap::parts(&pose, 2.0 * deviation * deviation, side).flatten(2, 3);
    let target = &target / (target.sum_dim_intlist([-1i64].as_slice(), true, Kind::Float) + 1e-6);
    let log = seen.heat_logits.flatten(2, 3).log_softmax(-1, Kind::Float);
    let each = -(target * log).sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
    (each * &batch.weight).sum(Kind::Float) / (batch.weight.sum(Kind::Float) + 1e-6)
}
