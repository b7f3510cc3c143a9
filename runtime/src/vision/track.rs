//! Finding faces in a picture and following them from frame to frame.
//!
//! No second network finds the face: the detector itself sees the whole picture first, and its keypoints say
//! where a refinement crop is worth while. Where such crops settle on one square there is a face; where they wander
//! there is none, however confident the detector was at first.

use std::time::{Duration, Instant};

use lkg_bundle::Bundle;
use ndarray::Array4;

use self::crowd::Crowd;
use self::follow::Sweep;
use super::crop::Crop;
use super::preprocess::Preprocessor;
use super::search::Tiles;
use super::smooth::{KeypointSmoother, OneEuroOptions, StateSmoother};
use crate::engine::{Detector, EngineOptions};
use crate::error::Result;
use crate::frame::{DetectedFace, DetectedKeypoint, Faces, PictureRef, mean_confidence};

/// Share of the least confidence that a face must have to be found.
const FIND: f32 = 1.0;
/// The same for a followed one to be kept: lower, so that it is not given up and sought again at every wink.
const LOSE: f32 = 0.8;
/// The same for a crop to be worth refining: a face much smaller than its square is not clear at once.
const HINT: f32 = 0.5;
/// Refinement crops of one candidate until its square must have settled.
const REFINEMENTS: usize = 3;
/// Runs until all is set up: with CUDA and TensorRT the second one still is slower than others.
const WARM_UP: usize = 3;
/// Best tiles of a frame that are refined.
const CANDIDATES: usize = 2;
/// How far a face's square may lie from the crop it was seen in, [`Found::drift`]. After a second crop 99 % of faces
/// were below, and nine tenths of what is none were not.
const SETTLED: f32 = 0.1;

/// The outcome for one picture.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// The face that stands out or is followed, `None` if none is confident enough.
    pub face: Option<DetectedFace>,
    /// Further faces that are followed, see [`TrackOptions::faces`].
    pub others: Vec<DetectedFace>,
    /// The crop that this result comes from.
    pub crop: Crop,
    /// Time spent on making network inputs.
    pub preprocess: Duration,
    /// Time spent in the network.
    pub network: Duration,
}

impl Tracked {
    /// A `face`, or none, in `crop`, that nothing was computed for.
    pub(crate) fn of(face: Option<DetectedFace>, crop: Crop) -> Self {
        Self { face, others: Vec::new(), crop, preprocess: Duration::ZERO, network: Duration::ZERO }
    }

    /// All faces, the one that stands out first.
    pub fn faces(&self) -> Faces<'_> {
        Faces::new(self.face.as_ref(), &self.others)
    }
}

/// Finds a face in frame after frame and follows it.
///
/// A followed face takes one run of the network a frame: the crop comes from the keypoints of the frame before. Some
/// tiles of the picture are looked at each second, so that a larger face, or one that moves, takes the place of a picture on
/// the wall. Somebody out of sight keeps his number for 2 s at least. Where nobody is in sight a face is sought in the whole
/// picture and in some tiles of it a frame.
///
/// ```
/// # fn main() -> lkg_runtime::Result<()> {
/// use std::time::Duration;
///
/// use lkg_runtime::{Bundle, EngineOptions, FaceTracker, TrackOptions};
///
/// let bundle = Bundle::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/faces64-edge"))?;
/// let options = TrackOptions::live(bundle.manifest());
/// let mut tracker = FaceTracker::open(&bundle, &EngineOptions::default(), options)?;
/// let frame = image::RgbImage::new(320, 240);
/// let tracked = tracker.track(&frame, Duration::from_millis(40))?;
/// assert!(tracked.face.is_none(), "a black frame has no face");
/// # Ok(())
/// # }
/// ```
pub struct FaceTracker {
    detector: Detector,
    options: TrackOptions,
    preprocessor: Preprocessor,
    input: Array4<f32>,
    /// Who is followed, and when others are looked for.
    crowd: Crowd,
    sweep: Sweep,
    tiles: Tiles,
    /// How keypoints are filtered over time, if they are.
    smooth: Option<OneEuroOptions>,
    /// The keypoints of every crop of the present picture, one face after the other.
    seen: Vec<DetectedKeypoint>,
    /// Their states, as many of each.
    seen_states: Vec<f32>,
    /// Faces that nobody needs any more.
    spare: Vec<DetectedFace>,
    spare_list: Vec<DetectedFace>,
}

