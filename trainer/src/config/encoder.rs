//! The encoder's training.

use serde::{Deserialize, Serialize};

use super::{Perceptual, checks};
use crate::error::{Error, Result};

/// The encoder's training, on generated pairs and on real pictures that are drawn again. Losses of weight 0 cost no
/// time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderConfig {
    /// Real pictures a step; half as many generated ones come on top.
    pub batch: i64,
    /// Real pictures to show.
    pub images: u64,
    /// Adam's step length at the start; it falls to zero along a half cosine.
    pub rate: f64,
    /// Weight of what generated pictures were drawn from.
    pub embeddings_weight: f64,
    /// Weight of the distance between a real picture and itself drawn again, pixel by pixel.
    pub image_weight: f64,
    /// Weight of the same in feature space.
    pub perceptual_weight: f64,
    /// Whose features those are.
    pub perceptual: Perceptual,
    /// Weight of the run's image discriminator, which goes on learning on pictures drawn again.
    pub adversarial_weight: f64,
    /// Part of the batch that is to be drawn as a deformed copy looks, from that copy's keypoints: looks that hold a
    /// pose could not do that.
    pub deformed: f64,
    /// How far those are deformed.
    pub deformation: f64,
    /// Images after which half of the averaged encoder is replaced.
    pub ema_half_life: f64,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self {
            batch: 16,
            images: 60_000,
            rate: 1e-3,
            embeddings_weight: 0.25,
            image_weight: 2.0,
            perceptual_weight: 1.0,
            perceptual: Perceptual::Discriminator,
            adversarial_weight: 0.05,
            deformed: 0.5,
            deformation: 1.0,
            ema_half_life: 4_000.0,
        }
    }
}

impl EncoderConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that is wrong.
    pub fn check(&self) -> Result<()> {
        let fail = |reason: String| Err(Error::Config(reason));
        if self.batch < 2 {
            return fail("encoder.batch must be at least 2".into());
        }
        checks::positive("encoder", &[("rate", self.rate), ("ema_half_life", self.ema_half_life)])?;
        if !(0.0..=1.0).contains(&self.deformed) {
            return fail("encoder.deformed must be 0 to 1".into());
        }
        checks::weights(
            "encoder",
            &[
                ("embeddings_weight", self.embeddings_weight),
                ("image_weight", self.image_weight),
                ("perceptual_weight", self.perceptual_weight),
                ("adversarial_weight", self.adversarial_weight),
                ("deformation", self.deformation),
            ],
        )?;
        if self.embeddings_weight + self.image_weight + self.perceptual_weight == 0.0 {
            return fail("encoder: a weight of embeddings, image or perceptual must be above 0".into());
        }
        Ok(())
    }

    /// Whether real pictures are drawn again.
    pub fn reconstructs(&self) -> bool {
        self.image_weight > 0.0 || self.perceptual_weight > 0.0 || self.adversarial_weight > 0.0
    }

    /// Whether the pretrained feature network is needed.
    pub fn needs_features(&self) -> bool {
        self.perceptual_weight > 0.0 && self.perceptual == Perceptual::OpenNsfw
    }
}
