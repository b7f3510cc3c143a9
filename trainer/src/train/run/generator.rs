//! Keypoint generator and image generator over one parameter store.

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use crate::config::Architecture;
use crate::error::{Error, Result};
use crate::nets::heatmap::Pose;
use crate::nets::image_generator::Mode;
use crate::nets::keypoint_generator::{Latents, Noise};
use crate::nets::layers::Norm;
use crate::nets::{ImageGenerator, KeypointGenerator};
use crate::train::optim::parameters;
use crate::train::run::checkpoint::Checkpoint;

/// Seed of the noise that norms are calibrated with.
const CALIBRATION_SEED: i64 = 0x5EED;
/// Passes that calibrate a finished generator.
const CALIBRATION_PASSES: u64 = 60;
/// Images a calibration pass.
const CALIBRATION_BATCH: i64 = 32;

/// Keypoint generator and image generator.
pub struct Generator {
    /// The parameters of both.
    pub store: VarStore,
    /// Noise to latents.
    pub keypoints: KeypointGenerator,
    /// Latents to images.
    pub images: ImageGenerator,
    latent: i64,
}

impl Generator {
    /// Fresh networks.
    pub fn new(arch: &Architecture, device: Device) -> Self {
        let store = VarStore::new(device);
        let keypoints = KeypointGenerator::new(store.root() / "keypoints", arch);
        let images = ImageGenerator::new(store.root() / "images", arch);
        Self { store, keypoints, images, latent: arch.latent }
    }

    /// The averaged networks of a `gan` checkpoint.
    ///
    /// # Errors
    /// [`crate::Error::Checkpoint`].
    pub fn averaged(checkpoint: &Checkpoint, device: Device) -> Result<Self> {
        let generator = Self::new(&checkpoint.state.config.architecture, device);
        let mut tensors = parameters::prefixed("average", parameters::all(&generator.store));
        checkpoint.restore(&mut tensors)?;
        Ok(generator)
    }

    /// Refuses a `gan` checkpoint whose training has not reached the full image size.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check_finished(checkpoint: &Checkpoint) -> Result<()> {
        let config = &checkpoint.state.config;
        let sizes = config.gan.images.len();
        let smaller: u64 = config.gan.images[..sizes - 1].iter().sum();
        let fade = if sizes > 1 { config.gan.fade_images } else { 0 };
        if checkpoint.state.images_seen < smaller + fade {
            return Err(Error::Usage(format!(
                "the generator has not grown to {} px yet ({} of {} images seen): train it on with --resume",
                config.architecture.image_size,
                checkpoint.state.images_seen,
                smaller + fade
            )));
        }
        Ok(())
    }

    /// The averaged networks of a `gan` checkpoint at full image size, calibrated in float32: what is sampled,
    /// exported and learned from.
    ///
    /// # Errors
    /// [`Error::Checkpoint`], also if training has not reached the full image size.
    pub fn finished(checkpoint: &Checkpoint, device: Device) -> Result<Self> {
        Self::check_finished(checkpoint)?;
        let config = &checkpoint.state.config;
        let generator = Self::averaged(checkpoint, device)?;
        generator.calibrate(CALIBRATION_PASSES, config.architecture.image_size, 1.0, Kind::Float);
        Ok(generator)
    }

    /// Re-estimates the running statistics with the weights as they are, over `passes` batches: an average of
    /// weights does not fit an average of statistics.
    pub fn calibrate(&self, passes: u64, size: i64, alpha: f64, kind: Kind) {
        tch::no_grad(|| {
            tch::manual_seed(CALIBRATION_SEED);
            // The keypoint generator first: the image generator is to see the latents that it will get.
            for pass in 0..passes {
                let _ = self.latents(CALIBRATION_BATCH, Norm::calibrating(pass));
            }
            tch::manual_seed(CALIBRATION_SEED);
            for pass in 0..passes {
                let latents = self.sample_latents(CALIBRATION_BATCH);
                let norm = Norm::calibrating(pass);
                let pose = Pose::natural(latents.keypoints);
                let mode = Mode { size, alpha, kind, norm };
                let _ = self.images.forward(&pose, &latents.embeddings, &latents.background, mode);
            }
        });
    }

    /// Latents of fresh noise, by the running statistics.
    pub fn sample_latents(&self, n: i64) -> Latents {
        self.latents(n, Norm::Running)
    }

    fn latents(&self, n: i64, norm: Norm) -> Latents {
        self.keypoints.forward(&Noise::sample(n, self.latent, self.store.device()), norm)
    }

    /// The images of latents, `[N, 3, size, size]`, by the running statistics.
    pub fn render(&self, latents: &Latents, size: i64, alpha: f64, kind: Kind) -> Tensor {
        let pose = Pose::natural(latents.keypoints.shallow_clone());
        let mode = Mode { size, alpha, kind, norm: Norm::Running };
        self.images.forward(&pose, &latents.embeddings, &latents.background, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KeypointFamily;

    /// Once only the image generator was calibrated: the averaged trunk normalised by the statistics of the live one.
    #[test]
    fn both_networks_are_calibrated_with_the_weights_as_they_are() {
        let _no_grad = tch::no_grad_guard();
        let arch = Architecture {
            keypoints: 3,
            latent: 8,
            embedding: 6,
            mlp_hidden: 8,
            image_size: 8,
            first_size: 8,
            generator_channels: vec![6, 6],
            discriminator_channels: vec![4, 4],
            keypoint_generator: KeypointFamily::Trunk,
            ..Architecture::default()
        };
        let generator = Generator::new(&arch, Device::Cpu);
        for (name, mut tensor) in generator.store.variables() {
            if name.contains("hidden") || name.ends_with("conv_in.weight") {
                let _ = tensor.g_mul_scalar_(4.0);
            }
        }
        let noise = Noise::sample(2000, arch.latent, Device::Cpu);
        // How far running statistics are from those of a large batch, seen in what they make.
        let distance = || {
            let running = generator.keypoints.forward(&noise, Norm::Running);
            let images = |norm| {
                let mode = Mode { size: 8, alpha: 1.0, kind: Kind::Float, norm };
                let pose = Pose::natural(running.keypoints.shallow_clone());
                generator.images.forward(&pose, &running.embeddings, &running.background, mode)
            };
            // Momentum 0 leaves the running statistics alone.
            let batch = generator.keypoints.forward(&noise, Norm::Batch(0.0));
            let mean = |x: Tensor| x.abs().mean(Kind::Float).double_value(&[]);
            [
                mean(running.embeddings.shallow_clone() - batch.embeddings),
                mean(images(Norm::Running) - images(Norm::Batch(0.0))),
            ]
        };
        let before = distance();
        generator.calibrate(40, 8, 1.0, Kind::Float);
        let after = distance();
        assert!(before.iter().zip(after).all(|(b, a)| a < 0.1 * b), "{before:?} {after:?}");
    }
}
