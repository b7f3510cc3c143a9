//! One network for each noise, and embeddings in product form (method: three MLPs).

use std::borrow::Borrow;

use tch::Tensor;
use tch::nn::{Init, Path};

use super::{Mlp, Noise, Parts};
use crate::config::Architecture;
use crate::nets::layers::Norm;

/// `w_k = w * c_k`: parts co-vary in a sample, and yet any of them can be overwritten.
#[derive(Debug)]
pub struct Product {
    /// `z_pose -> 2 K` values, before the divisor and tanh.
    pub pose: Mlp,
    /// `z_appearance -> E`, the embedding `w` shared by all parts.
    pub appearance: Mlp,
    /// `[K, E]`: what of the shared embedding each part takes.
    pub part_constants: Tensor,
    /// What the pose network's output is divided by before tanh.
    pub divisor: f64,
}

impl Product {
    pub(super) fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        let (k, z, e, h) = (arch.keypoints, arch.latent, arch.embedding, arch.mlp_hidden);
        let appearance = Mlp::new(p / "appearance", z, h, e);
        // The shared embedding starts round 1, so that every part has one of its own, c_k, from the first step: round 0
        // all parts are alike on average, and learn to be interchangeable.
        let mut start = appearance.layers[2].bias.shallow_clone();
        let _ = tch::no_grad(|| start.fill_(1.0));
        Self {
            pose: Mlp::new(p / "pose", z, h, 2 * k),
            appearance,
            part_constants: p.var("part_constants", &[k, e], Init::Randn { mean: 0.0, stdev: 1.0 }),
            divisor: arch.keypoint_divisor,
        }
    }
}

impl Parts for Product {
    fn forward(&self, noise: &Noise, _: Norm) -> (Tensor, Tensor) {
        let raw = self.pose.forward(&noise.pose) / self.divisor;
        let shared = self.appearance.forward(&noise.appearance).unsqueeze(1);
        (raw, shared * self.part_constants.unsqueeze(0))
    }
}
