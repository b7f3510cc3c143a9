//! Runs that an earlier version wrote (e12158f), with keys and terms by their names of then, go on as that version went on.

#![allow(clippy::unwrap_used)]

use std::fs;

use serde_json::Value;
use workspace_tests::tiny::{Tiny, log_lines};
use workspace_tests::trainer;

/// Its run: stopped after 8 of 20 steps, with what it logged when it was not stopped.
const RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/run-e12158f");

/// The same numbers by the same names, but for how another processor rounds.
fn compare(have: &Value, want: &Value, path: &str) {
    match (have, want) {
        (Value::Object(have), Value::Object(want)) => {
            assert!(have.keys().eq(want.keys()), "{path}: {have:?} {want:?}");
            for (key, value) in want {
                compare(&have[key], value, &format!("{path}/{key}"));
            }
        }
        (have, want) => match (have.as_f64(), want.as_f64()) {
            (Some(a), Some(b)) => {
                assert!((a - b).abs() <= 1e-3 * (b.abs() + 0.1), "{path}: {a} instead of {b}");
            }
            _ => assert_eq!(have, want, "{path}"),
        },
    }
}

#[test]
fn a_run_of_before_goes_on_with_the_same_numbers() {
    let tiny = Tiny::new();
    let run = tiny.dir().join("run");
    fs::create_dir(&run).unwrap();
    for name in ["config.toml", "gan.safetensors"] {
        fs::copy(format!("{RUN}/{name}"), run.join(name)).unwrap();
    }
    assert!(fs::read_to_string(run.join("config.toml")).unwrap().contains("generator_rate = 0.0003"));
    let args = [tiny.train("run"), vec!["--resume".into(), "--images".into(), "48".into()]].concat();
    let outcome = trainer(&args.iter().map(String::as_str).collect::<Vec<_>>());
    outcome.succeeded();
    assert!(outcome.stderr.contains("carrying on at step 8, 32 images seen"), "{outcome:?}");
    let parse = |lines: &[String]| -> Vec<Value> {
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let have = parse(&log_lines(&run, "gan"));
    let want = parse(&log_lines(RUN, "gan"));
    assert_eq!(have.len(), 4);
    for (have, want) in have.iter().zip(&want[8..]) {
        compare(have, want, "");
    }
    // From here on the configuration is in today's form.
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(
        config.contains("generator_learning_rate = 0.0003") && config.contains("[gan.cycle]"),
        "{config}"
    );
    // The detector's section had names of its own, and is trained with what they said.
    let (pictures, of) = (tiny.path("pictures"), run.to_string_lossy().into_owned());
    let args = [tiny.train("run"), vec!["--resume".into()]].concat();
    trainer(&args.iter().map(String::as_str).collect::<Vec<_>>()).succeeded();
    trainer(&["detector", &pictures, "--run", &of, "--threads", "1", "--images", "8"]).succeeded();
}
