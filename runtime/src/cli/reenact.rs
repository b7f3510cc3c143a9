//! `runtime reenact`: a face of a photo or of a seed that moves as the one before the camera.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lkg_bundle::{Bundle, Network};

use super::args::{Common, ReenactArgs};
use super::{live, open_bundle, remark, service};
use crate::edit::{BundleId, FaceModel};
use crate::engine::Detector;
use crate::error::{Error, Result};
use crate::live::{Finder, LiveLoop, Opener};
use crate::media::Source;
use crate::media::sink::Sink;
use crate::reenact::{Recording, ReenactOptions, Reenactor, View, recorder};
use crate::vision::track::FaceTracker;

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &ReenactArgs) -> Result<u8> {
    let driver = args.live.source.as_deref();
    let recorded = driver.is_some_and(Recording::has_name);
    check(args, recorded)?;
    let bundle = open_bundle(common)?;
    let recording = match driver {
        Some(driver) if recorded => {
            Some(Recording::read(Path::new(driver), &BundleId::of(&bundle), bundle.manifest())?)
        }
        _ => None,
    };
    let mut studio = FaceModel::new(bundle.clone(), common.engine());
    studio.anyway = args.anyway;
    let sources = args.faces.iter().map(|face| studio.open(face)).collect::<Result<Vec<_>>>()?;
    sources.iter().flat_map(|source| &source.notes).for_each(|note| remark(note));
    let options = ReenactOptions {
        drive: args.drive,
        gains: args.gains(),
        absolute: args.absolute,
        view: args.paste,
        pictures: !recorded,
        visible_mark: args.mark.visible_mark,
    };
    let mut puppet = Reenactor::new(&mut studio, &sources, options)?;
    let origin = args.mark.origin(puppet.origin());
    let opener = opener(args, recording.as_ref());
    let wiring = live::open(&args.live, "reenact", bundle.manifest(), sinks(args, &bundle)?, opener)?;
    let (mut finder, engine): (Box<dyn Finder>, String) = match recording {
        Some(recording) => (Box::new(recording.finder()), "recorded motion".to_owned()),
        None => {
            let detector = Detector::load(&bundle, &common.engine())?;
            let engine = detector.summary();
            let options = live::track_options(&args.live, bundle.manifest());
            let mut tracker = FaceTracker::new(detector, options);
            tracker.warm_up()?;
            (Box::new(tracker), engine)
        }
    };
    if common.verbose {
        remark(&format!("driver: {}", wiring.supply.describe()));
        remark(&format!("detector: {engine}"));
        let drawn = live::where_it_runs(common, &bundle, Network::ImageGenerator)?;
        remark(&format!("image generator: {drawn}"));
        let (own, most) = puppet.reach();
        remark(&format!("keypoints {own:.1} from the mean, {most:.1} for 99 % of the generator's own"));
    }
    let is_live = wiring.supply.is_live();
    let title = format!("{} as {}", args.faces.join(", "), wiring.supply.describe());
    let report = LiveLoop {
        supply: wiring.supply,
        finder: finder.as_mut(),
        painter: &mut puppet,
        sinks: wiring.sinks,
        screen: wiring.window.then(|| live::screen(title)),
        options: live::loop_options(&args.live, engine, origin),
        stop: &service::stop,
        notice: &mut remark,
    }
    .run()?;
    live::write_report(&args.live, &report)?;
    Ok(live::exit_code(&args.live, &report, is_live))
}

/// What can be refused before anything is opened.
fn check(args: &ReenactArgs, recorded: bool) -> Result<()> {
    let usage = |text: &str| Err(Error::Usage(text.to_owned()));
    if recorded && args.paste == View::Driver {
        return usage("--paste driver draws over the driver's face, and recorded motion has no picture");
    }
    if args.save_motion.as_ref().is_some_and(|p| !Recording::has_name(&p.to_string_lossy())) {
        return usage("--save-motion writes JSON Lines: name a FILE.jsonl");
    }
    let own: Vec<&Path> = args.save_motion.iter().map(PathBuf::as_path).collect();
    for name in &args.faces {
        let face = Path::new(name);
        if own.contains(&face)
            || args.live.sheet.as_deref() == Some(face)
            || args.live.out.iter().any(|out| Path::new(out) == face)
        {
            return Err(Error::Usage(format!("{name}: both source and output")));
        }
    }
    live::check(&args.live, &own)
}

/// What this command writes beside the sinks of every live command.
fn sinks(args: &ReenactArgs, bundle: &Bundle) -> Result<Vec<Box<dyn Sink>>> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(motion) = &args.save_motion {
        sinks.push(Box::new(recorder(motion, &BundleId::of(bundle), args.live.force)?));
    }
    Ok(sinks)
}

fn opener(args: &ReenactArgs, recording: Option<&Recording>) -> Opener {
    match recording.cloned() {
        Some(recording) => Arc::new(move || Ok(Box::new(recording.source()) as Box<dyn Source>)),
        None => live::opener(&args.live),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};
    use crate::edit::Parts;

    fn parse(line: &str) -> ReenactArgs {
        let words = ["runtime", "reenact"].into_iter().chain(line.split_whitespace());
        let Command::Reenact(args) = Cli::try_parse_from(words).unwrap().command else {
            panic!("not reenact")
        };
        args
    }

    #[test]
    fn contradictions_are_refused_before_anything_opens() {
        assert!(check(&parse("--source seed:1 --size 640x480"), false).is_ok());
        for bad in [
            "--source seed:1 m.jsonl --paste driver",
            "--source seed:1 Cargo.toml --size 640x480",
            "--source seed:1 --sheet a.jpg",
            "--source seed:1 --save-motion a.txt",
            "--source a.png --out a.png",
            "Cargo.toml --source a.png --out Cargo.toml",
        ] {
            let args = parse(bad);
            let recorded = args.live.source.as_deref().is_some_and(Recording::has_name);
            assert!(matches!(check(&args, recorded), Err(Error::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn one_gain_is_for_all_and_may_be_told_apart() {
        let line = "--source seed:1 --gain 0.5 --gain-parts 2 --gain-y 0.25 --gain-of eyes=3 --gain-of 9=0";
        let gains = parse(line).gains();
        assert_eq!((gains.pose, gains.parts, gains.axes), (0.5, 2.0, [1.0, 0.25]));
        assert_eq!(gains.own, [(Parts::Name("eyes".to_owned()), 3.0), (Parts::Index(9), 0.0)]);
    }
}
