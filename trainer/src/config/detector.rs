//! The detector's training.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Least half of a side of what covers a part of a picture, as a fraction of the picture's.
pub const LEAST_COVER: f64 = 0.03;

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
    /// Part of the generated pairs in which one part was moved alone, as far as `gan.move_reach` says: what a keypoint answers
    /// to should be its part, and not the rest of the face.
    pub moved: f64,
    /// Part of the pictures, generated and real, that are bent about two of their keypoints: parts go elsewhere, the rest of
    /// the face stays, and only who looks at a part sees where it went.
    pub bend: f64,
    /// Most that a bend moves its keypoint, normalised coordinates.
    pub bend_reach: f64,
    /// Closer looks at a picture, each turned and shifted a little, whose mean is where the teacher sees its keypoints; 0:
    /// as it sees them in the whole picture.
    pub looks: i64,
    /// Most half of a side of what covers a part of half of the pictures, as a fraction of the picture's.
    pub cover: f64,
    /// Part of the batch replaced by pictures without a face.
    pub negatives: f64,
    /// Such pictures to choose each of them from: those in which the detector is surest of a face are learned from.
    pub negatives_among: i64,
    /// How much more their confidence counts than that of others: a live loop looks at dozens of places a frame where there
    /// is no face.
    pub negatives_weight: f64,
    /// Weight of the equivariance loss on real pictures: keypoints of a warped picture are the warped keypoints. What
    /// sees the picture as it is is the detector that was trained along with the generator, if there is one.
    pub equivariance_weight: f64,
    /// Part of the training after which the equivariance loss sets in where there is none: the averaged detector must
    /// have learned something first.
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
            far_scale: (0.3, 1.5),
            far: 0.3,
            shift: 0.2,
            rotation: 20.0,
            moved: 0.0,
            bend: 0.0,
            bend_reach: 0.2,
            looks: 0,
            cover: 0.22,
            negatives: 0.25,
            negatives_among: 4,
            negatives_weight: 1.5,
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
        if [self.rate, self.ema_half_life, self.negatives_weight].iter().any(|r| !(r.is_finite() && *r > 0.0))
        {
            return fail("detector: rates, half-lives and negatives_weight must be positive");
        }
        if ![self.negatives, self.far, self.moved, self.bend].iter().all(|share| (0.0..=1.0).contains(share))
        {
            return fail("detector.negatives, far, moved and bend must be 0 to 1");
        }
        if !(0.0..=1.0).contains(&self.bend_reach) {
            return fail("detector.bend_reach must be 0 to 1");
        }
        if !(0..=64).contains(&self.looks) {
            return fail("detector.looks must be 0 to 64");
        }
        if !(LEAST_COVER..=1.0).contains(&self.cover) {
            return Err(Error::Config(format!("detector.cover must be {LEAST_COVER} to 1")));
        }
        if !(1..=64).contains(&self.negatives_among) {
            return fail("detector.negatives_among must be 1 to 64");
        }
        for (name, (least, most)) in [("scale", self.scale), ("far_scale", self.far_scale)] {
            if !(least > 0.0 && most >= least && most.is_finite()) {
                return Err(Error::Config(format!(
                    "detector.{name} must be two positive numbers, the smaller first"
                )));
            }
        }
        Ok(())
    }
}
