//! `runtime webcam`: keypoints on live pictures, or on a clip as if it were one.

use std::path::{Path, PathBuf};

use lkg_bundle::Network;

use super::args::{Common, WebcamArgs};
use super::{live, open_bundle, remark, service};
use crate::engine::Detector;
use crate::error::Result;
use crate::live::{LiveLoop, Overlay};
use crate::media::keypoints::KeypointsSink;
use crate::media::sink::Sink;
use crate::vision::track::FaceTracker;

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &WebcamArgs) -> Result<u8> {
    check(args)?;
    let bundle = open_bundle(common)?;
    let opener = live::opener(&args.live);
    let wiring = live::open(&args.live, "webcam", bundle.manifest(), sinks(args)?, opener)?;
    let detector = Detector::load(&bundle, &common.engine())?;
    let engine = detector.summary();
    if common.verbose {
        remark(&format!("source: {}", wiring.supply.describe()));
        remark(&format!("detector: {engine}; {}", live::where_it_runs(common, &bundle, Network::Detector)?));
    }
    let is_live = wiring.supply.is_live();
    let mut tracker = FaceTracker::new(detector, live::track_options(&args.live, bundle.manifest()));
    tracker.warm_up()?;
    let title = format!("{} - keypoints", wiring.supply.describe());
    let report = LiveLoop {
        supply: wiring.supply,
        finder: &mut tracker,
        painter: &mut Overlay::new(bundle.manifest()),
        sinks: wiring.sinks,
        screen: wiring.window.then(|| live::screen(title)),
        options: live::loop_options(&args.live, engine, None),
        stop: &service::stop,
        notice: &mut remark,
    }
    .run()?;
    live::write_report(&args.live, &report)?;
    Ok(live::exit_code(&args.live, &report, is_live))
}

fn check(args: &WebcamArgs) -> Result<()> {
    let own: Vec<&Path> = args.keypoints.iter().map(PathBuf::as_path).collect();
    live::check(&args.live, &own)
}

/// What this command writes beside the sinks of every live command.
fn sinks(args: &WebcamArgs) -> Result<Vec<Box<dyn Sink>>> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(keypoints) = &args.keypoints {
        sinks.push(Box::new(KeypointsSink::create(keypoints, args.live.force)?));
    }
    Ok(sinks)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    #[test]
    fn a_sheet_is_a_png() {
        for (line, good) in [("--sheet a.PNG", true), ("--sheet a.jpg", false), ("--sheet a --out a", false)]
        {
            let words = ["runtime", "webcam"].into_iter().chain(line.split_whitespace());
            let Command::Webcam(args) = Cli::try_parse_from(words).unwrap().command else {
                panic!("not webcam")
            };
            assert_eq!(check(&args).is_ok(), good, "{line}");
        }
    }
}
