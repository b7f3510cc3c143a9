//! Faces of single pictures.

use std::time::Duration;

use image::RgbImage;
use lkg_bundle::{Bundle, Manifest};

use super::choice::FaceChoice;
use super::expressions::read_expressions;
use super::track::{FaceTracker, LIVE_CONFIDENCE, LocatedFace, TrackOptions};
use crate::engine::{EngineOptions, EngineSummary};
use crate::error::{Error, Result};
use crate::frame::{DetectedFace, PictureRef};

/// Mean confidence below which a square that refinement settles on says nothing.
const LEAST_SOUGHT: f32 = 0.3;
/// What messages about a photo end with: the flags that have it otherwise.
pub(crate) const HINTS: [&str; 2] = ["; --anyway takes the best guess", ", --face takes another"];
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

/// The face of a photo, called `name`, that `choice` means, and what its user should know about it; where there is none,
/// the best guess of `tracker` if `anyway`.
///
/// # Errors
/// [`Error::Picture`] if there is no face, and those of [`crate::engine::Detector::detect`].
pub(crate) fn face_of_photo(
    tracker: &mut FaceTracker,
    picture: &RgbImage,
    name: &str,
    anyway: bool,
    choice: FaceChoice,
) -> Result<(LocatedFace, Vec<String>)> {
    let refuse = |reason: String| Error::Picture { path: name.into(), reason };
    let mut faces = tracker.all_faces(picture.into())?;
    let is_certain = |f: &LocatedFace| f.confident && f.face.confidence() >= LIVE_CONFIDENCE;
    let certain = faces.iter().filter(|f| is_certain(f)).count();
    let chosen = choice.among(&faces).map_err(refuse)?;
    let located = faces.swap_remove(chosen);
    let confidence = located.face.confidence();
    if !located.confident && !anyway {
        return Err(refuse(format!(
            "no face found (the best guess has confidence {confidence:.2}; {LIVE_CONFIDENCE} and a steady place are \
             needed){}",
            HINTS[0]
        )));
    }
    let mut notes = Vec::new();
    if !located.confident {
        notes.push(format!("{name}: no confident face; taking the best guess ({confidence:.2})"));
    } else if !is_certain(&located) {
        notes.push(format!("{name}: the face is not certain (confidence {confidence:.2})"));
    }
    if certain > 1 && choice == FaceChoice::Largest {
        notes.push(format!("{name}: {certain} faces found; the largest is taken{}", HINTS[1]));
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
    manifest: Manifest,
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
        Self::open(bundle, options, track)
    }

    /// The same, but it runs the detector once on the whole picture: for pictures that are crops of faces.
    ///
    /// # Errors
    /// Those of [`FaceDetector::new`].
    pub fn once(bundle: &Bundle, options: &EngineOptions) -> Result<Self> {
        Self::open(bundle, options, TrackOptions::once(bundle.manifest()))
    }

    fn open(bundle: &Bundle, options: &EngineOptions, track: TrackOptions) -> Result<Self> {
        Ok(Self { tracker: FaceTracker::open(bundle, options, track)?, manifest: bundle.manifest().clone() })
    }

    /// Every face of `picture`, the largest first; none if there is none to be confident of (mean confidence 0.65).
    ///
    /// They are numbered from 1 in this order. It runs the network up to some hundred times on a picture of 640 x 480:
    /// [`FaceDetector::detect_one`] stops at the first face.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if the network fails.
    pub fn detect<'p>(&mut self, picture: impl Into<PictureRef<'p>>) -> Result<Vec<DetectedFace>> {
        self.faces(picture, LIVE_CONFIDENCE)
    }

    /// What `runtime detect` reports: every face of `picture` whose mean confidence is `least` (0 to 1) at least, numbered from
    /// 1, the largest first, with the values of the bundle's expressions. Below 0.65 the best guess is given where nothing
    /// else is found, if it is as confident.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if the network fails.
    pub fn faces<'p>(&mut self, picture: impl Into<PictureRef<'p>>, least: f32) -> Result<Vec<DetectedFace>> {
        // Who asks for less wants whatever there is, not more of what is none.
        self.tracker.set_min_confidence(if least < LEAST_SOUGHT { LIVE_CONFIDENCE } else { least });
        let mut faces = self.tracker.all_faces(picture.into())?;
        faces.retain(|found| {
            let confidence = found.face.confidence();
            confidence >= least && (found.confident || least < LIVE_CONFIDENCE)
        });
        let with_expressions = |found: LocatedFace| {
            let mut face = found.face;
            face.expressions.extend(read_expressions(&self.manifest, &face.states));
            face
        };
        Ok(faces.into_iter().map(with_expressions).collect())
    }

    /// The face that stands out in `picture`, with the keypoints that `runtime detect` reports; none if there is none to be
    /// confident of.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if the network fails.
    pub fn detect_one<'p>(&mut self, picture: impl Into<PictureRef<'p>>) -> Result<Option<DetectedFace>> {
        Ok(self.tracker.track(picture, Duration::ZERO)?.face)
    }

    /// What computes, and why nothing better does.
    pub fn summary(&self) -> EngineSummary {
        self.tracker.detector().summary()
    }
}
