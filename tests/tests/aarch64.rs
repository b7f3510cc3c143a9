//! The Arm program gives what the one for this machine gives. Needs the cross build and an emulator, so it is ignored by
//! default: scripts/test-aarch64 runs it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use workspace_tests::Outcome;

/// Most difference of keypoints, in pixels of a 64-pixel picture, and of confidences.
const TOLERANCE: f64 = 1e-4;

/// Names what runs the Arm program.
const RUNNER: &str = "LKG_AARCH64_RUNTIME";

/// Runs the Arm program; `None` where nobody said how.
fn arm(args: &[&str]) -> Option<Outcome> {
    let Ok(runner) = std::env::var(RUNNER) else {
        eprintln!("skipped: {RUNNER} is not set, scripts/test-aarch64 does so");
        return None;
    };
    let mut words = runner.split_whitespace();
    let mut command = Command::new(words.next().expect("a program"));
    let output = command.args(words).args(args).env_remove("LKG_BUNDLE").output().expect("it starts");
    Some(Outcome::of("runtime", &output))
}

fn bundle() -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models/faces64-edge");
    root.to_string_lossy().into_owned()
}

/// Numbers near each other, everything else equal; fields named in `own` may differ.
fn assert_near(a: &Value, b: &Value, own: &[&str], at: &str) {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            let (x, y) = (x.as_f64().expect("finite"), y.as_f64().expect("finite"));
            assert!((x - y).abs() <= TOLERANCE, "{at}: {x} here, {y} on Arm");
        }
        (Value::Array(x), Value::Array(y)) => {
            assert_eq!(x.len(), y.len(), "{at}");
            for (i, (x, y)) in x.iter().zip(y).enumerate() {
                assert_near(x, y, own, &format!("{at}[{i}]"));
            }
        }
        (Value::Object(x), Value::Object(y)) => {
            assert_eq!(x.keys().collect::<Vec<_>>(), y.keys().collect::<Vec<_>>(), "{at}");
            for (key, x) in x.iter().filter(|(key, _)| !own.contains(&key.as_str())) {
                assert_near(x, &y[key], own, &format!("{at}.{key}"));
            }
        }
        _ => assert_eq!(a, b, "{at}"),
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect()
}

/// Faces of one seed, as single pictures in a folder.
fn pictures(folder: &std::path::Path) -> Vec<String> {
    (0..4)
        .map(|seed| {
            let path = folder.join(format!("{seed}.png")).to_string_lossy().into_owned();
            let seed = seed.to_string();
            workspace_tests::runtime(&["--bundle", &bundle(), "generate", "--seed", &seed, "--out", &path])
                .succeeded();
            path
        })
        .collect()
}

#[test]
#[ignore = "needs the cross build: scripts/test-aarch64"]
fn the_same_keypoints_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = bundle();
    let mut args = vec!["--bundle", &bundle, "detect", "--json", "--min-confidence", "0"];
    let pictures = pictures(dir.path());
    args.extend(pictures.iter().map(String::as_str));
    let Some(there) = arm(&args) else { return };
    let here = workspace_tests::runtime(&args);
    let (here, there) = (lines(here.succeeded()), lines(there.succeeded()));
    assert_eq!(here.len(), 4);
    for (here, there) in here.iter().zip(&there) {
        assert!(!here["faces"].as_array().unwrap().is_empty());
        assert_near(here, there, &[], "face");
    }
}

#[test]
#[ignore = "needs the cross build: scripts/test-aarch64"]
fn the_same_faces_are_generated() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = bundle();
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let (a, b) = (path("here.png"), path("arm.png"));
    let args =
        |out| ["--bundle", &bundle, "generate", "--grid", "2x2", "--seed", "5", "--json", "--out", out];
    let Some(there) = arm(&args(&b)) else { return };
    let here = workspace_tests::runtime(&args(&a));
    for (here, there) in lines(here.succeeded()).iter().zip(&lines(there.succeeded())) {
        assert_near(here, there, &["out", "file"], "keypoints");
    }
    let read = |p: &str| image::open(p).unwrap().to_rgb8();
    let (a, b) = (read(&a), read(&b));
    assert_eq!(a.dimensions(), b.dimensions());
    // Rounding to eight bits may fall either way.
    assert!(a.as_raw().iter().zip(b.as_raw()).all(|(a, b)| a.abs_diff(*b) <= 1));
}

#[test]
#[ignore = "needs the cross build: scripts/test-aarch64"]
fn golden_outputs_hold_and_nothing_is_missing() {
    let bundle = bundle();
    let Some(verify) = arm(&["--bundle", &bundle, "verify"]) else { return };
    verify.succeeded();
    let Some(doctor) = arm(&["--bundle", &bundle, "doctor"]) else { return };
    assert_eq!(doctor.succeeded().lines().last(), Some("ready"), "{doctor:?}");
}

#[test]
#[ignore = "needs the cross build: scripts/test-aarch64"]
fn the_bench_runs() {
    let bundle = bundle();
    let short = "--seconds 0.2 --samples 5 --warmup 0 --warmup-runs 1 --rounds 2 --cold 0 --live 0 --batch 1";
    let mut args = vec!["--bundle", &bundle, "bench", "--json", "-"];
    args.extend(short.split(' '));
    let Some(bench) = arm(&args) else { return };
    let report: Value = serde_json::from_str(bench.succeeded()).unwrap();
    assert_eq!(report["host"]["arch"], "aarch64", "{report}");
}
