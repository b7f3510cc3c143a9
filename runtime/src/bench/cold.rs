//! Cold times: what a user waits for between starting the program and its first keypoints. Only a fresh process is
//! cold, so this program starts itself again and again.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lkg_bundle::Bundle;
use serde::{Deserialize, Serialize};

use super::executor::ms;
use super::meter;
use super::report::Cold;
use super::stats::{self, Summary};
use crate::engine::{Detector, EngineOptions, library};
use crate::error::{Error, Result, one_line};
use crate::media::jpeg;
use crate::vision::track::{FaceTracker, TrackOptions};

/// Frames after the first one, until memory has settled.
const SETTLED: u32 = 100;

/// What the fresh process reports, on a line of its own as soon as it has its first keypoints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FirstResult {
    /// Milliseconds for loading ONNX Runtime.
    pub library: f64,
    /// Milliseconds for making the session.
    pub session_create: f64,
    /// Milliseconds for the first frame.
    pub first_infer: f64,
    /// Most memory so far, in bytes.
    pub peak_rss: Option<u64>,
}

/// The same process at its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// Most memory, in bytes.
    pub peak_rss: Option<u64>,
}

/// The part of the fresh process: reads a JPEG from `input`, finds its keypoints, reports its times on `output`, goes on
/// for a while and reports its memory.
///
/// # Errors
/// Anything of that fails.
pub fn child(
    dir: &Path,
    options: &EngineOptions,
    input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<()> {
    let io = |source| Error::Io { what: "talking to the process that measures".to_owned(), source };
    let start = Instant::now();
    library::get()?;
    let library = start.elapsed();
    let bundle = Bundle::open(dir)?;
    let detector = Detector::load(&bundle, options)?;
    let session = start.elapsed() - library;
    let mut frame = Vec::new();
    input.read_to_end(&mut frame).map_err(io)?;
    let searching = Instant::now();
    let picture = jpeg::decode(&frame)
        .map_err(|reason| Error::Engine { what: "the frame to start with".to_owned(), reason })?;
    let mut tracker = FaceTracker::new(detector, TrackOptions::live(bundle.manifest()));
    tracker.track(&picture, Duration::ZERO)?;
    let first = FirstResult {
        library: ms(library),
        session_create: ms(session),
        first_infer: ms(searching.elapsed()),
        peak_rss: meter::memory().1,
    };
    let mut report = |line: serde_json::Result<String>| {
        let line = line.map_err(|e| io(e.into()))?;
        writeln!(output, "{line}").and_then(|()| output.flush()).map_err(io)
    };
    report(serde_json::to_string(&first))?;
    for i in 1..=SETTLED {
        tracker.track(&picture, Duration::from_millis(33) * i)?;
    }
    report(serde_json::to_string(&Settled { peak_rss: meter::memory().1 }))
}

/// One fresh process.
#[derive(Clone, Debug, PartialEq)]
struct Start {
    /// Milliseconds from starting it until its first line came.
    whole: f64,
    first: FirstResult,
    settled: Settled,
}

/// Starts `program` with `arguments` `times` times, one after the other, giving each `frame` to start with. None if
/// stopped before the first was done.
///
/// # Errors
/// A process failed; its own message is passed on.
pub fn measure(
    program: &Path,
    arguments: &[OsString],
    frame: &[u8],
    times: usize,
    watch: &mut dyn super::executor::Watch,
) -> Result<Option<Cold>> {
    let mut starts = Vec::new();
    for i in 0..times {
        if watch.stop() {
            break;
        }
        watch.progress(i as f64 / times as f64, "cold starts");
        starts.push(start(program, arguments, frame)?);
    }
    Ok(summary(&starts))
}

fn start(program: &Path, arguments: &[OsString], frame: &[u8]) -> Result<Start> {
    let io = |source| Error::Io { what: format!("starting {}", program.display()), source };
    let begun = Instant::now();
    let mut process = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(io)?;
    if let Some(mut stdin) = process.stdin.take() {
        // A process that has failed already does not read; what it says of that comes below.
        stdin.write_all(frame).ok();
    }
    let mut lines = Vec::new();
    let mut whole = Duration::ZERO;
    if let Some(stdout) = process.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            if lines.is_empty() {
                whole = begun.elapsed();
            }
            lines.push(line.map_err(io)?);
        }
    }
    let output = process.wait_with_output().map_err(io)?;
    let parsed = || {
        let [first, settled] = lines.as_slice() else { return None };
        Some((serde_json::from_str(first).ok()?, serde_json::from_str(settled).ok()?))
    };
    match parsed().filter(|_| output.status.success()) {
        Some((first, settled)) => Ok(Start { whole: ms(whole), first, settled }),
        None => Err(Error::Engine {
            what: "a fresh process for cold times failed".to_owned(),
            reason: one_line(&String::from_utf8_lossy(&output.stderr)),
        }),
    }
}

