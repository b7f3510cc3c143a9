//! The training of the keypoints themselves, from pictures alone, before there is a generator.

use serde::{Deserialize, Serialize};

use super::checks;
use crate::error::{Error, Result};

/// The decoder halves pictures four times: their side is a multiple of this.
pub const SIDE_MULTIPLE: i64 = 16;

/// The detector's first training, by drawing masked pictures again (see `nets::MaskedAutoencoder`). Where it has
/// images to show, the generator that follows is held to the keypoints that this detector sees in real pictures; where it
/// has none, keypoints gain their meaning along with the generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeypointsConfig {
    /// Pictures a step.
    pub batch: i64,
    /// Pictures to show; 0 leaves this training out.
    pub images: u64,
    /// Adam's step length at the start; it falls to zero along a half cosine.
    pub rate: f64,
    /// Part of a picture's patches that are masked.
    pub mask: f64,
    /// Patches a side.
    pub patches: i64,
    /// Width of the Gaussians, as `architecture.tau`.
    pub tau: f64,
    /// Weight of the distance between a picture and itself drawn again, pixel by pixel.
    pub image_weight: f64,
    /// Weight of the same in the features of open-nsfw.
    pub perceptual_weight: f64,
    /// Weight of the separation loss: without it most keypoints come to lie in one spot.
    pub separation_weight: f64,
    /// Distance within which keypoints push each other away, normalised coordinates.
    pub separation_width: f64,
    /// Weight of equivariance: the keypoints of a deformed picture are the deformed keypoints.
    pub equivariance_weight: f64,
    /// Part of the training after which that sets in: at the start, when all keypoints lie in the middle, it would hold
    /// them there.
    pub equivariance_from: f64,
    /// How far pictures are deformed for it.
    pub deformation: f64,
    /// Images after which half of the averaged networks is replaced.
    pub ema_half_life: f64,
}

impl Default for KeypointsConfig {
    fn default() -> Self {
        Self {
            batch: 32,
            images: 0,
            rate: 2.5e-3,
            mask: 0.8,
            patches: 8,
            tau: 0.01,
            image_weight: 0.5,
            perceptual_weight: 1.0,
            separation_weight: 0.05,
            separation_width: 0.25,
            equivariance_weight: 0.0,
            equivariance_from: 0.2,
            deformation: 1.0,
            ema_half_life: 3_000.0,
        }
    }
}

impl KeypointsConfig {
    /// Whether there is such a training.
    pub fn is_on(&self) -> bool {
        self.images > 0
    }

    /// Whether the pretrained feature network is needed.
    pub fn needs_features(&self) -> bool {
        self.is_on() && self.perceptual_weight > 0.0
    }

    /// Checks every value; `image_size` is the architecture's.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that is wrong.
    pub fn check(&self, image_size: i64) -> Result<()> {
        let fail = |reason: String| Err(Error::Config(reason));
        if self.batch < 2 {
            return fail("keypoints.batch must be at least 2".into());
        }
        if self.is_on() && image_size % SIDE_MULTIPLE != 0 {
            return fail(format!(
                "keypoints.images: this training takes pictures whose side is a multiple of {SIDE_MULTIPLE}, not of {image_size} pixels; set \
                 it to 0, or another architecture.image_size"
            ));
        }
        checks::positive(
            "keypoints",
            &[
                ("separation_width", self.separation_width),
                ("rate", self.rate),
                ("tau", self.tau),
                ("ema_half_life", self.ema_half_life),
            ],
        )?;
        for (name, share) in [("mask", self.mask), ("equivariance_from", self.equivariance_from)] {
            if !(0.0..=1.0).contains(&share) {
                return fail(format!("keypoints.{name} must be 0 to 1"));
            }
        }
        if self.patches < 1 || image_size % self.patches != 0 {
            return fail(format!("keypoints.patches must divide architecture.image_size, {image_size}"));
        }
        checks::weights(
            "keypoints",
            &[
                ("image_weight", self.image_weight),
                ("perceptual_weight", self.perceptual_weight),
                ("separation_weight", self.separation_weight),
                ("equivariance_weight", self.equivariance_weight),
                ("deformation", self.deformation),
            ],
        )?;
        if self.image_weight + self.perceptual_weight == 0.0 {
            return fail("keypoints: a weight of image or perceptual must be above 0".into());
        }
        Ok(())
    }
}
