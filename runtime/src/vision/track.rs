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
    /// Where the whole picture shows no face, look at overlapping tiles of it, too: for faces that are small in it.
    pub tiles: bool,
    /// Mean confidence (0 to 1) below which there is no face; a followed one is lost and sought again at 0.6 of that.
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
            tiles: false,
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
            tiles: true,
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

/// Share of the least confidence that a face must have to be found.
const FIND: f32 = 1.0;
/// The same for a followed one to be kept: lower, so that it is not given up and sought again at every wink.
const LOSE: f32 = 0.6;
/// Sides of the tiles, as fractions of the picture's shorter side.
const TILE_SIDES: [f32; 2] = [0.7, 0.5];

/// Squares that cover a picture, each overlapping its neighbours by about half.
fn tiles(width: u32, height: u32) -> Vec<Crop> {
    let mut tiles = Vec::new();
    for fraction in TILE_SIDES {
        let side = fraction * width.min(height) as f32;
        let places = |length: f32| {
            let steps = ((length - side) / (side / 2.0)).ceil().max(1.0);
            (0..=steps as u32).map(move |i| side / 2.0 + (length - side) * i as f32 / steps)
        };
        for cy in places(height as f32) {
            tiles.extend(places(width as f32).map(|cx| Crop { cx, cy, side, angle: 0.0 }));
        }
    }
    tiles
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
                if self.is_face(&found, LOSE) { found } else { self.search(picture, &mut clock)? }
            }
            _ => self.search(picture, &mut clock)?,
        };
        let Found { mut face, crop } = found;
        let least = if self.following.is_some() { LOSE } else { FIND } * self.options.min_confidence;
        let kept = face.confidence() >= least;
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

    fn is_face(&self, found: &Found, share: f32) -> bool {
        found.face.confidence() >= share * self.options.min_confidence
    }

    /// Looks at the whole picture, then at tiles of it and closer if so asked.
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
        if self.options.tiles && !self.is_face(&best, FIND) {
            for tile in tiles(width, height) {
                let other = self.look(picture, tile, clock)?;
                if other.face.confidence() > best.face.confidence() {
                    best = other;
                }
            }
        }
        if self.options.refine && self.is_face(&best, FIND) {
            let closer = self.look(picture, self.crop_around(&best.face, picture), clock)?;
            if self.is_face(&closer, FIND) {
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use image::Rgb;
    use models::Bundle;
    use models::conventions::pixel_centre;
    use models::testing::{DIMS, write_tiny_bundle};
    use ndarray::{ArrayD, ArrayViewD, IxDyn};

    use super::*;
    use crate::engine::NetworkRunner;

    #[test]
    fn tiles_cover_the_picture_and_stay_inside() {
        let tiles = tiles(640, 480);
        assert!(tiles.len() < 50);
        for (x, y) in [(1.0, 1.0), (639.0, 479.0), (320.0, 240.0), (5.0, 470.0)] {
            let covers = |t: &&Crop| (t.cx - x).abs() <= t.side / 2.0 && (t.cy - y).abs() <= t.side / 2.0;
            assert!(tiles.iter().filter(covers).count() >= TILE_SIDES.len(), "{x} {y}");
        }
        for t in &tiles {
            let half = t.side / 2.0 - 0.01;
            assert!(t.cx - half >= 0.0 && t.cx + half <= 640.0 && t.cy - half >= 0.0 && t.cy + half <= 480.0);
        }
    }

    /// Finds a bright blob: keypoints to the left and right of it by its size, sure of it if it is bright enough.
    struct Blob(Arc<Mutex<usize>>);

    impl NetworkRunner for Blob {
        fn run(
            &mut self,
            inputs: &[(&str, ArrayViewD<'_, f32>)],
            outputs: &[&str],
        ) -> Result<Vec<ArrayD<f32>>> {
            *self.0.lock().unwrap() += 1;
            assert_eq!((inputs[0].0, outputs), ("image", ["keypoints", "confidence"].as_slice()));
            let s = DIMS.detector_size;
            let (mut weight, mut sum) = (0.0, [0.0; 2]);
            for y in 0..s {
                for x in 0..s {
                    let w = (inputs[0].1[[0, 0, y, x]] + 1.0).max(0.0);
                    weight += w;
                    sum = [sum[0] + w * pixel_centre(x, s), sum[1] + w * pixel_centre(y, s)];
                }
            }
            let [x, y] = sum.map(|v| v / weight.max(1e-6));
            let radius = (weight / 2.0).sqrt() / s as f32;
            let confidence = if weight > 0.2 { 0.9 } else { 0.1 };
            Ok(vec![
                ArrayD::from_shape_vec(IxDyn(&[1, 2, 2]), vec![x - radius, y, x + radius, y]).unwrap(),
                ArrayD::from_elem(IxDyn(&[1, 2]), confidence),
            ])
        }
    }

    fn setup(live: bool) -> (FaceTracker, Arc<Mutex<usize>>) {
        let dir = tempfile::tempdir().unwrap();
        let manifest = write_tiny_bundle(dir.path()).unwrap();
        let runs = Arc::new(Mutex::new(0));
        let detector = Detector::from_runner(Box::new(Blob(Arc::clone(&runs))), DIMS);
        let options = if live { TrackOptions::live(&manifest) } else { TrackOptions::picture(&manifest) };
        (FaceTracker::new(detector, options), runs)
    }

    fn blob(width: u32, height: u32, x: u32, y: u32, side: u32) -> RgbImage {
        let inside = |v: u32, c: u32| v.abs_diff(c) <= side / 2;
        RgbImage::from_fn(width, height, |u, v| Rgb([if inside(u, x) && inside(v, y) { 255 } else { 0 }; 3]))
    }

    fn centre(face: &Face) -> [f32; 2] {
        let k = &face.keypoints;
        [(k[0].x + k[1].x) / 2.0, (k[0].y + k[1].y) / 2.0]
    }

    fn count(runs: &Arc<Mutex<usize>>) -> usize {
        std::mem::take(&mut *runs.lock().unwrap())
    }

    #[test]
    fn framing_puts_the_mean_keypoints_where_training_has_them() {
        let (tracker, _) = setup(false);
        let crop = Crop { cx: 300.0, cy: 200.0, side: 120.0, angle: 0.0 };
        let keypoints = [[-0.5, 0.0], [0.5, 0.0]]
            .map(|mean| crop.to_picture(mean))
            .map(|[x, y]| DetectedKeypoint { x, y, confidence: 0.7 })
            .to_vec();
        assert_eq!(tracker.crop_around(&Face { keypoints }, &RgbImage::new(640, 480)), crop);
    }

    #[test]
    fn a_square_picture_takes_one_pass_over_all_of_it() {
        let (mut tracker, runs) = setup(false);
        let picture = blob(96, 96, 70, 30, 12);
        let tracked = tracker.track(&picture, Duration::ZERO).unwrap();
        assert_eq!((count(&runs), tracked.crop), (1, Crop::inside(96, 96)));
        let [x, y] = centre(&tracked.face.unwrap());
        assert!((x - 70.5).abs() < 0.5 && (y - 30.5).abs() < 0.5, "{x} {y}");
    }

    #[test]
    fn a_face_at_the_side_of_a_wide_picture_is_found_in_the_surrounding_square() {
        let (mut tracker, runs) = setup(false);
        let tracked = tracker.track(&blob(200, 80, 15, 40, 16), Duration::ZERO).unwrap();
        assert_eq!((count(&runs), tracked.crop), (2, Crop::around(200, 80)));
        assert!((centre(&tracked.face.unwrap())[0] - 15.5).abs() < 1.0);
    }

    #[test]
    fn a_face_too_small_for_the_whole_picture_is_found_in_a_tile() {
        let picture = blob(640, 480, 500, 120, 8);
        let (mut still, _) = setup(false);
        assert!(still.track(&picture, Duration::ZERO).unwrap().face.unwrap().confidence() < 0.3);
        let (mut live, _) = setup(true);
        let [x, y] = centre(&live.track(&picture, Duration::ZERO).unwrap().face.unwrap());
        assert!((x - 500.5).abs() < 3.0 && (y - 120.5).abs() < 3.0, "{x} {y}");
    }

    #[test]
    fn a_followed_face_takes_one_pass_a_frame_and_is_found_again_after_it_was_lost() {
        let (mut tracker, runs) = setup(true);
        let frame = |i: u64| Duration::from_millis(33 * i);
        tracker.track(&blob(128, 128, 40, 60, 20), frame(0)).unwrap();
        assert_eq!(count(&runs), 2, "the whole picture, then closer");
        for i in 1..10 {
            let tracked = tracker.track(&blob(128, 128, 40 + 2 * i as u32, 60, 20), frame(i)).unwrap();
            assert_eq!(count(&runs), 1);
            assert!(tracked.crop.side < 128.0);
            assert!((centre(&tracked.face.unwrap())[0] - 40.5 - 2.0 * i as f32).abs() < 3.0);
        }
        let tiles = tiles(128, 128).len();
        assert!(tracker.track(&RgbImage::new(128, 128), frame(10)).unwrap().face.is_none());
        assert_eq!(count(&runs), 2 + tiles, "the crop, then the whole picture and its tiles");
        assert!(tracker.track(&RgbImage::new(128, 128), frame(11)).unwrap().face.is_none());
        assert_eq!(count(&runs), 1 + tiles);
        let back = tracker.track(&blob(128, 128, 100, 20, 20), frame(12)).unwrap();
        let [x, y] = centre(&back.face.unwrap());
        assert!((x - 100.5).abs() < 1.0 && (y - 20.5).abs() < 1.0, "{x} {y}");
    }

    #[test]
    fn a_change_of_picture_size_starts_the_search_afresh() {
        let (mut tracker, runs) = setup(true);
        tracker.track(&blob(128, 128, 40, 60, 20), Duration::ZERO).unwrap();
        count(&runs);
        let tracked = tracker.track(&blob(64, 64, 20, 30, 10), Duration::from_millis(33)).unwrap();
        assert_eq!(count(&runs), 2);
        assert!((centre(&tracked.face.unwrap())[0] - 20.5).abs() < 1.0);
    }

    #[test]
    fn a_real_session_sees_the_colours_of_the_picture() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = write_tiny_bundle(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        let detector = Detector::load(&bundle, &Default::default()).unwrap();
        let mut tracker = FaceTracker::new(detector, TrackOptions::picture(&manifest));
        // Red 0.6 and green -0.2 are the first keypoint's position, blue 1 its confidence.
        let picture = RgbImage::from_pixel(200, 200, Rgb([204, 102, 255]));
        let face = tracker.track(&picture, Duration::ZERO).unwrap().face.unwrap();
        let want = [(160.0, 80.0), (170.0, 80.0)];
        for (k, (x, y)) in face.keypoints.iter().zip(want) {
            assert!((k.x - x).abs() < 0.01 && (k.y - y).abs() < 0.01, "{k:?}");
            assert!((k.confidence - 0.7311).abs() < 1e-3);
        }
    }
}
