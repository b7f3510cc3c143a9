//! What the detector minimises.

use tch::{Kind, Tensor};

use crate::losses::confidence::square_distance;
use crate::losses::named::detector as named;
use crate::losses::{self, Terms};
use crate::nets::detector::Detection;
use crate::nets::heatmap;
use crate::train::optim::parameters;

/// Weight of the cross entropy between heat maps and Gaussians: dense guidance for where the soft-argmax peaks.
const HEAT_WEIGHT: f64 = 0.2;
/// Weight of the confidence's cross entropy.
const CONFIDENCE_WEIGHT: f64 = 0.1;
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
    /// `[N, K]`: 1 where the state counts.
    pub state_weight: Tensor,
    /// `[N, 1]`: how much the confidence counts.
    pub confidence_weight: Tensor,
    /// `[N, K, S]`, where they are known.
    pub states: Option<Tensor>,
}

/// Adds what generated pairs ask; returns the mean distance.
pub(super) fn add_pairs(terms: &mut Terms, seen: &Detection, batch: &Batch) -> f64 {
    let distance = distance(&seen.keypoints, batch);
    let shown = distance.shallow_clone();
    terms.add(&named::DISTANCE, 1.0, distance);
    terms.add(&named::HEAT, HEAT_WEIGHT, heat_cross_entropy(seen, batch));
    terms.add(&named::CONFIDENCE, CONFIDENCE_WEIGHT, confidence(seen, batch));
    parameters::value(&shown)
}

/// Adds what known states ask, with `weight`; returns their mean difference. None where there are none.
pub(super) fn add_states(terms: &mut Terms, seen: &Detection, batch: &Batch, weight: f64) -> Option<f64> {
    let (seen, known) = seen.states.as_ref().zip(batch.states.as_ref())?;
    let each = (seen - known).abs().mean_dim([-1i64].as_slice(), false, Kind::Float);
    let off = (each * &batch.state_weight).sum(Kind::Float) / (batch.state_weight.sum(Kind::Float) + 1e-6);
    let shown = parameters::value(&off);
    terms.add(&named::STATES, weight, off);
    Some(shown)
}

/// Adds what real pictures ask, the distance with `weight`; returns the mean distance. Real faces are faces: what is learned
/// from generated ones alone takes dark ones for none. That counts once whatever the weight: pictures without a face are to
/// be outnumbered no further.
pub(super) fn add_real(terms: &mut Terms, seen: &Detection, batch: &Batch, weight: f64) -> f64 {
    let distance = distance(&seen.keypoints, batch);
    let shown = distance.shallow_clone();
    let mut real = Terms::default();
    real.add(&named::EQUIVARIANCE, weight, distance);
    real.add(&named::REAL_CONFIDENCE, CONFIDENCE_WEIGHT, confidence(seen, batch));
    terms.add_sum(real);
    parameters::value(&shown)
}

fn confidence(seen: &Detection, batch: &Batch) -> Tensor {
    let off = square_distance(&seen.keypoints, &batch.keypoints);
    losses::confidence::confidence(&seen.confidence, &off, &batch.weight, &batch.confidence_weight)
}

/// Mean distance over the keypoints that count.
fn distance(keypoints: &Tensor, batch: &Batch) -> Tensor {
    // The constant keeps the gradient finite at 0.
    let distance = (square_distance(keypoints, &batch.keypoints) + 1e-6).sqrt();
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
