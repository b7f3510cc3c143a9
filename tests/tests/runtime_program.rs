//! The program itself: completions, variables, and what it says where only it is installed.

#![allow(clippy::unwrap_used)]

use std::process::Command;

use workspace_tests::{Outcome, program, runtime};

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let text = runtime(&["completions", shell]).succeeded().to_owned();
        for part in ["reenact", "provider", "completions"] {
            assert!(text.contains(part), "{shell}: no {part}");
        }
    }
    runtime(&["completions", "sh"]).refused("possible values");
}

/// An empty variable was an error: a value is required.
#[test]
fn an_empty_variable_counts_as_unset() {
    let output =
        Command::new(program("runtime")).args(["verify", "--json"]).env("LKG_BUNDLE", "").output().unwrap();
    Outcome::of("runtime", &output).succeeded();
}

/// Who installed the package was told of scripts that are not in it.
#[test]
fn a_lone_program_names_no_script() {
    let place = tempfile::tempdir().unwrap();
    let lone = place.path().join("runtime");
    std::fs::copy(program("runtime"), &lone).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&lone);
        command.args(arguments).current_dir(place.path());
        for variable in ["LKG_BUNDLE", "LKG_CACHE", "ORT_DYLIB_PATH", "LD_LIBRARY_PATH"] {
            command.env_remove(variable);
        }
        Outcome::of("runtime", &command.output().unwrap())
    };
    let doctor = run(&["doctor"]);
    assert!(doctor.stdout.contains("package") && !doctor.stdout.contains("scripts/"), "{doctor:?}");
    let detect = run(&["detect", "a.png", "--provider", "cuda"]);
    assert!(detect.code == 2 && !detect.stderr.contains("scripts/"), "{detect:?}");
}

#[test]
fn help_comes_in_sections() {
    for (command, headings) in [
        ("detect", &["Output:", "Global options:"][..]),
        ("edit", &["Edits:", "Output:", "Page:", "Global options:"]),
        ("webcam", &["Output:", "Frames:", "Keypoints:", "Global options:"]),
        ("bench", &["Measuring:", "Report:", "Global options:"]),
    ] {
        let help = runtime(&[command, "--help"]).succeeded().to_owned();
        let lines: Vec<&str> = help.lines().collect();
        for heading in headings {
            assert!(lines.contains(heading), "{command}: no {heading}\n{help}");
        }
    }
}
