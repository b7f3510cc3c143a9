//! One trunk that keypoints and embeddings are both read from.

use std::borrow::Borrow;

use tch::Tensor;
use tch::nn::Path;

use super::{Noise, Parts};
use crate::config::Architecture;
use crate::nets::layers::{BatchNorm, Linear, Norm, leaky};

/// Fully connected to `4 Z`, batch norm, LeakyReLU, then one head for keypoints and one for embeddings.
///
/// The trunk's one noise is `z_pose` and `z_appearance` side by side. Both heads read all of it, so where parts are
/// and what they look like are entangled: changing either noise changes both. To change one alone, overwrite
/// keypoints or embeddings.
#[derive(Debug)]
pub struct Trunk {
    /// `(z_pose, z_appearance) -> 4 Z`.
    pub hidden: Linear,
    /// Over the `4 Z`.
    pub norm: BatchNorm,
    /// `4 Z -> 2 K` values, before the divisor and tanh.
    pub keypoints: Linear,
    /// `4 Z -> K E`.
    pub embeddings: Linear,
    /// What the keypoint head's output is divided by before tanh.
    pub divisor: f64,
    parts: i64,
}

impl Trunk {
    pub(super) fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        let (k, e, width) = (arch.keypoints, arch.embedding, 4 * arch.latent);
        let embeddings = Linear::new(p / "embeddings", width, k * e);
        // An embedding of its own for every part from the first step, as the constants of the product form give it.
        let mut start = embeddings.bias.shallow_clone();
        let _ = tch::no_grad(|| start.normal_(0.0, 1.0));
        Self {
            hidden: Linear::new(p / "hidden", 2 * arch.latent, width),
            norm: BatchNorm::new(p / "norm", width),
            keypoints: Linear::new(p / "keypoints", width, 2 * k),
            embeddings,
            divisor: arch.keypoint_divisor,
            parts: k,
        }
    }
}

impl Parts for Trunk {
    fn forward(&self, noise: &Noise, norm: Norm) -> (Tensor, Tensor) {
        let z = Tensor::cat(&[&noise.pose, &noise.appearance], 1);
        let h = leaky(&self.norm.forward(&self.hidden.forward(&z), norm));
        let raw = self.keypoints.forward(&h) / self.divisor;
        (raw, self.embeddings.forward(&h).unflatten(1, [self.parts, -1]))
    }
}
