//! The networks of a bundle, by ONNX Runtime on one thread.

use lkg_bundle::{Bundle, Network};
use serde::de::DeserializeOwned;
use tch::{Device, Kind, Tensor};

use super::Subject;
use crate::config::{CropConfig, GanConfig};
use crate::error::Result;
use crate::nets::encoder::Looks;
use crate::nets::keypoint_generator::{Latents, Noise};
use crate::onnx_runtime::{OnnxSession, take};

/// The networks of a bundle, by ONNX Runtime on one thread.
pub struct Exported {
    bundle: Bundle,
    keypoint_generator: OnnxSession,
    image_generator: OnnxSession,
    detector: OnnxSession,
    encoder: Option<OnnxSession>,
}

impl Exported {
    /// Loads the graphs of a bundle.
    ///
    /// # Errors
    /// [`Error::Bundle`] if it is not whole, [`Error::Ort`].
    pub fn open(bundle: Bundle) -> Result<Self> {
        let session = |network| OnnxSession::of_bundle(&bundle, network);
        let (keypoint_generator, image_generator) =
            (session(Network::KeypointGenerator)?, session(Network::ImageGenerator)?);
        let detector = session(Network::Detector)?;
        let encoder = bundle.has(Network::Encoder).then(|| session(Network::Encoder)).transpose()?;
        Ok(Self { keypoint_generator, image_generator, detector, encoder, bundle })
    }

    /// A table of the configuration that its networks were trained with; a bundle that another trainer wrote may lack it.
    fn trained_with<T: DeserializeOwned + Default>(&self, table: &str) -> T {
        serde_json::from_value(self.bundle.manifest().provenance.config[table].clone()).unwrap_or_default()
    }
}

impl Subject for Exported {
    fn describe(&self) -> String {
        let m = self.bundle.manifest();
        format!("bundle {} of {} images seen, by ONNX Runtime", m.name, m.provenance.images_seen)
    }

    fn names(&self) -> Vec<String> {
        self.bundle.manifest().keypoints.iter().map(|k| k.name.clone()).collect()
    }

    fn image_size(&self) -> i64 {
        self.bundle.manifest().dims.image_size as i64
    }

    fn detector_size(&self) -> Option<i64> {
        Some(self.bundle.manifest().dims.detector_size as i64)
    }

    fn tau(&self) -> f64 {
        f64::from(self.bundle.manifest().tau)
    }

    fn crop(&self) -> CropConfig {
        self.trained_with("crop")
    }

    fn gan(&self) -> GanConfig {
        self.trained_with("gan")
    }

    fn sample(&mut self, n: i64, seed: i64) -> Result<Latents> {
        tch::manual_seed(seed);
        let noise = Noise::sample(n, self.bundle.manifest().dims.latent as i64, Device::Cpu);
        let inputs = [
            ("z_pose", &noise.pose),
            ("z_appearance", &noise.appearance),
            ("z_background", &noise.background),
        ];
        let mut outputs = self.keypoint_generator.run_on(&inputs)?;
        let mut take = |name| take(&mut outputs, name);
        Ok(Latents {
            keypoints: take("keypoints")?,
            embeddings: take("embeddings")?,
            background: take("background")?,
        })
    }

    fn generate(&mut self, latents: &Latents) -> Result<Tensor> {
        let ones = Tensor::ones(&latents.keypoints.size()[..2], (Kind::Float, Device::Cpu));
        let inputs = [
            ("keypoints", &latents.keypoints),
            ("scales", &ones),
            ("visible", &ones),
            ("embeddings", &latents.embeddings),
            ("background", &latents.background),
        ];
        take(&mut self.image_generator.run_on(&inputs)?, "image")
    }

    fn detect(&mut self, images: &Tensor) -> Result<Tensor> {
        take(&mut self.detector.run_on(&[("image", images)])?, "keypoints")
    }

    fn encode(&mut self, images: &Tensor) -> Result<Option<Looks>> {
        let Some(encoder) = &mut self.encoder else { return Ok(None) };
        let mut outputs = encoder.run_on(&[("image", images)])?;
        let embeddings = take(&mut outputs, "embeddings")?;
        Ok(Some(Looks { embeddings, background: take(&mut outputs, "background")? }))
    }
}
