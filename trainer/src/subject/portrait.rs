//! The portrait networks of a run, by libtorch.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::KeypointDetector;
use crate::config::CropConfig;
use crate::error::{Error, Result};
use crate::nets::Detector;
use crate::nets::layers::Norm;
use crate::nets::portrait::{Flow, Parts, Portrait, Rendered};
use crate::nets::resize::resize;
use crate::train::run::Run;
use crate::train::run::checkpoint::{Checkpoint, State};
use crate::train::run::stored::{Staged, Stored};
use crate::train::stages::portrait::STAGE;

/// The portrait networks of a run, by libtorch, on the CPU.
pub struct PortraitSubject {
    /// The averaged networks.
    pub nets: Stored<Portrait>,
    /// The detector of a stage of its own, where the run had one after the portrait networks: it sees better what theirs sees.
    detector: Option<(Stored<Detector>, State)>,
    /// Their checkpoint.
    pub checkpoint: Checkpoint,
}

impl PortraitSubject {
    /// Opens the averaged networks of a run; none if it has no such stage.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn of_run(run: &Run) -> Result<Option<Self>> {
        let path = run.checkpoint(STAGE);
        path.exists().then(|| Self::open(&path)).transpose()
    }

    /// Opens the averaged networks of a checkpoint of the stage; with the latest one of a run goes the detector of the stage
    /// after it, if there was one.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn open(path: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::open(path)?;
        let nets = Stored::averaged(&checkpoint, Device::Cpu)?;
        let own = path.with_file_name(format!("{}.safetensors", Detector::NAME));
        let is_latest = path.file_stem().is_some_and(|stem| stem == STAGE);
        if !is_latest || !own.exists() {
            return Ok(Self { nets, detector: None, checkpoint });
        }
        let detector = Checkpoint::open(&own)?;
        detector.check_architecture(&checkpoint.state.config)?;
        let stored = Stored::averaged(&detector, Device::Cpu)?;
        Ok(Self { nets, detector: Some((stored, detector.state)), checkpoint })
    }

    /// The detector: that of a stage of its own, or else the one that was trained along.
    pub fn detector(&self) -> &Detector {
        self.detector.as_ref().map_or(&self.nets.net.detector, |(own, _)| &own.net)
    }

    /// How far the detector's own stage came, where there was one.
    pub fn detector_state(&self) -> Option<&State> {
        self.detector.as_ref().map(|(_, state)| state)
    }

    /// Keypoints and states in images of any side.
    ///
    /// # Errors
    /// [`Error::Usage`] if the detector reads no states.
    pub fn parts(&self, images: &Tensor) -> Result<Parts> {
        let images = resize(images, self.checkpoint.state.config.architecture.detector_size);
        let detection = tch::no_grad(|| self.detector().forward(&images, Norm::Running));
        let reason = "the detector reads no states: train with architecture.states above 0";
        Parts::of(&detection).ok_or_else(|| Error::Usage(reason.into()))
    }

    /// Photos `[N, 3, S, S]` of any side with the parts `source`, driven to `driven`.
    pub fn drive(&self, photos: &Tensor, source: &Parts, driven: &Parts) -> (Flow, Rendered) {
        let photos = resize(photos, self.image_size());
        tch::no_grad(|| self.nets.net.drive(&photos, source, driven, Kind::Float, Norm::Running))
    }
}

impl KeypointDetector for PortraitSubject {
    #[expect(clippy::misnamed_getters, reason = "the other size is a generator's")]
    fn image_size(&self) -> i64 {
        self.checkpoint.state.config.architecture.portrait_size
    }

    fn detector_size(&self) -> Option<i64> {
        Some(self.checkpoint.state.config.architecture.detector_size)
    }

    fn crop(&self) -> CropConfig {
        self.checkpoint.state.config.crop.clone()
    }

    fn detect(&mut self, images: &Tensor) -> Result<Tensor> {
        Ok(tch::no_grad(|| self.detector().forward(images, Norm::Running).keypoints))
    }
}
