//! Faces of single pictures.

use std::time::Duration;

use image::RgbImage;
use lkg_bundle::Bundle;

use super::track::{FaceTracker, LIVE_CONFIDENCE, LocatedFace, TrackOptions};
use crate::engine::{EngineOptions, EngineSummary};
use crate::error::{Error, Result};
use crate::frame::DetectedFace;

/// Least side of a photo, in pixels.
const LEAST_SIDE: u32 = 32;

/// Refuses a photo, called `name`, that is too small for a face.
///
/// # Errors
/// [`Error::Picture`].
pub(crate) fn check_size(picture: &RgbImage, name: &str) -> Result<()> {
    let (width, height) = picture.dimensions();
    if width.min(height) >= LEAST_SIDE {
        return Ok(());
    }
    let reason = format!("{width} x {height} pixels; a face needs {LEAST_SIDE} a side at least");
    Err(Error::Picture { path: name.into(), reason })
}

/// The face of a photo, called `name`, and what its user should know about it. Of several the largest is taken that
/// `tracker` is as confident of as live faces must be; where it finds less certain ones, as in a painting, the most confident;
/// where there is none, its best guess if `anyway`.
///
/// # Errors
/// [`Error::Picture`] if there is no face, and those of [`crate::engine::Detector::detect`].
pub(crate) fn face_of_photo(
    tracker: &mut FaceTracker,
    picture: &RgbImage,
    name: &str,
    anyway: bool,
) -> Result<(LocatedFace, Vec<String>)> {
    let refuse = |reason: String| Error::Picture { path: name.into(), reason };
    let mut faces = tracker.all_faces(picture)?;
    let is_certain = |f: &LocatedFace| f.confident && f.face.confidence() >= LIVE_CONFIDENCE;
    let others = faces.iter().filter(|f| is_certain(f)).count().saturating_sub(1);
    let certain = faces.iter().position(is_certain);
    let by_confidence = |(_, a): &(usize, &LocatedFace), (_, b): &(usize, &LocatedFace)| {
        a.face.confidence().total_cmp(&b.face.confidence())
    };
    let best = certain.or_else(|| faces.iter().enumerate().max_by(by_confidence).map(|(i, _)| i));
    let Some(best) = best else { return Err(refuse("no face found".to_owned())) };
    let located = faces.swap_remove(best);
    let confidence = located.face.confidence();
    if !located.confident && !anyway {
        return Err(refuse(format!(
            "no face found (the best guess has confidence {confidence:.2}; {LIVE_CONFIDENCE} and a steady place are \
             needed); --anyway takes the best guess"
        )));
    }
    let mut notes = Vec::new();
    if !located.confident {
        notes.push(format!("{name}: no confident face; taking the best guess ({confidence:.2})"));
    } else if certain.is_none() {
        notes.push(format!("{name}: the face is not certain (confidence {confidence:.2})"));
    }
    if others > 0 {
        notes.push(format!("{name}: {} faces found; the largest is taken", others + 1));
    }
    Ok((located, notes))
}

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
