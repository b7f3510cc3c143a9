//! What every live command does with its [`LiveArgs`]: check them, open source, window and sinks, and report the run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lkg_bundle::{Bundle, Manifest, Network};

use super::args::{Common, LiveArgs};
use super::output::Output;
use super::{REPORTED, remark, serve};
use crate::engine::{default_threads, nodes_per_provider};
use crate::error::{Error, Result};
use crate::live::{Chooser, Ended, LoopOptions, Opener, Report, Screen, ScreenOpener, Supply};
use crate::media::camera::{self, CameraInfo};
use crate::media::mark::Origin;
use crate::media::output::stamp;
use crate::media::sheet::SheetSink;
use crate::media::sink::{OutputOptions, STDOUT, Sink, open_output};
use crate::media::source::{STDIN, names_a_camera};
use crate::media::window::Display;
use crate::media::{self, SourceOptions};
use crate::vision::track::TrackOptions;

/// How long a lost camera is waited for where nobody watches who could stop the program.
const REOPEN_HEADLESS: Duration = Duration::from_secs(30);

/// Frames a second that are asked of a camera.
const CAMERA_FPS: f32 = 30.0;

/// Where the frames of a run come from and go to, all of it open.
pub(super) struct Wiring {
    pub supply: Supply,
    pub sinks: Vec<Box<dyn Sink>>,
    /// Whether a window is shown.
    pub window: bool,
}

