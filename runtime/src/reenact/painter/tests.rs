use std::path::Path;

use lkg_bundle::Bundle;

use super::*;
use crate::edit::{FaceModel, OpenedPhoto};
use crate::engine::EngineOptions;
use crate::frame::{DetectedFace as Seen, DetectedKeypoint};
use crate::live::Layers;
use crate::media::testing::{largest_difference, read_back};
use crate::reenact::{Drive, Gains, ReenactOptions};
use crate::vision::crop::Crop;
use crate::vision::track::Tracked;

/// Small: the driver's picture matters little.
const SIZE: (u32, u32) = (64, 48);

fn model() -> FaceModel {
    let bundle = Bundle::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/faces64-edge")).unwrap();
    FaceModel::new(bundle, EngineOptions::default())
}

fn options() -> ReenactOptions {
    ReenactOptions {
        drive: Drive::All,
        gains: Gains { shift: 1.0, pose: 1.0, parts: 1.0, axes: [1.0; 2], own: Vec::new() },
        absolute: false,
        view: View::Beside,
    }
}

fn new_painter<'a>(
    model: &'a mut FaceModel,
    sources: &[OpenedPhoto],
    options: ReenactOptions,
) -> ReenactPainter<'a> {
    ReenactPainter::new(Reenactor::new(model, sources, options).unwrap(), true, false)
}

/// The mean face, moved to the right by `shift` pixels.
fn tracked(painter: &ReenactPainter<'_>, shift: Option<f32>) -> Tracked {
    let crop = Crop { cx: 160.0, cy: 120.0, side: 160.0, angle: 0.0 };
    let means = painter.reenactor.manifest().keypoints.iter().map(|k| crop.to_picture(k.mean));
    let face = shift.map(|shift| {
        Seen::new(means.map(|[x, y]| DetectedKeypoint { x: x + shift, y, confidence: 1.0 }).collect())
    });
    Tracked::of(face, crop)
}

/// Paints frames of 30 a second from `first` on; gives back the last one.
fn play(painter: &mut ReenactPainter<'_>, first: u64, shifts: &[Option<f32>], mirror: bool) -> RgbImage {
    let mut canvas = RgbImage::new(1, 1);
    for (i, shift) in shifts.iter().enumerate() {
        let tracked = tracked(painter, *shift);
        let time = Duration::from_millis((first + i as u64) * 1000 / 30);
        let picture = &mut RgbImage::new(SIZE.0, SIZE.1);
        let scene = Scene { picture, tracked: &tracked, time, mirror, layers: Layers::default() };
        painter.paint(scene, &mut canvas).unwrap();
    }
    canvas
}

/// The driven square of a canvas, all of it: nothing is written there while the neutral face is sought.
fn square(canvas: &RgbImage) -> RgbImage {
    let side = canvas.height();
    imageops::crop_imm(canvas, canvas.width() - side, 0, side, side).to_image()
}

/// Whether two pictures differ by rounding only.
fn same(a: &RgbImage, b: &RgbImage) -> bool {
    largest_difference(a, b) <= 2
}

