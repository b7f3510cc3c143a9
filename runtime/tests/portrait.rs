//! The program on a bundle that carries photos along and draws no faces.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Place, text};
use lkg_bundle::testing::write_tiny_portrait_bundle;
use serde_json::Value;

fn place() -> Place {
    let place = Place::new();
    fs::remove_dir_all(place.path("bundle")).unwrap();
    fs::create_dir(place.path("bundle")).unwrap();
    write_tiny_portrait_bundle(&place.path("bundle")).unwrap();
    place.pictures(6);
    place
}

#[test]
fn its_networks_are_verified_and_drawing_faces_says_what_to_do() {
    let place = place();
    let verified = place.runtime(&["verify", "--json"]).output().unwrap();
    let verdict: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(verdict["ok"], true, "{verdict}");
    let outputs: Vec<&str> =
        verdict["outputs"].as_array().unwrap().iter().map(|o| o["output"].as_str().unwrap()).collect();
    for output in ["states", "small", "flow", "mask", "colour"] {
        assert!(outputs.contains(&output), "{outputs:?}");
    }
    for args in [
        &["generate", "--out", "a.png"][..],
        &["reenact", "--source", "seed:1", "in%03d.png", "--out", "null", "--headless"],
        &["edit", "seed:1", "--out", "a.png"],
    ] {
        let refused = place.runtime(args).output().unwrap();
        let said = text(&refused.stderr);
        assert!(refused.status.code() == Some(2), "{args:?}: {said}");
        assert!(said.contains("draws no faces") && said.contains("--bundle models/faces128"), "{said}");
    }
}

#[test]
fn a_photo_is_driven_at_its_own_size_and_motion_is_saved_with_states() {
    let place = place();
    let photo = image::RgbImage::from_fn(150, 90, |x, y| image::Rgb([x as u8, y as u8, 90]));
    photo.save(place.path("photo.png")).unwrap();
    let args =
        ["reenact", "--source", "photo.png", "--anyway", "--headless", "--min-confidence", "0", "--driver"];
    let more = ["in%03d.png", "--out", "frames", "--save-motion", "m.jsonl", "--force"];
    let done = place.runtime(&[&args[..], &more[..]].concat()).output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    // What the user did not ask for is not said.
    assert!(!text(&done.stdout).contains("not cuda") && !text(&done.stderr).contains("not cuda"));
    let motion = fs::read_to_string(place.path("m.jsonl")).unwrap();
    let lines: Vec<Value> = motion.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines[0]["parts"], serde_json::json!(["left", "right"]));
    assert_eq!(lines[1]["faces"][0]["states"].as_array().unwrap().len(), 4);
    let again = place.runtime(&[&args[..], &["m.jsonl", "--out", "again"]].concat()).output().unwrap();
    assert!(again.status.success(), "{}", text(&again.stderr));
    let first = |folder: &str| {
        let mut names: Vec<_> =
            fs::read_dir(place.path(folder)).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        (names.len(), image::open(&names[5]).unwrap().to_rgb8())
    };
    let ((n, driven), (again, replayed)) = (first("frames"), first("again"));
    assert_eq!((n, again), (6, 6));
    assert!((driven.width() * 90).abs_diff(driven.height() * 150) <= 150, "{:?}", driven.dimensions());
    let apart = driven.iter().zip(replayed.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(apart <= 6, "saved motion drives as the clip did, but for rounding and JPEG: {apart}");
}
