//! `runtime edit` and `runtime reenact` on the shipped bundle, as their users run them.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, imageops};
use lkg_bundle::testing::write_tiny_bundle;
use serde_json::Value;
use workspace_tests::{Outcome, runtime};

const EDITED: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";
const GENERATED: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn run(&self, args: &[&str]) -> Outcome {
        let shelf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/faces64-edge");
        runtime(&[&["--provider", "cpu", "--bundle", shelf.to_str().unwrap()], args].concat())
    }

    fn edit(&self, args: &[&str]) -> Outcome {
        self.run(&[&["edit"], args].concat())
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn picture(&self, name: &str) -> RgbImage {
        image::open(self.path(name)).unwrap().into_rgb8()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// A photo of 400 x 300 pixels in which the faces of some seeds lie: where, and how large.
    fn photo(&self, name: &str, faces: &[(u32, i64, i64, u32)]) -> String {
        let mut photo =
            RgbImage::from_fn(400, 300, |x, y| Rgb([90 + (x / 8) as u8, 110, 100 + (y / 8) as u8]));
        for (seed, x, y, side) in faces {
            let face = self.path("face.png");
            self.run(&[
                "generate",
                "--seed",
                &seed.to_string(),
                "--truncation",
                "0.5",
                "--out",
                &face,
                "--force",
            ])
            .succeeded();
            let face = image::open(face).unwrap().into_rgb8();
            let face = imageops::resize(&face, *side, *side, imageops::FilterType::CatmullRom);
            imageops::replace(&mut photo, &face, *x, *y);
        }
        photo.save(self.path(name)).unwrap();
        self.path(name)
    }
}

fn has(content: &[u8], text: &str) -> bool {
    content.windows(text.len()).any(|w| w == text.as_bytes())
}

#[test]
fn edits_of_a_photo_are_the_same_twice_leave_the_rest_alone_and_can_be_undone() {
    let place = Place::new();
    let photo = place.photo("photo.png", &[(1, 120, 60, 180)]);
    let edits = place.write(
        "edits.json",
        r#"[{"op": "move", "part": "nose", "dy": 0.1},
            {"op": "swap", "part": "eyes", "from": "seed:3", "weight": 0.5},
            {"op": "pose", "rotate": 5, "scale": 1.05},
            {"op": "background", "from": "seed:4:2", "weight": 0.25}]"#,
    );
    let saved = place.path("face.json");
    for name in ["a.png", "b.png"] {
        let (out, save) = (place.path(name), saved.clone());
        place.edit(&[&photo, "--do", &edits, "--out", &out, "--save", &save, "--force"]).succeeded();
    }
    assert_eq!(place.read("a.png"), place.read("b.png"));
    assert!(has(&place.read("a.png"), EDITED));

    let (before, after) = (place.picture("photo.png"), place.picture("a.png"));
    assert_eq!(after.dimensions(), (400, 300), "the photo's own size");
    let changed: Vec<(u32, u32)> = before
        .enumerate_pixels()
        .filter(|(x, y, p)| after.get_pixel(*x, *y) != *p)
        .map(|(x, y, _)| (x, y))
        .collect();
    assert!(changed.len() > 3000, "{}", changed.len());
    assert!(changed.iter().all(|(x, _)| (80..340).contains(x)), "away from the face");

    // The saved face draws the same picture, and with everything undone the photo itself.
    place.edit(&[&saved, "--out", &place.path("c.png")]).succeeded();
    assert_eq!(place.read("c.png"), place.read("a.png"));
    let undo = place.write("undo.json", &format!("[{}]", [r#"{"op": "undo"}"#; 4].join(",")));
    place.edit(&[&saved, "--do", &undo, "--out", &place.path("d.png"), "--no-mark"]).succeeded();
    assert_eq!(place.picture("d.png"), before);
    assert!(!has(&place.read("d.png"), "iptc"));

    // The other ways into the photo, a sheet, the mark in a JPEG.
    for how in ["change", "square"] {
        let out = place.path(&format!("{how}.jpg"));
        let sheet = place.path(&format!("{how}.png"));
        place.edit(&[&saved, "--blend", how, "--out", &out, "--sheet", &sheet, "--visible-mark"]).succeeded();
        assert!(
            has(&place.read(&format!("{how}.jpg")), EDITED)
                && has(&place.read(&format!("{how}.png")), EDITED)
        );
    }
    assert_ne!(place.picture("change.jpg"), place.picture("square.jpg"));
}

#[test]
fn what_cannot_be_edited_is_refused_on_one_line_and_leaves_nothing() {
    let place = Place::new();
    let out = place.path("out.png");
    let refused = |args: &[&str], part: &str| {
        place.edit(&[args, &["--out", &out]].concat()).refused(part);
        assert!(!Path::new(&out).exists(), "{args:?}");
    };
    let blank = place.photo("blank.png", &[]);
    refused(&[&blank], "no face found");
    place.edit(&[&blank, "--anyway", "--out", &place.path("any.png")]).succeeded();
    RgbImage::new(20, 400).save(place.path("tiny.png")).unwrap();
    refused(&[&place.path("tiny.png")], "20 x 400 pixels");
    refused(&["seed:x"], "seed:N");
    refused(&["seed:1", "--move", "ear=0.1,0"], "--move: part: no part \"ear\"; the parts are ");
    refused(&["seed:1", "--swap", "nose=none.png"], "none.png: no such file");
    refused(&["seed:1", "--move", "nose=0.1"], "eye-left=0.1,-0.05");
    for (edits, part) in [
        (r#"[{"op": "move", "part": "nose", "dx": 9}]"#, "edits[0].dx: 9 is not from"),
        (
            r#"[{"op": "undo"}, {"op": "scale", "part": "nose", "by": 0}]"#,
            "edits[1].by: 0 is not from 0.25 to 4",
        ),
        (r#"[{"op": "move", "part": 10, "dx": 0.1}]"#, "edits[0].part: no part 10"),
        (
            r#"[{"op": "duplicate", "part": "nose", "to": [0, 0]}]"#,
            "edits[0].into: this bundle's generator has 10 parts",
        ),
        (r#"[{"op": "add", "part": "nose"}]"#, "edits[0].part: nose-base is there already"),
        (r#"[{"op": "remove"}]"#, "edits[0]: missing field `part`"),
        (r#"{"op": "remove"}"#, "not a JSON list"),
    ] {
        refused(&["seed:1", "--do", &place.write("edits.json", edits)], part);
    }
    // A face of another bundle, and a photo with a bundle that has no encoder.
    let saved = place.path("face.json");
    place.edit(&["seed:1", "--save", &saved]).succeeded();
    let tiny = place.path("tiny");
    fs::create_dir(&tiny).unwrap();
    write_tiny_bundle(Path::new(&tiny)).unwrap();
    runtime(&["edit", "--bundle", &tiny, "seed:1", "--background", &saved, "--out", &out])
        .refused("made with another bundle (faces64-edge");
    runtime(&["edit", "--bundle", &tiny, &blank, "--out", &out]).refused("has no encoder");
    place.edit(&["seed:1", "--save", &saved]).refused("--force");
}

#[test]
fn of_two_faces_the_larger_is_taken_and_said_and_odd_pictures_are_read() {
    let place = Place::new();
    let photo = place.photo("two.png", &[(1, 20, 60, 180), (1, 260, 40, 100)]);
    let outcome = place.edit(&[&photo, "--move", "nose=0,0.2", "--out", &place.path("out.png")]);
    outcome.succeeded();
    assert!(outcome.stderr.contains("faces found; the largest is taken"), "{outcome:?}");
    let (before, after) = (place.picture("two.png"), place.picture("out.png"));
    let changed = |from: u32, to: u32| {
        (from..to).any(|x| (0..300).any(|y| before.get_pixel(x, y) != after.get_pixel(x, y)))
    };
    assert!(changed(20, 200) && !changed(270, 400));

    let plain = place.photo("plain.png", &[(1, 120, 60, 180)]);
    let whole = DynamicImage::ImageRgb8(image::open(&plain).unwrap().into_rgb8());
    DynamicImage::ImageRgb16(whole.to_rgb16()).save(place.path("deep.png")).unwrap();
    whole.to_rgba8().save_with_format(place.path("alpha.png"), ImageFormat::Png).unwrap();
    for (i, name) in ["plain.png", "deep.png", "alpha.png"].into_iter().enumerate() {
        let out = place.path(&format!("{i}.png"));
        place.edit(&[&place.path(name), "--move", "nose=0,0.2", "--out", &out]).succeeded();
    }
    // The same pixels make the same picture, however they are stored: files keep their depth and alpha.
    let plain = place.picture("0.png");
    for other in ["1.png", "2.png"].map(|name| place.picture(name)) {
        let apart = plain.as_raw().iter().zip(other.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(plain.dimensions() == other.dimensions() && apart <= Some(1), "{apart:?}");
    }
}

#[test]
fn clips_go_from_one_face_to_another_and_say_what_they_are() {
    let place = Place::new();
    let clip = place.path("clip.avi");
    place.edit(&["seed:1", "--to", "seed:2", "--frames", "5", "--out", &clip]).succeeded();
    assert!(has(&place.read("clip.avi"), GENERATED));
    let way = place.path("way.avi");
    let told = place.run(&["generate", "--interpolate", "4", "--count", "3", "--json", "--out", &way]);
    let told: Value = serde_json::from_str(told.succeeded()).unwrap();
    assert_eq!((&told["frames"], told["samples"].as_array().unwrap().len()), (&9.into(), 9));
    assert_eq!(told["samples"][8].as_array().unwrap().len(), 10);
    assert!(has(&place.read("way.avi"), GENERATED));
    // Nine frames, which the program itself reads again.
    let seen = place.run(&["webcam", &way, "--headless", "--keypoints", &place.path("k.jsonl"), "--json"]);
    let report: Value = serde_json::from_str(seen.succeeded()).unwrap();
    assert_eq!(report["frames"], 9);
    place
        .run(&["generate", "--interpolate", "4", "--count", "1", "--out", &way, "--force"])
        .refused("--count 2");
}

#[test]
fn a_clip_goes_between_two_saved_states_of_a_photo() {
    let place = Place::new();
    let photo = place.photo("photo.png", &[(1, 120, 60, 180)]);
    let states = ["a.json", "b.json"].map(|name| place.path(name));
    for (state, dy) in states.iter().zip(["-0.1", "0.1"]) {
        place.edit(&[&photo, "--move", &format!("nose=0,{dy}"), "--save", state]).succeeded();
    }
    let [from, to] = &states;
    let frames = place.path("frames");
    place.edit(&[from, "--to", to, "--frames", "3", "--out", &frames]).succeeded();
    for (i, state) in [(0, Some(from)), (1, None), (2, Some(to))] {
        let frame = place.read(&format!("frames/frame-{i:06}.jpg"));
        assert!(has(&frame, EDITED));
        let picture = image::load_from_memory(&frame).unwrap().into_rgb8();
        // The ends are the states, the middle the photo as it was.
        let wanted = match state {
            Some(state) => {
                place.edit(&[state, "--out", &place.path("end.png"), "--force"]).succeeded();
                place.picture("end.png")
            }
            None => place.picture("photo.png"),
        };
        let sum: f64 = picture.iter().zip(wanted.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        assert!(sum / (wanted.len() as f64) < 1.0, "frame {i}: {}", sum / wanted.len() as f64);
    }
    let clip = place.path("clip.mp4");
    place.edit(&[from, "--to", to, "--frames", "4", "--out", &clip]).succeeded();
    assert!(has(&place.read("clip.mp4"), EDITED));
    let y4m = place.edit(&[from, "--to", to, "--frames", "4", "--out", "-"]);
    assert!(y4m.succeeded().starts_with("YUV4MPEG2"));
}

/// The clip that `scripts/setup` fetches.
fn driver() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cache = std::env::var_os("LKG_CACHE").map_or_else(|| root.join(".cache"), PathBuf::from);
    cache.join("clips/carphone_pristine.mp4").to_str().unwrap().to_owned()
}

#[test]
fn a_face_is_driven_by_a_clip_and_by_the_motion_saved_of_it() {
    let place = Place::new();
    let (frames, motion) = (place.path("frames"), place.path("m.jsonl"));
    let outcome = place.run(&[
        "reenact",
        "--source",
        "seed:3",
        &driver(),
        "--headless",
        "--max-frames",
        "75",
        "--no-hud",
        "--out",
        &frames,
        "--save-motion",
        &motion,
        "--json",
    ]);
    let report: Value = serde_json::from_str(outcome.succeeded()).unwrap();
    assert_eq!(report["frames"], 75);
    let stages: Vec<&str> =
        report["stages"].as_array().unwrap().iter().map(|s| s["stage"].as_str().unwrap()).collect();
    assert!(stages.contains(&"generate") && stages.contains(&"network"), "{stages:?}");
    let frame = |folder: &str, i: u32| place.picture(&format!("{folder}/frame-{i:06}.jpg"));
    let square = |picture: &RgbImage| {
        let side = picture.height();
        imageops::crop_imm(picture, picture.width() - side, 0, side, side / 2).to_image()
    };
    let difference = |a: &RgbImage, b: &RgbImage| {
        a.iter().zip(b.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
    };
    let squares = [0, 10, 74].map(|i| square(&frame("frames", i)));
    assert!(difference(&squares[0], &squares[1]) < 0.5, "still until calibrated");
    assert!(difference(&squares[0], &squares[2]) > 3.0, "then it moves");
    let first = place.read("frames/frame-000000.jpg");
    assert!(has(&first, GENERATED));

    // Keypoints alone drive it the same way.
    let text = fs::read_to_string(&motion).unwrap();
    assert_eq!(text.lines().count(), 76);
    let again = place.path("again");
    place
        .run(&["reenact", "--source", "seed:3", &motion, "--headless", "--no-hud", "--out", &again])
        .succeeded();
    let scaled = imageops::resize(&square(&frame("frames", 74)), 480, 240, imageops::FilterType::Triangle);
    let replayed = square(&frame("again", 74));
    assert!(difference(&scaled, &replayed) < 4.0, "{}", difference(&scaled, &replayed));

    place
        .run(&["reenact", "--source", "seed:3", &motion, "--headless", "--view", "driver"])
        .refused("no picture");
    place
        .run(&["reenact", "--source", "seed:3", &driver(), "--headless", "--view", "source"])
        .refused("has none");
}

/// Saved again while its photo was away, a face had none for good.
#[test]
fn a_face_finds_back_to_a_photo_that_was_away() {
    let place = Place::new();
    let (photo, face, later) =
        (place.photo("photo.png", &[(3, 100, 50, 160)]), place.path("a.json"), place.path("b.json"));
    place.edit(&[&photo, "--save", &face]).succeeded();
    let photo_of = |name: &str| serde_json::from_slice::<Value>(&place.read(name)).unwrap()["photo"].clone();
    fs::rename(&photo, place.path("away.png")).unwrap();
    let away = place.edit(&[&face, "--move", "eyes=0,0.02", "--save", &later]);
    away.succeeded();
    assert!(away.stderr.contains("put it back"), "{away:?}");
    assert_eq!(photo_of("b.json"), photo_of("a.json"));
    fs::rename(place.path("away.png"), &photo).unwrap();
    place.edit(&[&later, "--out", &place.path("c.png")]).succeeded();
    assert_eq!(place.picture("c.png").dimensions(), (400, 300));
}
