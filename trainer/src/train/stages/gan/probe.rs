//! What measurements and comparisons take from the training.

use tch::{Kind, Tensor};

use super::Gan;
use crate::error::Result;
use crate::nets::heatmap::Pose;
use crate::nets::image_generator::Mode;
use crate::nets::keypoint_generator::Noise;
use crate::nets::layers::Norm;

impl Gan {
    /// A step as if it were number `step`, of images at their full blend, and everything read that a log line reads.
    ///
    /// # Errors
    /// [`crate::Error::Diverged`].
    pub(crate) fn bench_step(&mut self, real: &Tensor, step: u64) -> Result<()> {
        self.state.step = step - 1;
        self.step(real, real.size()[2], 1.0)?.report()?;
        self.watch.check(self.saved)
    }

    /// Noise, and what the live networks make of it at `size` pixels with the batch's statistics, in float32.
    pub(crate) fn reference(&self, size: i64) -> Vec<(String, Tensor)> {
        let noise = Noise::sample(4, self.config.architecture.latent, self.device);
        let latents = self.networks.generator.keypoints.forward(&noise, Norm::Batch(0.0));
        let mode = Mode { size, alpha: 1.0, kind: Kind::Float, norm: Norm::Batch(0.0) };
        let pose = Pose::natural(latents.keypoints.shallow_clone());
        let image =
            self.networks.generator.images.forward(&pose, &latents.embeddings, &latents.background, mode);
        let logits = self.networks.discriminators.image.forward(&image, 1.0, Kind::Float);
        let named = [
            ("noise/pose", noise.pose),
            ("noise/appearance", noise.appearance),
            ("noise/background", noise.background),
            ("keypoints", latents.keypoints),
            ("embeddings", latents.embeddings),
            ("background", latents.background),
            ("image", image),
            ("logits", logits),
        ];
        named.map(|(name, tensor)| (format!("reference/{name}"), tensor)).into()
    }
}
