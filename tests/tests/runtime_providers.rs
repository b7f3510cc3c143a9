//! A GPU that was asked for by name is used or refused, never replaced; one that was not asked for is missed in one line.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lkg_bundle::Manifest;
use lkg_bundle::testing::{write_tiny_bundle, write_tiny_bundle_in_two};
use serde_json::Value;
use workspace_tests::{Outcome, program, runtime};

/// A tiny bundle and a picture.
struct Place {
    _dir: tempfile::TempDir,
    bundle: String,
    picture: String,
    cache: PathBuf,
}

impl Place {
    fn new() -> Self {
        Self::with(write_tiny_bundle)
    }

    fn with(write: fn(&Path) -> lkg_bundle::Result<Manifest>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        let picture = dir.path().join("grey.png");
        image::RgbImage::from_pixel(16, 16, image::Rgb([128; 3])).save(&picture).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        Self {
            bundle: text(dir.path().to_owned()),
            picture: text(picture),
            cache: dir.path().join("cache"),
            _dir: dir,
        }
    }

    /// Runs `args` on the bundle.
    fn run(&self, args: &[&str]) -> Outcome {
        let all = [&["--bundle", &self.bundle], args].concat();
        runtime(&all)
    }
}

/// Whether this machine's ONNX Runtime computes on `provider`.
fn has(place: &Place, provider: &str) -> bool {
    let doctor = place.run(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&doctor.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    checks.iter().any(|c| c["what"] == format!("provider {provider}") && c["state"] == "ok")
}

#[test]
fn a_gpu_asked_for_by_name_is_refused_with_the_missing_library_and_the_fix() {
    let place = Place::new();
    for provider in ["cuda", "tensorrt"] {
        if has(&place, provider) {
            eprintln!("skipped for {provider}: this machine has it");
            continue;
        }
        for command in [&["detect", &place.picture][..], &["warm"]] {
            let outcome = place.run(&[&["--ep", provider], command].concat());
            outcome.refused(&format!("provider {provider} cannot be used"));
            assert!(outcome.stderr.contains(".so") && outcome.stderr.contains("install"), "{outcome:?}");
        }
        let doctor = place.run(&["--ep", provider, "doctor", "--json"]);
        let report: Value = serde_json::from_str(&doctor.stdout).unwrap();
        assert_eq!((doctor.code, &report["ok"]), (2, &Value::Bool(false)), "{report}");
    }
}

#[test]
fn auto_says_once_why_the_processor_computes_and_is_silent_where_nobody_asks() {
    let place = Place::new();
    if has(&place, "cuda") || has(&place, "tensorrt") {
        eprintln!("skipped: this machine has a GPU");
        return;
    }
    let out = place.cache.with_extension("png");
    let generate = ["generate", "--out", out.to_str().unwrap(), "--force"];
    let asked = place.run(&[&["--ep", "auto"], &generate[..]].concat());
    asked.succeeded();
    let lines: Vec<_> = asked.stderr.lines().filter(|l| l.contains("computing on the CPU")).collect();
    assert!(lines.len() == 1, "two networks, one line: {asked:?}");
    assert!(lines[0].contains("not on tensorrt: ") && lines[0].contains("not on cuda: "), "{lines:?}");
    if !std::path::Path::new("/proc/driver/nvidia/version").exists() {
        let quiet = place.run(&generate);
        quiet.succeeded();
        assert!(!quiet.stderr.contains("computing on"), "{quiet:?}");
    }
}

#[test]
fn precisions_go_with_their_provider() {
    let place = Place::new();
    place.run(&["--ep", "cpu", "--precision", "fp16", "warm"]).refused("fp16 is tensorrt's, not cpu's");
    place.run(&["--ep", "tensorrt", "--precision", "tf32", "warm"]).refused("tf32 is cuda's, not tensorrt's");
    place.run(&["--precision", "int3", "warm"]).refused("choose one of: stored, tf32, fp16");
}

#[test]
fn warm_counts_nodes_and_compares_outputs() {
    let place = Place::new();
    let warm = place.run(&["--ep", "cpu", "warm", "--json"]);
    let rows: Vec<Value> = warm.succeeded().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    for row in &rows {
        assert!(row["nodes"]["CPUExecutionProvider"].as_u64().unwrap() > 0, "{row}");
        assert!(row["ok"] == true && row["difference"].as_f64().unwrap() < 1e-5, "{row}");
    }
}

/// An image generator in two files was not compared at all, "within NaN", and passed.
#[test]
fn warm_compares_an_image_generator_in_two_files_as_a_whole() {
    let place = Place::with(write_tiny_bundle_in_two);
    let warm = place.run(&["--ep", "cpu", "warm", "--json"]);
    let rows: Vec<Value> = warm.succeeded().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of = |name: &str| rows.iter().find(|row| row["network"] == name).unwrap();
    assert!(of("style")["difference"].is_null() && of("style")["tolerance"].is_null());
    assert!(of("render")["difference"].as_f64().unwrap() < 1e-5, "{}", of("render"));
    assert!(rows.len() == 4 && rows.iter().all(|row| row["ok"] == true), "{rows:?}");
    assert!(!place.run(&["--ep", "cpu", "warm"]).succeeded().contains("NaN"));
}

#[test]
fn the_cache_waits_for_a_process_at_work() {
    let place = Place::new();
    let engines = place.cache.join("latentkeypoint/engines");
    let clear = || {
        let mut command = Command::new(program("runtime"));
        command.args(["cache", "clear"]).env("XDG_CACHE_HOME", &place.cache);
        command
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&engines).unwrap();
    // `flock` of util-linux holds the lock as another runtime would, for a second.
    let lock = engines.join("lock");
    let mut holder = Command::new("flock")
        .arg(&lock)
        .args(["sh", "-c", "echo; sleep 1"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut byte = [0];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut byte).unwrap();
    let waited = Outcome::of("runtime", &clear().output().unwrap());
    assert!(waited.stderr.contains("waiting for it"), "{waited:?}");
    assert!(waited.succeeded().contains("0 engines deleted"));
    holder.wait().unwrap();
    let at_once = Outcome::of("runtime", &clear().output().unwrap());
    assert!(at_once.stderr.is_empty(), "{at_once:?}");
}