fn summary(starts: &[Start]) -> Option<Cold> {
    let of = |value: fn(&Start) -> f64| Summary::of(&starts.iter().map(value).collect::<Vec<_>>());
    let bytes = |value: fn(&Start) -> Option<u64>| {
        stats::median(&starts.iter().filter_map(|s| value(s).map(|b| b as f64)).collect::<Vec<_>>())
            .map(|b| b as u64)
    };
    Some(Cold {
        processes: starts.len(),
        library: of(|s| s.first.library)?,
        session_create: of(|s| s.first.session_create)?,
        first_infer: of(|s| s.first.first_infer)?,
        start_to_first_keypoints: of(|s| s.whole)?,
        peak_rss: bytes(|s| s.first.peak_rss),
        peak_rss_warm: bytes(|s| s.settled.peak_rss),
        engine_build_ms: None,
        engine_cache_hit: None,
    })
}

#[cfg(test)]
mod tests {
    use lkg_bundle::testing::write_tiny_bundle;

    use super::super::testing::Checks;
    use super::*;
    use crate::engine::Provider;

    #[test]
    fn the_fresh_process_tells_its_times_and_memory() {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_bundle(dir.path()).unwrap();
        let mut frame = Vec::new();
        jpeg::encode(&image::RgbImage::new(32, 24), &mut frame).unwrap();
        let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
        let mut reported = Vec::new();
        child(dir.path(), &options, &mut frame.as_slice(), &mut reported).unwrap();
        let lines: Vec<_> = reported.split(|b| *b == b'\n').collect();
        let first: FirstResult = serde_json::from_slice(lines[0]).unwrap();
        assert!(first.session_create > 0.0 && first.first_infer > 0.0);
        let settled: Settled = serde_json::from_slice(lines[1]).unwrap();
        assert!(settled.peak_rss >= first.peak_rss);
        assert!(child(dir.path(), &options, &mut b"no JPEG".as_slice(), &mut reported).is_err());
    }

    fn shell(script: &str, times: usize, watch: &mut Checks) -> Result<Option<Cold>> {
        let arguments = ["-c", script].map(OsString::from);
        measure(Path::new("/bin/sh"), &arguments, b"frame", times, watch)
    }

    #[test]
    fn processes_are_timed_from_outside() {
        let first = r#"{"library":1.0,"session_create":2.0,"first_infer":3.0,"peak_rss":4000}"#;
        let script =
            format!("cat >/dev/null; sleep 0.05; echo '{first}'; sleep 0.2; echo '{{\"peak_rss\":9}}'");
        let cold = shell(&script, 2, &mut Checks::default()).unwrap().unwrap();
        assert_eq!((cold.processes, cold.library.p50, cold.peak_rss), (2, 1.0, Some(4000)));
        // Until its first line, not until its end.
        let whole = cold.start_to_first_keypoints;
        assert!(whole.min >= 50.0 && whole.min < 250.0, "{whole:?}");
        let mut watch = Checks { stop_after: Some(0), ..Checks::default() };
        assert_eq!(shell("exit 1", 2, &mut watch).unwrap(), None);
    }

    #[test]
    fn a_process_that_fails_is_quoted() {
        let error = shell("echo no such bundle >&2; exit 2", 1, &mut Checks::default()).unwrap_err();
        assert!(error.to_string().contains("no such bundle"), "{error}");
    }
}
