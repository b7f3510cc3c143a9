//! `runtime bench` as its user runs it, on the tiny bundle: what it writes, refuses, compares, and does on Ctrl-C.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lkg_bundle::testing::write_tiny_bundle;
use serde_json::Value;
use workspace_tests::{Outcome, program, runtime};

struct Place {
    dir: tempfile::TempDir,
    bundle: String,
}

/// As little as still goes through everything.
const BRIEF: &str = "--seconds 0 --samples 40 --rounds 4 --warmup 0 --warmup-runs 1";

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_bundle(dir.path()).unwrap();
        let bundle = dir.path().to_str().unwrap().to_owned();
        Self { dir, bundle }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Words of a command line, `@name` standing for a file here.
    fn words(&self, line: &str) -> Vec<String> {
        let word = |w: &str| match w.strip_prefix('@') {
            Some(name) => self.path(name).to_str().unwrap().to_owned(),
            None => w.to_owned(),
        };
        let start = ["--bundle", &self.bundle, "bench"].map(str::to_owned);
        start.into_iter().chain(line.split_whitespace().map(word)).collect()
    }

    fn bench(&self, line: &str) -> Outcome {
        let words = self.words(line);
        runtime(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn json(&self, name: &str) -> Value {
        read(&self.path(name))
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_run_leaves_every_file_and_judges_itself() {
    let place = Place::new();
    let line = format!(
        "--provider cpu {BRIEF} --size 64x48 --batch 1,2 --cold 2 --live 0.3 --json @a.json --csv @a.csv \
         --markdown @a.md --plot @a.html"
    );
    let outcome = place.bench(&line);
    let text = outcome.succeeded();
    for part in ["end to end", "network", "Cold, 2 fresh processes", "capture to display", "INVALID"] {
        assert!(text.contains(part), "{part} not in\n{text}");
    }
    let report = place.json("a.json");
    assert_eq!(report["schema"], "runtime-bench/1");
    assert_eq!(report["runtime"]["providers_used"], serde_json::json!(["cpu"]));
    assert!(
        report["runtime"]["nodes_per_provider"]["detector"]["CPUExecutionProvider"].as_u64().unwrap() > 0
    );
    assert_eq!(report["models"][0]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(report["cold"]["start_to_first_keypoints"]["n"], 2);
    let measurements = report["measurements"].as_array().unwrap();
    let names: Vec<_> = measurements.iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    for m in measurements {
        let t = |key: &str| m["total"][key].as_f64().unwrap();
        assert!(
            t("min") <= t("p50") && t("p50") <= t("p99") && t("p99") <= t("p999") && t("p999") <= t("max")
        );
        assert_eq!(m["total"]["n"], 40);
    }
    assert_eq!(report["overheads"].as_array().unwrap().len(), 3);
    let frames = &report["live"]["frames"];
    let n = |key: &str| frames[key].as_u64().unwrap();
    assert_eq!(n("captured"), n("processed") + n("dropped"));
    assert_eq!(report["verdict"]["valid"], false);
    assert!(report["verdict"]["reasons"].to_string().contains("raise --samples"));
    assert_eq!(report["raw_times_file"], "a.times.csv");
    let times = std::fs::read_to_string(place.path("a.times.csv")).unwrap();
    // Six networks and a frame's way with seven steps and their total.
    assert_eq!(times.lines().count(), 1 + 40 * (6 + 8));

    // Nothing is measured if a file is there already.
    let again = place.bench(&line);
    again.refused("--force");
    let strict =
        place.bench(&format!("{BRIEF} --provider cpu --batch 1 --cold 0 --live 0 --json - --strict"));
    assert_eq!(strict.code, 2);
    let printed: Value = serde_json::from_str(&strict.stdout).unwrap();
    assert_eq!((&printed["raw_times_file"], &printed["cold"]), (&Value::Null, &Value::Null));
}

#[test]
fn two_runs_are_compared() {
    let place = Place::new();
    let line = format!("--provider cpu {BRIEF} --size 64x48 --batch 1 --cold 0 --live 0");
    place.bench(&format!("{line} --json @a.json")).succeeded();
    place.bench(&format!("{line} --json @b.json")).succeeded();
    let outcome = place.bench("--compare @a.json @b.json");
    let text = outcome.succeeded();
    assert!(text.contains("encoded frame to drawn picture") && text.contains("40 frames"), "{text}");
    let outcome = place.bench("--compare @a.json @b.json --json -");
    let rows: Value = serde_json::from_str(outcome.succeeded()).unwrap();
    assert_eq!(rows["rows"].as_array().unwrap().len(), 5);
    place.bench("--compare @a.json @a.csv").refused("a.csv");
    place.bench("--compare @a.json @manifest.json").refused("not a report");
}

#[test]
fn settings_are_scanned() {
    let place = Place::new();
    let outcome = place.bench(&format!("--provider cpu {BRIEF} --scan threads=1,2 batch=1,3 --json @a.json"));
    assert!(outcome.succeeded().contains("generator network, batch 3, threads 2"), "{}", outcome.stdout);
    let report = place.json("a.json");
    let settings: Vec<_> = report["measurements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (m["threads"].as_u64().unwrap(), m["batch"].as_u64().unwrap()))
        .collect();
    assert_eq!(settings, [(1, 1), (1, 1), (1, 3), (1, 3), (2, 1), (2, 1), (2, 3), (2, 3)]);
    place.bench("--scan threads=0").refused("1 to 256");
    place.bench("--scan batch=1 batch=2").refused("once");
}

#[test]
fn what_cannot_be_had_fails_loudly_and_leaves_nothing() {
    let place = Place::new();
    let before = std::fs::read_dir(place.dir.path()).unwrap().count();
    // Where there is a GPU the measuring works, and says that it was used.
    let outcome = place.bench(&format!("{BRIEF} --ep cuda --batch 1 --cold 0 --live 0 --json -"));
    if outcome.code == 0 {
        assert!(outcome.stdout.contains("\"cuda\""), "{outcome:?}");
    } else {
        outcome.refused("provider cuda cannot be used");
    }
    place.bench("--provider cpu --precision fp16 --json @a.json").refused("fp16 is tensorrt's");
    place.bench("--provider cpu --source /dev/video9").refused("record it first");
    place.bench("--provider cpu --source @manifest.json").refused("manifest.json");
    place.bench("--json @none/a.json").refused("none");
    place.bench("--plot @a.gif").refused("FILE.png");
    assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), before);
}

#[test]
fn an_interrupted_run_reports_what_it_measured() {
    let place = Place::new();
    let words = place.words(
        "--provider cpu --seconds 60 --warmup 0 --size 64x48 --batch 1 --cold 0 --live 0 --json @a.json",
    );
    let child = Command::new(program("runtime"))
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let report = place.json("a.json");
    assert_eq!(report["config"]["interrupted"], true);
    assert!(report["measurements"][0]["total"]["n"].as_u64().unwrap() > 0);
    assert!(report["verdict"]["reasons"][0].as_str().unwrap().contains("stopped before its end"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("INVALID"));
}
