//! The networks of a bundle, by ONNX Runtime on one thread.

use lkg_bundle::manifest::Provenance;
use lkg_bundle::{Bundle, Network};
use tch::{Device, Kind, Tensor};

use super::{KeypointDetector, Subject};
use crate::config::{Config, CropConfig, GanConfig};
use crate::error::Result;
use crate::nets::encoder::Appearance;
use crate::nets::keypoint_generator::{Latents, Noise};
use crate::onnx_runtime::{OnnxSession, take};

/// The networks of a bundle, by ONNX Runtime on one thread.
pub struct BundleSubject {
    bundle: Bundle,
    keypoint_generator: OnnxSession,
    image_generator: OnnxSession,
    detector: OnnxSession,
    encoder: Option<OnnxSession>,
    /// What its networks were trained with; the defaults where another trainer wrote the bundle.
    config: Config,
}

impl BundleSubject {
    /// Loads the graphs of a bundle.
    ///
    /// # Errors
    /// [`crate::Error::Bundle`] if it is not whole, [`crate::Error::Ort`].
    pub fn open(bundle: Bundle) -> Result<Self> {
        let session = |network| OnnxSession::of_bundle(&bundle, network);
        let (keypoint_generator, image_generator) =
            (session(Network::KeypointGenerator)?, session(Network::ImageGenerator)?);
        let detector = session(Network::Detector)?;
        let encoder = bundle.has(Network::Encoder).then(|| session(Network::Encoder)).transpose()?;
        let config = trained_with(&bundle.manifest().provenance);
        Ok(Self { keypoint_generator, image_generator, detector, encoder, config, bundle })
    }
}

impl KeypointDetector for BundleSubject {
    fn image_size(&self) -> i64 {
        self.bundle.manifest().dims.image_size as i64
    }

    fn detector_size(&self) -> Option<i64> {
        Some(self.bundle.manifest().dims.detector_size as i64)
    }

    fn crop(&self) -> CropConfig {
        self.config.crop.clone()
    }

    fn detect(&mut self, images: &Tensor) -> Result<Tensor> {
        take(&mut self.detector.run_on(&[("image", images)])?, "keypoints")
    }
}

impl Subject for BundleSubject {
    fn describe(&self) -> String {
        let m = self.bundle.manifest();
        format!("bundle {} of {} images seen, by ONNX Runtime", m.name, m.provenance.images_seen)
    }

    fn names(&self) -> Vec<String> {
        self.bundle.manifest().keypoints.iter().map(|k| k.name.clone()).collect()
    }

    fn tau(&self) -> f64 {
        f64::from(self.bundle.manifest().tau)
    }

    fn gan(&self) -> GanConfig {
        self.config.gan.clone()
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

    fn encode(&mut self, images: &Tensor) -> Result<Option<Appearance>> {
        let Some(encoder) = &mut self.encoder else { return Ok(None) };
        let mut outputs = encoder.run_on(&[("image", images)])?;
        let embeddings = take(&mut outputs, "embeddings")?;
        Ok(Some(Appearance { embeddings, background: take(&mut outputs, "background")? }))
    }
}

/// The configuration that a bundle's networks were trained with, in the form that it has now.
fn trained_with(provenance: &Provenance) -> Config {
    serde_json::from_value(provenance.config.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use lkg_bundle::manifest::Manifest;

    use super::*;

    #[test]
    fn shipped_bundles_say_what_they_were_trained_with() {
        let text = include_str!("../../../models/faces64-edge/manifest.json");
        let manifest: Manifest = serde_json::from_str(text).unwrap();
        let config = trained_with(&manifest.provenance);
        assert_eq!(config.gan.feature_discriminator.weight, 1.0);
        assert_eq!(config.architecture.keypoints, 10);
        assert_eq!(trained_with(&Provenance::default()), Config::default());
    }
}
