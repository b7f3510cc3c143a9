//! Bad input ends `trainer` with code 2 and one line that says what is wrong, and leaves nothing behind.

#![allow(clippy::unwrap_used)]

use std::fs;

use workspace_tests::tiny::{CONFIG, Tiny};
use workspace_tests::{Outcome, trainer};

fn train(tiny: &Tiny, run: &str, more: &[&str]) -> Outcome {
    let args = tiny.train(run);
    trainer(&[&args.iter().map(String::as_str).collect::<Vec<_>>(), more].concat())
}

#[test]
fn useless_data_and_configurations_write_nothing() {
    let tiny = Tiny::new();
    let (empty, out) = (tiny.path("empty"), tiny.path("out"));
    fs::create_dir(&empty).unwrap();
    trainer(&["train", &empty, "--out", &out]).refused("no .jpg, .png or .webp pictures");
    trainer(&["train", &tiny.path("gone"), "--out", &out]).refused("no such file or folder");
    fs::write(tiny.path("cut.zip"), b"PK\x03\x04 cut").unwrap();
    trainer(&["train", &tiny.path("cut.zip"), "--out", &out]).refused("not a sound zip");
    fs::write(tiny.path("bad.toml"), "[gan]\nbatchh = 1").unwrap();
    train(&tiny, "out", &["--config", &tiny.path("bad.toml")]).refused("batchh");
    fs::write(tiny.path("small.toml"), "[gan]\nbatch = 1").unwrap();
    train(&tiny, "out", &["--config", &tiny.path("small.toml")]).refused("batch must be at least 2");
    train(&tiny, "out", &["--resume"]).refused("no run here");
    assert!(!tiny.dir().join("out").exists());
}

#[test]
fn processes_that_would_not_work_together_are_refused() {
    let tiny = Tiny::new();
    let mut args = tiny.train("run");
    args.extend(["--config".into(), tiny.path("tiny.toml")]);
    let started = std::process::Command::new(workspace_tests::program("trainer"))
        .args(&args)
        .env("OMPI_COMM_WORLD_SIZE", "2")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&started.stderr);
    assert_eq!(started.status.code(), Some(2));
    assert!(stderr.lines().count() == 1 && stderr.contains("add --ranks"), "{stderr}");
    // What scripts/test-ranks builds has MPI, and is the only rank.
    if std::env::var_os("LKG_RANKS").is_none() {
        train(&tiny, "run", &["--config", &tiny.path("tiny.toml"), "--ranks"]).refused("--features mpi");
    }
    assert!(!tiny.dir().join("run").exists());
}

#[test]
fn unfit_checkpoints_are_refused_and_kept() {
    let tiny = Tiny::new();
    train(&tiny, "run", &["--config", &tiny.path("tiny.toml"), "--images", "8"]).succeeded();
    train(&tiny, "run", &["--config", &tiny.path("tiny.toml")]).refused("--resume");

    let checkpoint = tiny.dir().join("run/gan.safetensors");
    let sound = fs::read(&checkpoint).unwrap();
    fs::write(tiny.path("other.toml"), CONFIG.replace("keypoints = 3", "keypoints = 4")).unwrap();
    train(&tiny, "run", &["--resume", "--config", &tiny.path("other.toml")])
        .refused("another architecture: keypoints 3 instead of 4");
    let run = tiny.path("run");
    trainer(&["detector", &tiny.path("pictures"), "--run", &run]).refused("not grown to 16 px yet");
    trainer(&["export", "--run", &run, "--onnx", &tiny.path("bundle")]).refused("no checkpoint here");
    trainer(&["sample", "--run", &tiny.path("none"), "--out", &tiny.path("s.png")]).refused("no run here");

    fs::write(&checkpoint, &sound[..sound.len() / 2]).unwrap();
    train(&tiny, "run", &["--resume"]).refused("cut short");
    fs::write(&checkpoint, b"hello").unwrap();
    train(&tiny, "run", &["--resume"]).refused("not a checkpoint");
    assert_eq!(fs::read(&checkpoint).unwrap(), b"hello");
    assert!(!tiny.dir().join("bundle").exists() && !tiny.dir().join("s.png").exists());
}

/// `trainer presets NAME --json | head -1` ended in a panic.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for args in [["presets", "faces128", "--json"].as_slice(), &["presets", "faces128"], &["presets"]] {
        let mut child = std::process::Command::new(workspace_tests::program("trainer"))
            .args(args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{args:?}: {:?} {stderr}", output.status);
    }
}
