//! Portrait networks to measure, run by libtorch or by ONNX Runtime.

use std::path::Path;

use lkg_bundle::{Bundle, Network};
use tch::Tensor;

use crate::error::{Error, Result};
use crate::nets::portrait::{COARSE, Parts, grid, warp};
use crate::onnx_runtime::{OnnxSession, take};
use crate::subject::PortraitSubject;

/// Photos that were driven, `[N, 3, P, P]` in [-1, 1] but for the mask.
#[derive(Debug)]
pub struct Driven {
    /// What comes out.
    pub image: Tensor,
    /// The photo as the flow alone carries it.
    pub warped: Tensor,
    /// `[N, 1, P, P]`, 1 where the photo's own pixels show.
    pub mask: Tensor,
}

impl Driven {
    /// `mask * warped + (1 - mask) * colour`.
    pub fn composed(warped: Tensor, mask: Tensor, colour: &Tensor) -> Self {
        Self { image: &mask * &warped + (1.0 - &mask) * colour, warped, mask }
    }
}

/// A detector with states and the networks that carry a photo. Tensors are float32 on the CPU.
pub trait PortraitNetworks {
    /// What they are, in a few words.
    fn describe(&self) -> String;
    /// Sides of the detector's input and of the photo, pixels.
    fn sizes(&self) -> (i64, i64);
    /// The parts in images `[N, 3, D, D]` of the detector's size.
    ///
    /// # Errors
    /// Those of libtorch or ONNX Runtime.
    fn detect(&mut self, images: &Tensor) -> Result<Parts>;
    /// Photos `[N, 3, P, P]` with the parts `source`, driven to the parts `driven`.
    ///
    /// # Errors
    /// Those of libtorch or ONNX Runtime.
    fn drive(&mut self, photos: &Tensor, source: &Parts, driven: &Parts) -> Result<Driven>;
}

/// The averaged networks of a run.
pub struct RunNetworks(PortraitSubject);

impl RunNetworks {
    /// Opens a checkpoint of `trainer portrait`.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none, [`Error::Checkpoint`].
    pub fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            let text =
                format!("{}: no portrait networks here: train them with `trainer portrait`", path.display());
            return Err(Error::Usage(text));
        }
        PortraitSubject::open(path).map(Self)
    }
}

impl PortraitNetworks for RunNetworks {
    fn describe(&self) -> String {
        let state = &self.0.checkpoint.state;
        format!("run at {} pairs seen, {} steps, by libtorch", state.images_seen, state.step)
    }

    fn sizes(&self) -> (i64, i64) {
        let arch = &self.0.checkpoint.state.config.architecture;
        (arch.detector_size, arch.portrait_size)
    }

    fn detect(&mut self, images: &Tensor) -> Result<Parts> {
        self.0.parts(images)
    }

    fn drive(&mut self, photos: &Tensor, source: &Parts, driven: &Parts) -> Result<Driven> {
        let (_, done) = self.0.drive(photos, source, driven);
        Ok(Driven { image: done.image, warped: done.warped, mask: done.mask })
    }
}

/// The networks of a bundle, by ONNX Runtime on one thread.
pub struct BundleNetworks {
    detector: OnnxSession,
    source: OnnxSession,
    portrait: OnnxSession,
    sizes: (i64, i64),
    described: String,
}

impl BundleNetworks {
    /// Loads the graphs of a bundle.
    ///
    /// # Errors
    /// [`Error::Usage`] if it carries no photos, [`Error::Bundle`] if it is not whole, [`Error::Ort`].
    pub fn open(bundle: &Bundle) -> Result<Self> {
        let m = bundle.manifest();
        let Some(portrait_size) = m.dims.portrait_size.filter(|_| bundle.has(Network::Portrait)) else {
            let text = format!(
                "the bundle {} has no portrait networks: export it from a run of `trainer portrait`",
                m.name
            );
            return Err(Error::Usage(text));
        };
        let session = |network| OnnxSession::of_bundle(bundle, network);
        Ok(Self {
            detector: session(Network::Detector)?,
            source: session(Network::PortraitSource)?,
            portrait: session(Network::Portrait)?,
            sizes: (m.dims.detector_size as i64, portrait_size as i64),
            described: format!(
                "bundle {} of {} pairs seen, by ONNX Runtime",
                m.name, m.provenance.images_seen
            ),
        })
    }
}

impl PortraitNetworks for BundleNetworks {
    fn describe(&self) -> String {
        self.described.clone()
    }

    fn sizes(&self) -> (i64, i64) {
        self.sizes
    }

    fn detect(&mut self, images: &Tensor) -> Result<Parts> {
        let mut outputs = self.detector.run_on(&[("image", images)])?;
        Ok(Parts { keypoints: take(&mut outputs, "keypoints")?, states: take(&mut outputs, "states")? })
    }

    fn drive(&mut self, photos: &Tensor, source: &Parts, driven: &Parts) -> Result<Driven> {
        let mut features = self.source.run_on(&[("image", photos), ("keypoints", &source.keypoints)])?;
        let (small, coarse) = (take(&mut features, "small")?, take(&mut features, "coarse")?);
        let fine = take(&mut features, "fine")?;
        let change = &driven.states - &source.states;
        let mut outputs = self.portrait.run_on(&[
            ("image", photos),
            ("small", &small),
            ("coarse", &coarse),
            ("fine", &fine),
            ("source_keypoints", &source.keypoints),
            ("keypoints", &driven.keypoints),
            ("change", &change),
        ])?;
        let field = take(&mut outputs, "flow")?.permute([0, 2, 3, 1]) + grid(COARSE, photos);
        let warped = warp(photos, &field, photos.size()[3]);
        let colour = take(&mut outputs, "colour")?;
        Ok(Driven::composed(warped, take(&mut outputs, "mask")?, &colour))
    }
}
