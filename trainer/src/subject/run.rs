//! The networks of a run, by libtorch.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::{KeypointDetector, Subject};
use crate::config::{CropConfig, GanConfig};
use crate::error::{Error, Result};
use crate::nets::encoder::Appearance;
use crate::nets::heatmap::Pose;
use crate::nets::image_generator::Mode;
use crate::nets::keypoint_generator::Latents;
use crate::nets::layers::Norm;
use crate::nets::{Detector, Encoder};
use crate::train::run::Run;
use crate::train::run::checkpoint::Checkpoint;
use crate::train::run::generator::Generator;
use crate::train::run::stored::Stored;
use crate::train::stages::gan::ImageDiscriminator;

/// The networks of a run, by libtorch.
pub struct RunSubject {
    /// The averaged generator, calibrated.
    pub generator: Generator,
    /// The averaged detector, if there is one yet.
    pub detector: Option<Stored<Detector>>,
    /// The averaged encoder, if there is one yet.
    pub encoder: Option<Stored<Encoder>>,
    /// The generator's checkpoint.
    pub checkpoint: Checkpoint,
}

impl RunSubject {
    /// Opens the averaged networks of a run; `generator` is the file of the generator's checkpoint.
    ///
    /// # Errors
    /// [`Error::Usage`] or [`Error::Checkpoint`] if there is no generator grown to its full size.
    pub fn open(run: &Run, generator: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::open(generator)?;
        let detector = Stored::of_run(run, &checkpoint, Device::Cpu)?;
        let encoder = Stored::of_run(run, &checkpoint, Device::Cpu)?;
        Ok(Self { generator: Generator::finished(&checkpoint, Device::Cpu)?, detector, encoder, checkpoint })
    }

    /// Images `[N, 3, S, S]` of parts placed by `pose`, which may be of any size or hidden.
    pub fn generate_posed(&self, pose: &Pose, embeddings: &Tensor, background: &Tensor) -> Tensor {
        let mode = Mode::exported(&self.checkpoint.state.config.architecture);
        tch::no_grad(|| self.generator.images.forward(pose, embeddings, background, mode))
    }
}

impl KeypointDetector for RunSubject {
    fn image_size(&self) -> i64 {
        self.checkpoint.state.config.architecture.image_size
    }

    fn detector_size(&self) -> Option<i64> {
        self.detector.as_ref().map(|_| self.checkpoint.state.config.architecture.detector_size)
    }

    fn crop(&self) -> CropConfig {
        self.checkpoint.state.config.crop.clone()
    }

    fn detect(&mut self, images: &Tensor) -> Result<Tensor> {
        let detector = self.detector.as_ref().ok_or(Error::NoDetector)?;
        Ok(tch::no_grad(|| detector.net.forward(images, Norm::Running).keypoints))
    }
}

impl Subject for RunSubject {
    fn describe(&self) -> String {
        let state = &self.checkpoint.state;
        format!("run at {} images seen, {} steps, by libtorch", state.images_seen, state.step)
    }

    fn names(&self) -> Vec<String> {
        (0..self.checkpoint.state.config.architecture.keypoints).map(|k| format!("k{k}")).collect()
    }

    fn tau(&self) -> f64 {
        self.checkpoint.state.config.architecture.tau
    }

    fn gan(&self) -> GanConfig {
        self.checkpoint.state.config.gan.clone()
    }

    fn sample(&mut self, n: i64, seed: i64) -> Result<Latents> {
        tch::manual_seed(seed);
        Ok(tch::no_grad(|| self.generator.sample_latents(n)))
    }

    fn generate(&mut self, latents: &Latents) -> Result<Tensor> {
        Ok(tch::no_grad(|| self.generator.render(latents, self.image_size(), 1.0, Kind::Float)))
    }

    fn encode(&mut self, images: &Tensor) -> Result<Option<Appearance>> {
        Ok(self.encoder.as_ref().map(|e| tch::no_grad(|| e.net.forward(images, Kind::Float))))
    }

    fn discriminator(&self) -> Result<Option<ImageDiscriminator>> {
        let mut discriminator = ImageDiscriminator::restored(&self.checkpoint, Device::Cpu)?;
        // As in training.
        discriminator.net.group = self.checkpoint.state.config.gan.norm_group;
        Ok(Some(discriminator))
    }
}
