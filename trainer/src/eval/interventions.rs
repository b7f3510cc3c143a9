//! Single changes of latents: another background, another appearance of a part, a keypoint moved.

use tch::{Device, Kind, Tensor};

use crate::augment::part_move::kept_inside;
use crate::nets::keypoint_generator::Latents;

/// How far a keypoint is moved, normalised coordinates: 7.5 % of the picture's side.
pub const STEP: f64 = 0.15;
/// Seed of the directions.
const DIRECTIONS: i64 = 103;

/// Where to move keypoints by [`STEP`], the same in every run: unit vectors `[N, 2]`, on the CPU.
pub(super) fn directions(n: i64) -> Tensor {
    tch::manual_seed(DIRECTIONS);
    let angle = Tensor::rand([n], (Kind::Float, Device::Cpu)) * std::f64::consts::TAU;
    Tensor::stack(&[angle.cos(), angle.sin()], 1)
}

/// The background of `other`.
pub fn with_background(own: &Latents, other: &Latents) -> Latents {
    Latents {
        keypoints: own.keypoints.shallow_clone(),
        embeddings: own.embeddings.shallow_clone(),
        background: other.background.shallow_clone(),
    }
}

/// The appearance of part `k` of `other`.
pub fn with_part(own: &Latents, other: &Latents, k: i64) -> Latents {
    let embeddings = own.embeddings.copy();
    embeddings.narrow(1, k, 1).copy_(&other.embeddings.narrow(1, k, 1));
    Latents {
        keypoints: own.keypoints.shallow_clone(),
        embeddings,
        background: own.background.shallow_clone(),
    }
}

/// Keypoint `k` moved by [`STEP`] along `direction` `[N, 2]`, with the steps `[N, 2]`. A coordinate that would leave
/// the picture goes the other way.
pub fn with_move(own: &Latents, k: i64, direction: &Tensor) -> (Latents, Tensor) {
    let step = direction * STEP;
    let here = own.keypoints.select(1, k);
    let step = kept_inside(&here, &step);
    let keypoints = own.keypoints.copy();
    keypoints.select(1, k).copy_(&(&here + &step));
    let moved = Latents {
        keypoints,
        embeddings: own.embeddings.shallow_clone(),
        background: own.background.shallow_clone(),
    };
    (moved, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_stay_inside_the_picture() {
        let keypoints = Tensor::from_slice(&[0.95f32, 0.0]).view([1, 1, 2]);
        let own = Latents {
            keypoints,
            embeddings: Tensor::zeros([1, 1, 1], (Kind::Float, Device::Cpu)),
            background: Tensor::zeros([1, 1], (Kind::Float, Device::Cpu)),
        };
        let (moved, step) = with_move(&own, 0, &Tensor::from_slice(&[1.0f32, 0.0]).view([1, 2]));
        assert!((moved.keypoints.double_value(&[0, 0, 0]) - 0.8).abs() < 1e-6);
        assert!((step.double_value(&[0, 0]) + STEP).abs() < 1e-6);
        // What is not moved is untouched, also in the latents that were given.
        assert!((own.keypoints.double_value(&[0, 0, 0]) - 0.95).abs() < 1e-6);
    }
}
