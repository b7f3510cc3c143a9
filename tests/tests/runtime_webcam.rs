//! `runtime webcam` without a camera and without a screen: a clip goes through the same loop and leaves files.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lkg_bundle::testing::write_tiny_bundle;
use serde_json::Value;
use workspace_tests::{Outcome, program, runtime};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("bundle")).unwrap();
        write_tiny_bundle(&dir.path().join("bundle")).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn webcam(&self, args: &[&str]) -> Outcome {
        let bundle = self.path("bundle");
        // No face is found in most pictures by the tiny detector, whatever its confidence.
        let fixed =
            ["webcam", "--headless", "--provider", "cpu", "--bundle", &bundle, "--min-confidence", "0"];
        runtime(&[&fixed, args].concat())
    }

    /// The names of what lies in the folder, but for the bundle.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|n| n != "bundle").collect();
        names.sort();
        names
    }
}

/// The clip that `scripts/setup` fetches: 176 x 144 pixels that are not square, so 192 x 144, 29.97 frames/s, 120 frames.
fn clip() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cache = std::env::var_os("LKG_CACHE").map_or_else(|| root.join(".cache"), PathBuf::from);
    let clip = cache.join("clips/carphone_pristine.mp4");
    assert!(clip.is_file(), "{} is missing: run scripts/setup, or set LKG_CACHE", clip.display());
    clip.to_str().unwrap().to_owned()
}

fn report(outcome: &Outcome) -> Value {
    assert_eq!(outcome.code, 0, "{outcome:?}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn a_clip_leaves_an_annotated_clip_a_sheet_keypoints_and_a_latency_table() {
    let place = Place::new();
    let (avi, sheet, lines) = (place.path("a.avi"), place.path("s.png"), place.path("k.jsonl"));
    let outputs = ["--out", &avi, "--sheet", &sheet, "--keypoints", &lines];
    let clip = clip();
    let first = report(&place.webcam(&[&[clip.as_str(), "--json"][..], &outputs].concat()));
    assert_eq!((&first["frames"], &first["dropped"]), (&120.into(), &0.into()));
    assert_eq!(first["ended"], "end_of_source");
    let stages: Vec<_> = first["stages"].as_array().unwrap().iter().map(|s| s["stage"].clone()).collect();
    assert!(stages.contains(&"network".into()) && stages.contains(&"capture to display".into()));
    assert_eq!(place.left(), ["a.avi", "k.jsonl", "s.png"]);

    let keypoints = fs::read_to_string(&lines).unwrap();
    assert_eq!(keypoints.lines().count(), 120);
    let last: Value = serde_json::from_str(keypoints.lines().last().unwrap()).unwrap();
    assert_eq!(last["frame"], 119);
    assert!((last["time"].as_f64().unwrap() - 119.0 * 1.001 / 30.0).abs() < 0.001, "{last}");

    // What was written is a source again, at the same speed.
    let again = report(&place.webcam(&[&avi, "--out", &place.path("b.avi"), "--json"]));
    assert_eq!(again["frames"], 120);
    assert!(again["source"].as_str().unwrap().contains("768x576, Motion JPEG, 29.97 fps"), "{again}");

    let before = fs::read(&avi).unwrap();
    place.webcam(&[&[clip.as_str()][..], &outputs].concat()).refused("--force");
    assert_eq!(fs::read(&avi).unwrap(), before);
    let folder = place.path("frames");
    let forced = place.webcam(&[&clip, "--out", &folder, "--max-frames", "3"]);
    assert!(forced.stdout.contains("3 frames") && forced.stdout.contains(&folder), "{forced:?}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
}

#[test]
fn bad_sources_are_refused_and_leave_nothing() {
    let place = Place::new();
    let whole = fs::read(clip()).unwrap();
    fs::create_dir(place.path("empty folder")).unwrap();
    fs::write(place.path("empty.mp4"), "").unwrap();
    fs::write(place.path("half.mp4"), &whole[..whole.len() / 2]).unwrap();
    fs::write(place.path("head.mp4"), &whole[..40]).unwrap();
    fs::write(place.path("half.avi"), b"RIFF\xff\0\0\0AVI LIST").unwrap();
    let before = place.left();
    let out = place.path("out.avi");
    for (source, part) in [
        (place.path("none.mp4"), "no file, folder or camera"),
        (place.path("empty.mp4"), "empty"),
        (place.path("half.mp4"), "damaged or cut short"),
        (place.path("head.mp4"), "damaged or cut short"),
        (place.path("half.avi"), "damaged or cut short"),
        (place.path("empty folder"), "no pictures"),
        ("camera://987".to_owned(), "/dev/video987"),
    ] {
        place.webcam(&[&source, "--out", &out]).refused(part);
        assert_eq!(place.left(), before, "{source}");
    }
    place.webcam(&[&clip(), "--out", &place.path("out.xyz")]).refused("FILE.avi");
    place.webcam(&[&clip(), "--size", "640x480"]).refused("--size");
}

#[test]
fn an_interrupted_recording_is_complete() {
    let place = Place::new();
    let out = place.path("out.avi");
    let mut child = Command::new(program("runtime"))
        .args(["webcam", &clip(), "--loop", "--headless", "--provider", "cpu", "--json", "--out", &out])
        .args(["--bundle", &place.path("bundle")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The recording's temporary file shows that frames are being written.
    let start = Instant::now();
    while place.left().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let first: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(first["ended"], "interrupted");
    assert_eq!(place.left(), ["out.avi"]);
    let again = report(&place.webcam(&[&out, "--json", "--keypoints", &place.path("k.jsonl")]));
    assert_eq!(again["frames"], first["frames"]);
}

/// A service that says nothing is started anew by its watchdog for ever.
#[test]
fn a_service_says_that_it_has_begun() {
    let place = Place::new();
    let socket = place.path("notify");
    let listener = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    listener.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let output = Command::new(program("runtime"))
        .args(["webcam", &clip(), "--headless", "--provider", "cpu", "--out", "null", "--max-frames", "2"])
        .args(["--bundle", &place.path("bundle")])
        .env("NOTIFY_SOCKET", &socket)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut message = [0; 256];
    let length = listener.recv(&mut message).unwrap();
    let text = std::str::from_utf8(&message[..length]).unwrap();
    assert!(text.contains("READY=1") && text.contains("WATCHDOG=1"), "{text}");
}

/// `reenact -v` asked a bundle that has its generator in two files for the one of them that there is not.
#[test]
fn a_bundle_with_its_generator_in_two_says_where_it_computes() {
    let bundle = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/faces64-edge");
    let clip = clip();
    let args = ["--bundle", bundle, "reenact", "--source", "seed:1", "--driver", &clip, "-v", "--headless"];
    let told = runtime(&[&args[..], &["--out", "null", "--max-frames", "3"]].concat());
    assert!(told.code == 0 && told.stderr.contains("image generator: "), "{told:?}");
}
