//! The encoder's training.

use serde::{Deserialize, Serialize};

use super::Perceptual;
use super::checks::{self, fail};
use crate::error::Result;

/// The encoder's training, on generated pairs and on real pictures that are reconstructed. Losses of weight 0 cost no time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderConfig {
    /// Real pictures a step; half as many generated ones come on top.
    pub batch: i64,
    /// Real pictures to show.
    pub images: u64,
    /// Adam's learning rate at the start; it falls to zero along a half cosine.
    pub learning_rate: f64,
    /// Weight of the distance of generated pictures' embeddings from those that they were generated from.
    pub embeddings_weight: f64,
    /// Images after which half of the averaged encoder is replaced.
    pub ema_half_life: f64,
    /// A real picture's reconstruction against the picture.
    pub reconstruction: EncoderReconstructionConfig,
    /// Pictures that are to be reconstructed as a deformed copy.
    pub deformed: DeformedConfig,
}

/// Weights of a real picture's reconstruction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderReconstructionConfig {
    /// Weight of the distance pixel by pixel.
    pub image_weight: f64,
    /// Weight of the distance in feature space.
    pub perceptual_weight: f64,
    /// Whose features those are.
    pub perceptual: Perceptual,
    /// Weight of the run's image discriminator, which goes on learning on reconstructions.
    pub adversarial_weight: f64,
}

/// Pictures that are to be reconstructed as a deformed copy, from that copy's keypoints: embeddings that hold a pose could
/// not do that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeformedConfig {
    /// Part of the batch.
    pub fraction: f64,
    /// How far those are deformed.
    pub strength: f64,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self {
            batch: 16,
            images: 60_000,
            learning_rate: 1e-3,
            embeddings_weight: 0.25,
            ema_half_life: 4_000.0,
            reconstruction: EncoderReconstructionConfig::default(),
            deformed: DeformedConfig::default(),
        }
    }
}

impl Default for EncoderReconstructionConfig {
    fn default() -> Self {
        Self {
            image_weight: 2.0,
            perceptual_weight: 1.0,
            perceptual: Perceptual::Discriminator,
            adversarial_weight: 0.05,
        }
    }
}

impl Default for DeformedConfig {
    fn default() -> Self {
        Self { fraction: 0.5, strength: 1.0 }
    }
}

impl EncoderConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the key that is wrong.
    pub fn check(&self) -> Result<()> {
        checks::batch("encoder.batch", self.batch)?;
        checks::positive(&[
            ("encoder.learning_rate", self.learning_rate),
            ("encoder.ema_half_life", self.ema_half_life),
        ])?;
        checks::fractions(&[("encoder.deformed.fraction", self.deformed.fraction)])?;
        let reconstruction = &self.reconstruction;
        checks::weights(&[
            ("encoder.embeddings_weight", self.embeddings_weight),
            ("encoder.reconstruction.image_weight", reconstruction.image_weight),
            ("encoder.reconstruction.perceptual_weight", reconstruction.perceptual_weight),
            ("encoder.reconstruction.adversarial_weight", reconstruction.adversarial_weight),
            ("encoder.deformed.strength", self.deformed.strength),
        ])?;
        if self.embeddings_weight + reconstruction.image_weight + reconstruction.perceptual_weight == 0.0 {
            return fail(
                "encoder.embeddings_weight, encoder.reconstruction.image_weight or encoder.reconstruction.perceptual_weight \
                 must be above 0",
            );
        }
        Ok(())
    }

    /// Whether real pictures are reconstructed.
    pub fn reconstructs(&self) -> bool {
        let reconstruction = &self.reconstruction;
        reconstruction.image_weight > 0.0
            || reconstruction.perceptual_weight > 0.0
            || reconstruction.adversarial_weight > 0.0
    }

    /// Whether the pretrained feature network is needed.
    pub fn needs_features(&self) -> bool {
        self.reconstruction.perceptual_weight > 0.0 && self.reconstruction.perceptual == Perceptual::OpenNsfw
    }
}
