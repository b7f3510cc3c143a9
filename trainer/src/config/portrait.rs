//! The training of keypoints, part states and the portrait networks together.

use serde::{Deserialize, Serialize};

use super::checks;
use crate::error::{Error, Result};

/// Pairs of pictures of one person: one is driven by the keypoints and states of the other, and must become it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortraitConfig {
    /// Pairs a step.
    pub batch: i64,
    /// Pairs to show.
    pub images: u64,
    /// Adam's learning rate at its highest; it falls to zero along a half cosine.
    pub learning_rate: f64,
    /// Weight of the mean absolute difference between the driven picture and the driver.
    pub image_weight: f64,
    /// Weight of the same of the photo as the flow alone carries it, at the full, a quarter and an eighth of the side.
    pub warped_weight: f64,
    /// Weight of the distance in the features of open-nsfw.
    pub perceptual_weight: f64,
    /// Weight of equivariance: the keypoints of a deformed picture are the deformed keypoints.
    pub equivariance_weight: f64,
    /// Weight of states staying what they are when a picture is deformed.
    pub state_weight: f64,
    /// Weight of the separation loss: without it half of the keypoints come to lie in one spot.
    pub separation_weight: f64,
    /// Distance within which keypoints push each other away, normalised coordinates.
    pub separation_width: f64,
    /// Weight of what is drawn anew: the photo's own pixels are sharper.
    pub mask_weight: f64,
    /// Weight of the discriminator that sees pictures through open-nsfw.
    pub adversarial_weight: f64,
    /// Part of the training after which that sets in.
    pub adversarial_from: f64,
    /// Adam's learning rate for the discriminator.
    pub discriminator_learning_rate: f64,
    /// How far pictures are deformed for equivariance.
    pub deformation: f64,
    /// How much light, cast, grey and noise change what the detector sees, 0 to 1.
    pub jitter: f64,
    /// Pairs after which half of the averaged networks is replaced.
    pub ema_half_life: f64,
}

impl Default for PortraitConfig {
    fn default() -> Self {
        Self {
            batch: 12,
            images: 120_000,
            learning_rate: 6e-4,
            image_weight: 2.0,
            warped_weight: 1.0,
            perceptual_weight: 1.0,
            equivariance_weight: 3.0,
            state_weight: 0.2,
            separation_weight: 0.5,
            separation_width: 0.08,
            mask_weight: 0.02,
            adversarial_weight: 0.1,
            adversarial_from: 0.25,
            discriminator_learning_rate: 4e-4,
            deformation: 0.8,
            jitter: 1.0,
            ema_half_life: 3_000.0,
        }
    }
}

impl PortraitConfig {
    /// Whether the pretrained feature network is needed.
    pub fn needs_features(&self) -> bool {
        self.perceptual_weight > 0.0 || self.adversarial_weight > 0.0
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that is wrong.
    pub fn check(&self) -> Result<()> {
        if self.batch < 2 {
            return Err(Error::Config("portrait.batch must be at least 2".into()));
        }
        checks::positive(
            "portrait",
            &[
                ("learning_rate", self.learning_rate),
                ("discriminator_learning_rate", self.discriminator_learning_rate),
                ("separation_width", self.separation_width),
                ("ema_half_life", self.ema_half_life),
            ],
        )?;
        for (name, share) in [("adversarial_from", self.adversarial_from), ("jitter", self.jitter)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::Config(format!("portrait.{name} must be 0 to 1")));
            }
        }
        checks::weights(
            "portrait",
            &[
                ("image_weight", self.image_weight),
                ("warped_weight", self.warped_weight),
                ("perceptual_weight", self.perceptual_weight),
                ("equivariance_weight", self.equivariance_weight),
                ("state_weight", self.state_weight),
                ("separation_weight", self.separation_weight),
                ("mask_weight", self.mask_weight),
                ("adversarial_weight", self.adversarial_weight),
                ("deformation", self.deformation),
            ],
        )?;
        if self.image_weight + self.perceptual_weight == 0.0 {
            return Err(Error::Config("portrait: image_weight or perceptual_weight must be above 0".into()));
        }
        Ok(())
    }
}
