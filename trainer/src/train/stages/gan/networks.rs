//! All networks of the training.

use tch::{Device, Tensor};

use super::discriminators::Discriminators;
use super::inference::Inference;
use crate::config::Config;
use crate::error::Result;
use crate::nets::FeatureNet;
use crate::train::optim::{average, parameters};
use crate::train::run::generator::Generator;

/// What learns, what averages it, and what helps.
pub(super) struct Networks {
    /// Keypoint generator and image generator.
    pub generator: Generator,
    /// Their average, which is what gets used.
    pub average: Generator,
    /// What tells real images from generated ones.
    pub discriminators: Discriminators,
    /// From an image back to latents.
    pub inference: Inference,
    /// Their average.
    pub average_inference: Inference,
    /// The pretrained network of the perceptual loss and of the feature discriminator, not trained and not saved.
    pub features: Option<FeatureNet>,
}

impl Networks {
    /// Fresh networks, a function of the configuration's seed.
    ///
    /// # Errors
    /// Those of [`FeatureNet::load_if`].
    pub fn new(config: &Config, device: Device) -> Result<Self> {
        let features = FeatureNet::load_if(config.gan.needs_features(), device)?;
        tch::manual_seed(config.seed as i64);
        let generator = Generator::new(&config.architecture, device);
        let average = Generator::new(&config.architecture, device);
        average::copy(&average.store, &generator.store);
        let discriminators = Discriminators::new(config, device);
        let inference = Inference::new(config, device);
        let average_inference = Inference::new(config, device);
        average::copy(&average_inference.store, &inference.store);
        Ok(Self { generator, average, discriminators, inference, average_inference, features })
    }

    /// Everything that a checkpoint holds of them, by name, sharing memory.
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let parts = [
            parameters::prefixed("generator", parameters::all(&self.generator.store)),
            parameters::prefixed("average", parameters::all(&self.average.store)),
            parameters::prefixed("discriminator", parameters::all(&self.discriminators.store)),
            parameters::prefixed("inference", parameters::all(&self.inference.store)),
            parameters::prefixed("average_inference", parameters::all(&self.average_inference.store)),
        ];
        parts.into_iter().flatten().collect()
    }

    /// Moves the averages towards what has learned from `batch` images more.
    pub fn update_averages(&self, batch: i64, half_life: f64) {
        average::update(&self.average.store, &self.generator.store, batch, half_life);
        average::update(&self.average_inference.store, &self.inference.store, batch, half_life);
    }
}
