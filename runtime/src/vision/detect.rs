//! Faces of single pictures.

use std::time::Duration;

use image::RgbImage;
use lkg_bundle::Bundle;

use super::track::{FaceTracker, TrackOptions};
use crate::engine::{EngineOptions, EngineSummary};
use crate::error::Result;
use crate::frame::DetectedFace;

/// Finds the faces of single pictures.
///
/// A face is sought in the whole picture and in tiles of it; where refinement crops around its keypoints settle on one
/// square it is a face, and its keypoints are the mean over several crops.
///
/// ```
/// use lkg_runtime::{Bundle, EngineOptions, FaceDetector, FaceModel};
///
/// # fn main() -> lkg_runtime::Result<()> {
/// let bundle = Bundle::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/faces64-edge"))?;
/// // Any `RgbImage` will do: here it is a generated face.
/// let mut model = FaceModel::new(bundle.clone(), EngineOptions::default());
/// let latents = model.sample_face(3, 0, 0.7)?;
/// let picture = model.image(&latents)?;
///
/// let mut detector = FaceDetector::new(&bundle, &EngineOptions::default())?;
/// for face in detector.detect(&picture)? {
///     for (keypoint, described) in face.keypoints.iter().zip(&bundle.manifest().keypoints) {
///         println!("{}: ({:.1}, {:.1})", described.name, keypoint.x, keypoint.y);
///     }
/// }
/// # assert_eq!(detector.detect(&picture)?.len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct FaceDetector {
    tracker: FaceTracker,
}

impl FaceDetector {
    /// The detector of `bundle`.
    ///
    /// # Errors
    /// [`Error::Bundle`](crate::Error::Bundle) if its file is damaged, [`Error::Library`](crate::Error::Library) where there
    /// is no ONNX Runtime, [`Error::Provider`](crate::Error::Provider) or [`Error::Engine`](crate::Error::Engine) if it does
    /// not load.
    pub fn new(bundle: &Bundle, options: &EngineOptions) -> Result<Self> {
        let track = TrackOptions { guess: false, ..TrackOptions::picture(bundle.manifest()) };
        Ok(Self { tracker: FaceTracker::open(bundle, options, track)? })
    }

    /// Every face of `picture`, the largest first; none if there is none to be confident of (mean confidence 0.65).
    ///
    /// It runs the network some hundred times on a picture of 640 x 480: [`FaceDetector::detect_one`] stops at the first
    /// face.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if the network fails.
    pub fn detect(&mut self, picture: &RgbImage) -> Result<Vec<DetectedFace>> {
        self.tracker.detect_all(picture)
    }

    /// The face that stands out in `picture`, with the keypoints that `runtime detect` reports; none if there is none to be
    /// confident of.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if the network fails.
    pub fn detect_one(&mut self, picture: &RgbImage) -> Result<Option<DetectedFace>> {
        Ok(self.tracker.track(picture, Duration::ZERO)?.face)
    }

    /// What computes, and why nothing better does.
    pub fn summary(&self) -> EngineSummary {
        self.tracker.detector().summary()
    }
}
