//! Bad input ends `runtime` with code 2 and one line that says what is wrong, and leaves nothing behind.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use lkg_bundle::testing::{tiny_network, write_manifest, write_tiny_bundle};
use lkg_bundle::{Network, bundle};
use workspace_tests::runtime;

/// A 1 x 1 PNG picture.
const PNG: &[u8] =
    b"\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x01\x00\x00\x00\x01\
    \x08\x02\x00\x00\x00\x90\x77\x53\xde\x00\x00\x00\x0c\x49\x44\x41\x54\x78\xda\x63\xf8\xdf\xe0\x00\
    \x00\x04\x41\x01\xc0\x32\x2c\x3e\x3d\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";

struct Place {
    dir: tempfile::TempDir,
    bundle: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("bundle");
        fs::create_dir(&bundle).unwrap();
        write_tiny_bundle(&bundle).unwrap();
        Self { dir, bundle }
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        text(&path)
    }

    fn bundle(&self) -> String {
        text(&self.bundle)
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn bad_pictures() {
    let place = Place::new();
    let bundle = place.bundle();
    let out = text(&place.dir.path().join("out"));
    let mut bomb = PNG.to_vec();
    // 50,000 x 50,000 pixels, with the header's right checksum.
    bomb[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    bomb[29..33].copy_from_slice(&0xc4cdaa9du32.to_be_bytes());
    let cases = [
        (text(&place.dir.path().join("none.png")), "no such file"),
        (place.file("empty.png", b""), "empty"),
        (place.file("text.jpg", b"not a picture at all"), "JPEG, PNG and WebP can be read"),
        (place.file("cut.png", &PNG[..50]), "damaged or cut short"),
        (place.file("cut.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0"), "damaged or cut short"),
        (place.file("bomb.png", &bomb), "50000 x 50000 pixels"),
    ];
    for (path, part) in &cases {
        runtime(&["detect", "--bundle", &bundle, "--json", "--out", &out, path]).refused(part);
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "{path}");
    }
}

#[test]
fn the_good_pictures_among_bad_ones_are_reported_in_order() {
    let place = Place::new();
    let (a, b, c) = (place.file("a.png", PNG), place.file("b.png", b"x"), place.file("c.png", PNG));
    let outcome = runtime(&["detect", "--bundle", &place.bundle(), "--json", &c, &b, &a]);
    assert_eq!((outcome.code, outcome.stderr.lines().count()), (2, 1), "{outcome:?}");
    let files: Vec<String> = outcome
        .stdout
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["file"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(files, [c, a]);
}

#[test]
fn folders_without_pictures_and_files_in_the_way() {
    let place = Place::new();
    let bundle = place.bundle();
    let empty = place.dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    runtime(&["detect", "--bundle", &bundle, &text(&empty)]).refused("no pictures");

    let picture = place.file("a.png", PNG);
    let dir = text(place.dir.path());
    runtime(&["detect", "--bundle", &bundle, "--out", &dir, &picture]).refused("--force");
    runtime(&["detect", "--bundle", &bundle, "--out", &dir, "--force", &picture])
        .refused("overwrite the picture itself");
    assert_eq!(fs::read(&picture).unwrap(), PNG);
    runtime(&["generate", "--bundle", &bundle, "--out", &picture]).refused("--force");
    runtime(&["generate", "--bundle", &bundle, "--out", "x.bmp"]).refused(".png");
}

#[test]
fn bad_options() {
    let place = Place::new();
    let (bundle, picture) = (place.bundle(), place.file("a.png", PNG));
    runtime(&["detect", "--bundle", &bundle, "--provider", "gpu", &picture])
        .refused("auto, cpu, cuda, tensorrt");
    runtime(&["detect", "--bundle", &bundle, "--threads", "0", &picture]).refused("--threads");
    runtime(&["detect", "--bundle", &bundle, "--min-confidence", "2", &picture]).refused("from 0 to 1");
    runtime(&["detect"]).refused("FILE|DIR");
    runtime(&["generate", "--grid", "0x3", "--out", "x.png"]).refused("3x5");
    runtime(&["dance"]).refused("dance");
}

#[test]
fn bad_bundles() {
    let place = Place::new();
    let picture = place.file("a.png", PNG);
    let detect = |bundle: &Path, part: &str| {
        runtime(&["detect", "--bundle", &text(bundle), &picture]).refused(part);
    };
    detect(&place.dir.path().join("nowhere"), "not a model bundle");

    let detector = place.bundle.join("detector.onnx");
    let sound = fs::read(&detector).unwrap();
    fs::write(&detector, &sound[..sound.len() / 2]).unwrap();
    detect(&place.bundle, "damaged or altered");
    fs::remove_file(&detector).unwrap();
    detect(&place.bundle, "lacks detector.onnx");

    // A right checksum does not make a wrong graph right.
    let mut manifest = bundle_manifest(&place);
    fs::write(&detector, encode(&tiny_network(Network::ImageGenerator))).unwrap();
    manifest.files.extend(bundle::describe_files(&place.bundle, &["detector.onnx".to_owned()]).unwrap());
    write_manifest(&place.bundle, &manifest).unwrap();
    detect(&place.bundle, "no input named");

    fs::write(place.bundle.join(bundle::MANIFEST), "{\"schema_version\": 99}").unwrap();
    detect(&place.bundle, "schema version 99");
    fs::write(place.bundle.join(bundle::MANIFEST), "][").unwrap();
    detect(&place.bundle, "not valid JSON");
}

#[test]
fn verify_tells_which_file_is_damaged() {
    let place = Place::new();
    let sound = runtime(&["verify", &place.bundle()]);
    assert_eq!(sound.code, 0, "{sound:?}");
    assert!(sound.stdout.contains("detector/keypoints: max abs difference"));

    let path = place.bundle.join("image_generator.onnx");
    let mut content = fs::read(&path).unwrap();
    content[100] ^= 1;
    fs::write(&path, content).unwrap();
    let damaged = runtime(&["verify", &place.bundle(), "--json"]);
    let verdict: serde_json::Value = serde_json::from_str(&damaged.stdout).unwrap();
    assert_eq!((damaged.code, &verdict["ok"]), (2, &serde_json::Value::Bool(false)));
    let files = verdict["files"].as_array().unwrap();
    let problem = |f: &&serde_json::Value| !f["problem"].is_null();
    let named: Vec<_> = files.iter().filter(problem).map(|f| f["file"].as_str().unwrap()).collect();
    assert_eq!(named[0], "image_generator.onnx");
}

fn bundle_manifest(place: &Place) -> lkg_bundle::Manifest {
    let path = place.bundle.join(bundle::MANIFEST);
    lkg_bundle::Manifest::parse(&fs::read_to_string(&path).unwrap(), &path).unwrap()
}

fn encode(model: &lkg_bundle::onnx::ModelProto) -> Vec<u8> {
    prost::Message::encode_to_vec(model)
}

/// ffmpeg opened another file of the machine that a list named, whatever the list was called.
#[test]
fn a_list_of_what_to_play_is_no_clip() {
    let Ok(found) = std::process::Command::new("ffprobe").arg("-version").output() else {
        println!("skipped: there is no ffmpeg");
        return;
    };
    assert!(found.status.success());
    let place = Place::new();
    let clip = fs::read(workspace_tests::checkout::root().join("tests/fixtures/cases/vfr.mp4")).unwrap();
    place.file("other.mp4", &clip);
    let live = |path: &str| {
        runtime(&["--bundle", &place.bundle(), "webcam", path, "--headless", "--out", "null", "--json"])
    };
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.mp4\n#EXT-X-ENDLIST\n";
    for (name, list) in [("a.mkv", playlist), ("b.mkv", "ffconcat version 1.0\nfile other.mp4\n")] {
        live(&place.file(name, list.as_bytes())).refused("not a video");
    }
    live(&place.file("c.mkv", &clip)).succeeded();
}
