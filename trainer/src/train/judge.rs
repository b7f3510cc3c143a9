//! Which checkpoint is the best, by a number cheap enough to compute at every sample sheet.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::generator::Generator;
use crate::config::Config;
use crate::dataset::Store;
use crate::error::Result;
use crate::eval::{distance, features, health};
use crate::nets::features::FeatureNet;

/// Pictures compared for KID.
const KID_PICTURES: usize = 500;
/// Samples whose keypoints are examined.
const HEALTH_SAMPLES: i64 = 1000;
/// Seed of the samples: the same noise at every sheet.
const SEED: i64 = 0x1D6E;

/// What checkpoints are compared by. Lower is better for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BestBy {
    /// KID of generated pictures against training crops, in features of [`FeatureNet`].
    Kid,
    /// [`health::Report::score`] of generated keypoints.
    Health,
}

impl fmt::Display for BestBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kid => "kid",
            Self::Health => "health",
        })
    }
}

/// Compares generators.
#[derive(Debug)]
pub struct Judge {
    by: BestBy,
    /// The network with the features of the training crops.
    real: Option<(FeatureNet, Tensor)>,
}

/// The best so far: the content of `STAGE-best.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// What was compared.
    pub by: BestBy,
    /// Lower is better.
    pub score: f64,
    /// Images seen by that checkpoint.
    pub images: u64,
}

impl Judge {
    /// A judge of generators trained on `store` with `config`.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] naming the fix if KID is asked for and the feature network is not there.
    pub fn new(by: BestBy, store: &Arc<Store>, config: &Config, device: Device) -> Result<Self> {
        let real = match by {
            BestBy::Health => None,
            BestBy::Kid => {
                let net = FeatureNet::load(&FeatureNet::find()?, device)?;
                let n = KID_PICTURES.min(store.len());
                let size = config.architecture.image_size;
                let real = features::pooled(&net, "features of training pictures", n, |range| {
                    Ok(features::crops(store, &config.crop, config.seed, range, size).to_device(device))
                })?;
                Some((net, real))
            }
        };
        Ok(Self { by, real })
    }

    /// What it compares by.
    pub fn by(&self) -> BestBy {
        self.by
    }

    /// The score of a calibrated generator at its full `size`; lower is better.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn score(&self, generator: &Generator, size: i64) -> Result<f64> {
        tch::manual_seed(SEED);
        let Some((net, real)) = &self.real else {
            let keypoints = tch::no_grad(|| generator.sample_latents(HEALTH_SAMPLES).keypoints);
            return Ok(health::examine(&keypoints)?.score);
        };
        let generated = features::pooled(net, "features of generated pictures", KID_PICTURES, |range| {
            let latents = generator.sample_latents(range.len() as i64);
            Ok(generator.draw(&latents, size, 1.0, Kind::Float))
        })?;
        Ok(distance::compare(FeatureNet::NAME, &generated, real)?.kid)
    }
}

impl Best {
    /// Whether `score` takes the place of this one: equals do, since the one trained longer is the better bet.
    pub fn is_beaten_by(&self, by: BestBy, score: f64) -> bool {
        // NaN is no score.
        by != self.by && !score.is_nan() || score <= self.score
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_wins_equal_wins_and_nonsense_does_not() {
        let best = Best { by: BestBy::Kid, score: 0.2, images: 10 };
        assert!(best.is_beaten_by(BestBy::Kid, 0.1) && best.is_beaten_by(BestBy::Kid, 0.2));
        assert!(!best.is_beaten_by(BestBy::Kid, 0.3) && !best.is_beaten_by(BestBy::Kid, f64::NAN));
        // Another metric starts over.
        assert!(best.is_beaten_by(BestBy::Health, 0.9) && !best.is_beaten_by(BestBy::Health, f64::NAN));
    }
}