#[test]
fn the_face_is_still_until_calibrated_then_moves_and_eases_back_when_the_driver_is_lost() {
    let mut model = model();
    let source = model.open("seed:3").unwrap();
    let mut painter = new_painter(&mut model, &[source], options());
    let still = square(&play(&mut painter, 0, &[Some(0.0)], false));
    assert!(same(&square(&play(&mut painter, 1, &[Some(0.0); 20], false)), &still));
    assert!(
        painter.reenactor.known.neutral.is_none() && painter.message().unwrap().starts_with("calibrating")
    );
    // The neutral face changes nothing, whatever it is; a shift does.
    assert!(same(&square(&play(&mut painter, 21, &[Some(0.0); 30], false)), &still));
    assert!(painter.reenactor.known.neutral.is_some() && painter.message().is_none());
    let moved = square(&play(&mut painter, 51, &[Some(16.0); 20], false));
    assert!(!same(&moved, &still));
    let target = painter.reenactor.target[9][0] - painter.reenactor.source.keypoints[9][0];
    assert!(target > 0.05 && target <= 0.2 + 1e-3, "sixteen pixels of a square of 160: {target}");
    // Left and right are swapped in the square, too.
    let mirrored = square(&play(&mut painter, 71, &[Some(16.0)], true));
    assert!(same(&imageops::flip_horizontal(&mirrored), &moved));

    let leaving = square(&play(&mut painter, 72, &[None; 6], false));
    assert!(!same(&leaving, &moved) && !same(&leaving, &still));
    assert!(same(&square(&play(&mut painter, 78, &[None; 30], false)), &still));

    // Another neutral face on request.
    play(&mut painter, 108, &[Some(16.0); 40], false);
    assert_eq!(painter.handle(Command::Help), None);
    assert!(painter.handle(Command::Calibrate).unwrap().starts_with("calibrated"));
    assert!(same(&square(&play(&mut painter, 148, &[Some(16.0)], false)), &still));
}

/// The key that hides keypoints left them on the driver's picture.
#[test]
fn the_drivers_picture_shows_what_is_switched_on_and_can_be_pointed_at() {
    let mut model = model();
    let source = model.open("seed:3").unwrap();
    let mut painter = new_painter(&mut model, &[source], options());
    let tracked = tracked(&painter, Some(0.0));
    let mut marks = |layers| {
        let (picture, time) = (&mut RgbImage::new(320, 240), Duration::ZERO);
        let mut canvas = RgbImage::default();
        painter
            .paint(Scene { picture, tracked: &tracked, time, mirror: false, layers }, &mut canvas)
            .unwrap();
        let side = canvas.height();
        let driver = imageops::crop_imm(&canvas, 0, 0, canvas.width() - side, side).to_image();
        driver.pixels().filter(|p| p.0 != [0; 3]).count()
    };
    let off = Layers { keypoints: false, skeleton: true, heat_maps: false, crop: false };
    let points = Layers { keypoints: true, skeleton: false, ..off };
    let counts = [off, points, Layers { keypoints: true, ..off }].map(&mut marks);
    assert!(counts[0] == 0 && counts[0] < counts[1] && counts[1] < counts[2], "{counts:?}");
    assert!(marks(Layers { crop: true, ..off }) > 0);
    // The driver's picture, twice as large as it was, lies left of a square as high.
    let (width, height) = (640.0, 480.0);
    assert_eq!(painter.driver.canvas, (640 + 480, 480));
    let at = painter.source_at([width / 2.0 / (width + height), 0.25]).unwrap();
    assert!((at[0] - 0.5).abs() < 1e-3 && (at[1] - 0.25).abs() < 1e-3, "{at:?}");
    assert_eq!(painter.source_at([0.9, 0.5]), None);
}

#[test]
fn another_driver_has_a_neutral_face_of_his_own() {
    let mut model = model();
    let source = model.open("seed:3").unwrap();
    let mut painter = new_painter(&mut model, &[source], options());
    let mut drive = |id: u32, frames: std::ops::Range<u64>| {
        for i in frames {
            let mut tracked = tracked(&painter, Some(0.0));
            tracked.face.iter_mut().for_each(|face| face.id = id);
            let picture = &mut RgbImage::new(SIZE.0, SIZE.1);
            let (time, layers) = (Duration::from_millis(33 * i), Layers::default());
            let scene = Scene { picture, tracked: &tracked, time, mirror: false, layers };
            painter.paint(scene, &mut RgbImage::default()).unwrap();
        }
        painter.message().is_none()
    };
    assert!(drive(1, 0..40) && !drive(2, 40..50), "he is calibrated with anew");
    assert!(drive(1, 50..51), "the first one's is known");
    assert!(drive(2, 51..100));
}

