//! Finding a face in a picture and following it from frame to frame.
//!
//! No second network finds the face: the detector itself looks at the whole picture first, and its keypoints tell
//! where a closer look is worth while.

use std::time::{Duration, Instant};

use image::RgbImage;
use models::Manifest;
use ndarray::Array4;

use super::crop::Crop;
use super::preprocess::Preprocessor;
use super::smooth::{KeypointSmoother, OneEuroOptions};
use crate::engine::Detector;
use crate::error::Result;
use crate::frame::{DetectedKeypoint, Face};

/// Settings of a [`FaceTracker`].
#[derive(Clone, Debug)]
pub struct TrackOptions {
    /// Follow the face: start each frame from the crop of the last one. Off for single pictures.
    pub follow: bool,
    /// After looking at the whole picture, look again at the crop around the keypoints found.
    pub refine: bool,
    /// Mean confidence (0 to 1) below which there is no face, and a followed one is lost and sought again.
    pub min_confidence: f32,
    /// Side of the crop around keypoints, in multiples of their spread (root mean square distance from their centre).
    pub crop_factor: f32,
    /// Where in the crop, in normalised coordinates, the keypoints' centre is to lie.
    pub crop_centre: [f32; 2],
    /// How far the crop moves towards the one that fits the latest keypoints, 0 (never) to 1 (at once).
    pub crop_speed: f32,
    /// Filter of a followed face's keypoints; `None` leaves them as detected.
    pub smooth: Option<OneEuroOptions>,
}

impl TrackOptions {
    /// Single pictures: one pass over a square picture, every result reported.
    pub fn picture(manifest: &Manifest) -> Self {
        let (crop_factor, crop_centre) = training_framing(manifest);
        Self {
            follow: false,
            refine: false,
            min_confidence: 0.0,
            crop_factor,
            crop_centre,
            crop_speed: 1.0,
            smooth: None,
        }
    }

    /// A live picture: the face is followed, its keypoints are smoothed.
    pub fn live(manifest: &Manifest) -> Self {
        Self {
            follow: true,
            refine: true,
            min_confidence: 0.3,
            crop_speed: 0.5,
            smooth: Some(OneEuroOptions::default()),
            ..Self::picture(manifest)
        }
    }
}

/// The crop factor and centre that frame keypoints as the training pictures do, from their mean positions.
fn training_framing(manifest: &Manifest) -> (f32, [f32; 2]) {
    let means = manifest.keypoints.iter().map(|k| (k.mean, 1.0));
    let (centre, spread) = centre_and_spread(means);
    // Without usable means: keypoints fill the middle half of the crop.
    if spread < 0.05 { (4.0, [0.0; 2]) } else { (2.0 / spread, centre) }
}

/// Weighted centre of points, and their root mean square distance from it.
fn centre_and_spread(points: impl Iterator<Item = ([f32; 2], f32)> + Clone) -> ([f32; 2], f32) {
    let total: f32 = points.clone().map(|(_, w)| w).sum::<f32>().max(f32::MIN_POSITIVE);
    let sum = points.clone().fold([0.0; 2], |s, (p, w)| [s[0] + p[0] * w, s[1] + p[1] * w]);
    let centre = [sum[0] / total, sum[1] / total];
    let squares: f32 =
        points.map(|(p, w)| w * ((p[0] - centre[0]).powi(2) + (p[1] - centre[1]).powi(2))).sum();
    (centre, (squares / total).sqrt())
}

/// The outcome for one picture.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// The face, `None` if the mean confidence is too low.
    pub face: Option<Face>,
    /// The square that the detector looked at for this result.
    pub crop: Crop,
    /// Time spent on making network inputs.
    pub preprocess: Duration,
    /// Time spent in the network.
    pub network: Duration,
}

/// Finds a face and, if asked, follows it.
pub struct FaceTracker {
    detector: Detector,
    options: TrackOptions,
    preprocessor: Preprocessor,
    input: Array4<f32>,
    /// The crop to start from, while a face is followed, and the size of the picture it belongs to.
    following: Option<(Crop, (u32, u32))>,
    smoother: Option<KeypointSmoother>,
}

/// A face with the crop it was found in.
struct Found {
    face: Face,
    crop: Crop,
}

/// Time spent so far on the present picture.
#[derive(Default)]
struct Clock {
    preprocess: Duration,
    network: Duration,
}

