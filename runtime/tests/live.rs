//! The program as its user runs it: sources and sinks by their names, several at once, and the page.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{Place, interrupt, report, text};

/// The last of the arguments is a program; it runs with a disk of so many kB of its own at `full`, of which what is left is
/// put into `kept` in the end. None where that is not allowed.
fn on_a_small_disk(place: &Place, kilobytes: u32, program: &Command) -> Option<Output> {
    fs::create_dir_all(place.path("full")).unwrap();
    fs::create_dir_all(place.path("kept")).unwrap();
    let script = format!(
        "mount -t tmpfs -o size={kilobytes}k none full || exit 99; \"$@\"; rc=$?; cp -r full/. kept; exit $rc"
    );
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
    command.arg(program.get_program()).args(program.get_args()).current_dir(place.0.path());
    let output = command.stdin(Stdio::null()).output().ok()?;
    let refused = text(&output.stderr).contains("unshare") || output.status.code() == Some(99);
    (!refused).then_some(output)
}

#[test]
fn a_run_feeds_several_sinks_and_another_run() {
    let place = Place::new();
    place.pictures(6);
    let mut first = place
        .webcam(&[
            "in%03d.png",
            "--out",
            "-",
            "--out",
            "a.mp4",
            "--out",
            "out%d.png",
            "--out",
            "null",
            "--json",
        ])
        .spawn()
        .unwrap();
    let mut second = place.webcam(&["-", "--out", "b.avi", "--json"]);
    let second = second.stdin(first.stdout.take().unwrap()).output().unwrap();
    let first = report(&first.wait_with_output().unwrap(), 0);
    let second = report(&second, 0);
    assert_eq!((&first["frames"], &second["frames"]), (&6.into(), &6.into()));
    assert_eq!(first["written"].as_array().unwrap().len(), 2);
    assert_eq!(first["failed"], serde_json::json!([]));
    // Pictures of 80 by 48 are shown enlarged, and come through the pipe as they were shown.
    let size = image::image_dimensions(place.path("out5.png")).unwrap();
    let source = second["source"].as_str().unwrap();
    assert!(source.contains("y4m") && source.contains(&format!("{}x{}", size.0, size.1)), "{source}");
    let again = place.webcam(&["a.mp4", "--out", "null", "--json"]).output().unwrap();
    assert_eq!(report(&again, 0)["frames"], 6);
}

#[test]
fn an_output_that_fails_leaves_the_others_whole() {
    let place = Place::new();
    place.pictures(8);
    let mut child = place.webcam(&["in%03d.png", "--out", "-", "--out", "a.avi", "--json"]).spawn().unwrap();
    drop(child.stdout.take());
    let report = report(&child.wait_with_output().unwrap(), 2);
    assert_eq!((&report["frames"], &report["ended"]), (&8.into(), &"end_of_source".into()));
    assert_eq!(
        (&report["failed"][0]["output"], &report["written"][0]["path"]),
        (&"-".into(), &"a.avi".into())
    );
    let again = place.webcam(&["a.avi", "--out", "null", "--json"]).output().unwrap();
    assert!(text(&again.stdout).contains("\"frames\":8"));
}

/// The disk is one of 192 kB, and the error is the kernel's own.
#[test]
fn a_full_disk_ends_one_file_which_keeps_what_fitted() {
    let place = Place::new();
    place.noise(60);
    for (name, kept) in
        [("full/a.avi", "kept/a.avi"), ("full/a.mp4", "kept/a.mp4"), ("full/f%03d.png", "kept/f%03d.png")]
    {
        let args = ["in%03d.png", "--no-hud", "--out", name, "--out", "b.avi", "--force", "--json"];
        let Some(output) = on_a_small_disk(&place, 192, &place.webcam(&args)) else {
            println!("skipped: no disk may be mounted here");
            return;
        };
        let (report, said) = (report(&output, 2), text(&output.stderr));
        assert_eq!((&report["frames"], &report["ended"]), (&60.into(), &"end_of_source".into()), "{name}");
        assert_eq!(report["failed"][0]["output"], name);
        let line = format!("output {name} failed: ");
        let lines: Vec<&str> = said.lines().filter(|l| l.contains(&line)).collect();
        assert!(lines.len() == 1 && lines[0].contains("No space left"), "{name}: {said}");
        let left = fs::read_dir(place.path("kept")).unwrap().map(|e| e.unwrap().file_name());
        assert!(left.into_iter().all(|n| !n.to_string_lossy().ends_with(".part")), "{name}");
        let frames = |name: &str| {
            let played = place.webcam(&[name, "--out", "null", "--json"]).output().unwrap();
            self::report(&played, 0)["frames"].as_u64().unwrap()
        };
        assert_eq!(frames("b.avi"), 60, "{name}: the other one is whole");
        assert!((1..60).contains(&frames(kept)), "{name}: {} frames", frames(kept));
        fs::remove_dir_all(place.path("kept")).unwrap();
    }
}