#[test]
fn motion_is_kept_within_what_the_generator_draws() {
    let mut model = model();
    let source = model.open("seed:3").unwrap();
    let absolute = ReenactOptions { absolute: true, ..options() };
    let mut painter = new_painter(&mut model, &[source], absolute);
    // Keypoints thrown about at random.
    let mut wild = tracked(&painter, Some(0.0));
    if let Some(face) = &mut wild.face {
        for (i, k) in face.keypoints.iter_mut().enumerate() {
            k.x += 60.0 * ((i * 7 % 5) as f32 - 2.0);
            k.y += 60.0 * ((i * 3 % 5) as f32 - 2.0);
        }
    }
    let (picture, time) = (&mut RgbImage::new(64, 64), Duration::from_secs(1));
    let scene = Scene { picture, tracked: &wild, time, mirror: false, layers: Layers::default() };
    painter.paint(scene, &mut RgbImage::default()).unwrap();
    let (distance, most) =
        (painter.reenactor.limit.distance(&painter.reenactor.target), painter.reenactor.limit.most());
    assert!((distance - most).abs() < 0.01, "{distance} of {most}");
}

#[test]
fn the_next_face_and_the_next_kind_of_motion_come_on_a_key() {
    let mut model = model();
    let sources = ["seed:3", "seed:4"].map(|name| model.open(name).unwrap());
    let faces = sources.clone().map(|s| s.session.face().clone());
    let mut painter = new_painter(&mut model, &sources, options());
    let first = square(&play(&mut painter, 0, &[Some(0.0); 40], false));
    assert_eq!(painter.handle(Command::NextFace), Some("the next face"));
    let second = square(&play(&mut painter, 40, &[Some(0.0)], false));
    assert!(
        !same(&first, &second)
            && painter.reenactor.source == faces[1]
            && painter.reenactor.known.neutral.is_some()
    );
    painter.handle(Command::NextFace);
    assert!(same(&square(&play(&mut painter, 41, &[Some(0.0)], false)), &first));

    // A shift of the whole face drives nothing but the head.
    let driven = |painter: &mut ReenactPainter<'_>, first: u64| {
        play(painter, first, &[Some(16.0); 12], false);
        painter.reenactor.target[9] != painter.reenactor.source.keypoints[9]
    };
    assert!(driven(&mut painter, 42));
    for (i, (said, moves)) in
        [("the head's", true), ("the mouth's", false), ("the eyes'", false), ("head and parts", true)]
            .into_iter()
            .enumerate()
    {
        assert_eq!(painter.handle(Command::NextDrive), Some(format!("motion taken over: {said}").as_str()));
        let seen = driven(&mut painter, 60 + 20 * i as u64);
        let rest = painter.reenactor.target[9][0] - painter.reenactor.source.keypoints[9][0];
        assert!(seen == moves || rest.abs() < 1e-3, "{said}: {rest}");
    }

    let mut alone = new_painter(&mut model, &sources[..1], options());
    // The next driver is asked for, where there can be one.
    assert_eq!(alone.handle(Command::NextFace), None);
    alone.driver = DriverView::new(false);
    assert!(alone.handle(Command::NextFace).unwrap().contains("no other face"));
    assert!(Reenactor::new(&mut model, &[], options()).is_err());
}

#[test]
fn the_face_of_a_photo_that_is_sent_is_driven() {
    let mut model = model();
    let source = model.open("seed:3").unwrap();
    // A face for certain: a generated one.
    let other = model.open("seed:1").unwrap();
    let picture = model.image(other.session.face()).unwrap();
    let mut painter = new_painter(&mut model, &[source], options());
    assert!(painter.takes_source());
    let before = square(&play(&mut painter, 0, &[Some(0.0)], false));
    let sent = |picture: RgbImage| {
        let (read, name, choice) = (read_back(picture), "a.png".to_owned(), Default::default());
        SentPhoto { read, name, choice, anyway: true }
    };
    assert!(painter.take_source(sent(RgbImage::new(9, 9))).is_err());
    assert!(same(&square(&play(&mut painter, 1, &[Some(0.0)], false)), &before));
    painter.take_source(sent(picture)).unwrap();
    assert!(largest_difference(&square(&play(&mut painter, 2, &[Some(0.0)], false)), &before) > 20);
}
