//! What the tests of the program share.

#![allow(dead_code, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use lkg_bundle::testing::write_tiny_bundle;
use serde_json::Value;

/// A folder with a bundle that costs no time.
pub struct Place(pub tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("bundle")).unwrap();
        write_tiny_bundle(&dir.path().join("bundle")).unwrap();
        Self(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn runtime(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runtime"));
        command.current_dir(self.0.path()).args(args).args(["--provider", "cpu", "--bundle", "bundle"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn webcam(&self, args: &[&str]) -> Command {
        self.runtime(&[&["webcam", "--headless", "--min-confidence", "0"], args].concat())
    }

    /// Numbered pictures that take much room.
    pub fn noise(&self, n: u32) {
        let mut state = 1u32;
        for i in 0..n {
            let picture = image::RgbImage::from_fn(64, 48, |_, _| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                image::Rgb([(state >> 24) as u8, (state >> 16) as u8, (state >> 8) as u8])
            });
            picture.save(self.path(&format!("in{i:03}.png"))).unwrap();
        }
    }

    /// Numbered pictures of a light square that moves.
    pub fn pictures(&self, n: u32) {
        for i in 0..n {
            let lit = |x: u32, y: u32| (10 + 2 * i..40 + 2 * i).contains(&x) && (8..40).contains(&y);
            let grey = |x, y| image::Rgb([if lit(x, y) { 220 } else { 30 }; 3]);
            image::RgbImage::from_fn(80, 48, grey).save(self.path(&format!("in{i:03}.png"))).unwrap();
        }
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The report of a run that ended with a code: on standard output, or where frames went there, on standard error.
pub fn report(output: &Output, code: i32) -> Value {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    let line = out
        .lines()
        .chain(err.lines())
        .map(|l| l.trim_start_matches("runtime: "))
        .find(|l| l.starts_with('{'));
    serde_json::from_str(line.unwrap()).unwrap()
}

/// Asks a process to end, as Ctrl-C does.
pub fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

/// Whether there is an ffmpeg; says so where there is none.
pub fn has_ffmpeg() -> bool {
    let found = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("skipped: there is no ffmpeg");
    }
    found
}

/// Runs ffmpeg in a folder, and gives what it printed.
pub fn ffmpeg(folder: &Path, arguments: &str) -> Vec<u8> {
    let words = arguments.split_whitespace();
    let output =
        Command::new("ffmpeg").current_dir(folder).args(["-v", "error", "-y"]).args(words).output().unwrap();
    assert!(output.status.success(), "ffmpeg {arguments}: {}", text(&output.stderr));
    output.stdout
}
