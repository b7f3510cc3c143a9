//! The editor's window under a real X server without a screen: a point dragged with the mouse takes its part along.
//! Skipped, and said so, where Xvfb or xdotool is missing.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use workspace_tests::program;

/// Ends the process when the test does, however that is.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn there(name: &str) -> bool {
    Command::new(name).arg("-help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Runs xdotool on the display; gives back what it printed.
fn xdotool(display: &str, args: &[&str]) -> String {
    let output = Command::new("xdotool").args(args).env("DISPLAY", display).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn wait<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no {what} within 20 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_point_dragged_with_the_mouse_is_moved_and_saved() {
    if !(there("Xvfb") && there("xdotool")) {
        eprintln!("skipped: Xvfb and xdotool are needed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let display = format!(":{}", 100 + std::process::id() % 800);
    let server = Command::new("Xvfb")
        .args([&display, "-screen", "0", "1024x900x24", "-nolisten", "tcp"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _server = Running(server.unwrap());
    wait("X server", || {
        let number = display.trim_start_matches(':');
        Path::new(&format!("/tmp/.X11-unix/X{number}")).exists().then_some(())
    });
    let shelf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/faces64-edge").canonicalize().unwrap();
    let runtime = Command::new(program("runtime"))
        .args(["--provider", "cpu", "--bundle", shelf.to_str().unwrap(), "edit", "seed:1"])
        .current_dir(dir.path())
        .env("DISPLAY", &display)
        .stderr(Stdio::null())
        .spawn();
    let mut editor = Running(runtime.unwrap());
    let window = wait("window", || {
        let found = xdotool(&display, &["search", "--name", "seed:1 - edit"]);
        (!found.is_empty()).then_some(found)
    });
    // The nose of this seed, from its keypoints: where it is in the 640 pixels of the view.
    let keypoints = Command::new(program("runtime"))
        .args([
            "--provider",
            "cpu",
            "--bundle",
            shelf.to_str().unwrap(),
            "generate",
            "--seed",
            "1",
            "--json",
            "--out",
        ])
        .arg(dir.path().join("g.png"))
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&keypoints.stdout).unwrap();
    let nose = |axis: usize| report["samples"][0][9][axis].as_f64().unwrap();
    let place = |v: f64| ((v + 1.0) * 320.0).round() as i64;
    let (x, y) = (place(nose(0)), place(nose(1)));
    // The first picture is shown when the strip is drawn.
    std::thread::sleep(Duration::from_millis(1500));
    let go = |x: i64| {
        xdotool(&display, &["mousemove", "--window", &window, &x.to_string(), &y.to_string()]);
        std::thread::sleep(Duration::from_millis(150));
    };
    go(x);
    // The window looks at the mouse once a frame, which takes long on a crowded machine.
    xdotool(&display, &["mousedown", "1"]);
    std::thread::sleep(Duration::from_millis(1000));
    (1..=4).for_each(|i| go(x + 10 * i));
    std::thread::sleep(Duration::from_millis(1500));
    xdotool(&display, &["mouseup", "1"]);
    std::thread::sleep(Duration::from_millis(300));
    xdotool(&display, &["key", "s"]);
    let saved = wait("saved face", || {
        let names = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path());
        names.filter(|p| p.extension().is_some_and(|e| e == "json")).find_map(|p| std::fs::read(p).ok())
    });
    let face: Value = serde_json::from_slice(&saved).unwrap();
    let change = &face["history"][0]["changes"][0];
    let (from, to) = (change["from"][0].as_f64().unwrap(), change["to"][0].as_f64().unwrap());
    assert_eq!((change["field"].as_str(), change["part"].as_u64()), (Some("keypoint"), Some(9)));
    // Forty pixels of 640, give or take the rounding of where the mouse began.
    assert!((to - from - 40.0 / 320.0).abs() < 2.0 / 320.0, "{from} to {to}");
    xdotool(&display, &["key", "q"]);
    assert!(editor.0.wait().unwrap().success());
}
