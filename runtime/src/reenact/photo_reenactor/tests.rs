use image::Rgb;
use lkg_bundle::testing::PORTRAIT_DIMS;
use lkg_bundle::{BundleDims, Manifest};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::*;
use crate::engine::{Detector, NetworkRunner, Portrait, PortraitSource};
use crate::frame::DetectedKeypoint;
use crate::media::testing::{largest_difference, read_back};
use crate::vision::choice::FaceChoice;
use crate::vision::testing::manifest;

/// Where the parts of every face lie in the square that frames it.
const MEANS: [[f32; 2]; 4] = [[-0.4, -0.2], [0.4, -0.2], [0.0, 0.1], [0.0, 0.5]];
const P: usize = 64;
const DIMS: BundleDims =
    BundleDims { keypoints: 4, states: Some(1), portrait_size: Some(P), detector_size: 16, ..PORTRAIT_DIMS };

/// Sees the mean face, at rest, in whatever it is shown; makes no features.
struct Mean;

impl NetworkRunner for Mean {
    fn run_into(
        &mut self,
        _: &[(&str, ArrayViewD<'_, f32>)],
        names: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
        results.clear();
        for name in names {
            results.push(match *name {
                "keypoints" => {
                    ArrayD::from_shape_vec(IxDyn(&[1, 4, 2]), MEANS.as_flattened().to_vec()).unwrap()
                }
                "confidence" => ArrayD::from_elem(IxDyn(&[1, 4]), 0.9),
                "states" => ArrayD::zeros(IxDyn(&[1, 4, 1])),
                _ => ArrayD::zeros(IxDyn(&[1, 1])),
            });
        }
        Ok(())
    }
}

/// Moves the photo with the mean of its keypoints, and shows white where the first state grew.
struct Follows;

impl NetworkRunner for Follows {
    fn run_into(
        &mut self,
        inputs: &[(&str, ArrayViewD<'_, f32>)],
        _: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
        let of = |name: &str| inputs.iter().find(|(n, _)| *n == name).unwrap().1.view();
        let apart = &of("source_keypoints") - &of("keypoints");
        let mean = |axis: usize| (0..4).map(|k| apart[[0, k, axis]]).sum::<f32>() / 4.0;
        let flow = ArrayD::from_shape_fn(IxDyn(&[1, 2, 32, 32]), |i| mean(i[1]));
        let opened = of("change")[[0, 0, 0]].clamp(0.0, 1.0);
        *results = vec![
            flow,
            ArrayD::from_elem(IxDyn(&[1, 1, P, P]), 1.0 - opened),
            ArrayD::from_elem(IxDyn(&[1, 3, P, P]), 1.0),
        ];
        Ok(())
    }
}

fn named() -> Manifest {
    let mut m = Manifest { dims: DIMS, ..manifest(4) };
    for (k, (mean, name)) in
        m.keypoints.iter_mut().zip(MEANS.iter().zip(["mouth", "eye-right", "nose", "chin"]))
    {
        (k.mean, k.name) = (*mean, name.to_owned());
    }
    m
}

fn model() -> PortraitModel {
    PortraitModel::from_networks(
        named(),
        Detector::from_runner(Box::new(Mean), DIMS),
        PortraitSource::from_runner(Box::new(Mean), DIMS),
        Portrait::from_runner(Box::new(Follows), DIMS),
    )
}

/// A photo with a ramp across.
fn photo(model: &mut PortraitModel) -> PortraitPhoto {
    let picture = RgbImage::from_fn(128, 128, |x, _| Rgb([60 + x as u8, 100, 100]));
    model.open_image(picture, "ramp").unwrap()
}

/// The driver's face, shifted by `right` pixels of a square of 80, its first part changed by `opened`.
fn face(right: f32, opened: f32) -> DetectedFace {
    let crop = Crop { cx: 200.0 + right, cy: 150.0, side: 80.0, angle: 0.0 };
    let at = |m: [f32; 2]| {
        let [x, y] = crop.to_picture(m);
        DetectedKeypoint { x, y, confidence: 1.0 }
    };
    let keypoints = MEANS.map(at).to_vec();
    DetectedFace { keypoints, states: vec![opened, 0.0, 0.0, 0.0], ..DetectedFace::default() }
}

fn options() -> ReenactOptions {
    let gains = super::super::Gains { shift: 1.0, ..Default::default() };
    ReenactOptions { view: View::Source, gains, ..ReenactOptions::default() }
}

fn play(reenactor: &mut PhotoReenactor<'_>, faces: &[Option<DetectedFace>], first: u64) -> RgbImage {
    let mut shown = RgbImage::default();
    for (i, face) in faces.iter().enumerate() {
        let time = Duration::from_millis(33 * (first + i as u64));
        shown = reenactor.reenact(&RgbImage::new(400, 300), face.as_ref(), time).unwrap();
    }
    shown
}

#[test]
fn the_photo_follows_from_the_first_frame_on_and_eases_back_when_the_driver_is_lost() {
    let mut model = model();
    let photo = photo(&mut model);
    let still = photo.picture().clone();
    assert_eq!(still.dimensions(), (128, 128), "at its own resolution");
    let mut reenactor = PhotoReenactor::new(&mut model, vec![photo], options()).unwrap();
    // The first face is neutral, whatever it does.
    assert!(largest_difference(&play(&mut reenactor, &[Some(face(0.0, 0.3))], 0), &still) <= 1);
    let moved = play(&mut reenactor, &[Some(face(4.0, 0.3))], 1);
    // A tenth of a half side to the right: the middle shows what lay to its left.
    let middle = |picture: &RgbImage| i32::from(picture.get_pixel(64, 64).0[0]);
    let side = reenactor.photo.crop().side;
    let want = 0.1 * side / 2.0 / 1.35;
    let have = (middle(&still) - middle(&moved)) as f32;
    assert!((have - want).abs() < 1.5, "{have}, not {want}");
    // What changes in a part's look is drawn.
    let drawn = play(&mut reenactor, &[Some(face(4.0, 1.5))], 2);
    assert!(drawn.get_pixel(64, 64).0[1] > 240, "{:?}", drawn.get_pixel(64, 64));
    let leaving = play(&mut reenactor, &[const { None }; 12], 3);
    assert!(middle(&leaving) > middle(&moved) && leaving.get_pixel(64, 64).0[1] < 255);
    assert!(largest_difference(&play(&mut reenactor, &[const { None }; 40], 15), &still) <= 1);
}

#[test]
fn a_look_ahead_a_key_or_a_picture_say_what_is_neutral() {
    let mut model = model();
    let photos = [photo(&mut model), photo(&mut model), photo(&mut model)];
    let still = photos[0].picture().clone();
    let [first, second, third] = photos;
    let open = |picture: &RgbImage| picture.get_pixel(64, 64).0[1] > 200;

    let mut reenactor = PhotoReenactor::new(&mut model, vec![first], options()).unwrap();
    let ahead: Vec<_> = (0..60u64)
        .map(|i| (Duration::from_millis(33 * i), face(0.0, if i < 5 { 1.0 } else { 0.0 })))
        .collect();
    reenactor.look_ahead(ahead.iter().map(|(time, face)| (*time, face)));
    assert!(open(&play(&mut reenactor, &[Some(face(0.0, 1.0))], 0)), "the first face is not neutral");

    let mut reenactor = PhotoReenactor::new(&mut model, vec![second], options()).unwrap();
    assert!(!reenactor.calibrate());
    reenactor.look_ahead(std::iter::once((Duration::ZERO, &face(0.0, 0.0))));
    assert!(open(&play(&mut reenactor, &vec![Some(face(0.0, 1.0)); 30], 1)));
    assert!(reenactor.calibrate());
    assert!(largest_difference(&play(&mut reenactor, &[Some(face(0.0, 1.0))], 31), &still) <= 1);

    let mut reenactor = PhotoReenactor::new(&mut model, vec![third], options()).unwrap();
    reenactor.set_neutral(&RgbImage::new(90, 90), "black").unwrap();
    assert!(open(&play(&mut reenactor, &[Some(face(0.0, 1.0))], 0)), "the picture's face is at rest");
}

/// With several people before the camera the one's rest was the other's grimace.
#[test]
fn every_driver_has_his_own_neutral_face() {
    let mut model = model();
    let photos = vec![photo(&mut model)];
    let still = photos[0].picture().clone();
    let of = |id: u32, opened: f32| Some(DetectedFace { id, ..face(0.0, opened) });
    let open = |picture: &RgbImage| picture.get_pixel(64, 64).0[1] > 200;
    let mut reenactor = PhotoReenactor::new(&mut model, photos.clone(), options()).unwrap();
    play(&mut reenactor, &[of(1, 0.0)], 0);
    assert!(open(&play(&mut reenactor, &[of(1, 1.0)], 1)));
    let second = play(&mut reenactor, &[of(2, 1.0)], 2);
    assert!(largest_difference(&second, &still) <= 1, "what is seen of him first is neutral");
    assert!(open(&play(&mut reenactor, &[of(1, 1.0)], 3)), "that of the first one is known");

    // Of a clip each one's neutral face is known beforehand.
    let mut reenactor = PhotoReenactor::new(&mut model, photos, options()).unwrap();
    let ahead: Vec<_> = (0..60u64)
        .map(|i| {
            (Duration::from_millis(33 * i), of(1 + u32::from(i > 30), if i % 30 < 5 { 1.0 } else { 0.0 }))
        })
        .map(|(time, face)| (time, face.unwrap()))
        .collect();
    reenactor.look_ahead(ahead.iter().map(|(time, face)| (*time, face)));
    assert!(open(&play(&mut reenactor, &[of(1, 1.0)], 0)) && open(&play(&mut reenactor, &[of(2, 1.0)], 1)));
}

/// A photo larger than is driven was shrunk without a word.
#[test]
fn a_photo_that_is_shrunk_says_so() {
    let mut model = model();
    let large = model.open_image(RgbImage::from_pixel(4000, 400, Rgb([90; 3])), "large.jpg").unwrap();
    let note = large.notes().last().unwrap();
    let (width, height) = large.picture().dimensions();
    assert!(note.starts_with(&format!("large.jpg: driven at {width} x {height} of 4000 x 400")), "{note}");
    assert!(photo(&mut model).notes().iter().all(|note| !note.contains("driven at")));
}

#[test]
fn gains_views_and_the_next_photo() {
    let mut model = model();
    let photos = vec![photo(&mut model), {
        let white = RgbImage::from_pixel(64, 200, Rgb([210; 3]));
        model.open_image(white, "white").unwrap()
    }];
    let half = super::super::Gains {
        own: vec![(crate::edit::Parts::Name("mouth".to_owned()), 0.0)],
        shift: 1.0,
        ..Default::default()
    };
    let quiet = ReenactOptions { gains: half, ..options() };
    let mut reenactor = PhotoReenactor::new(&mut model, photos.clone(), quiet).unwrap();
    play(&mut reenactor, &[Some(face(0.0, 0.0))], 0);
    let still = play(&mut reenactor, &[Some(face(0.0, 1.0))], 1);
    assert!(still.get_pixel(64, 64).0[1] < 110, "states of a part that does not move stay");
    assert!(reenactor.next_source());
    let other = play(&mut reenactor, &[Some(face(0.0, 1.0))], 2);
    assert_eq!((other.dimensions(), other.get_pixel(64, 64).0), ((128, 128), [210; 3]));

    let beside = ReenactOptions { view: View::Beside, ..options() };
    let mut reenactor = PhotoReenactor::new(&mut model, photos[..1].to_vec(), beside).unwrap();
    // A small photo is enlarged, so that it can be seen beside the driver.
    let shown = play(&mut reenactor, &[Some(face(0.0, 0.0))], 0);
    assert_eq!(shown.dimensions(), (400 + 2 * 128, 300));
    assert_eq!(shown.get_pixel(400 + 2 * 5, 2 * 5), photos[0].picture().get_pixel(5, 5));
    assert!(!reenactor.next_source());
    let over = ReenactOptions { view: View::Driver, ..options() };
    let mut reenactor = PhotoReenactor::new(&mut model, photos[..1].to_vec(), over).unwrap();
    let shown = play(&mut reenactor, &[Some(face(0.0, 0.0))], 0);
    assert_eq!((shown.dimensions(), shown.get_pixel(5, 5).0), ((400, 300), [0; 3]));
    assert!(PhotoReenactor::new(&mut model, Vec::new(), options()).is_err());
}

#[test]
fn a_face_alone_is_a_square_and_the_next_one_as_large() {
    let mut model = model();
    let photos = vec![photo(&mut model), {
        let white = RgbImage::from_pixel(64, 200, Rgb([210; 3]));
        model.open_image(white, "white").unwrap()
    }];
    let alone = ReenactOptions { view: View::Face, ..options() };
    let mut reenactor = PhotoReenactor::new(&mut model, photos, alone).unwrap();
    let first = play(&mut reenactor, &[Some(face(0.0, 0.0))], 0);
    let crop = *reenactor.photo.crop();
    let side = (crop.side.round() as u32).min(128) & !1;
    assert_eq!(first.dimensions(), (side, side));
    // Its middle is the face's.
    let still = reenactor.photo.picture().get_pixel(64, 64).0[0];
    let [left, top, _] = part_alone(&reenactor.photo);
    assert!(first.get_pixel(64 - left, 64 - top).0[0].abs_diff(still) <= 1);
    assert!(reenactor.next_source());
    assert_eq!(play(&mut reenactor, &[Some(face(0.0, 0.0))], 1).dimensions(), (side, side));
}

#[test]
fn absolute_motion_needs_no_neutral_face() {
    let mut model = model();
    let photo = photo(&mut model);
    let options = ReenactOptions { absolute: true, ..options() };
    let still = photo.picture().clone();
    let mut reenactor = PhotoReenactor::new(&mut model, vec![photo], options).unwrap();
    // The mean face at rest is what the photo shows.
    assert!(largest_difference(&play(&mut reenactor, &[Some(face(30.0, 0.0))], 0), &still) <= 2);
    assert!(play(&mut reenactor, &[Some(face(0.0, 1.0))], 1).get_pixel(64, 64).0[1] > 200);
}

/// What came over a page.
fn sent(picture: RgbImage, name: &str) -> SentPhoto {
    SentPhoto { read: read_back(picture), name: name.to_owned(), choice: FaceChoice::Largest, anyway: false }
}

#[test]
fn a_photo_that_is_sent_takes_the_place_of_the_one_shown() {
    let mut model = model();
    let first = photo(&mut model);
    let mut reenactor = PhotoReenactor::new(&mut model, vec![first], options()).unwrap();
    play(&mut reenactor, &[Some(face(0.0, 0.0))], 0);
    // One that is refused leaves all as it is.
    let refused = reenactor.take(sent(RgbImage::new(20, 20), "small.png")).unwrap_err();
    assert_eq!(refused.to_string(), "small.png: 20 x 20 pixels; a face needs 32 a side at least");
    let still = reenactor.photo.picture().clone();
    assert!(largest_difference(&play(&mut reenactor, &[Some(face(0.0, 0.0))], 1), &still) <= 1);

    let white = RgbImage::from_pixel(64, 200, Rgb([210; 3]));
    let (original, _) = reenactor.take(sent(white.clone(), "white.png")).unwrap();
    let shown = play(&mut reenactor, &[Some(face(0.0, 0.0))], 2);
    // In a picture of the first one's size, with black beside it.
    assert_eq!((shown.dimensions(), shown.get_pixel(64, 64).0), ((128, 128), [210; 3]));
    assert_eq!(shown.get_pixel(2, 64).0, [0; 3]);
    assert_ne!(original, Original::default(), "all of it is grey");
    assert!(!reenactor.next_source(), "the first one is gone");

    let beside = ReenactOptions { view: View::Beside, ..options() };
    let first = photo(&mut model);
    let mut reenactor = PhotoReenactor::new(&mut model, vec![first], beside).unwrap();
    let (original, _) = reenactor.take(sent(white, "white.png")).unwrap();
    assert_eq!(original, Original::default(), "the driver beside it is in colour");
}
