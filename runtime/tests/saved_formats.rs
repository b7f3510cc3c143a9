//! Files that were written before names in the code changed still load, and give the pictures that they gave then.
//!
//! `fixtures` were made by the program of that time (7efeb28, e12158f with the packages renamed) with `models/faces64-edge`: `face.json` and `face.png` by
//! `runtime edit seed:3 --do ... --save face.json --out face.png` with a lock, a pose, a swap, a removal that was taken back,
//! a scale, a background and a removal; `motion.jsonl` by `runtime reenact clip.mp4 --save-motion`, of which `motion.jpg` is
//! the last frame of `runtime reenact --source seed:3 motion.jsonl --absolute --no-hud --out DIR`.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use image::RgbImage;
use lkg_runtime::picture::read_picture;
use lkg_runtime::{Blend, Bundle, EngineOptions, FaceModel, Operation, PhotoEditor};

const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/faces64-edge");

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Largest difference of two pictures' bytes: machines round differently in the last digit.
fn difference(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn a_saved_face_is_what_it_was() {
    let mut model = FaceModel::new(Bundle::open(BUNDLE).unwrap(), EngineOptions::default());
    let opened = model.open(fixture("face.json").to_str().unwrap()).unwrap();
    assert_eq!(opened.source, "seed:3");
    let untouched = model.open("seed:3").unwrap();
    let mut editor = PhotoEditor::new(&mut model, opened, Blend::Warp).unwrap();
    let saved = editor.image().unwrap();
    assert!(difference(&saved, &read_picture(&fixture("face.png")).unwrap()) <= 2);
    // Every step can still be taken back, to the byte.
    while editor.apply(&Operation::Undo {}).unwrap() {}
    assert_eq!(editor.face(), untouched.session.face());
    while editor.apply(&Operation::Redo {}).unwrap() {}
    assert_eq!(editor.image().unwrap(), saved);
    // It is written as it was read.
    let before: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture("face.json")).unwrap()).unwrap();
    let after: serde_json::Value = serde_json::from_str(&editor.to_file().to_json().unwrap()).unwrap();
    assert_eq!(after, before);
}

#[test]
fn recorded_motion_moves_a_face_as_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("frames");
    let done = Command::new(env!("CARGO_BIN_EXE_runtime"))
        .args(["reenact", "--bundle", BUNDLE, "--source", "seed:3", "--absolute", "--no-hud", "--driver"])
        .arg(fixture("motion.jsonl"))
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let now = read_picture(&out.join("frame-000007.jpg")).unwrap();
    assert!(difference(&now, &read_picture(&fixture("motion.jpg")).unwrap()) <= 8, "beyond what JPEG rounds");
}
