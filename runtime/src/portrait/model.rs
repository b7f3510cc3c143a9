//! Opens photos and drives them, with the networks of one bundle.

use std::path::Path;
use std::time::{Duration, Instant};

use image::{GrayImage, RgbImage};
use lkg_bundle::{Bundle, Manifest};
use ndarray::Array4;

use super::compose::{PhotoCompositor, Region};
use super::photo::{PortraitPhoto, fitted, shrunk_note};
use crate::engine::{Detector, EngineOptions, EngineSummary, Portrait, PortraitSource};
use crate::error::Result;
use crate::frame::{DetectedFace, DetectedKeypoint};
use crate::media::SentPhoto;
use crate::media::picture::{self, Original, ReadPicture};
use crate::vision::choice::FaceChoice;
use crate::vision::crop::Crop;
use crate::vision::detect::{check_size, face_of_photo};
use crate::vision::face_layout::FaceLayout;
use crate::vision::photo::Photo;
use crate::vision::preprocess::Preprocessor;
use crate::vision::similarity::centre;
use crate::vision::track::{FaceTracker, TrackOptions};

/// Side of a photo's square over that in which training pictures frame a face: room for the head to move, within what the
/// networks learned.
const SQUARE: f32 = 1.35;
/// Tilt of a head, in radians, below which its square stays upright.
const UPRIGHT: f32 = 0.12;
/// Mean confidence that the face of a photo must have: paintings and statues are faces of less confidence.
const LEAST_CONFIDENCE: f32 = 0.45;
/// The crops whose means are a photo's keypoints and states: side, and shift right and down in half sides.
const LOOKS: [(f32, [f32; 2]); 5] = [
    (1.0, [0.0; 2]),
    (0.95, [0.03, 0.03]),
    (0.95, [-0.03, -0.03]),
    (1.06, [-0.03, 0.03]),
    (1.06, [0.03, -0.03]),
];
/// Runs until all is set up.
const WARM_UP: usize = 2;

/// Time spent on a frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    /// In the portrait network.
    pub network: Duration,
    /// Composing.
    pub compose: Duration,
}

/// Opens photos and carries them to other keypoints and states.
pub struct PortraitModel {
    manifest: Manifest,
    layout: FaceLayout,
    tracker: FaceTracker,
    source: PortraitSource,
    portrait: Portrait,
    /// Take the best guess of a face where none is confident.
    pub anyway: bool,
    /// Which face of a photo is meant.
    pub choice: FaceChoice,
}

impl PortraitModel {
    /// The model of `bundle`.
    ///
    /// # Errors
    /// [`Error::NoPortrait`](crate::Error::NoPortrait) if the bundle has no portrait networks, and those of loading a network.
    pub fn load(bundle: &Bundle, options: &EngineOptions) -> Result<Self> {
        let source = PortraitSource::load(bundle, options)?;
        let portrait = Portrait::load(bundle, options)?;
        let detector = Detector::load(bundle, options)?;
        Ok(Self::from_networks(bundle.manifest().clone(), detector, source, portrait))
    }

    /// The same of networks that are there, for instance mocks.
    pub fn from_networks(
        manifest: Manifest,
        detector: Detector,
        source: PortraitSource,
        portrait: Portrait,
    ) -> Self {
        let options = TrackOptions { min_confidence: LEAST_CONFIDENCE, ..TrackOptions::picture(&manifest) };
        Self {
            layout: FaceLayout::new(&manifest),
            tracker: FaceTracker::new(detector, options),
            source,
            portrait,
            manifest,
            anyway: false,
            choice: FaceChoice::Largest,
        }
    }

    /// The bundle's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What computes, and why nothing better does.
    pub fn summary(&self) -> EngineSummary {
        self.portrait.summary()
    }

    /// Opens the photo `name`.
    ///
    /// # Errors
    /// [`Error::Picture`](crate::Error::Picture) if it cannot be read or has no face to be confident of.
    pub fn open(&mut self, name: &str) -> Result<PortraitPhoto> {
        self.open_read(picture::read_whole(Path::new(name))?, name)
    }