/// Refuses what makes no sense, before anything is opened. `others` are files that the command writes beside the sinks.
pub(super) fn check(args: &LiveArgs, others: &[&Path]) -> Result<()> {
    let usage = |text: &str| Err(Error::Usage(text.to_owned()));
    let source = args.source.as_deref();
    if args.size.is_some() && !names_a_camera(source) {
        return usage("--size is what to ask of a camera; the source is a file or folder");
    }
    if args.r#loop && source == Some(STDIN) {
        return usage("--loop needs a source that can be read again; standard input cannot");
    }
    if args.headless && args.out.iter().any(|out| out == WINDOW) {
        return usage("--out window and --headless contradict each other");
    }
    if args.sheet.as_ref().is_some_and(|s| !s.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"))) {
        return usage("--sheet writes a PNG: name a FILE.png");
    }
    serve::access(args)?;
    let named = args.out.iter().map(Path::new).chain(args.sheet.as_deref());
    let outputs: Vec<&Path> = named.chain(others.iter().copied()).collect();
    for (i, output) in outputs.iter().enumerate() {
        if outputs[i + 1..].contains(output) {
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

/// The name of the output that is a window.
const WINDOW: &str = "window";

/// Opens source, window and sinks. `name` begins the name of the recording that is made where nothing else would be left
/// to look at; a page names the keypoints of `manifest`; `more` are sinks of the command's own; `opener` opens the source.
pub(super) fn open(
    args: &LiveArgs,
    name: &str,
    manifest: &Manifest,
    more: Vec<Box<dyn Sink>>,
    opener: Opener,
) -> Result<Wiring> {
    let no_window = if args.headless { None } else { Display::available().err() };
    let window = !args.headless && no_window.is_none();
    let options = output_options(args);
    let page = serve::access(args)?;
    let mut sinks = Vec::new();
    for out in &args.out {
        if out == WINDOW {
            if let Some(e) = no_window {
                return Err(e.into());
            }
        } else if !serve::names_a_page(out) {
            sinks.push(open_output(out, options)?);
        }
    }
    if let Some(sheet) = &args.sheet {
        sinks.push(Box::new(SheetSink::create(sheet, args.force)?));
    }
    sinks.extend(more);
    let mut unasked = None;
    if !window && page.is_none() && sinks.is_empty() {
        let path = PathBuf::from(format!("{name}-{}.avi", stamp(SystemTime::now())));
        sinks.push(open_output(&path.to_string_lossy(), options)?);
        unasked = Some(path);
    }
    let watched = window || page.is_some();
    let mut supply = Supply::open(opener, args.r#loop, give_up_after(args, watched))?;
    if supply.is_live() {
        supply.set_chooser(next_camera(source_options(args)));
    }
    if let Some(access) = page {
        sinks.push(Box::new(serve::open(&access, args, manifest)?));
    }
    if let Some(path) = unasked {
        let reason = no_window.map(|e| format!("{e}; ")).unwrap_or_default();
        remark(&format!("{reason}recording to {}", path.display()));
    }
    Ok(Wiring { supply, sinks, window })
}

/// A camera's first two frames do not tell its rate, a file's do.
fn output_options(args: &LiveArgs) -> OutputOptions {
    let source = args.source.as_deref();
    let is_camera = names_a_camera(source) && source != Some(STDIN);
    OutputOptions { force: args.force, fps: args.fps.or(is_camera.then_some(CAMERA_FPS)) }
}

/// Opens the source that was named.
pub(super) fn opener(args: &LiveArgs) -> Opener {
    let (name, options) = (args.source.clone(), source_options(args));
    Arc::new(move || media::open(name.as_deref(), &options))
}

fn source_options(args: &LiveArgs) -> SourceOptions {
    let size = args.size.map(|s| (s.width, s.height));
    SourceOptions { fps: args.fps, size, format: args.format, ..SourceOptions::default() }
}

/// Goes from camera to camera of this machine, in the order of their numbers.
fn next_camera(options: SourceOptions) -> Chooser {
    Box::new(move |now| {
        let cameras: Vec<_> = camera::list().into_iter().filter(|c| camera::usable(c).is_ok()).collect();
        let named = |end: &str, c: &CameraInfo| now.contains(&format!("({}{end}", c.path.display()));
        let current = cameras.iter().position(|c| named(",", c) || named(")", c));
        let next = current.map_or(0, |i| (i + 1) % cameras.len());
        let camera = cameras.get(next).filter(|_| current != Some(next))?;
        let (index, options) = (camera.index.to_string(), options.clone());
        let opener: Opener = Arc::new(move || media::open(Some(&index), &options));
        Some((format!("{} ({})", camera.name, camera.path.display()), opener))
    })
}

fn give_up_after(args: &LiveArgs, watched: bool) -> Option<Duration> {
    match args.reopen_seconds {
        Some(seconds) => Some(Duration::from_secs(u64::from(seconds))),
        None => (!watched).then_some(REOPEN_HEADLESS),
    }
}

/// Opens the window when the first picture shows its size.
pub(super) fn screen(title: String) -> ScreenOpener {
    Box::new(move |size| Ok(Box::new(Display::open(&title, size)?) as Box<dyn Screen>))
}

/// How many nodes of a network run on each provider, as ONNX Runtime itself counts them, and on how many threads.
pub(super) fn where_it_runs(common: &Common, bundle: &Bundle, network: Network) -> Result<String> {
    let options = common.engine();
    let nodes = nodes_per_provider(bundle, network, &options)?;
    let nodes: Vec<_> = nodes.iter().map(|(provider, n)| format!("{n} nodes on {provider}")).collect();
    let threads = options.threads.unwrap_or_else(|| default_threads(network));
    Ok(format!("{}, {threads} thread{}", nodes.join(", "), if threads == 1 { "" } else { "s" }))
}

/// Settings of the loop; `engine` is what computes, `origin` how the pictures come about.
pub(super) fn loop_options(args: &LiveArgs, engine: String, origin: Option<Origin>) -> LoopOptions {
    LoopOptions { max_frames: args.max_frames, mirror: args.mirror, numbers: !args.no_hud, engine, origin }
}

/// Settings of the face tracker.
pub(super) fn track_options(args: &LiveArgs, manifest: &Manifest) -> TrackOptions {
    let mut options = TrackOptions::live(manifest);
    options.smooth = args.smooth.or(options.smooth).filter(|_| !args.no_smooth);
    if let Some(confidence) = args.min_confidence {
        options.min_confidence = confidence;
    }
    options
}

/// The exit code that a run of a `live` source or of a file earns.
pub(super) fn exit_code(args: &LiveArgs, report: &Report, live: bool) -> u8 {
    match report.ended {
        _ if !report.failed.is_empty() => REPORTED,
        Ended::CameraLost => REPORTED,
        // A clip was not finished; with a camera there is no other way to end.
        Ended::Interrupted if !live && !args.r#loop => 130,
        _ => 0,
    }
}

/// Writes what the run did, for people or as JSON: to standard output, or where frames went there, to standard error.
pub(super) fn write_report(args: &LiveArgs, report: &Report) -> Result<()> {
    let lines = if args.json { vec![to_json(report)?] } else { summary(report) };
    if args.out.iter().any(|out| out == STDOUT) {
        lines.iter().for_each(|line| remark(line));
        return Ok(());
    }
    let mut output = Output::new();
    for line in &lines {
        output.line(line)?;
    }
    output.flush()
}

fn to_json(report: &Report) -> Result<String> {
    serde_json::to_string(report)
        .map_err(|e| Error::Io { what: "making the report".to_owned(), source: e.into() })
}

fn summary(report: &Report) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{}: {} frames, {} with a face, {} dropped, {:.1} s, {:.1} fps",
            report.source, report.frames, report.faces, report.dropped, report.seconds, report.fps
        ),
        format!("detector: {}", report.engine),
    ];
    if !report.stages.is_empty() {
        let head = ["n", "p50", "p90", "p99", "max"];
        lines.push(format!(
            "{:<20}{:>7}{:>9}{:>9}{:>9}{:>9}",
            "latency (ms)", head[0], head[1], head[2], head[3], head[4]
        ));
    }
    for row in &report.stages {
        lines.push(format!(
            "{:<20}{:>7}{:>9.2}{:>9.2}{:>9.2}{:>9.2}",
            row.stage, row.n, row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms
        ));
    }
    for written in &report.written {
        lines.push(format!("wrote {}: {}", written.what, written.path.display()));
    }
    for failed in &report.failed {
        lines.push(format!("failed {}: {}", failed.output, failed.reason));
    }
    lines
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};
    use crate::vision::smooth::OneEuroOptions;

    fn parse(line: &str) -> LiveArgs {
        let words = ["runtime", "webcam"].into_iter().chain(line.split_whitespace());
        let Command::Webcam(args) = Cli::try_parse_from(words).unwrap().command else { panic!("not webcam") };
        args.live
    }

    #[test]
    fn contradictions_are_refused_before_anything_opens() {
        assert!(check(&parse("--size 640x480"), &[]).is_ok());
        assert!(check(&parse("/dev/video0 --size 640x480 --out a.avi --out b.avi"), &[]).is_ok());
        for bad in
            ["Cargo.toml --size 640x480", "--out a.png", "--out b.avi --out b.avi", "--out window --headless"]
        {
            let refused = check(&parse(bad), &[Path::new("a.png")]);
            assert!(matches!(refused, Err(Error::Usage(_))), "{bad}");
        }
        assert!(check(&parse("Cargo.toml --force"), &[Path::new("Cargo.toml")]).is_err());
    }

    #[test]
    fn the_filter_is_tuned_or_left_out() {
        let manifest = crate::vision::overlay::tests::manifest(2);
        let smooth = |line: &str| track_options(&parse(line), &manifest).smooth;
        assert_eq!(smooth(""), Some(OneEuroOptions::default()));
        let tuned = OneEuroOptions { min_cutoff: 1.5, beta: 0.0, ..OneEuroOptions::default() };
        assert_eq!((smooth("--smooth 1.5,0"), smooth("--no-smooth")), (Some(tuned), None));
        for bad in ["--smooth 1", "--smooth 0,1", "--smooth 1,-1", "--smooth x,1", "--smooth 1,1 --no-smooth"]
        {
            let words = ["runtime", "webcam"].into_iter().chain(bad.split_whitespace());
            assert!(Cli::try_parse_from(words).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_lost_camera_is_waited_for_as_long_as_somebody_watches() {
        assert_eq!(give_up_after(&parse(""), true), None);
        assert_eq!(give_up_after(&parse(""), false), Some(REOPEN_HEADLESS));
        assert_eq!(give_up_after(&parse("--reopen-seconds 3"), true), Some(Duration::from_secs(3)));
    }
}
