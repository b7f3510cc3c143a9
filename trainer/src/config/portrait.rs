//! The training of keypoints, part states and the portrait networks together.

use serde::{Deserialize, Serialize};

use super::{SeparationConfig, checks};
use crate::error::{Error, Result};

/// How much faster the detector's last layer learns in a run that begins afresh.
const FRESH_HEAD_RATE: f64 = 10.0;

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
    /// How much faster the detector's last layer learns: in a run that begins with another's networks 1 will do.
    pub head_rate: f64,
    /// Weight of the mean absolute difference between the driven picture and the driver.
    pub image_weight: f64,
    /// Weight of the same of the photo as the flow alone carries it, at the full, a quarter and an eighth of the side.
    pub warped_weight: f64,
    /// Weight of the distance in the features of open-nsfw.
    pub perceptual_weight: f64,
    /// Weight of the same distance of close-ups of single parts: eyes and mouths are a few pixels of a whole picture.
    pub close_up_weight: f64,
    /// Keypoints of deformed pictures.
    pub equivariance: PortraitEquivarianceConfig,
    /// Weight of states staying what they are when a picture is deformed, relative to how much they differ between pictures.
    pub state_weight: f64,
    /// Weight of states keeping away from -1 and 1, where they cannot say more.
    pub state_range_weight: f64,
    /// Keypoints apart from each other: without it half of them come to lie in one spot.
    pub separation: SeparationConfig,
    /// Weight of the detector's confidence.
    pub confidence_weight: f64,
    /// How much more the pixels count that the flow alone does not explain, such as an opened mouth: 0 is not at all.
    pub focus: f64,
    /// Weight of what is generated anew: the photo's own pixels are sharper.
    pub mask_weight: f64,
    /// The discriminator that sees pictures through open-nsfw.
    pub adversarial: AdversarialConfig,
    /// How much light, tones, cast, grey, sharpness and noise change what the detector sees, 0 to 1.
    pub jitter: f64,
    /// Pairs after which half of the averaged networks is replaced.
    pub ema_half_life: f64,
}

/// The keypoints of a deformed picture are the deformed keypoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortraitEquivarianceConfig {
    /// Its weight.
    pub weight: f64,
    /// How far pictures are deformed.
    pub deformation: f64,
}

impl Default for PortraitEquivarianceConfig {
    fn default() -> Self {
        Self { weight: 3.0, deformation: 0.8 }
    }
}

/// A discriminator of driven pictures, with a gradient penalty as `gan.r1` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdversarialConfig {
    /// Weight of what it asks of the networks.
    pub weight: f64,
    /// Part of the training after which it sets in.
    pub from: f64,
    /// Its learning rate.
    pub learning_rate: f64,
}

impl Default for AdversarialConfig {
    fn default() -> Self {
        Self { weight: 0.1, from: 0.3, learning_rate: 4e-4 }
    }
}

impl Default for PortraitConfig {
    fn default() -> Self {
        Self {
            batch: 12,
            images: 120_000,
            learning_rate: 6e-4,
            head_rate: FRESH_HEAD_RATE,
            image_weight: 2.0,
            warped_weight: 1.0,
            perceptual_weight: 1.0,
            close_up_weight: 0.0,
            equivariance: PortraitEquivarianceConfig::default(),
            state_weight: 0.2,
            state_range_weight: 0.03,
            separation: SeparationConfig { weight: 0.5, width: 0.08 },
            confidence_weight: 0.1,
            focus: 1.0,
            mask_weight: 0.08,
            adversarial: AdversarialConfig::default(),
            jitter: 1.0,
            ema_half_life: 3_000.0,
        }
    }
}

impl PortraitConfig {
    /// Whether the pretrained feature network is needed.
    pub fn needs_features(&self) -> bool {
        self.perceptual_weight + self.close_up_weight > 0.0 || self.adversarial.weight > 0.0
    }

    /// For a run that begins with another's networks, in which the detector's last layer need not hurry.
    pub fn begun(&mut self) {
        if self.head_rate == FRESH_HEAD_RATE {
            self.head_rate = 1.0;
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that is wrong.
    pub fn check(&self) -> Result<()> {
        if self.batch < 2 {
            return Err(Error::Config("portrait.batch must be at least 2".into()));
        }
        checks::positive(&[
            ("portrait.learning_rate", self.learning_rate),
            ("portrait.head_rate", self.head_rate),
            ("portrait.adversarial.learning_rate", self.adversarial.learning_rate),
            ("portrait.separation.width", self.separation.width),
            ("portrait.ema_half_life", self.ema_half_life),
        ])?;
        for (name, share) in [("adversarial.from", self.adversarial.from), ("jitter", self.jitter)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::Config(format!("portrait.{name} must be 0 to 1")));
            }
        }
        checks::weights(&[
            ("portrait.image_weight", self.image_weight),
            ("portrait.warped_weight", self.warped_weight),
            ("portrait.perceptual_weight", self.perceptual_weight),
            ("portrait.close_up_weight", self.close_up_weight),
            ("portrait.equivariance.weight", self.equivariance.weight),
            ("portrait.equivariance.deformation", self.equivariance.deformation),
            ("portrait.state_weight", self.state_weight),
            ("portrait.state_range_weight", self.state_range_weight),
            ("portrait.separation.weight", self.separation.weight),
            ("portrait.confidence_weight", self.confidence_weight),
            ("portrait.focus", self.focus),
            ("portrait.mask_weight", self.mask_weight),
            ("portrait.adversarial.weight", self.adversarial.weight),
        ])?;
        if self.image_weight + self.perceptual_weight == 0.0 {
            return Err(Error::Config(
                "portrait.image_weight or portrait.perceptual_weight must be above 0".into(),
            ));
        }
        Ok(())
    }
}