    /// Opens a photo that somebody sent.
    ///
    /// # Errors
    /// Those of [`PortraitModel::open_image`].
    pub(crate) fn open_sent(&mut self, sent: SentPhoto) -> Result<PortraitPhoto> {
        let own = (self.anyway, self.choice);
        (self.anyway, self.choice) = (self.anyway || sent.anyway, sent.choice);
        let opened = self.open_read(sent.read, &sent.name);
        (self.anyway, self.choice) = own;
        opened
    }

    fn open_read(&mut self, read: ReadPicture, name: &str) -> Result<PortraitPhoto> {
        let mut photo = self.open_pixels(read.pixels, read.original.alpha(), name)?;
        photo.original = read.original;
        photo.notes.extend(read.notes.into_iter().map(|note| format!("{name}: {note}")));
        Ok(photo)
    }

    /// Opens a photo, which messages call `name`: [`PortraitModel::choice`] says which of its faces can be driven.
    ///
    /// # Errors
    /// [`Error::Picture`](crate::Error::Picture) if there is no face in it to be confident of, [`Error::Engine`](crate::Error::Engine) if a network fails.
    pub fn open_image(&mut self, picture: RgbImage, name: &str) -> Result<PortraitPhoto> {
        self.open_pixels(picture, None, name)
    }

    /// The same of a cut-out that lies on white, if it has `alpha`.
    fn open_pixels(
        &mut self,
        picture: RgbImage,
        alpha: Option<GrayImage>,
        name: &str,
    ) -> Result<PortraitPhoto> {
        let (mut photo, mut notes) = self.locate(picture, name)?;
        photo.alpha = alpha;
        let fitted = fitted(&photo, self.source.size() as f32);
        notes.extend(shrunk_note(name, &photo, &fitted));
        let opened = self.prepare(fitted, notes)?;
        // The first frame should not wait for what a first run sets up.
        for _ in 0..WARM_UP {
            self.portrait.run(&opened.features, &opened.keypoints, &vec![0.0; opened.states.len()])?;
        }
        Ok(opened)
    }

    /// A photo, which messages call `name`, with the square around its face, and what its user should know.
    ///
    /// # Errors
    /// Those of [`PortraitModel::open_image`].
    pub(crate) fn locate(&mut self, picture: RgbImage, name: &str) -> Result<(Photo, Vec<String>)> {
        check_size(&picture, name)?;
        let (found, notes) = face_of_photo(&mut self.tracker, &picture, name, self.anyway, self.choice)?;
        let framed = self.framed(&found.face.keypoints);
        Ok((Photo { picture, crop: Crop { side: framed.side * SQUARE, ..framed }, alpha: None }, notes))
    }

    /// Keypoints, in normalised coordinates of the photo's square, and states of the face in it.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if a network fails.
    pub(crate) fn measure(
        &mut self,
        Photo { picture, crop, .. }: &Photo,
    ) -> Result<(Vec<[f32; 2]>, Vec<f32>)> {
        let face = self.look(picture, &Crop { side: crop.side / SQUARE, ..*crop })?;
        Ok((face.keypoints.iter().map(|k| crop.to_network([k.x, k.y])).collect(), face.states))
    }

    /// A photo at its own size, whose face was measured.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if a network fails.
    pub(crate) fn hold(
        &mut self,
        Photo { picture, crop, alpha }: Photo,
        keypoints: Vec<[f32; 2]>,
        states: Vec<f32>,
        notes: Vec<String>,
    ) -> Result<PortraitPhoto> {
        let size = self.source.size();
        let region = Region::new(&picture, &crop, alpha.as_ref());
        // White about a cut-out would be drawn into it.
        let bare = alpha.as_ref().map(|_| region.over(&picture));
        let image = sampled(bare.as_ref().unwrap_or(&picture), &crop, size);
        let features = self.source.run(image, &keypoints)?;
        let small = features.image().as_slice().unwrap_or_default();
        let composer = PhotoCompositor::new(picture, crop, region, size, small);
        let original = Original::default();
        Ok(PortraitPhoto { composer, features, keypoints, states, alpha, original, notes })
    }

