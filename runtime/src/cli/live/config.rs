//! What a live command does: its arguments checked and read once, before anything is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lkg_bundle::Manifest;

use super::LiveArgs;
use crate::cli::paths::{are_same, replaces};
use crate::cli::serve;
use crate::engine::EngineSummary;
use crate::error::{Error, Result};
use crate::live::{Audience, LoopOptions};
use crate::media::mark::Origin;
use crate::media::sink::OutputOptions;
use crate::media::source::is_clip;
use crate::media::{OutputSpec, SinkSpec, SourceOptions, SourceSpec};
use crate::serve::Access;
use crate::vision::smooth::OneEuroOptions;
use crate::vision::track::TrackOptions;

/// How long a lost camera is waited for where nobody watches who could stop the program.
const REOPEN_HEADLESS: Duration = Duration::from_secs(30);

/// Frames a second that are asked of a camera.
const CAMERA_FPS: f32 = 30.0;

/// When a window is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Window {
    /// Not even where there is a screen.
    Never,
    /// Where there is a screen.
    IfScreen,
    /// It must be.
    Always,
}

/// How keypoints are filtered over time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Smoothing {
    /// As is usual.
    Usual,
    /// As the user tuned it.
    Tuned(OneEuroOptions),
    /// Not at all.
    Off,
}

/// A page to serve.
#[derive(Clone, Debug)]
pub(in crate::cli) struct PageConfig {
    /// Where and for whom.
    pub access: Access,
    /// Most browsers that watch at once.
    pub viewers: usize,
}

/// What a live command's [`LiveArgs`] come to.
#[derive(Clone, Debug)]
pub(in crate::cli) struct LiveConfig {
    /// How the source is opened, and another camera after it.
    pub source_options: SourceOptions,
    /// Whether a file starts anew at its end.
    pub looping: bool,
    /// When a window is opened.
    pub window: Window,
    /// The page, if one is served.
    pub page: Option<PageConfig>,
    /// Other outputs.
    pub sinks: Vec<SinkSpec>,
    /// How they are opened, but for their sound.
    pub output_options: OutputOptions,
    /// The clip whose sound recordings keep.
    pub clip: Option<PathBuf>,
    /// The contact sheet's file.
    pub sheet: Option<PathBuf>,
    /// What frames come from, as it was named.
    pub source: String,
    /// Whether files are overwritten.
    pub force: bool,
    /// Whether the report is JSON.
    pub json: bool,
    /// Whether each picture is looked at by itself, as photos of a folder are.
    pub each_alone: bool,
    max_frames: Option<u64>,
    /// Whether left and right are swapped.
    pub mirror: bool,
    numbers: Audience,
    names: Audience,
    points_only: bool,
    smoothing: Smoothing,
    min_confidence: Option<f32>,
    reopen: Option<Duration>,
}

/// What a live command reads and writes besides the outputs of its [`LiveArgs`].
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cli) struct Files<'a> {
    /// Files that are read.
    pub read: &'a [&'a Path],
    /// Files that are written.
    pub written: &'a [&'a Path],
}