impl FaceTracker {
    /// A tracker that has seen nothing.
    pub fn new(detector: Detector, options: TrackOptions) -> Self {
        let size = detector.size();
        Self {
            preprocessor: Preprocessor::new(size),
            input: Array4::zeros((1, 3, size, size)),
            smoother: options.smooth.map(KeypointSmoother::new),
            following: None,
            detector,
            options,
        }
    }

    /// The detector in use.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// Forgets the face that is being followed.
    pub fn reset(&mut self) {
        self.following = None;
        if let Some(smoother) = &mut self.smoother {
            smoother.reset();
        }
    }

    /// Finds the face in `picture`, seen at `time` since the source's start (only its differences matter, and only
    /// to smoothing).
    ///
    /// # Errors
    /// Those of [`Detector::detect`].
    pub fn track(&mut self, picture: &RgbImage, time: Duration) -> Result<Tracked> {
        let mut clock = Clock::default();
        let size = picture.dimensions();
        let found = match self.following {
            Some((crop, of)) if of == size => {
                let found = self.look(picture, crop, &mut clock)?;
                if self.is_face(&found) { found } else { self.search(picture, &mut clock)? }
            }
            _ => self.search(picture, &mut clock)?,
        };
        let Found { mut face, crop } = found;
        let kept = face.confidence() >= self.options.min_confidence;
        if kept && self.options.follow {
            let wanted = self.crop_around(&face, picture);
            let next = match self.following {
                Some((last, of)) if of == size => last.towards(&wanted, self.options.crop_speed),
                _ => wanted,
            };
            self.following = Some((next, size));
            if let Some(smoother) = &mut self.smoother {
                smoother.apply(&mut face.keypoints, wanted.side, time);
            }
        } else {
            self.reset();
        }
        Ok(Tracked { face: kept.then_some(face), crop, preprocess: clock.preprocess, network: clock.network })
    }

    fn is_face(&self, found: &Found) -> bool {
        found.face.confidence() >= self.options.min_confidence
    }

    /// Looks at the whole picture, and closer if so asked.
    fn search(&mut self, picture: &RgbImage, clock: &mut Clock) -> Result<Found> {
        // A face sought afresh need not be near the one that was lost.
        self.reset();
        let (width, height) = picture.dimensions();
        let mut best = self.look(picture, Crop::inside(width, height), clock)?;
        if width != height {
            let other = self.look(picture, Crop::around(width, height), clock)?;
            if other.face.confidence() > best.face.confidence() {
                best = other;
            }
        }
        if self.options.refine && self.is_face(&best) {
            let closer = self.look(picture, self.crop_around(&best.face, picture), clock)?;
            if self.is_face(&closer) {
                best = closer;
            }
        }
        Ok(best)
    }

    /// Runs the detector on one crop.
    fn look(&mut self, picture: &RgbImage, crop: Crop, clock: &mut Clock) -> Result<Found> {
        let start = Instant::now();
        if let Some(input) = self.input.as_slice_mut() {
            self.preprocessor.sample(picture, &crop, input);
        }
        let made = Instant::now();
        let detection = self.detector.detect(self.input.view())?;
        clock.preprocess += made - start;
        clock.network += made.elapsed();
        let keypoints = detection
            .keypoints
            .rows()
            .into_iter()
            .zip(&detection.confidence)
            .map(|(point, confidence)| {
                let [x, y] = crop.to_picture([point[0], point[1]]);
                DetectedKeypoint { x, y, confidence: confidence.clamp(0.0, 1.0) }
            })
            .collect();
        Ok(Found { face: Face { keypoints }, crop })
    }

    /// The crop that frames `face` as the training pictures are framed.
    fn crop_around(&self, face: &Face, picture: &RgbImage) -> Crop {
        let points = face.keypoints.iter().map(|k| ([k.x, k.y], k.confidence));
        let (centre, spread) = centre_and_spread(points);
        // Keypoints that fell together, or apart, must not make a crop of nothing or of everything.
        let most = 2.0 * picture.width().max(picture.height()) as f32;
        let side = (spread * self.options.crop_factor).clamp(self.detector.size() as f32 / 4.0, most);
        let [x, y] = self.options.crop_centre;
        Crop { cx: centre[0] - x * side / 2.0, cy: centre[1] - y * side / 2.0, side, angle: 0.0 }
    }
}
