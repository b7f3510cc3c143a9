//! What is measured: generator and detector, run by libtorch or by ONNX Runtime.

mod bundle;
mod portrait;
mod run;

use tch::Tensor;

pub use bundle::BundleSubject;
pub use portrait::PortraitSubject;
pub use run::RunSubject;

use crate::config::{CropConfig, GanConfig};
use crate::error::{Error, Result};
use crate::nets::encoder::Appearance;
use crate::nets::keypoint_generator::Latents;
use crate::train::stages::gan::ImageDiscriminator;

/// What finds keypoints in pictures. Tensors are float32 on the CPU.
pub trait KeypointDetector {
    /// Side of the pictures that it was trained on.
    fn image_size(&self) -> i64;
    /// Side of the detector's input; none if there is no detector.
    fn detector_size(&self) -> Option<i64>;
    /// How training cut its pictures.
    fn crop(&self) -> CropConfig;
    /// Images `[N, 3, D, D]` of the detector's size to keypoints `[N, K, 2]`.
    ///
    /// # Errors
    /// [`Error::NoDetector`]; those of libtorch or ONNX Runtime.
    fn detect(&mut self, images: &Tensor) -> Result<Tensor>;
}

/// A generator with its detector; its image size is that of what it generates.
pub trait Subject: KeypointDetector {
    /// What the subject is, in a few words.
    fn describe(&self) -> String;
    /// Names of the keypoints.
    fn names(&self) -> Vec<String>;
    /// Width of the heat maps.
    fn tau(&self) -> f64;
    /// How the generator was trained.
    fn gan(&self) -> GanConfig;
    /// Keypoints and embeddings of `n` samples of libtorch's noise: a function of the seed.
    ///
    /// # Errors
    /// Those of libtorch or ONNX Runtime.
    fn sample(&mut self, n: i64, seed: i64) -> Result<Latents>;
    /// Latents to images `[N, 3, S, S]` in [-1, 1].
    ///
    /// # Errors
    /// Those of libtorch or ONNX Runtime.
    fn generate(&mut self, latents: &Latents) -> Result<Tensor>;
    /// Images `[N, 3, S, S]` to the embeddings `[N, K, E]` and background `[N, E]` that would reconstruct them; none if
    /// there is no encoder.
    ///
    /// # Errors
    /// Those of libtorch or ONNX Runtime.
    fn encode(&mut self, images: &Tensor) -> Result<Option<Appearance>>;
    /// The discriminator that the generator was trained against, where it was kept.
    ///
    /// # Errors
    /// Those of the checkpoint.
    fn discriminator(&self) -> Result<Option<ImageDiscriminator>> {
        Ok(None)
    }
}

/// Keypoints `[N, K, 2]` in images of any side.
///
/// # Errors
/// Those of [`KeypointDetector::detect`].
pub fn detect(subject: &mut dyn KeypointDetector, images: &Tensor) -> Result<Tensor> {
    let side = subject.detector_size().ok_or(Error::NoDetector)?;
    let fits = images.size()[2] == side && images.size()[3] == side;
    let images = if fits {
        images.shallow_clone()
    } else {
        images.f_internal_upsample_bilinear2d_aa([side, side], false, None, None)?
    };
    subject.detect(&images)
}

/// `count` latents from `start` on.
pub fn narrow(latents: &Latents, start: i64, count: i64) -> Latents {
    let cut = |t: &Tensor| t.narrow(0, start, count);
    Latents {
        keypoints: cut(&latents.keypoints),
        embeddings: cut(&latents.embeddings),
        background: cut(&latents.background),
    }
}