/// What the detector found in a crop.
#[derive(Clone, Copy)]
struct Found {
    /// Where its keypoints begin in [`FaceTracker::seen`].
    at: usize,
    /// Mean confidence of the keypoints, 0 to 1.
    confidence: f32,
    crop: Crop,
    /// The crop that frames the face.
    wanted: Crop,
}

impl Found {
    /// How far the crop that frames the face is from the one detected in: distance of the centres over the side, and
    /// the logarithm of the ratio of the sides.
    fn drift(&self) -> f32 {
        let (a, b) = (&self.crop, &self.wanted);
        (a.distance(b) / b.side).hypot((a.side / b.side).ln())
    }

    /// The more confident of two.
    fn or(self, other: Self) -> Self {
        if other.confidence > self.confidence { other } else { self }
    }
}

/// Time spent so far on the present picture.
#[derive(Default)]
struct Clock {
    preprocess: Duration,
    network: Duration,
}

impl FaceTracker {
    /// A tracker with the detector of `bundle`, run as `engine` says.
    ///
    /// # Errors
    /// Those of loading the detector, as of [`FaceDetector::new`](crate::FaceDetector::new).
    pub fn open(bundle: &Bundle, engine: &EngineOptions, options: TrackOptions) -> Result<Self> {
        Ok(Self::new(Detector::load(bundle, engine)?, options))
    }

    /// A tracker that has seen nothing.
    #[doc(hidden)]
    pub fn new(detector: Detector, options: TrackOptions) -> Self {
        let size = detector.size();
        Self {
            preprocessor: Preprocessor::new(size),
            input: Array4::zeros((1, 3, size, size)),
            smooth: options.smooth,
            crowd: Crowd::with_room(),
            sweep: Sweep::default(),
            tiles: Tiles::default(),
            seen: Vec::new(),
            seen_states: Vec::new(),
            spare: Vec::new(),
            spare_list: Vec::new(),
            detector,
            options,
        }
    }

    /// The detector in use.
    #[doc(hidden)]
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// Whether keypoints are filtered over time.
    pub fn is_smoothing(&self) -> bool {
        self.smooth.is_some()
    }

    /// Filters keypoints over time from now on, as the options say or as is usual, or leaves them as detected.
    pub fn set_smoothing(&mut self, on: bool) {
        if on != self.is_smoothing() {
            self.smooth = on.then(|| self.options.smooth.unwrap_or_default());
            self.crowd.drop_filters();
        }
    }

    /// Changes the mean confidence (0 to 1) below which there is no face.
    pub(crate) fn set_min_confidence(&mut self, least: f32) {
        self.options.min_confidence = least;
    }

    /// Runs the network on an empty picture, so that the first picture does not wait for what a first run sets up.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if the network fails.
    pub fn warm_up(&mut self) -> Result<()> {
        for _ in 0..WARM_UP {
            self.detector.detect_view(self.input.view())?;
        }
        Ok(())
    }

    /// Takes back an outcome that nobody needs any more, for the next one to be put there.
    pub fn reuse(&mut self, tracked: Tracked) {
        let mut others = tracked.others;
        self.spare.extend(others.drain(..).chain(tracked.face));
        self.spare_list = others;
    }

    /// Forgets everybody who was followed; numbers begin anew.
    pub fn reset(&mut self) {
        self.crowd.restart();
        self.tiles.restart();
    }

    /// Lets the next one of those in sight stand out; gives back his [`DetectedFace::id`].
    pub fn choose_next(&mut self) -> Option<u32> {
        self.crowd.choose_next()
    }

    /// Lets whoever is at a point, in pixels of the latest picture, stand out; gives back his [`DetectedFace::id`].
    pub fn choose_at(&mut self, point: [f32; 2]) -> Option<u32> {
        self.crowd.choose_at(point)
    }

