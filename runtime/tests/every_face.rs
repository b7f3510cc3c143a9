//! Several people in pictures and clips made up of faces that the bundle's own generator draws: all are found, can be chosen,
//! and keep their numbers while they move, cross, leave and come back.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../examples/find_faces/scene.rs"]
mod scene;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use image::{Rgb, RgbImage};
use lkg_bundle::Bundle;
use lkg_runtime::internals::engine::Detector;
use lkg_runtime::{EngineOptions, FaceDetector, FaceModel, FaceTracker, TrackOptions};
use scene::{Chance, Portrait, Square};
use serde_json::Value;

/// Frames a second of the clips.
const FPS: u64 = 25;
/// Where a person is in a frame, if he is.
type Place = Option<Square>;

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name)
}

fn bundle() -> Bundle {
    Bundle::open(model("faces128")).unwrap()
}

/// Faces that do not exist; the generator's square is 1.1 times a face's.
fn people() -> &'static [Portrait] {
    static PEOPLE: OnceLock<Vec<Portrait>> = OnceLock::new();
    PEOPLE.get_or_init(|| {
        let mut model = FaceModel::new(bundle(), EngineOptions::default());
        let mut draw = |index| {
            let face = model.sample_face(5, index, 0.6).unwrap();
            let picture = model.image(&face).unwrap();
            let side = picture.width() as f32;
            Portrait { face: Square { x: side / 2.0, y: side / 2.0, side: side / 1.1 }, picture }
        };
        (0..6).map(&mut draw).collect()
    })
}

fn at(x: f32, y: f32, side: f32) -> Place {
    Some(Square { x, y, side })
}

/// A frame with people at their places, those behind first.
fn frame(places: &[Place], chance: &mut Chance) -> RgbImage {
    let ground = |x: u32, y: u32| Rgb([90 + (x / 16) as u8, 100 + (y / 16) as u8, 120]);
    let mut frame = RgbImage::from_fn(scene::FRAME.0, scene::FRAME.1, ground);
    for (person, place) in people().iter().zip(places) {
        if let Some(place) = place {
            scene::paste(&mut frame, person, *place);
        }
    }
    scene::noise(&mut frame, chance);
    frame
}

fn tracker(faces: usize) -> FaceTracker {
    let bundle = bundle();
    let detector = Detector::load(&bundle, &EngineOptions::default()).unwrap();
    FaceTracker::new(detector, TrackOptions { faces, ..TrackOptions::live(bundle.manifest()) })
}

/// What became of a person: the number that he had in each frame, `None` where he was not found or was not there.
struct Table {
    ids: Vec<Vec<Option<u32>>>,
    /// The number of the one who stood out.
    main: Vec<Option<u32>>,
    /// Numbers of what was found where nobody was.
    wrong: usize,
}

impl Table {
    /// Follows the people of a clip of `frames` frames.
    fn of(faces: usize, frames: u64, places: impl Fn(u64) -> Vec<Place>) -> Self {
        let (mut tracker, mut chance) = (tracker(faces), Chance::new(3));
        let count = places(0).len();
        let mut table = Self { ids: vec![Vec::new(); count], main: Vec::new(), wrong: 0 };
        for i in 0..frames {
            let places = places(i);
            let tracked =
                tracker.track(&frame(&places, &mut chance), Duration::from_millis(i * 1000 / FPS)).unwrap();
            // Of two who overlap the one behind cannot be told from the one in front.
            let behind = |i: usize| {
                let near = |other: &Place| {
                    other
                        .zip(places[i])
                        .is_some_and(|(a, b)| (a.x - b.x).hypot(a.y - b.y) < b.side.max(a.side))
                };
                places[i + 1..].iter().any(near)
            };
            let hidden: Vec<bool> = (0..count).map(behind).collect();
            let centre = |face: &lkg_runtime::DetectedFace| {
                let n = face.keypoints.len() as f32;
                [
                    face.keypoints.iter().map(|k| k.x).sum::<f32>() / n,
                    face.keypoints.iter().map(|k| k.y).sum::<f32>() / n,
                ]
            };
            let mut own: Vec<Option<u32>> = vec![None; count];
            for face in tracked.faces().iter() {
                let [x, y] = centre(face);
                let apart = |place: &Place| place.map_or(f32::MAX, |p| (p.x - x).hypot(p.y - y) / p.side);
                let nearest =
                    (0..count).min_by(|a, b| apart(&places[*a]).total_cmp(&apart(&places[*b]))).unwrap();
                match apart(&places[nearest]) < 0.35 {
                    true if !hidden[nearest] => own[nearest] = Some(face.id),
                    true => {}
                    false if hidden.contains(&true) => {}
                    false => table.wrong += 1,
                }
            }
            own.into_iter().zip(&mut table.ids).for_each(|(id, ids)| ids.push(id));
            table.main.push(tracked.face.as_ref().map(|face| face.id));
            tracker.reuse(tracked);
        }
        for (person, ids) in table.ids.iter().enumerate() {
            println!("person {person}: {}", runs(ids));
        }
        println!("stands out: {}", runs(&table.main));
        table
    }

