//! The detector's training.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The detector's training on generated pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectorConfig {
    /// Pairs a step.
    pub batch: i64,
    /// Generated pairs to show.
    pub images: u64,
    /// Adam's step length at the start; it falls to zero along a half cosine.
    pub rate: f64,
    /// Least and most size of the face relative to the generated picture.
    pub scale: (f64, f64),
    /// Most shift, normalised coordinates.
    pub shift: f64,
    /// Most rotation either way, degrees, on top of what the generator draws.
    pub rotation: f64,
    /// Part of the batch replaced by pictures without a face.
    pub negatives: f64,
    /// Weight of the equivariance loss on real pictures: keypoints of a warped picture are the warped keypoints.
    pub equivariance_weight: f64,
    /// Part of the training after which the equivariance loss sets in.
    pub equivariance_from: f64,
    /// Images after which half of the averaged detector is replaced.
    pub ema_half_life: f64,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            batch: 16,
            images: 100_000,
            rate: 2e-3,
            scale: (0.65, 1.3),
            shift: 0.2,
            rotation: 15.0,
            negatives: 0.06,
            equivariance_weight: 1.0,
            equivariance_from: 0.4,
            ema_half_life: 5_000.0,
        }
    }
}

impl DetectorConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that is wrong.
    pub fn check(&self) -> Result<()> {
        let fail = |reason: &str| Err(Error::Config(reason.into()));
        if self.batch < 2 {
            return fail("detector.batch must be at least 2");
        }
        if [self.rate, self.ema_half_life].iter().any(|r| !(r.is_finite() && *r > 0.0)) {
            return fail("detector: rates and half-lives must be positive");
        }
        if !(0.0..=1.0).contains(&self.negatives) {
            return fail("detector.negatives must be 0 to 1");
        }
        if !(self.scale.0 > 0.0 && self.scale.1 >= self.scale.0) {
            return fail("detector.scale must be two positive numbers, the smaller first");
        }
        Ok(())
    }
}