impl LiveConfig {
    /// Checks the arguments for frames from `source`; none is a file that is among those read.
    ///
    /// # Errors
    /// They make no sense together, or a file is to be read and written.
    pub fn resolve(args: &LiveArgs, source: Option<&SourceSpec>, files: Files<'_>) -> Result<Self> {
        let refuse = |text: &str| Err(Error::Usage(text.to_owned()));
        if args.size.is_some() && !source.is_some_and(SourceSpec::takes_size) {
            return refuse("--size is what to ask of a camera, and frames come from a file or folder");
        }
        if args.r#loop && source == Some(&SourceSpec::Stdin) {
            return refuse("--loop needs what can be read again; standard input cannot");
        }
        if args.sheet.as_ref().is_some_and(|s| !s.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")))
        {
            return refuse("--sheet writes a PNG: name a FILE.png");
        }
        let window = match (args.headless, args.out.contains(&OutputSpec::Window)) {
            (true, true) => return refuse("--out window and --headless contradict each other"),
            (true, false) => Window::Never,
            (false, true) => Window::Always,
            (false, false) => Window::IfScreen,
        };
        check_files(args, source, files)?;
        let page = serve::access(&args.out, &args.page)?
            .map(|access| PageConfig { access, viewers: args.viewers.into() });
        let sinks = args.out.iter().filter_map(|out| match out {
            OutputSpec::Sink(sink) => Some(sink.clone()),
            OutputSpec::Window | OutputSpec::Page(_) => None,
        });
        // A camera's first two frames do not tell its rate, a file's do.
        let camera_fps = source.is_some_and(SourceSpec::is_camera).then_some(CAMERA_FPS);
        let size = args.size.map(|s| (s.width, s.height));
        Ok(Self {
            source_options: SourceOptions {
                fps: args.fps,
                size,
                format: args.pixel_format,
                ..SourceOptions::default()
            },
            looping: args.r#loop,
            window,
            page,
            sinks: sinks.collect(),
            output_options: OutputOptions {
                force: args.force,
                fps: args.fps.or(camera_fps),
                ..OutputOptions::default()
            },
            clip: match source {
                Some(SourceSpec::File(path)) if !args.no_audio && is_clip(path) => Some(path.clone()),
                _ => None,
            },
            sheet: args.sheet.clone(),
            source: source.map(SourceSpec::to_string).unwrap_or_default(),
            force: args.force,
            json: args.json,
            each_alone: false,
            max_frames: args.max_frames,
            mirror: args.mirror,
            numbers: audience(args.hud, args.no_hud),
            names: audience(args.names, args.no_names),
            points_only: args.no_skeleton,
            smoothing: match args.smooth {
                _ if args.no_smooth => Smoothing::Off,
                Some(tuned) => Smoothing::Tuned(tuned),
                None => Smoothing::Usual,
            },
            min_confidence: args.min_confidence,
            reopen: args.reopen_seconds.map(|seconds| Duration::from_secs(seconds.into())),
        })
    }

    /// How long a lost camera is waited for; none is until it comes back, for those who watch.
    pub fn give_up_after(&self, watched: bool) -> Option<Duration> {
        self.reopen.or_else(|| (!watched).then_some(REOPEN_HEADLESS))
    }

    /// Settings of the loop; `engine` is what computes, `origin` how the pictures come about.
    pub fn loop_options(&self, engine: EngineSummary, origin: Option<Origin>) -> LoopOptions {
        let Self { max_frames, mirror, numbers, names, points_only, .. } = *self;
        // Every round of a loop would need its sound anew.
        let clip = self.clip.clone().filter(|_| !self.looping);
        LoopOptions {
            max_frames,
            mirror,
            names,
            numbers,
            points_only,
            engine,
            origin,
            clip,
            ..LoopOptions::default()
        }
    }

    /// Settings of the face tracker.
    pub fn track_options(&self, manifest: &Manifest) -> TrackOptions {
        let mut options = TrackOptions::live(manifest);
        if self.each_alone {
            options = TrackOptions { guess: false, ..TrackOptions::picture(manifest) };
        }
        match self.smoothing {
            _ if self.each_alone => {}
            Smoothing::Usual => {}
            Smoothing::Tuned(tuned) => options.smooth = Some(tuned),
            Smoothing::Off => options.smooth = None,
        }
        if let Some(confidence) = self.min_confidence {
            options.min_confidence = confidence;
        }
        options
    }
}

/// Who sees what was asked for, what was asked not to be there, or neither.
fn audience(asked: bool, refused: bool) -> Audience {
    match (asked, refused) {
        (true, _) => Audience::Everyone,
        (false, true) => Audience::Nobody,
        (false, false) => Audience::Watchers,
    }
}

