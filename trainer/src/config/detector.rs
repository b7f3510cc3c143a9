//! The detector's training.

use serde::{Deserialize, Serialize};

use super::checks::{self, fail};
use crate::error::Result;

/// Least half of a side of what occludes a part of a picture, as a fraction of the picture's.
pub const LEAST_OCCLUSION: f64 = 0.03;

/// The detector's training on generated pairs and on real pictures without labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectorConfig {
    /// Pairs a step.
    pub batch: i64,
    /// Generated pairs to show.
    pub images: u64,
    /// Adam's learning rate at the start; it falls to zero along a half cosine.
    pub learning_rate: f64,
    /// Most half of a side of what occludes a part of half of the pictures, as a fraction of the picture's.
    pub occlusion: f64,
    /// Part of the pictures whose face is drawn something on that people wear, hold or stand behind: a hat, glasses, a mask,
    /// a hand, hair.
    pub accessories: f64,
    /// How much of the pictures is lit from a side, of one hue alone, or moved while it was taken: at 1 a half, a seventh and a
    /// seventh, at 0 none.
    pub harsh: f64,
    /// Refinement crops of a picture, each turned and shifted a little, whose mean is where the teacher sees its keypoints;
    /// 0: as it sees them in the whole picture.
    pub refinement_crops: i64,
    /// Part of the teacher's weights in the detector that comes out, where it began as its teacher: what it learned for hard
    /// pictures is weighed against what the teacher knew of others (Wortsman et al., "Robust fine-tuning", 2022).
    pub teacher_share: f64,
    /// Images after which half of the averaged detector is replaced.
    pub ema_half_life: f64,
    /// Weight of states, where the detector reads any.
    pub state_weight: f64,
    /// Where in a picture the face is.
    pub placement: PlacementConfig,
    /// Generated pairs with one part moved.
    #[serde(rename = "move")]
    pub part_move: DetectorMoveConfig,
    /// Pictures, generated and real, that are warped about two of their keypoints.
    pub local_warp: LocalWarpConfig,
    /// Pictures without a face.
    pub negatives: NegativesConfig,
    /// Real pictures: keypoints of a warped picture are the warped keypoints.
    pub equivariance: DetectorEquivarianceConfig,
}

/// Where in a picture the face is, near and far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlacementConfig {
    /// Least and most size of the face relative to the generated picture, as a crop that follows it shows it.
    pub scale: (f64, f64),
    /// Least and most size where a face is sought.
    pub far_scale: (f64, f64),
    /// Part of the pairs that are so.
    pub far: f64,
    /// Most shift, normalised coordinates.
    pub shift: f64,
    /// Most rotation either way, degrees, on top of what the generator draws.
    pub rotation: f64,
}

/// Generated pairs with one part moved alone, as far as `gan.move.reach` says: what a keypoint answers to should be its part,
/// and not the rest of the face.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectorMoveConfig {
    /// Part of the generated pairs.
    pub fraction: f64,
}

/// Pictures warped about two of their keypoints: parts go elsewhere, the rest of the face stays, and only what sees a part
/// itself sees where it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalWarpConfig {
    /// Part of the pictures.
    pub fraction: f64,
    /// Most that a warp moves its keypoint, normalised coordinates.
    pub reach: f64,
}

/// Pictures without a face.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NegativesConfig {
    /// Part of the batch that is replaced by them.
    pub fraction: f64,
    /// Such pictures to choose each of them from: those in which the detector is most confident of a face are learned from.
    pub among: i64,
    /// How much more their confidence counts than that of others: a live loop sees dozens of places a frame where there is
    /// no face.
    pub weight: f64,
}

/// Equivariance on real pictures. What sees the picture as it is is the detector that was trained along with the generator,
/// if there is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectorEquivarianceConfig {
    /// Weight of the loss.
    pub weight: f64,
    /// Part of the training after which it sets in where there is no teacher: the averaged detector must have learned
    /// something first.
    pub from: f64,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            batch: 16,
            images: 100_000,
            learning_rate: 2e-3,
            occlusion: 0.22,
            accessories: 0.0,
            harsh: 0.0,
            refinement_crops: 0,
            teacher_share: 0.0,
            ema_half_life: 5_000.0,
            state_weight: 0.3,
            placement: PlacementConfig::default(),
            part_move: DetectorMoveConfig::default(),
            local_warp: LocalWarpConfig::default(),
            negatives: NegativesConfig::default(),
            equivariance: DetectorEquivarianceConfig::default(),
        }
    }
}

impl Default for PlacementConfig {
    fn default() -> Self {
        Self { scale: (0.65, 1.3), far_scale: (0.3, 1.5), far: 0.3, shift: 0.2, rotation: 20.0 }
    }
}

impl Default for LocalWarpConfig {
    fn default() -> Self {
        Self { fraction: 0.0, reach: 0.2 }
    }
}

impl Default for NegativesConfig {
    fn default() -> Self {
        Self { fraction: 0.25, among: 4, weight: 1.5 }
    }
}

impl Default for DetectorEquivarianceConfig {
    fn default() -> Self {
        Self { weight: 1.0, from: 0.4 }
    }
}

impl DetectorConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the key that is wrong.
    pub fn check(&self) -> Result<()> {
        checks::batch("detector.batch", self.batch)?;
        checks::positive(&[
            ("detector.learning_rate", self.learning_rate),
            ("detector.ema_half_life", self.ema_half_life),
            ("detector.negatives.weight", self.negatives.weight),
        ])?;
        checks::fractions(&[
            ("detector.accessories", self.accessories),
            ("detector.harsh", self.harsh),
            ("detector.teacher_share", self.teacher_share),
            ("detector.negatives.fraction", self.negatives.fraction),
            ("detector.placement.far", self.placement.far),
            ("detector.move.fraction", self.part_move.fraction),
            ("detector.local_warp.fraction", self.local_warp.fraction),
            ("detector.local_warp.reach", self.local_warp.reach),
        ])?;
        checks::weights(&[
            ("detector.equivariance.weight", self.equivariance.weight),
            ("detector.state_weight", self.state_weight),
        ])?;
        checks::not_negative(&[
            ("detector.equivariance.from", self.equivariance.from),
            ("detector.placement.shift", self.placement.shift),
            ("detector.placement.rotation", self.placement.rotation),
        ])?;
        checks::between("detector.refinement_crops", self.refinement_crops, 0, 64)?;
        checks::between("detector.negatives.among", self.negatives.among, 1, 64)?;
        if !(LEAST_OCCLUSION..=1.0).contains(&self.occlusion) {
            return fail(format!("detector.occlusion must be {LEAST_OCCLUSION} to 1"));
        }
        let scales = [("scale", self.placement.scale), ("far_scale", self.placement.far_scale)];
        for (name, (least, most)) in scales {
            if !(least > 0.0 && most >= least && most.is_finite()) {
                return fail(format!(
                    "detector.placement.{name} must be two positive numbers, the smaller first"
                ));
            }
        }
        Ok(())
    }
}