    /// The one number that a person had, whenever he was found.
    fn only(&self, person: usize) -> u32 {
        let mut ids: Vec<u32> = self.ids[person].iter().flatten().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 1, "person {person} had the numbers {ids:?}");
        ids[0]
    }

    /// In how many of these frames a person was found.
    fn found(&self, person: usize, frames: std::ops::Range<usize>) -> usize {
        self.ids[person][frames].iter().flatten().count()
    }
}

/// Numbers over time, as `1x25 -x50 1x25`.
fn runs(ids: &[Option<u32>]) -> String {
    let mut runs: Vec<(Option<u32>, usize)> = Vec::new();
    for id in ids {
        match runs.last_mut() {
            Some((last, n)) if last == id => *n += 1,
            _ => runs.push((*id, 1)),
        }
    }
    let text = |(id, n): &(Option<u32>, usize)| match id {
        Some(id) => format!("{id}x{n}"),
        None => format!("-x{n}"),
    };
    runs.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// One of two used to be followed, and whose track it was changed in the middle.
#[test]
fn two_people_who_cross_keep_their_numbers() {
    for (sides, speed) in [([150.0, 170.0], 4.0), ([160.0, 150.0], 2.5), ([120.0, 190.0], 7.0)] {
        let frames = (440.0 / speed) as u64;
        let table = Table::of(4, frames, |i| {
            let way = i as f32 * speed;
            vec![at(540.0 - way, 230.0, sides[0]), at(100.0 + way, 240.0, sides[1])]
        });
        assert_ne!(table.only(0), table.only(1));
        let (quarter, all) = (frames as usize / 4, frames as usize);
        for person in 0..2 {
            assert!(table.found(person, 5..quarter) * 10 >= (quarter - 5) * 9, "before they meet");
            assert!(table.found(person, all - quarter..all) * 10 >= quarter * 8, "after they met");
        }
        assert!(table.wrong * 50 <= all, "{} wrong", table.wrong);
    }
}

#[test]
fn who_leaves_for_two_seconds_comes_back_as_himself() {
    // To the right, and in again from the left.
    for back in [460.0, 130.0] {
        let table = Table::of(4, 150, |i| {
            let sways = (i as f32 * 0.3).sin() * 4.0;
            let other = match i {
                0..50 => at(460.0, 200.0 - sways, 150.0),
                50..100 => None,
                _ => at(back, 210.0 - sways, 150.0),
            };
            vec![at(320.0 + sways, 330.0, 180.0), other]
        });
        assert_ne!(table.only(0), table.only(1));
        assert!(table.found(0, 5..150) >= 140 && table.found(1, 5..50) >= 42);
        assert!(table.found(1, 115..150) >= 30, "found within 0.6 s");
        assert_eq!(table.wrong, 0);
    }
}

/// A poster used to be followed to the end once it had been found.
#[test]
fn who_moves_stands_out_before_a_picture_on_the_wall() {
    // A poster that is there alone, then somebody as large; he goes for two seconds.
    let table = Table::of(4, 300, |i| {
        let way = 30.0 * (i as f32 * 0.11).sin();
        let there = (100..200).contains(&i) || i >= 250;
        vec![at(480.0, 170.0, 150.0), if there { at(200.0 + way, 280.0, 150.0) } else { None }]
    });
    let (poster, person) = (table.only(0), table.only(1));
    assert!(
        table.found(0, 3..300) >= 290 && table.found(1, 110..200) >= 85 && table.found(1, 265..300) >= 33
    );
    assert!(table.main[10..100].iter().all(|id| *id == Some(poster)), "nobody else is there");
    assert!(table.main[140..200].iter().all(|id| *id == Some(person)));
    assert!(table.main[265..300].iter().all(|id| *id == Some(person)));
    // Alone, the poster does not even stand in.
    let table = Table::of(1, 200, |i| {
        let way = 30.0 * (i as f32 * 0.11).sin();
        vec![
            at(480.0, 170.0, 120.0),
            if (100..140).contains(&i) { None } else { at(200.0 + way, 280.0, 200.0) },
        ]
    });
    let person = table.only(1);
    assert!(table.main[3..100].iter().all(|id| *id == Some(person)), "the larger one");
    assert!(table.main[103..200].iter().flatten().all(|id| *id == person), "and no other meanwhile");
    assert!(table.main[145..200].iter().flatten().count() >= 50);
}

#[test]
fn at_most_so_many_are_followed_and_one_is_chosen() {
    let places = || {
        vec![
            at(110.0, 120.0, 150.0),
            at(320.0, 330.0, 180.0),
            at(530.0, 130.0, 130.0),
            at(100.0, 370.0, 120.0),
        ]
    };
    let table = Table::of(3, 40, |_| places());
    assert_eq!(table.ids.iter().filter(|ids| ids[39].is_some()).count(), 3);
    let mut chance = Chance::new(3);
    let mut tracker = tracker(4);
    let mut look = |tracker: &mut FaceTracker, i: u64| {
        tracker.track(&frame(&places(), &mut chance), Duration::from_millis(i * 1000 / FPS)).unwrap()
    };
    for i in 0..20 {
        look(&mut tracker, i);
    }
    let tracked = look(&mut tracker, 20);
    let ids: Vec<u32> = tracked.faces().iter().map(|f| f.id).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert_eq!(tracker.choose_at([10.0, 10.0]), None);
    let small = tracker.choose_at([105.0, 365.0]).unwrap();
    assert_eq!(look(&mut tracker, 21).face.unwrap().id, small);
    let next = tracker.choose_next().unwrap();
    assert_ne!(next, small);
    for i in 22..60 {
        assert_eq!(look(&mut tracker, i).face.unwrap().id, next, "whoever was chosen stays");
    }
}

/// Three people in a picture, the largest first.
fn three() -> (RgbImage, [Square; 3]) {
    let places = [at(200.0, 280.0, 230.0), at(500.0, 140.0, 150.0), at(560.0, 380.0, 110.0)];
    (frame(&places, &mut Chance::new(9)), places.map(Option::unwrap))
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn run(&self, bundle: &str, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runtime"));
        command
            .current_dir(self.0.path())
            .args(args)
            .args(["--provider", "cpu", "--bundle"])
            .arg(model(bundle));
        command.output().unwrap()
    }

    fn said(&self, bundle: &str, args: &[&str]) -> String {
        let output = self.run(bundle, args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn three_faces_in_a_picture_are_three_in_json_drawn_and_chosen() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let (picture, places) = three();
    picture.save(folder.0.path().join("three.png")).unwrap();
    let json = folder.said("faces128", &["detect", "three.png", "--json", "--out", "drawn"]);
    let found: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&found["schema"], &found["time"], &found["file"]),
        (&2.into(), &Value::Null, &"three.png".into())
    );
    let faces = found["faces"].as_array().unwrap();
    assert_eq!(faces.len(), 3, "{json}");
    let drawn = image::open(folder.0.path().join("drawn/three.png")).unwrap().into_rgb8();
    for ((face, place), id) in faces.iter().zip(&places).zip(1..) {
        assert_eq!(face["id"], id);
        assert!(face["confidence"].as_f64().unwrap() >= 0.65);
        let [x, y, w, h] = serde_json::from_value::<[f32; 4]>(face["box"].clone()).unwrap();
        assert!((x + w / 2.0 - place.x).hypot(y + h / 2.0 - place.y) < 0.25 * place.side, "{face} {place:?}");
        assert!((0.7..1.6).contains(&(w / place.side)), "{face} {place:?}");
        let keypoints: BTreeMap<String, [f32; 3]> =
            serde_json::from_value(face["keypoints"].clone()).unwrap();
        assert!(keypoints.len() == 10 && keypoints.contains_key("eye-left-inner"), "{keypoints:?}");
        let [x, y] = [place.x as u32, place.y as u32];
        let near = |p: &RgbImage| image::imageops::crop_imm(p, x - 40, y - 40, 80, 80).to_image();
        assert_ne!(near(&drawn), near(&picture), "face {id} is drawn");
    }
    // The library finds the same ones.
    let library = FaceDetector::new(&bundle(), &EngineOptions::default()).unwrap().detect(&picture).unwrap();
    assert_eq!(library.iter().map(|f| f.id).collect::<Vec<_>>(), [1, 2, 3]);

    let csv = folder.said("faces128", &["detect", "three.png", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 4, "{csv}");
    let coco: Value =
        serde_json::from_str(&folder.said("faces128", &["detect", "three.png", "--format", "coco"])).unwrap();
    assert_eq!(coco["annotations"].as_array().unwrap().len(), 3);
    let v1: Value =
        serde_json::from_str(&folder.said("faces128", &["detect", "three.png", "--format", "v1"])).unwrap();
    assert!(v1.get("schema").is_none() && v1["faces"][0]["live"] == true);
    let text = folder.said("faces128", &["detect", "three.png"]);
    assert!(text.contains("face 3, mean confidence"), "{text}");

    // Editor and re-enactment take the one that is asked for, whatever their bundle.
    let second = format!("{},{}", places[1].x, places[1].y);
    for bundle in ["faces128", "portrait128"] {
        for (which, place) in [("largest", 0), ("2", 1), (second.as_str(), 1), ("3", 2)] {
            let args = ["edit", "three.png", "--face", which, "--save", "face.json", "--force"];
            folder.said(bundle, &args);
            let saved: Value =
                serde_json::from_str(&std::fs::read_to_string(folder.0.path().join("face.json")).unwrap())
                    .unwrap();
            let [x, y, _] = serde_json::from_value::<[f32; 3]>(saved["photo"]["crop"].clone()).unwrap();
            let apart = (x - places[place].x).hypot(y - places[place].y);
            assert!(apart < 0.3 * places[place].side, "{bundle} --face {which}: {x}, {y}");
        }
        let refused = folder.run(bundle, &["edit", "three.png", "--face", "4", "--save", "x.json"]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(refused.status.code() == Some(2) && said.contains("no face 4; found: 1 at"), "{said}");
    }
    let args = ["reenact", "-s", "three.png", "--face", "7", "three.png", "--headless", "--out", "null"];
    let refused = folder.run("portrait128", &args);
    assert!(refused.status.code() == Some(2), "{refused:?}");
}

/// Of several people in the driver's picture only the first one that was found drove.
#[test]
fn the_driver_is_chosen_among_several_people() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let (picture, places) = three();
    for i in 0..20 {
        picture.save(folder.0.path().join(format!("in{i:03}.png"))).unwrap();
    }
    let second = format!("{},{}", places[1].x, places[1].y);
    for (bundle, source) in [("faces128", "seed:1"), ("portrait128", "in000.png")] {
        // Numbers are those that the clip's JSON has.
        let args =
            ["webcam", "in%03d.png", "--headless", "--out", "null", "--keypoints", "k.jsonl", "--force"];
        folder.said(bundle, &args);
        let rows = std::fs::read_to_string(folder.0.path().join("k.jsonl")).unwrap();
        let last: Value = serde_json::from_str(rows.lines().last().unwrap()).unwrap();
        let is_third = |face: &&Value| {
            let [x, y, w, h] = serde_json::from_value::<[f32; 4]>(face["box"].clone()).unwrap();
            (x + w / 2.0 - places[2].x).hypot(y + h / 2.0 - places[2].y) < 0.3 * places[2].side
        };
        let third = last["faces"].as_array().unwrap().iter().find(is_third).unwrap()["id"].to_string();
        for (flags, place) in [
            (vec![], 0),
            (vec!["--faces", "1"], 0),
            (vec!["--driver-face", "largest"], 0),
            (vec!["--driver-face", second.as_str()], 1),
            (vec!["--driver-face", third.as_str()], 2),
        ] {
            let args = ["reenact", "-s", source, "in%03d.png", "--headless", "--out", "null", "--force"];
            folder.said(bundle, &[&args[..], &["--save-motion", "m.jsonl"][..], &flags[..]].concat());
            let text = std::fs::read_to_string(folder.0.path().join("m.jsonl")).unwrap();
            let line: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
            let faces = line["faces"].as_array().unwrap();
            assert_eq!(faces.len(), 1, "{bundle} {flags:?}");
            let points: Vec<[f32; 3]> = serde_json::from_value(faces[0]["keypoints"].clone()).unwrap();
            let mean = |axis: usize| points.iter().map(|p| p[axis]).sum::<f32>() / points.len() as f32;
            let apart = (mean(0) - places[place].x).hypot(mean(1) - places[place].y);
            assert!(apart < 0.35 * places[place].side, "{bundle} {flags:?}: {}, {}", mean(0), mean(1));
        }
    }
    let refused = folder.run("faces128", &["reenact", "-s", "seed:1", "m.jsonl", "--driver-face", "2"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && said.contains("recorded motion is of one"), "{said}");
}

/// The large face is gone from 1.0 to 1.6 s; the small one on the wall was followed to the end.
#[test]
fn a_picture_on_the_wall_does_not_take_over() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let clip = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/cases/picture-on-the-wall.mp4");
    for faces in ["4", "1"] {
        let args = [
            "webcam",
            clip,
            "--out",
            "null",
            "--headless",
            "--keypoints",
            "o.jsonl",
            "--faces",
            faces,
            "--force",
        ];
        folder.said("faces128", &args);
        let text = std::fs::read_to_string(folder.0.path().join("o.jsonl")).unwrap();
        let mut ids = Vec::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let time = line["time"].as_f64().unwrap();
            let first = &line["faces"][0];
            if (0.1..0.95).contains(&time) || time > 1.65 {
                assert!(first["box"][2].as_f64().unwrap() > 120.0, "--faces {faces}, {time} s: {line}");
                ids.push(first["id"].clone());
            }
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "one number before and after");
    }
}
