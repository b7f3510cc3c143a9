//! Scores of a generator in training, cheap enough to compute at every sample sheet.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::{distance, features, health};
use crate::config::Config;
use crate::dataset::Store;
use crate::dataset::batches::crops;
use crate::error::Result;
use crate::nets::features::FeatureNet;
use crate::train::best::{BestBy, Evaluator};
use crate::train::generator::Generator;

/// Pictures compared for KID.
const KID_PICTURES: usize = 500;
/// Samples whose keypoints are examined.
const HEALTH_SAMPLES: i64 = 1000;
/// Seed of the samples: the same noise at every sheet.
const SEED: i64 = 0x1D6E;

/// Compares generators by KID or by the health of their keypoints.
#[derive(Debug)]
pub struct GeneratorEvaluator {
    by: BestBy,
    /// The network with the features of the training crops.
    real: Option<(FeatureNet, Tensor)>,
}

impl GeneratorEvaluator {
    /// An evaluator of generators trained on `store` with `config`.
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
                    Ok(crops(store, &config.crop, config.seed, range, size).to_device(device))
                })?;
                Some((net, real))
            }
        };
        Ok(Self { by, real })
    }
}

impl Evaluator for GeneratorEvaluator {
    fn metric(&self) -> BestBy {
        self.by
    }

    fn score(&self, generator: &Generator, size: i64) -> Result<f64> {
        tch::manual_seed(SEED);
        let Some((net, real)) = &self.real else {
            let keypoints = tch::no_grad(|| generator.sample_latents(HEALTH_SAMPLES).keypoints);
            return Ok(health::examine(&keypoints)?.score);
        };
        let generated = features::pooled(net, "features of generated pictures", KID_PICTURES, |range| {
            let latents = generator.sample_latents(range.len() as i64);
            Ok(generator.render(&latents, size, 1.0, Kind::Float))
        })?;
        Ok(distance::compare(FeatureNet::NAME, &generated, real)?.kid)
    }
}