#[test]
fn a_clip_is_detected_as_it_is_watched() {
    let place = Place::new();
    place.pictures(5);
    let made = place.webcam(&["in%03d.png", "--no-hud", "--out", "clip.mp4"]).output().unwrap();
    assert!(made.status.success());
    let watched = place.webcam(&["clip.mp4", "--keypoints", "k.jsonl"]).output().unwrap();
    assert!(watched.status.success());
    let detect =
        || place.runtime(&["detect", "clip.mp4", "--json", "--min-confidence", "0"]).output().unwrap();
    let (once, twice) = (detect(), detect());
    assert!(once.status.success() && once.stdout == twice.stdout);
    assert_eq!(text(&once.stdout), fs::read_to_string(place.path("k.jsonl")).unwrap());
    assert_eq!(text(&once.stdout).lines().count(), 5);
    for (args, part) in [
        (vec![], "--json"),
        (vec!["--json", "in000.png"], "one input"),
        (vec!["--json", "--out", "d"], "webcam"),
    ] {
        let refused = place.runtime(&[&["detect", "clip.mp4"], &args[..]].concat()).output().unwrap();
        assert!(refused.status.code() == Some(2) && text(&refused.stderr).contains(part), "{args:?}");
    }
}

#[test]
fn a_child_ends_with_the_run_that_started_it() {
    let place = Place::new();
    let script = "exec:sh -c 'echo $$ >pid; while :; do head -c 6912 /dev/zero; sleep 0.02; done'";
    let child = place.webcam(&[script, "--size", "48x48", "--out", "null", "--json"]).spawn().unwrap();
    let start = Instant::now();
    let pid = loop {
        match fs::read_to_string(place.path("pid")) {
            Ok(pid) if pid.ends_with('\n') => break pid.trim().to_owned(),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
        assert!(start.elapsed() < Duration::from_secs(20));
    };
    std::thread::sleep(Duration::from_millis(500));
    interrupt(&child);
    let report = report(&child.wait_with_output().unwrap(), 0);
    assert_eq!(report["ended"], "interrupted");
    assert!(!PathBuf::from(format!("/proc/{pid}")).exists());
}

#[test]
fn the_page_is_served_until_the_run_ends() {
    let place = Place::new();
    place.pictures(3);
    let mut child =
        place.webcam(&["in%03d.png", "--loop", "--serve", "0", "--token", "12345678"]).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    assert!(line.trim_end().ends_with("/live?token=12345678"), "{line}");
    let get = |target: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        text(&answer)
    };
    for page in ["/", "/live"] {
        assert!(get(page).starts_with("HTTP/1.1 401"));
        assert!(get(&format!("{page}?token=12345678")).contains("Live keypoints"), "{page}");
    }
    assert!(get("/snapshot.png?token=12345678").starts_with("HTTP/1.1 200"));
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(&address).is_err());
}

/// From the last byte of a frame to the sink: a frame that had to wait for the next one would be a period older.
#[test]
fn a_frame_is_written_before_the_next_one_comes() {
    const PERIOD_MS: f64 = 1000.0 / 30.0;
    let place = Place::new();
    let camera = "exec:sh -c 'while :; do head -c 230400 /dev/zero; sleep 0.033; done'";
    let args = [camera, "--size", "320x240", "--max-frames", "60", "--no-hud", "--out", "null", "--json"];
    let report = report(&place.webcam(&args).output().unwrap(), 0);
    let rows = report["stages"].as_array().unwrap();
    let p50 = |row: &serde_json::Value| row["p50_ms"].as_f64().unwrap();
    let (total, stages) = rows.split_last().unwrap();
    // On an idle machine the network alone is left of the work; a busy one takes longer over all of it.
    let work: f64 = stages.iter().map(p50).sum();
    assert!(total["stage"] == "capture to display" && p50(total) < work + PERIOD_MS, "{report}");
    assert!(report["fps"].as_f64().unwrap() < 33.0, "{report}");
}

/// The window's server went away and Xlib ended the process, with every recording lost.
#[test]
fn a_display_that_goes_away_ends_no_recording() {
    let mut server = Command::new("Xvfb");
    server.args(["-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp"]);
    let Ok(mut server) = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn() else {
        println!("skipped: Xvfb is not installed");
        return;
    };
    let mut number = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
    let place = Place::new();
    place.pictures(50);
    let child = place
        .runtime(&[
            "webcam",
            "in%03d.png",
            "--min-confidence",
            "0",
            "--out",
            "window",
            "--out",
            "a.avi",
            "--json",
        ])
        .env("DISPLAY", format!(":{}", number.trim()))
        .env_remove("WAYLAND_DISPLAY")
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1200));
    server.kill().unwrap();
    server.wait().unwrap();
    let report = report(&child.wait_with_output().unwrap(), 2);
    assert_eq!((&report["frames"], &report["ended"]), (&50.into(), &"end_of_source".into()));
    assert_eq!(
        (&report["failed"][0]["output"], &report["written"][0]["path"]),
        (&"window".into(), &"a.avi".into())
    );
}
