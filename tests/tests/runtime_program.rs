//! The program itself: completions, variables, and what it says where only it is installed.

#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

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

/// What happens inside is told of to who asks, and to nobody else.
#[test]
fn events_are_told_of_on_request() {
    let run = |arguments: &[&str], variable: Option<&str>| {
        let mut command = Command::new(program("runtime"));
        command.args(arguments).args(["--provider", "cpu"]).env_remove("LKG_BUNDLE").env_remove("RUST_LOG");
        if let Some(value) = variable {
            command.env("RUST_LOG", value);
        }
        let outcome = Outcome::of("runtime", &command.output().unwrap());
        outcome.succeeded();
        outcome.stderr
    };
    assert_eq!((run(&["verify"], None).as_str(), run(&["verify"], Some("")).as_str()), ("", ""));
    for told in [run(&["verify", "--log", "info"], None), run(&["verify"], Some("lkg_runtime=info"))] {
        let has = |parts: &[&str]| told.lines().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(has(&["INFO", "ONNX Runtime loaded", "version"]), "{told}");
        assert!(has(&["network loaded", "detector.onnx", "provider=cpu", "ms="]), "{told}");
    }
    // The flag wins, and what the variable has for others is passed over.
    assert_eq!(run(&["verify", "--log", "off"], Some("trace")), "");
    assert_eq!(run(&["verify"], Some("other[span]=5,%")), "");
    runtime(&["verify", "--log", "loud"]).refused("give off, error, warn, info, debug or trace");
}

/// The file in its usual place counts, that of the environment and of the flag before it; no test reads somebody's own.
#[test]
fn the_configuration_file_is_found() {
    let place = tempfile::tempdir().unwrap();
    let usual = place.path().join("lkg/config.toml");
    std::fs::create_dir(place.path().join("lkg")).unwrap();
    std::fs::write(&usual, "bundle = \"none\"\n[verify]\njson = true\n").unwrap();
    let other = place.path().join("other.toml");
    std::fs::write(&other, "[verify]\njsn = true\n").unwrap();
    let run = |arguments: &[&str], variable: Option<&str>| {
        let mut command = Command::new(program("runtime"));
        command.args(arguments).env_remove("LKG_BUNDLE").env("XDG_CONFIG_HOME", place.path());
        match variable {
            Some(name) => command.env("LKG_CONFIG", name),
            None => command.env_remove("LKG_CONFIG"),
        };
        Outcome::of("runtime", &command.output().unwrap())
    };
    run(&["verify"], None).refused("none");
    run(&["verify"], Some(other.to_str().unwrap())).refused("other.toml: [verify] jsn: no such key");
    run(&["verify", "--config", usual.to_str().unwrap()], Some("")).refused("none");
    run(&["verify", "--config=", "--json"], None).succeeded();
    run(&["verify", "--json"], Some("")).succeeded();
    let said = run(&["config"], None).succeeded().to_owned();
    assert!(said.contains("lkg/config.toml") && said.contains("every command: bundle"), "{said}");
    assert!(said.contains("[verify]: json"), "{said}");
    let said = run(&["config"], Some("")).succeeded().to_owned();
    assert!(said.contains("no configuration file"), "{said}");
    let mut command = Command::new(program("runtime"));
    command.arg("config").env_remove("LKG_CONFIG").env_remove("XDG_CONFIG_HOME").env("HOME", place.path());
    let said = Outcome::of("runtime", &command.output().unwrap());
    assert!(said.succeeded().contains(".config/lkg/config.toml: not there"), "{said:?}");
    let output = Command::new(program("runtime")).args(["verify", "--json"]).output().unwrap();
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
        // A child that another test has just started holds the copy open for writing until it is its own program.
        let output = loop {
            match command.output() {
                Err(e) if e.kind() == ErrorKind::ExecutableFileBusy => sleep(Duration::from_millis(20)),
                done => break done.unwrap(),
            }
        };
        Outcome::of("runtime", &output)
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
