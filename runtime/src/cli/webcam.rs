//! `runtime webcam`: keypoints on live pictures, or on a clip as if it were one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use models::Manifest;

use super::args::{Common, WebcamArgs};
use super::output::Output;
use super::{REPORTED, open_bundle, remark};
use crate::engine::Detector;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::live::{Ended, LiveLoop, LoopOptions, Opener, Overlay, Report, Screen, ScreenOpener, Supply};
use crate::media::keypoints::KeypointsSink;
use crate::media::output::stamp;
use crate::media::sheet::SheetSink;
use crate::media::sink::{Sink, open_output};
use crate::media::source::names_a_camera;
use crate::media::window::Display;
use crate::media::{self, SourceOptions};
use crate::vision::track::{FaceTracker, TrackOptions};

/// How long a lost camera is waited for where nobody watches who could stop the program.
const REOPEN_HEADLESS: Duration = Duration::from_secs(30);

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &WebcamArgs) -> Result<u8> {
    check(args)?;
    let bundle = open_bundle(common)?;
    let no_window = if args.headless { None } else { Display::available().err() };
    let window = !args.headless && no_window.is_none();
    let unasked = unasked_recording(args, window);
    let sinks = sinks(args, unasked.as_deref())?;
    let supply = Supply::open(opener(args), args.r#loop, give_up_after(args, window))?;
    let detector = Detector::load(&bundle, &common.engine())?;
    let engine = detector.summary();
    if common.verbose {
        remark(&format!("source: {}", supply.describe()));
        remark(&format!("detector: {engine}"));
    }
    if let Some(name) = &unasked {
        let reason = no_window.map(|e| format!("{e}; ")).unwrap_or_default();
        remark(&format!("{reason}recording to {}", name.display()));
    }
    let live = supply.is_live();
    let mut tracker = FaceTracker::new(detector, track_options(args, bundle.manifest()));
    let title = format!("{} - keypoints", supply.describe());
    let screen: ScreenOpener =
        Box::new(move |size| Ok(Box::new(Display::open(&title, size)?) as Box<dyn Screen>));
    let report = LiveLoop {
        supply,
        finder: &mut tracker,
        painter: &mut Overlay(bundle.manifest()),
        sinks,
        screen: window.then_some(screen),
        options: LoopOptions {
            max_frames: args.max_frames,
            mirror: args.mirror,
            numbers: !args.no_hud,
            engine,
            origin: None,
        },
        stop: &interrupt::requested,
        notice: &mut remark,
    }
    .run()?;
    write_report(args.json, &report)?;
    Ok(match report.ended {
        Ended::CameraLost => REPORTED,
        // A clip was not finished; with a camera there is no other way to end.
        Ended::Interrupted if !live && !args.r#loop => 130,
        _ => 0,
    })
}

/// What can be refused before anything is opened.
fn check(args: &WebcamArgs) -> Result<()> {
    let usage = |text: &str| Err(Error::Usage(text.to_owned()));
    let source = args.source.as_deref();
    if args.size.is_some() && !names_a_camera(source) {
        return usage("--size is what to ask of a camera; the source is a file or folder");
    }
    if let Some(sheet) = &args.sheet
        && !sheet.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"))
    {
        return usage("--sheet writes a PNG: name a FILE.png");
    }
    let outputs = [&args.out, &args.sheet, &args.keypoints].map(Option::as_deref);
    for (i, output) in outputs.iter().enumerate() {
        let Some(output) = output else { continue };
        if outputs[i + 1..].iter().flatten().any(|other| other == output) {
            return Err(Error::Usage(format!("{}: named for two outputs", output.display())));
        }
        if source.is_some_and(|s| same_file(Path::new(s), output)) {
            return Err(Error::Usage(format!("{}: both source and output", output.display())));
        }
    }
    Ok(())
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Without a screen something must be left to look at.
fn unasked_recording(args: &WebcamArgs, window: bool) -> Option<PathBuf> {
    let nothing_else = args.out.is_none() && args.sheet.is_none() && args.keypoints.is_none();
    (!window && nothing_else).then(|| PathBuf::from(format!("webcam-{}.avi", stamp(SystemTime::now()))))
}

fn sinks(args: &WebcamArgs, unasked: Option<&Path>) -> Result<Vec<Box<dyn Sink>>> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(out) = args.out.as_deref().or(unasked) {
        sinks.push(open_output(out, args.force)?);
    }
    if let Some(sheet) = &args.sheet {
        sinks.push(Box::new(SheetSink::create(sheet, args.force)?));
    }
    if let Some(keypoints) = &args.keypoints {
        sinks.push(Box::new(KeypointsSink::create(keypoints, args.force)?));
    }
    Ok(sinks)
}

fn opener(args: &WebcamArgs) -> Opener {
    let name = args.source.clone();
    let size = args.size.map(|s| (s.width, s.height));
    let options = SourceOptions { fps: args.fps, size, ..SourceOptions::default() };
    Arc::new(move || media::open(name.as_deref(), &options))
}

fn give_up_after(args: &WebcamArgs, window: bool) -> Option<Duration> {
    match args.reopen_seconds {
        Some(seconds) => Some(Duration::from_secs(u64::from(seconds))),
        None => (!window).then_some(REOPEN_HEADLESS),
    }
}

fn track_options(args: &WebcamArgs, manifest: &Manifest) -> TrackOptions {
    let mut options = TrackOptions::live(manifest);
    if args.no_smooth {
        options.smooth = None;
    }
    if let Some(confidence) = args.min_confidence {
        options.min_confidence = confidence;
    }
    options
}

/// Writes what a run did: for people, or as one JSON object.
pub(super) fn write_report(json: bool, report: &Report) -> Result<()> {
    let mut output = Output::new();
    if json {
        output.json(report)?;
        return output.flush();
    }
    output.line(&format!(
        "{}: {} frames, {} with a face, {} dropped, {:.1} s, {:.1} fps",
        report.source, report.frames, report.faces, report.dropped, report.seconds, report.fps
    ))?;
    output.line(&format!("detector: {}", report.engine))?;
    if !report.stages.is_empty() {
        let head =
            format!("{:<20}{:>7}{:>9}{:>9}{:>9}{:>9}", "latency (ms)", "n", "p50", "p90", "p99", "max");
        output.line(&head)?;
    }
    for row in &report.stages {
        output.line(&format!(
            "{:<20}{:>7}{:>9.2}{:>9.2}{:>9.2}{:>9.2}",
            row.stage, row.n, row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms
        ))?;
    }
    for written in &report.written {
        output.line(&format!("wrote {}: {}", written.what, written.path.display()))?;
    }
    output.flush()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn parse(line: &str) -> WebcamArgs {
        let words = ["runtime", "webcam"].into_iter().chain(line.split_whitespace());
        let Command::Webcam(args) = Cli::try_parse_from(words).unwrap().command else { panic!("not webcam") };
        args
    }

    #[test]
    fn contradictions_are_refused_before_anything_opens() {
        assert!(check(&parse("--size 640x480")).is_ok());
        assert!(check(&parse("/dev/video0 --size 640x480 --out a.avi")).is_ok());
        for bad in [
            "Cargo.toml --size 640x480",
            "--sheet a.jpg",
            "--out a.png --sheet a.png",
            "Cargo.toml --keypoints Cargo.toml --force",
        ] {
            assert!(matches!(check(&parse(bad)), Err(Error::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn a_lost_camera_is_waited_for_as_long_as_somebody_watches() {
        assert_eq!(give_up_after(&parse(""), true), None);
        assert_eq!(give_up_after(&parse(""), false), Some(REOPEN_HEADLESS));
        assert_eq!(give_up_after(&parse("--reopen-seconds 3"), true), Some(Duration::from_secs(3)));
    }
}