    /// The same photo in a picture of `size` pixels, with black around it where it has another shape.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if a network fails.
    pub fn within(&mut self, photo: &PortraitPhoto, size: (u32, u32)) -> Result<PortraitPhoto> {
        if photo.picture().dimensions() == size {
            return Ok(photo.clone());
        }
        let (picture, alpha) = (photo.picture().clone(), photo.alpha.clone());
        let whole = Photo { picture, crop: *photo.crop(), alpha };
        self.prepare(whole.within(size), photo.notes.clone())
    }

    fn prepare(&mut self, photo: Photo, notes: Vec<String>) -> Result<PortraitPhoto> {
        let (keypoints, states) = self.measure(&photo)?;
        self.hold(photo, keypoints, states, notes)
    }

    /// The square that frames `keypoints`, turned with a head that tilts.
    fn framed(&self, keypoints: &[DetectedKeypoint]) -> Crop {
        let frame = self.layout.frame(keypoints);
        Crop {
            angle: if frame.angle.abs() < UPRIGHT { 0.0 } else { frame.angle },
            side: frame.side.max(8.0),
            ..frame
        }
    }

    /// Keypoints, in pixels, and states of the face in `crop`: the mean of several looks at it.
    fn look(&mut self, picture: &RgbImage, crop: &Crop) -> Result<DetectedFace> {
        let share = 1.0 / LOOKS.len() as f32;
        let mut mean = DetectedFace::default();
        for (scale, shift) in LOOKS {
            let [cx, cy] = crop.to_picture(shift);
            let seen = self
                .tracker
                .look(picture.into(), Crop { cx, cy, side: crop.side * scale, angle: crop.angle })?;
            mean.keypoints.resize(seen.keypoints.len(), DetectedKeypoint { x: 0.0, y: 0.0, confidence: 0.0 });
            mean.states.resize(seen.states.len(), 0.0);
            for (to, k) in mean.keypoints.iter_mut().zip(&seen.keypoints) {
                to.x += k.x * share;
                to.y += k.y * share;
                to.confidence += k.confidence * share;
            }
            mean.states.iter_mut().zip(&seen.states).for_each(|(to, s)| *to += s * share);
        }
        Ok(mean)
    }

    /// Makes `canvas` the photo with its face at `keypoints` (normalised coordinates of its square), its states changed by
    /// `change`, and all of it then turned by `turn` radians about the face's middle (from right towards down), for what tilts
    /// further than the networks know.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if the network fails.
    pub fn carry(
        &mut self,
        photo: &mut PortraitPhoto,
        keypoints: &[[f32; 2]],
        change: &[f32],
        turn: f32,
        canvas: &mut RgbImage,
    ) -> Result<Took> {
        let start = Instant::now();
        let carried = self.portrait.run(&photo.features, keypoints, change)?;
        let network = start.elapsed();
        photo.composer.compose(&carried, turn, centre(keypoints), canvas);
        Ok(Took { network, compose: start.elapsed().saturating_sub(network) })
    }

    /// Keypoints and states of the face in a picture, called `name`, for a driver's neutral face.
    ///
    /// # Errors
    /// As [`PortraitModel::open_image`].
    pub fn face(&mut self, picture: &RgbImage, name: &str) -> Result<DetectedFace> {
        check_size(picture, name)?;
        let (found, _) = face_of_photo(&mut self.tracker, picture, name, self.anyway, FaceChoice::Largest)?;
        let framed = self.framed(&found.face.keypoints);
        self.look(picture, &framed)
    }
}

/// `crop` of `picture` as a network sees it: `[1, 3, size, size]` in [-1, 1].
fn sampled(picture: &RgbImage, crop: &Crop, size: usize) -> Array4<f32> {
    let mut out = Array4::zeros((1, 3, size, size));
    if let Some(values) = out.as_slice_mut() {
        Preprocessor::new(size).sample(picture, crop, values);
    }
    out
}
