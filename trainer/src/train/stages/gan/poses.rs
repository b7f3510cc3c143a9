//! What poses real pictures have: the keypoints that a fixed detector sees in them.

use tch::{Kind, Tensor};

use super::context::Context;
use crate::losses::Terms;
use crate::losses::energy::energy;
use crate::losses::named::gan as named;
use crate::nets::keypoint_generator::Noise;
use crate::nets::layers::Norm;

/// Generated poses that are held against those of real pictures on a step.
const COMPARED: i64 = 128;

/// Least standard deviation along an axis, as part of the largest one: what hardly varies is not blown up to noise.
const LEAST_DEVIATION: f64 = 0.05;

/// A sample of real poses, whitened: a face moves much and changes its shape little, and a shape that none has must count.
pub(super) struct Poses {
    /// `[2 K]`.
    mean: Tensor,
    /// `[2 K, 2 K]`: from the right, brings every direction to deviation 1.
    whitening: Tensor,
    /// `[N, 2 K]`, whitened.
    known: Tensor,
}

impl Poses {
    /// Of keypoints `[N, 2 K]`.
    pub fn new(keypoints: &Tensor) -> Self {
        let mean = keypoints.mean_dim([0i64].as_slice(), false, Kind::Float);
        let centred = keypoints - &mean;
        let covariance = centred.transpose(0, 1).matmul(&centred) / keypoints.size()[0] as f64;
        let (variances, directions) = covariance.linalg_eigh("L");
        let deviations = variances.clamp_min(0.0).sqrt();
        let deviations = deviations.maximum(&(deviations.max() * LEAST_DEVIATION));
        let whitening = directions / deviations.unsqueeze(0);
        Self { known: centred.matmul(&whitening), mean, whitening }
    }

    /// Energy distance between generated keypoints `[N, K, 2]` and as many real ones.
    pub fn distance(&self, generated: &Tensor) -> Tensor {
        let generated = (generated.flatten(1, 2) - &self.mean).matmul(&self.whitening);
        let (n, known) = (generated.size()[0], self.known.size()[0]);
        let chosen = Tensor::randint(known, [n], (Kind::Int64, generated.device()));
        energy(&generated, &self.known.index_select(0, &chosen))
    }
}

/// Energy distance between generated poses and as many of those of real pictures. All ranks generate the same.
pub(super) fn add(terms: &mut Terms, context: &Context) {
    let Some(poses) = context.poses else { return };
    let noise = Noise::sample(COMPARED, context.config.architecture.latent, context.device);
    let generated = context.networks.generator.keypoints.forward(&noise, Norm::Batch(0.0));
    terms.add(&named::POSES, context.gan().pose.weight, poses.distance(&generated.keypoints));
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn a_shape_that_no_real_pose_has_counts_however_small_the_change() {
        tch::manual_seed(4);
        let normal = |n: i64, width: f64| Tensor::randn([n, 1, 2], (Kind::Float, Device::Cpu)) * width;
        // Three points that move together, and hardly at all against each other.
        let rest = Tensor::from_slice(&[-0.3f32, 0.0, 0.3, 0.0, 0.0, 0.4]).view([1, 3, 2]);
        let faces = |n: i64| {
            let own = Tensor::randn([n, 3, 2], (Kind::Float, Device::Cpu)) * 0.02;
            &rest + normal(n, 0.3) + own
        };
        let poses = Poses::new(&faces(2000).flatten(1, 2));
        let changed = Tensor::from_slice(&[0.0f32, 0.08, 0.0, -0.08, 0.0, 0.0]).view([1, 3, 2]);
        let same = poses.distance(&faces(300)).double_value(&[]);
        let other = poses.distance(&(faces(300) + &changed)).double_value(&[]);
        assert!(same < 0.1 && other > 0.5, "{same} {other}");
    }
}