    /// Finds the faces in `picture`, seen at `time` since the source's start (only its differences matter, and only
    /// to smoothing).
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if the network fails.
    pub fn track<'p>(&mut self, picture: impl Into<PictureRef<'p>>, time: Duration) -> Result<Tracked> {
        let picture = picture.into();
        if self.options.follow {
            return self.follow(picture, time);
        }
        let mut clock = Clock::default();
        self.forget();
        let (found, is_face) = self.search(picture, self.options.tiles, &mut clock)?;
        let found =
            if is_face && self.options.average { self.averaged(picture, found, &mut clock)? } else { found };
        let mut face = (is_face || self.options.guess).then(|| self.face(&found));
        if let Some(face) = &mut face {
            face.id = 1;
        }
        let (preprocess, network) = (clock.preprocess, clock.network);
        Ok(Tracked { face, others: Vec::new(), crop: found.crop, preprocess, network })
    }

    /// Forgets what was seen in the last picture.
    fn forget(&mut self) {
        self.seen.clear();
        self.seen_states.clear();
    }

    fn reaches(&self, found: &Found, share: f32) -> bool {
        found.confidence >= share * self.options.min_confidence
    }

    /// Whether the square of `found` stays where it is, and there is a face in it.
    fn is_settled(&self, found: &Found) -> bool {
        self.reaches(found, FIND) && found.drift() < SETTLED
    }

    /// Detects in the whole picture, then, if so asked, in refinement crops and in so many `tiles` of it. Gives the best that
    /// was found, and whether it is a face.
    fn search(&mut self, picture: PictureRef<'_>, tiles: usize, clock: &mut Clock) -> Result<(Found, bool)> {
        let size = picture.dimensions();
        let whole = self.look_at_whole(picture, clock)?;
        if !self.options.refine {
            return Ok((whole, self.reaches(&whole, FIND)));
        }
        let (mut best, is_face) = self.settle(picture, whole, clock)?;
        if is_face {
            return Ok((best, true));
        }
        let mut candidates: [Option<Found>; CANDIDATES] = [const { None }; CANDIDATES];
        for _ in 0..tiles.min(self.tiles.count(size)) {
            let Some(tile) = self.tiles.next(size) else { break };
            let mut found = Some(self.detect_crop(picture, tile, clock)?);
            // The most confident come first; what is left over in the end is dropped.
            for place in &mut candidates {
                let confidence = |f: &Option<Found>| f.as_ref().map_or(-1.0, |f| f.confidence);
                if confidence(&found) > confidence(place) {
                    std::mem::swap(place, &mut found);
                }
            }
        }
        for candidate in candidates.into_iter().flatten() {
            let (settled, is_face) = self.settle(picture, candidate, clock)?;
            if is_face {
                return Ok((settled, true));
            }
            best = best.or(settled);
        }
        // Refinement crops that do not settle wander off: for a face that is mostly hidden the whole picture is the best crop.
        Ok((if self.options.guess { whole } else { best }, false))
    }

    /// The better one of the squares inside and around the picture.
    fn look_at_whole(&mut self, picture: PictureRef<'_>, clock: &mut Clock) -> Result<Found> {
        let (width, height) = picture.dimensions();
        let inside = self.detect_crop(picture, Crop::inside(width, height), clock)?;
        if width == height {
            return Ok(inside);
        }
        Ok(inside.or(self.detect_crop(picture, Crop::around(width, height), clock)?))
    }

    /// Refines `found` until its square stays where it is. Says whether it does and there is a face in it.
    fn settle(&mut self, picture: PictureRef<'_>, found: Found, clock: &mut Clock) -> Result<(Found, bool)> {
        self.settle_from(picture, found, HINT, clock)
    }

    /// The same as long as its confidence is `hint` times the least at least.
    fn settle_from(
        &mut self,
        picture: PictureRef<'_>,
        mut found: Found,
        hint: f32,
        clock: &mut Clock,
    ) -> Result<(Found, bool)> {
        for _ in 0..REFINEMENTS {
            if !self.reaches(&found, hint) {
                break;
            }
            let wanted = found.wanted;
            found = self.detect_crop(picture, wanted, clock)?;
            if self.is_settled(&found) {
                return Ok((found, true));
            }
        }
        Ok((found, false))
    }

    /// Runs the detector on one crop.
    fn detect_crop(&mut self, picture: PictureRef<'_>, crop: Crop, clock: &mut Clock) -> Result<Found> {
        self.detect_reduced(picture, (picture, 1), crop, clock)
    }

    /// The same, seen in a copy of the picture that is so many times smaller.
    fn detect_reduced(
        &mut self,
        picture: PictureRef<'_>,
        (copy, times): (PictureRef<'_>, u32),
        crop: Crop,
        clock: &mut Clock,
    ) -> Result<Found> {
        let start = Instant::now();
        if let Some(input) = self.input.as_slice_mut() {
            let times = times as f32;
            let shown = Crop { cx: crop.cx / times, cy: crop.cy / times, side: crop.side / times, ..crop };
            self.preprocessor.sample(copy, &shown, input);
        }
        let made = Instant::now();
        let detection = self.detector.detect_view(self.input.view())?;
        clock.preprocess += made - start;
        clock.network += made.elapsed();
        let at = self.seen.len();
        let points = detection.keypoints.rows().into_iter().zip(&detection.confidence);
        self.seen.extend(points.map(|(point, confidence)| {
            let [x, y] = crop.to_picture([point[0], point[1]]);
            DetectedKeypoint { x, y, confidence: confidence.clamp(0.0, 1.0) }
        }));
        if let Some(states) = detection.states {
            self.seen_states.extend(states.iter().map(|s| s.clamp(-1.0, 1.0)));
        }
        let keypoints = &self.seen[at..];
        let wanted = self.crop_around(keypoints, picture);
        Ok(Found { at, confidence: mean_confidence(keypoints), crop, wanted })
    }

    /// What the detector sees in `crop`, whether or not that is a face.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if the network fails.
    pub(crate) fn look(&mut self, picture: PictureRef<'_>, crop: Crop) -> Result<DetectedFace> {
        self.forget();
        let found = self.detect_crop(picture, crop, &mut Clock::default())?;
        Ok(self.face(&found))
    }

    /// The face of a crop of the present picture.
    fn face(&mut self, found: &Found) -> DetectedFace {
        let mut face = self.spare.pop().unwrap_or_else(|| DetectedFace::new(Vec::new()));
        let keypoints = self.seen[found.at..].iter().take(self.detector.keypoints());
        face.id = 0;
        face.expressions.clear();
        face.keypoints.clear();
        face.keypoints.extend(keypoints.copied());
        let each = self.detector.states();
        let states = self.seen_states.get(found.at * each..(found.at + self.detector.keypoints()) * each);
        face.states.clear();
        face.states.extend_from_slice(states.unwrap_or_default());
        face
    }

    /// The crop that frames `keypoints` as the training pictures are framed, or closer, upright: turned with the head it made
    /// nothing better on heads tilted by up to 20 degrees. What a head tilts beyond [`TrackOptions::most_tilt`] is taken out.
    fn crop_around(&self, keypoints: &[DetectedKeypoint], picture: PictureRef<'_>) -> Crop {
        let frame = self.options.layout.frame(keypoints);
        // Keypoints that fell together, or apart, must not make a crop of nothing or of everything.
        let least = self.detector.size() as f32 / 4.0;
        let most = 2.0 * picture.width().max(picture.height()) as f32;
        let side = (frame.side * self.options.crop_scale).clamp(least, most.max(least));
        let most = self.options.most_tilt;
        Crop { side, angle: frame.angle - frame.angle.clamp(-most, most), ..frame }
    }
}

fn smoothers(options: OneEuroOptions) -> (KeypointSmoother, StateSmoother) {
    (KeypointSmoother::new(options), StateSmoother::new(StateSmoother::USUAL))
}

mod all_faces;
mod averaging;
mod crowd;
mod follow;
mod options;
mod person;
mod second_look;

pub use all_faces::LocatedFace;
pub use options::{LIVE_CONFIDENCE, TrackOptions};

#[cfg(test)]
mod tests;
