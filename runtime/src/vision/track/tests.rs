use std::sync::{Arc, Mutex};

use image::{Rgb, RgbImage};
use lkg_bundle::Bundle;
use lkg_bundle::conventions::pixel_centre;
use lkg_bundle::testing::{DIMS, write_tiny_bundle};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::*;
use crate::engine::NetworkRunner;

/// What a network answers that sees two keypoints, and is this confident of them.
fn answer(keypoints: [[f32; 2]; 2], confidence: f32) -> Vec<ArrayD<f32>> {
    vec![
        ArrayD::from_shape_vec(IxDyn(&[1, 2, 2]), keypoints.as_flattened().to_vec()).unwrap(),
        ArrayD::from_elem(IxDyn(&[1, 2]), confidence),
    ]
}

/// Finds a bright blob: keypoints to the left and right of it by its size, confident if it is bright enough.
struct Blob(Arc<Mutex<usize>>);

impl NetworkRunner for Blob {
    fn run_into(
        &mut self,
        inputs: &[(&str, ArrayViewD<'_, f32>)],
        outputs: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
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
        *results = answer([[x - radius, y], [x + radius, y]], confidence);
        Ok(())
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

fn once() -> TrackOptions {
    let dir = tempfile::tempdir().unwrap();
    TrackOptions::once(&write_tiny_bundle(dir.path()).unwrap())
}

fn blob(width: u32, height: u32, x: u32, y: u32, side: u32) -> RgbImage {
    let inside = |v: u32, c: u32| v.abs_diff(c) <= side / 2;
    RgbImage::from_fn(width, height, |u, v| Rgb([if inside(u, x) && inside(v, y) { 255 } else { 0 }; 3]))
}

fn centre(face: &DetectedFace) -> [f32; 2] {
    let k = &face.keypoints;
    [(k[0].x + k[1].x) / 2.0, (k[0].y + k[1].y) / 2.0]
}

fn count(runs: &Arc<Mutex<usize>>) -> usize {
    std::mem::take(&mut *runs.lock().unwrap())
}

#[test]
fn framing_puts_the_mean_keypoints_where_training_has_them() {
    let (mut tracker, _) = setup(false);
    tracker.options.crop_scale = 1.0;
    let crop = Crop { cx: 300.0, cy: 200.0, side: 120.0, angle: 0.0 };
    let keypoints = [[-0.5, 0.0], [0.5, 0.0]]
        .map(|mean| crop.to_picture(mean))
        .map(|[x, y]| DetectedKeypoint { x, y, confidence: 0.7 })
        .to_vec();
    assert_eq!(tracker.crop_around(&keypoints, (&RgbImage::new(640, 480)).into()), crop);
    tracker.options.crop_scale = 0.5;
    assert_eq!(
        tracker.crop_around(&keypoints, (&RgbImage::new(640, 480)).into()),
        Crop { side: 60.0, ..crop }
    );
}

#[test]
fn a_square_picture_is_looked_at_whole_and_then_closer_unless_once_is_enough() {
    let picture = blob(96, 96, 70, 30, 12);
    let (mut tracker, runs) = setup(false);
    let tracked = tracker.track(&picture, Duration::ZERO).unwrap();
    assert_eq!(count(&runs), 2 + averaging::CROPS.len());
    assert!(tracked.crop.side < 48.0, "{:?}", tracked.crop);
    let [x, y] = centre(&tracked.face.unwrap());
    assert!((x - 70.5).abs() < 0.1 && (y - 30.5).abs() < 0.1, "{x} {y}");
    tracker.options = once();
    let tracked = tracker.track(&picture, Duration::ZERO).unwrap();
    assert_eq!((count(&runs), tracked.crop), (1, Crop::inside(96, 96)));
    let [x, y] = centre(&tracked.face.unwrap());
    assert!((x - 70.5).abs() < 0.5 && (y - 30.5).abs() < 0.5, "{x} {y}");
}

/// Is right about where a face is but for an error that depends on the crop.
struct Shaky(Blob);

impl NetworkRunner for Shaky {
    fn run_into(
        &mut self,
        inputs: &[(&str, ArrayViewD<'_, f32>)],
        outputs: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
        self.0.run_into(inputs, outputs, results)?;
        // Pulled to the middle of whatever crop it sees.
        results[0].mapv_inplace(|v| v * 0.8);
        Ok(())
    }
}

#[test]
fn the_mean_of_several_crops_is_more_exact_than_one() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = write_tiny_bundle(dir.path()).unwrap();
    let off = |average: bool| {
        let detector = Detector::from_runner(Box::new(Shaky(Blob(Arc::default()))), DIMS);
        let options = TrackOptions { average, ..TrackOptions::picture(&manifest) };
        let face = FaceTracker::new(detector, options)
            .track(&blob(128, 128, 90, 40, 20), Duration::ZERO)
            .unwrap()
            .face
            .unwrap();
        assert_eq!(face.keypoints.len(), 2);
        let [x, y] = centre(&face);
        (x - 90.5).hypot(y - 40.5)
    };
    assert!(off(true) < 0.5 * off(false), "{} {}", off(true), off(false));
}

/// A refinement crop used to be asked for by a flag, and a face small in its picture was not found at all.
#[test]
fn a_single_picture_without_a_clear_face_is_searched_all_over_and_then_the_best_guess_reported() {
    let (mut tracker, runs) = setup(false);
    let face = tracker.track(&blob(640, 480, 500, 120, 8), Duration::ZERO).unwrap().face.unwrap();
    let [x, y] = centre(&face);
    assert!((x - 500.5).abs() < 3.0 && (y - 120.5).abs() < 3.0, "{x} {y}");
    count(&runs);
    let none = tracker.track(&RgbImage::new(640, 480), Duration::ZERO).unwrap().face.unwrap();
    assert!(none.confidence() < LIVE_CONFIDENCE);
    assert_eq!(count(&runs), 2 + Tiles::default().count((640, 480)));
}

#[test]
fn a_face_at_the_side_of_a_wide_picture_is_found_in_the_surrounding_square() {
    let (mut tracker, runs) = setup(false);
    tracker.options = once();
    let tracked = tracker.track(&blob(200, 80, 15, 40, 16), Duration::ZERO).unwrap();
    assert_eq!((count(&runs), tracked.crop), (2, Crop::around(200, 80)));
    assert!((centre(&tracked.face.unwrap())[0] - 15.5).abs() < 1.0);
}

#[test]
fn a_face_too_small_for_the_whole_picture_is_found_in_a_tile() {
    let picture = blob(640, 480, 500, 120, 8);
    let (mut still, _) = setup(false);
    still.options = once();
    assert!(still.track(&picture, Duration::ZERO).unwrap().face.unwrap().confidence() < 0.3);
    let (mut live, runs) = setup(true);
    let all = Tiles::default().count((640, 480));
    let frames = all.div_ceil(live.options.tiles) as u32;
    let found = (0..frames).find_map(|i| {
        let found = live.track(&picture, Duration::from_millis(33) * i).unwrap().face;
        let most = 2 + live.options.tiles + REFINEMENTS * (1 + CANDIDATES);
        assert!(count(&runs) <= most, "a frame must not take longer than the loop can wait");
        found
    });
    let [x, y] = centre(&found.unwrap());
    assert!((x - 500.5).abs() < 3.0 && (y - 120.5).abs() < 3.0, "{x} {y}");
}

#[test]
fn a_followed_face_takes_one_pass_a_frame_and_is_found_again_after_it_was_lost() {
    let (mut tracker, runs) = setup(true);
    assert!(tracker.options.tiles <= Tiles::default().count((128, 128)));
    let frame = |i: u64| Duration::from_millis(33 * i);
    tracker.track(&blob(128, 128, 40, 60, 20), frame(0)).unwrap();
    assert_eq!(count(&runs), 2, "the whole picture, then the refinement crop");
    for i in 1..10 {
        let tracked = tracker.track(&blob(128, 128, 40 + 2 * i as u32, 60, 20), frame(i)).unwrap();
        assert_eq!(count(&runs), 1);
        assert!(tracked.crop.side < 128.0);
        assert!((centre(&tracked.face.unwrap())[0] - 40.5 - 2.0 * i as f32).abs() < 3.0);
    }
    let tiles = tracker.options.tiles;
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
    let mut tracker = FaceTracker::new(detector, TrackOptions::once(&manifest));
    // Red 0.6 and green -0.2 are the first keypoint's position, blue 1 its confidence.
    let picture = RgbImage::from_pixel(200, 200, Rgb([204, 102, 255]));
    let face = tracker.track(&picture, Duration::ZERO).unwrap().face.unwrap();
    let want = [(160.0, 80.0), (170.0, 80.0)];
    for (k, (x, y)) in face.keypoints.iter().zip(want) {
        assert!((k.x - x).abs() < 0.01 && (k.y - y).abs() < 0.01, "{k:?}");
        assert!((k.confidence - 0.7311).abs() < 1e-3);
    }
}

/// Confident of a face to the right of wherever its crop is.
struct Mirage;

impl NetworkRunner for Mirage {
    fn run_into(
        &mut self,
        _: &[(&str, ArrayViewD<'_, f32>)],
        _: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
        *results = answer([[0.2, 0.0], [0.9, 0.0]], 0.9);
        Ok(())
    }
}

/// Clutter used to be followed whenever the detector was confident of it once.
#[test]
fn what_moves_away_at_every_refinement_is_no_face() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = write_tiny_bundle(dir.path()).unwrap();
    let tracker = |options| FaceTracker::new(Detector::from_runner(Box::new(Mirage), DIMS), options);
    let mut live = tracker(TrackOptions::live(&manifest));
    for i in 0..6 {
        let tracked = live.track(&blob(320, 240, 50, 50, 20), Duration::from_millis(33 * i)).unwrap();
        assert!(tracked.face.is_none());
    }
    // A single picture's result is reported whatever it is.
    let mut still = tracker(TrackOptions::picture(&manifest));
    assert!(still.track(&blob(320, 240, 50, 50, 20), Duration::ZERO).unwrap().face.is_some());
}

/// The least side of a crop exceeded the greatest, and refining a picture of one pixel ended the program.
#[test]
fn a_picture_of_one_pixel_is_refined_too() {
    for live in [false, true] {
        let (mut tracker, _) = setup(live);
        tracker.options.refine = true;
        let tracked = tracker.track(&RgbImage::from_pixel(1, 1, Rgb([255; 3])), Duration::ZERO).unwrap();
        assert!(tracked.crop.side.is_finite());
    }
}

#[test]
fn every_face_of_a_picture_is_found_once_the_largest_first_and_else_the_best_guess() {
    let (mut tracker, _) = setup(true);
    // So far apart that no tile but the whole picture shows both.
    let mut picture = blob(640, 160, 70, 80, 40);
    for (x, y, p) in blob(640, 160, 560, 90, 24).enumerate_pixels() {
        if p.0[0] > 0 {
            picture.put_pixel(x, y, *p);
        }
    }
    let faces = tracker.all_faces((&picture).into()).unwrap();
    let places: Vec<f32> = faces.iter().map(|f| centre(&f.face)[0]).collect();
    assert!(faces.iter().all(|f| f.confident), "{faces:?}");
    assert!(
        places.len() == 2 && (places[0] - 70.5).abs() < 3.0 && (places[1] - 560.5).abs() < 3.0,
        "{places:?}"
    );

    let none = tracker.all_faces((&RgbImage::new(320, 240)).into()).unwrap();
    assert!(none.len() == 1 && !none[0].confident);
}

/// Certain of a face in the middle of its crop, and after so many runs of one that is elsewhere every time.
struct Restless(usize, f32, f32);

impl NetworkRunner for Restless {
    fn run_into(
        &mut self,
        _: &[(&str, ArrayViewD<'_, f32>)],
        _: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
        let off = match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                0.0
            }
            None => {
                self.1 = -self.1;
                self.1
            }
        };
        *results = answer([[off - self.2, off], [off + self.2, off]], 0.9);
        Ok(())
    }
}

/// A face that refinement settled on, and further crops did not agree on, was neither reported nor the best guess.
#[test]
fn the_best_guess_is_there_whenever_crops_begin_to_disagree() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = write_tiny_bundle(dir.path()).unwrap();
    for (runs, reach) in (0..12).flat_map(|runs| [0.5, 0.6].map(|reach| (runs, reach))) {
        let detector = Detector::from_runner(Box::new(Restless(runs, 0.3, reach)), DIMS);
        let mut tracker = FaceTracker::new(detector, TrackOptions::picture(&manifest));
        let faces = tracker.all_faces((&blob(320, 240, 160, 120, 40)).into()).unwrap();
        assert!(!faces.is_empty(), "{runs} runs, {reach}");
    }
}

/// Sees nothing in its first runs, and a face of confidence `.1` in what comes after them.
struct Late(usize, f32, Blob);

impl NetworkRunner for Late {
    fn run_into(
        &mut self,
        inputs: &[(&str, ArrayViewD<'_, f32>)],
        outputs: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
        self.2.run_into(inputs, outputs, results)?;
        let confidence = if self.0 == 0 { self.1 } else { 0.1 };
        self.0 = self.0.saturating_sub(1);
        results[1].fill(confidence);
        Ok(())
    }
}

fn faces_of_late(missed: usize, confidence: f32) -> (Vec<LocatedFace>, usize) {
    let dir = tempfile::tempdir().unwrap();
    let manifest = write_tiny_bundle(dir.path()).unwrap();
    let runs = Arc::new(Mutex::new(0));
    let late = Late(missed, confidence, Blob(Arc::clone(&runs)));
    let detector = Detector::from_runner(Box::new(late), DIMS);
    let mut tracker = FaceTracker::new(detector, TrackOptions::picture(&manifest));
    let faces = tracker.all_faces((&blob(96, 96, 48, 40, 30)).into()).unwrap();
    (faces, count(&runs))
}

/// A small face, or one beside the middle, used to be lost: its picture gave a guess of no confidence.
#[test]
fn a_face_that_the_first_look_misses_is_found_by_the_second() {
    let first = faces_of_late(usize::MAX, 0.9).1 - second_look::looks() - averaging::CROPS.len();
    let (faces, _) = faces_of_late(first, 0.9);
    let [x, y] = centre(&faces[0].face);
    assert!(faces.len() == 1 && faces[0].confident, "{faces:?}");
    assert!((x - 48.5).abs() < 0.5 && (y - 40.5).abs() < 0.5, "{x} {y}");
}

#[test]
fn a_face_that_is_not_certain_is_looked_at_from_other_squares_and_one_that_is_is_not() {
    let (sure, doubtful) = (faces_of_late(0, 0.9), faces_of_late(0, 0.7));
    assert!(sure.0[0].confident && doubtful.0[0].confident);
    assert!(doubtful.1 > sure.1 + averaging::CROPS.len(), "{} {}", doubtful.1, sure.1);
}
