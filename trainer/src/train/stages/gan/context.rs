//! What the losses of one step are computed from.

use tch::{Device, Kind, Tensor};

use super::generated::Generated;
use super::networks::Networks;
use super::poses::Poses;
use crate::config::{AugmentConfig, Config, GanConfig};
use crate::nets::heatmap::{self, Pose};
use crate::nets::image_generator::Mode;
use crate::nets::layers::Norm;
use crate::support::share::Share;
use crate::train::optim::groups::Groups;

/// How the images of a step are generated.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    /// Number of the step, from 1.
    pub step: u64,
    /// Side.
    pub size: i64,
    /// Blend of that side.
    pub alpha: f64,
    /// Arithmetic inside the networks.
    pub kind: Kind,
    /// This rank's part of the batch.
    pub share: Share,
    /// Its groups.
    pub groups: Groups,
}

/// The networks as they are, the configuration, and this step.
pub(super) struct Context<'a> {
    pub config: &'a Config,
    pub networks: &'a Networks,
    /// Those of real pictures.
    pub poses: Option<&'a Poses>,
    pub frame: Frame,
    pub device: Device,
}

impl Context<'_> {
    /// The generator's section of the configuration.
    pub fn gan(&self) -> &GanConfig {
        &self.config.gan
    }

    /// Images as discriminators see them.
    pub fn augmented(&self, images: &Tensor, config: &AugmentConfig) -> Tensor {
        crate::augment::discriminator::augment(images, config, self.frame.share)
    }

    /// Generated images as the detector is to see them: one that learns along sees them as they are.
    pub fn as_detector_sees(&self, images: &Tensor) -> Tensor {
        let fixed = self.networks.inference.detector_is_fixed;
        let strength = if fixed { self.gan().cycle.augmentation } else { 0.0 };
        crate::augment::discriminator::cycle_augmentation(images, strength, self.frame.share)
    }

    /// The images of latents by the live generator.
    pub fn render(&self, keypoints: &Tensor, embeddings: &Tensor, background: &Tensor, norm: Norm) -> Tensor {
        let Frame { size, alpha, kind, .. } = self.frame;
        let pose = Pose::natural(keypoints.shallow_clone());
        self.networks.generator.images.forward(
            &pose,
            embeddings,
            background,
            Mode { size, alpha, kind, norm },
        )
    }

    /// The first of each group's generated images, `n` in all, and where their parts are: `1 - H_bg`, as wide as the
    /// background loss has them, `[n, 1, S, S]`.
    pub fn first_images(&self, generated: &Generated, n: i64) -> (Tensor, Tensor) {
        let groups = self.frame.groups;
        let pose = Pose::natural(groups.firsts(&generated.latents.keypoints, n));
        let parts =
            1.0 - heatmap::background(&heatmap::parts(&pose, self.part_width(), self.frame.size).detach());
        (groups.firsts(&generated.images, n), parts)
    }

    /// Width of parts to losses that leave them out, as tau.
    pub fn part_width(&self) -> f64 {
        self.config.architecture.tau * self.gan().background.reach
    }
}

/// A copy to take the gradient at.
pub(super) fn input(x: &Tensor) -> Tensor {
    x.detach().set_requires_grad(true)
}