/// Refuses an output that is named twice or is read as well.
fn check_files(args: &LiveArgs, source: Option<&SourceSpec>, files: Files<'_>) -> Result<()> {
    for (i, out) in args.out.iter().enumerate() {
        if args.out[i + 1..].contains(out) {
            return Err(Error::Usage(format!("{out}: named for two outputs")));
        }
    }
    let named = args.out.iter().filter_map(OutputSpec::path).chain(args.sheet.clone());
    let outputs: Vec<PathBuf> = named.chain(files.written.iter().map(|p| p.to_path_buf())).collect();
    let source = source.and_then(SourceSpec::path);
    let inputs: Vec<&Path> = source.as_deref().into_iter().chain(files.read.iter().copied()).collect();
    for (i, output) in outputs.iter().enumerate() {
        if outputs[i + 1..].iter().any(|other| are_same(other, output)) {
            return Err(Error::Usage(format!("{}: named for two outputs", output.display())));
        }
        if inputs.iter().any(|input| are_same(input, output)) {
            return Err(Error::Usage(format!(
                "{}: both read and written; name another file",
                output.display()
            )));
        }
    }
    let replaced = |out: &&OutputSpec| match out {
        OutputSpec::Sink(sink) => inputs.iter().any(|input| replaces(sink, input)),
        OutputSpec::Window | OutputSpec::Page(_) => false,
    };
    match args.out.iter().find(replaced) {
        Some(out) => Err(Error::Usage(format!("{out}: both read and written; name another file"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn parse(line: &str) -> (LiveArgs, SourceSpec) {
        let words = ["runtime", "webcam"].into_iter().chain(line.split_whitespace());
        let Command::Webcam(args) = Cli::try_parse_from(words).unwrap().command else { panic!("not webcam") };
        (args.live, args.source.unwrap_or(SourceSpec::FirstCamera))
    }

    fn resolve(line: &str, written: &[&Path]) -> Result<LiveConfig> {
        let (args, source) = parse(line);
        LiveConfig::resolve(&args, Some(&source), Files { read: &[], written })
    }

    #[test]
    fn contradictions_are_refused_before_anything_opens() {
        assert!(resolve("--size 640x480", &[]).is_ok());
        assert!(resolve("/dev/video0 --size 640x480 --out a.avi --out b.avi", &[]).is_ok());
        for bad in [
            "Cargo.toml --size 640x480",
            "--sheet a.png",
            "--out b.avi --out b.avi",
            "--out window --headless",
            "--out null --out null",
            "- --loop",
            "--sheet a.jpg",
            "--sheet a --out a",
        ] {
            let refused = resolve(bad, &[Path::new("a.png")]);
            assert!(matches!(refused, Err(Error::Usage(_))), "{bad}");
        }
        assert!(resolve("--sheet a.PNG", &[]).is_ok());
        assert!(resolve("Cargo.toml --force", &[Path::new("Cargo.toml")]).is_err());
    }

    /// Recordings had the numbers burned into them unless one knew to leave them out.
    #[test]
    fn numbers_and_names_are_for_those_who_watch_unless_asked_for() {
        let seen = |line: &str| resolve(line, &[]).map(|config| (config.numbers, config.names)).unwrap();
        assert_eq!(seen(""), (Audience::Watchers, Audience::Watchers));
        assert_eq!(seen("--hud --no-names"), (Audience::Everyone, Audience::Nobody));
        assert_eq!(seen("--no-hud --names"), (Audience::Nobody, Audience::Everyone));
        assert!(Cli::try_parse_from(["runtime", "webcam", "--hud", "--no-hud"]).is_err());
    }

    #[test]
    fn outputs_are_told_apart() {
        let config = resolve("clip.mp4 --out window --out a.avi --out http://127.0.0.1:90 --viewers 2", &[]);
        let config = config.unwrap();
        assert_eq!((config.window, config.sinks), (Window::Always, vec![SinkSpec::Avi("a.avi".into())]));
        let page = config.page.unwrap();
        assert_eq!((page.access.address.port(), page.viewers), (90, 2));
        let config = resolve("--headless", &[]).unwrap();
        assert_eq!((config.window, config.output_options.fps), (Window::Never, Some(CAMERA_FPS)));
        let config = resolve("Cargo.toml", &[]).unwrap();
        assert_eq!((config.window, config.output_options.fps), (Window::IfScreen, None));
    }

    /// A token was made twice, and the one that was checked thrown away.
    #[test]
    fn a_page_for_others_gets_one_token() {
        let config = resolve("--serve --listen 0.0.0.0", &[]).unwrap();
        let token = config.page.clone().unwrap().access.token;
        assert!(token.is_some() && token == config.page.unwrap().access.token);
    }

    #[test]
    fn the_filter_is_tuned_or_left_out() {
        let manifest = crate::vision::testing::manifest(2);
        let smooth = |line: &str| resolve(line, &[]).unwrap().track_options(&manifest).smooth;
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
        let wait = |line: &str, watched| resolve(line, &[]).unwrap().give_up_after(watched);
        assert_eq!(wait("", true), None);
        assert_eq!(wait("", false), Some(REOPEN_HEADLESS));
        assert_eq!(wait("--reopen-seconds 3", true), Some(Duration::from_secs(3)));
    }
}
