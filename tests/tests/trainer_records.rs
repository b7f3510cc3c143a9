//! What a training run leaves behind for people and programs: checkpoints kept, TensorBoard events, curves, sessions.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use workspace_tests::tiny::{Tiny, log_lines};
use workspace_tests::{program, trainer};

fn train(tiny: &Tiny, sample_every: &str, more: &[&str]) {
    let mut args = tiny.train("run");
    let value = args.iter().position(|a| a == "--sample-every").unwrap() + 1;
    args[value] = sample_every.to_owned();
    trainer(&[&args.iter().map(String::as_str).collect::<Vec<_>>(), more].concat()).succeeded();
}

fn checkpoints(run: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(run)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|n| n.ends_with(".safetensors"))
        .collect();
    names.sort();
    names
}

#[test]
fn the_last_and_the_best_are_kept_and_everything_is_recorded() {
    let tiny = Tiny::new();
    let run = tiny.dir().join("run");
    let config = tiny.path("tiny.toml");
    train(&tiny, "1000", &["--config", &config, "--keep", "3", "--images", "60"]);
    assert_eq!(
        checkpoints(&run),
        ["gan-000000052.safetensors", "gan-000000056.safetensors", "gan.safetensors"]
    );
    // Resumed and asked for fewer, with the best besides.
    train(&tiny, "4", &["--resume", "--keep", "1", "--keep-best", "health"]);
    assert_eq!(checkpoints(&run), ["gan-best.safetensors", "gan.safetensors"]);
    let best: Value = serde_json::from_str(&fs::read_to_string(run.join("gan-best.json")).unwrap()).unwrap();
    let scores = log_lines(&run, "gan-scores");
    let lowest = scores
        .iter()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["health"].as_f64().unwrap())
        .fold(f64::INFINITY, f64::min);
    assert_eq!(best["score"].as_f64().unwrap(), lowest, "{scores:?}");
    trainer(&[
        "sample",
        "--run",
        run.to_str().unwrap(),
        "--checkpoint",
        "best",
        "--out",
        &tiny.path("b.png"),
    ])
    .succeeded();
    trainer(&[
        "sample",
        "--run",
        run.to_str().unwrap(),
        "--checkpoint",
        "none",
        "--out",
        &tiny.path("c.png"),
    ])
    .refused("none: no checkpoint here");

    let record: Value = serde_json::from_str(&fs::read_to_string(run.join("run.json")).unwrap()).unwrap();
    let sessions = record["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!((sessions[1]["first_step"].as_u64(), sessions[1]["pictures"].as_u64()), (Some(15), Some(12)));
    assert!(sessions[1]["command"].as_array().unwrap().iter().any(|a| a == "--keep-best"));
    assert!(image::open(run.join("gan-curves.png")).is_ok());
    let steps = event_steps(&run.join("tensorboard/gan"));
    // The file's version, 20 steps of scalars, a sheet at the end of the first session and at each of 5 steps of the
    // second: its end is one of them and adds none.
    let scalars: Vec<i64> = (0..=20).collect();
    let mut unique = steps.clone();
    unique.dedup();
    assert_eq!((unique, steps.len()), (scalars, 21 + 1 + 5), "{steps:?}");
}

/// Steps of the events in a folder, read without our own code: TFRecord framing, then field 2 of each message.
fn event_steps(dir: &Path) -> Vec<i64> {
    let files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    let content = fs::read(&files[0]).unwrap();
    let (mut at, mut steps) = (0, vec![]);
    while at < content.len() {
        let length = u64::from_le_bytes(content[at..at + 8].try_into().unwrap()) as usize;
        let data = &content[at + 12..at + 12 + length];
        // Field 1, a double, comes first: one byte of key, eight of value. Step 0 is left out.
        steps.push(if data[9] == 0x10 { i64::from(data[10]) } else { 0 });
        at += length + 16;
    }
    steps
}

/// A file that may not grow stands for a full disk: both make a write fail half way.
#[test]
fn a_checkpoint_that_does_not_fit_leaves_the_one_before() {
    let tiny = Tiny::new();
    let run = tiny.dir().join("run");
    train(&tiny, "1000", &["--config", &tiny.path("tiny.toml"), "--images", "8"]);
    // The events hold a sheet larger than a checkpoint of this size, and would not fit first.
    fs::remove_dir_all(run.join("tensorboard")).unwrap();
    let before = fs::read(run.join("gan.safetensors")).unwrap();
    let limit = before.len() / 2 / 1024;
    let script = format!("ulimit -f {limit}; trap '' XFSZ; exec \"$@\"");
    let mut args = tiny.train("run");
    args.push("--resume".into());
    let output = Command::new("bash")
        .args(["-c", &script, "bash"])
        .arg(program("trainer"))
        .args(&args)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.lines().last().unwrap_or_default();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        last.contains("gan.safetensors") && last.contains("make room") && last.contains("--resume"),
        "{last}"
    );
    assert_eq!(fs::read(run.join("gan.safetensors")).unwrap(), before);
    let left: Vec<_> = fs::read_dir(&run).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|n| n.to_string_lossy().ends_with(".part")), "{left:?}");
    train(&tiny, "1000", &["--resume"]);
    assert_eq!(log_lines(&run, "gan").len(), 20);
}
