//! `runtime webcam`: keypoints on live pictures, or on a clip as if it were one.

use std::path::{Path, PathBuf};

use lkg_bundle::{Manifest, Network};

use super::args::{Common, WebcamArgs};
use super::live::{self, Files, LiveConfig};
use super::{open_bundle, remark, service};
use crate::engine::Detector;
use crate::error::Result;
use crate::live::{ExpressionFinder, LiveLoop, LoopOptions, Overlay};
use crate::media::SourceSpec;
use crate::media::detections::{DetectionFormat, DetectionsSink};
use crate::media::sink::Sink;
use crate::vision::track::{FaceTracker, TrackOptions};

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
        let live = LiveConfig::resolve(&args.live, Some(&source), files)?;
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
            let source = self.source.to_string();
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
    let wiring =
        live::open(&config.live, "webcam", bundle.manifest(), config.sinks(bundle.manifest())?, opener)?;
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
    let title = format!("{} - keypoints", wiring.supply.describe());
    let report = LiveLoop {
        supply: wiring.supply,
        finder: &mut finder,
        painter: &mut Overlay::new(bundle.manifest()),
        sinks: wiring.sinks,
        viewers: wiring.viewers,
        window: wiring.window.then(|| live::window(title)),
        options: LoopOptions { change: config.keypoints.is_some(), ..config.live.loop_options(engine, None) },
        stop: &service::stop,
        notice: &mut remark,
    }
    .run()?;
    live::write_report(&config.live, &report)?;
    Ok(live::exit_code(&config.live, &report, is_live))
}
