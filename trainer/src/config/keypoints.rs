//! The training of the keypoints themselves, from pictures alone, before there is a generator.

use serde::{Deserialize, Serialize};

use super::checks::{self, fail};
use crate::error::Result;

/// The decoder halves pictures four times: their side is a multiple of this.
pub const SIDE_MULTIPLE: i64 = 16;

/// The detector's first training, by reconstructing masked pictures (see `nets::MaskedAutoencoder`). Where it has images to
/// show, the generator that follows is held to the keypoints that this detector sees in real pictures; where it has none,
/// keypoints gain their meaning along with the generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeypointsConfig {
    /// Pictures a step.
    pub batch: i64,
    /// Pictures to show; 0 leaves this training out.
    pub images: u64,
    /// Adam's learning rate at the start; it falls to zero along a half cosine.
    pub learning_rate: f64,
    /// Width of the Gaussians, as `architecture.tau`.
    pub tau: f64,
    /// Images after which half of the averaged networks is replaced.
    pub ema_half_life: f64,
    /// What is hidden of pictures.
    pub mask: MaskConfig,
    /// A masked picture's reconstruction against the picture.
    pub reconstruction: MaskedReconstructionConfig,
    /// Keypoints apart from each other.
    pub separation: SeparationConfig,
    /// The keypoints of a deformed picture are the deformed keypoints.
    pub equivariance: KeypointsEquivarianceConfig,
}

/// What is hidden of pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskConfig {
    /// Part of a picture's patches that are masked.
    pub fraction: f64,
    /// Patches a side.
    pub patches: i64,
}

/// Weights of a masked picture's reconstruction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskedReconstructionConfig {
    /// Weight of the distance pixel by pixel.
    pub image_weight: f64,
    /// Weight of the distance in the features of open-nsfw.
    pub perceptual_weight: f64,
}

/// Keypoints apart from each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeparationConfig {
    /// Weight of the separation loss: without it most keypoints come to lie in one spot.
    pub weight: f64,
    /// Distance within which keypoints push each other away, normalised coordinates.
    pub width: f64,
}

/// Equivariance of keypoints that are learned first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeypointsEquivarianceConfig {
    /// Weight of the loss.
    pub weight: f64,
    /// Part of the training after which it sets in: at the start, when all keypoints lie in the middle, it would hold them
    /// there.
    pub from: f64,
    /// How far pictures are deformed for it.
    pub deformation: f64,
}

impl Default for KeypointsConfig {
    fn default() -> Self {
        Self {
            batch: 32,
            images: 0,
            learning_rate: 2.5e-3,
            tau: 0.01,
            ema_half_life: 3_000.0,
            mask: MaskConfig::default(),
            reconstruction: MaskedReconstructionConfig::default(),
            separation: SeparationConfig::default(),
            equivariance: KeypointsEquivarianceConfig::default(),
        }
    }
}

impl Default for MaskConfig {
    fn default() -> Self {
        Self { fraction: 0.8, patches: 8 }
    }
}

impl Default for MaskedReconstructionConfig {
    fn default() -> Self {
        Self { image_weight: 0.5, perceptual_weight: 1.0 }
    }
}

impl Default for SeparationConfig {
    fn default() -> Self {
        Self { weight: 0.05, width: 0.25 }
    }
}

impl Default for KeypointsEquivarianceConfig {
    fn default() -> Self {
        Self { weight: 0.0, from: 0.2, deformation: 1.0 }
    }
}

impl KeypointsConfig {
    /// Whether there is such a training.
    pub fn is_on(&self) -> bool {
        self.images > 0
    }

    /// Whether the pretrained feature network is needed.
    pub fn needs_features(&self) -> bool {
        self.is_on() && self.reconstruction.perceptual_weight > 0.0
    }

    /// Checks every value; `image_size` is the architecture's.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the key that is wrong.
    pub fn check(&self, image_size: i64) -> Result<()> {
        checks::batch("keypoints.batch", self.batch)?;
        if self.is_on() && image_size % SIDE_MULTIPLE != 0 {
            return fail(format!(
                "keypoints.images: this training takes pictures whose side is a multiple of {SIDE_MULTIPLE}, not of {image_size} pixels; set \
                 it to 0, or another architecture.image_size"
            ));
        }
        checks::positive(&[
            ("keypoints.separation.width", self.separation.width),
            ("keypoints.learning_rate", self.learning_rate),
            ("keypoints.tau", self.tau),
            ("keypoints.ema_half_life", self.ema_half_life),
        ])?;
        checks::fractions(&[
            ("keypoints.mask.fraction", self.mask.fraction),
            ("keypoints.equivariance.from", self.equivariance.from),
        ])?;
        let patches = self.mask.patches;
        if patches < 1 || image_size % patches != 0 {
            return fail(format!("keypoints.mask.patches must divide architecture.image_size, {image_size}"));
        }
        checks::weights(&[
            ("keypoints.reconstruction.image_weight", self.reconstruction.image_weight),
            ("keypoints.reconstruction.perceptual_weight", self.reconstruction.perceptual_weight),
            ("keypoints.separation.weight", self.separation.weight),
            ("keypoints.equivariance.weight", self.equivariance.weight),
            ("keypoints.equivariance.deformation", self.equivariance.deformation),
        ])?;
        if self.reconstruction.image_weight + self.reconstruction.perceptual_weight == 0.0 {
            return fail(
                "keypoints.reconstruction.image_weight or keypoints.reconstruction.perceptual_weight must be above 0",
            );
        }
        Ok(())
    }
}
