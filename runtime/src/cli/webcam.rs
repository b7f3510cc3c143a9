//! `runtime webcam`: keypoints on live pictures, or on a clip as if it were one.

use std::path::{Path, PathBuf};

use lkg_bundle::{Manifest, Network};

use super::args::{Common, WebcamArgs};
use super::live::{self, Files, LiveConfig};
use super::{open_bundle, remark, service};
use crate::engine::Detector;
use crate::error::{Error, Result};
use crate::live::{ExpressionFinder, LiveLoop, LoopOptions, Overlay};
use crate::media::SourceSpec;
use crate::media::detections::{DetectionFormat, DetectionsSink};
use crate::media::sink::Sink;
use crate::serve::Job;
use crate::vision::track::{FaceTracker, TrackOptions};

/// Photos of a folder that are shown a second.
const PHOTOS_FPS: f32 = 1.0;

/// What the command does.
struct Config {
    source: SourceSpec,
    live: LiveConfig,
    /// The file that keypoints are written to.
    keypoints: Option<PathBuf>,
    format: DetectionFormat,
    /// Most people that are followed.
    faces: usize,
}

impl Config {
    fn resolve(args: &WebcamArgs) -> Result<Self> {
        let source = args.source.clone().unwrap_or(SourceSpec::FirstCamera);
        let written: Vec<&Path> = args.keypoints.iter().map(PathBuf::as_path).collect();
        let files = Files { read: &[], written: &written };
        let mut live = LiveConfig::resolve(&args.live, Some(&source), files)?;
        let is_folder = matches!(source, SourceSpec::Folder(_));
        if args.as_clip && !is_folder {
            return Err(Error::Usage(
                "--as-clip is for a folder of pictures: name one, or leave it out".to_owned(),
            ));
        }
        if is_folder && !args.as_clip {
            live.each_alone = true;
            live.source_options.fps.get_or_insert(PHOTOS_FPS);
        }
        Ok(Self {
            source,
            live,
            keypoints: args.keypoints.clone(),
            format: args.format,
            faces: args.faces.into(),
        })
    }

    /// What this command writes beside the sinks of every live command.
    fn sinks(&self, manifest: &Manifest) -> Result<Vec<Box<dyn Sink>>> {
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        if let Some(keypoints) = &self.keypoints {
            let source = self.live.source.clone();
            let sink = DetectionsSink::create(keypoints, self.live.force, self.format, manifest, source)?;
            sinks.push(Box::new(sink));
        }
        Ok(sinks)
    }
}

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &WebcamArgs) -> Result<u8> {
    let config = Config::resolve(args)?;
    let bundle = open_bundle(common)?;
    let opener = live::opener(config.source.clone(), config.live.source_options.clone());
    let sinks = config.sinks(bundle.manifest())?;
    let wiring = live::open(&config.live, ("webcam", Job::Keypoints), common, &bundle, sinks, opener)?;
    let detector = Detector::load(&bundle, &common.engine())?;
    let engine = detector.summary();
    if common.verbose {
        remark(&format!("source: {}", wiring.supply.describe()));
        remark(&format!("detector: {engine}; {}", live::where_it_runs(common, &bundle, Network::Detector)?));
    }
    let is_live = wiring.supply.is_live();
    let track = TrackOptions { faces: config.faces, ..config.live.track_options(bundle.manifest()) };
    let mut tracker = FaceTracker::new(detector, track);
    tracker.warm_up()?;
    let mut finder = ExpressionFinder::new(tracker, bundle.manifest());
    if config.live.each_alone {
        finder = finder.each_alone();
    }
    let title = format!("{} - keypoints", wiring.supply.describe());
    let report = LiveLoop {
        supply: wiring.supply,
        finder: &mut finder,
        painter: &mut Overlay::new(bundle.manifest()),
        sinks: wiring.sinks,
        viewers: wiring.viewers,
        window: wiring.window.then(|| live::window(title)),
        options: LoopOptions {
            change: config.keypoints.is_some() && config.format.has_change(),
            ..config.live.loop_options(engine, None)
        },
        stop: &service::stop,
        notice: &mut remark,
    }
    .run()?;
    live::write_report(&config.live, &report)?;
    Ok(live::exit_code(&config.live, &report, is_live))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn resolve(words: &[&str]) -> Result<Config> {
        let words = ["runtime", "webcam"].iter().chain(words);
        let Command::Webcam(args) = Cli::try_parse_from(words).unwrap().command else { panic!("not webcam") };
        Config::resolve(&args)
    }

    /// Photos of a folder were followed as if they were a film: faces were lost, and found where none are.
    #[test]
    fn a_folder_is_a_set_of_photos_unless_it_is_a_clip() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_str().unwrap();
        let manifest = crate::vision::testing::manifest(2);
        let photos = resolve(&[folder]).unwrap().live;
        let options = photos.track_options(&manifest);
        assert!(!options.follow && !options.guess && options.smooth.is_none());
        assert_eq!(photos.source_options.fps, Some(PHOTOS_FPS));
        assert_eq!(resolve(&[folder, "--fps", "5"]).unwrap().live.source_options.fps, Some(5.0));
        for clip in [&[folder, "--as-clip"][..], &["f%03d.png"], &["-"]] {
            let live = resolve(clip).unwrap().live;
            assert!(live.track_options(&manifest).follow && live.source_options.fps.is_none(), "{clip:?}");
        }
        assert!(resolve(&["f%03d.png", "--as-clip"]).is_err());
    }
}
