//! A crate outside of the workspace finds keypoints with a few lines and few dependencies.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use workspace_tests::{checkout, runtime};

const MAIN: &str = r#"use std::error::Error;
use lkg_runtime::{Bundle, EngineOptions, FaceDetector, picture::read_picture};
fn main() -> Result<(), Box<dyn Error>> {
    let bundle = Bundle::open(std::env::args().nth(1).ok_or("no bundle")?)?;
    let picture = read_picture(std::env::args().nth(2).ok_or("no picture")?.as_ref())?;
    let faces = FaceDetector::new(&bundle, &EngineOptions::default())?.detect(&picture)?;
    for keypoint in faces.iter().flat_map(|face| &face.keypoints) {
        println!("{} {}", keypoint.x, keypoint.y);
    }
    Ok(())
}
"#;

/// What belongs to the program, its cameras, windows, pages and clips.
const FOREIGN: [&str; 12] = [
    "clap",
    "nokhwa",
    "v4l",
    "minifb",
    "openh264",
    "re_mp4",
    "shiguredo_mp4",
    "httparse",
    "y4m",
    "rayon",
    "ctrlc",
    "sd-notify",
];

/// Where cargo builds: beside the tests, so that a second run finds what the first has built.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join("outside-crate")
}

fn cargo(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).arg("--offline").current_dir(folder).env("CARGO_TARGET_DIR", target());
    let output = command.env("CARGO_PROFILE_DEV_DEBUG", "0").output().unwrap();
    assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn ten_lines_find_keypoints_without_clap_cameras_windows_or_codecs() {
    let place = tempfile::tempdir().unwrap();
    let root = checkout::root().canonicalize().unwrap();
    let manifest = format!(
        "[package]\nname = \"outside\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\nlkg-runtime = {{ path = {:?}, \
         default-features = false }}\n\n[workspace]\n",
        root.join("runtime")
    );
    fs::create_dir(place.path().join("src")).unwrap();
    fs::write(place.path().join("src/main.rs"), MAIN).unwrap();
    fs::write(place.path().join("Cargo.toml"), manifest).unwrap();
    // The versions that the workspace is tested with; cargo drops what is not needed.
    fs::copy(root.join("Cargo.lock"), place.path().join("Cargo.lock")).unwrap();

    let tree = cargo(place.path(), &["tree", "--edges", "normal", "--prefix", "none"]);
    let crates: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains(&"lkg-runtime") && crates.contains(&"ort"), "{tree}");
    for foreign in FOREIGN {
        assert!(!crates.contains(&foreign), "{foreign} is among its dependencies:\n{tree}");
    }

    cargo(place.path(), &["build"]);
    let bundle = root.join("models/faces64-edge").into_os_string().into_string().unwrap();
    let photo = format!("{}/fixtures/e12158f/photo.jpg", env!("CARGO_MANIFEST_DIR"));
    let mut program = Command::new(target().join("debug/outside"));
    let output = program
        .args([&bundle, &photo])
        .env("ORT_DISABLE_TELEMETRY", "1")
        .current_dir(&root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Vec<f64> =
        String::from_utf8(output.stdout).unwrap().split_whitespace().map(|n| n.parse().unwrap()).collect();

    let outcome = runtime(&["--bundle", &bundle, "detect", &photo, "--format", "v1"]);
    let told: Value = serde_json::from_str(outcome.succeeded()).unwrap();
    let points =
        told["faces"].as_array().unwrap().iter().flat_map(|face| face["keypoints"].as_array().unwrap());
    let told: Vec<f64> = points.flat_map(|p| [p[0].as_f64().unwrap(), p[1].as_f64().unwrap()]).collect();
    assert!(found.len() == 20 && told.len() == 20, "{found:?} {told:?}");
    assert!(found.iter().zip(&told).all(|(a, b)| (a - b).abs() < 0.01), "{found:?} {told:?}");
    // Its folder's name is another one every time, and so would be what it leaves behind.
    cargo(place.path(), &["clean", "--package", "outside"]);
}
