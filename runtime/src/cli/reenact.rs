//! `runtime reenact`: a face of a photo or of a seed that moves as the one before the camera.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use models::Bundle;

use super::args::{Common, ReenactArgs};
use super::webcam::write_report;
use super::{REPORTED, open_bundle, remark};
use crate::edit::{BundleId, Studio};
use crate::engine::Detector;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::live::{Ended, Finder, LiveLoop, LoopOptions, Opener, Screen, ScreenOpener, Supply};
use crate::media::output::stamp;
use crate::media::sheet::SheetSink;
use crate::media::sink::{Sink, open_output};
use crate::media::source::names_a_camera;
use crate::media::window::Display;
use crate::media::{self, Source, SourceOptions};
use crate::reenact::{Paste, Puppet, PuppetOptions, Recording, recorder};
use crate::vision::track::{FaceTracker, TrackOptions};

/// How long a lost camera is waited for where nobody watches who could stop the program.
const REOPEN_HEADLESS: Duration = Duration::from_secs(30);

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &ReenactArgs) -> Result<u8> {
    let recorded = args.driver.as_deref().is_some_and(Recording::has_name);
    check(args, recorded)?;
    let bundle = open_bundle(common)?;
    let recording = match &args.driver {
        Some(driver) if recorded => {
            Some(Recording::read(Path::new(driver), &BundleId::of(&bundle), bundle.manifest())?)
        }
        _ => None,
    };
    let mut studio = Studio::new(bundle.clone(), common.engine());
    studio.anyway = args.anyway;
    let source = studio.open(&args.source)?;
    source.notes.iter().for_each(|note| remark(note));
    let options = PuppetOptions {
        drive: args.drive,
        gains: args.gains(),
        absolute: args.absolute,
        paste: args.paste,
        pictures: !recorded,
        visible_mark: args.mark.visible_mark,
    };
    let mut puppet = Puppet::new(&mut studio, &source, options)?;
    let origin = (!args.mark.no_mark).then(|| puppet.origin());

    let no_window = if args.headless { None } else { Display::available().err() };
    let window = !args.headless && no_window.is_none();
    let nothing_else = args.out.is_none() && args.sheet.is_none() && args.save_motion.is_none();
    let unasked =
        (!window && nothing_else).then(|| PathBuf::from(format!("reenact-{}.avi", stamp(SystemTime::now()))));
    let sinks = sinks(args, unasked.as_deref(), &bundle)?;
    if let Some(name) = &unasked {
        let reason = no_window.map(|e| format!("{e}; ")).unwrap_or_default();
        remark(&format!("{reason}recording to {}", name.display()));
    }
    let supply =
        Supply::open(opener(args, recording.as_ref()), args.r#loop, (!window).then_some(REOPEN_HEADLESS))?;
    let (mut finder, engine): (Box<dyn Finder>, String) = match recording {
        Some(recording) => (Box::new(recording.finder()), "recorded motion".to_owned()),
        None => {
            let detector = Detector::load(&bundle, &common.engine())?;
            let engine = detector.summary();
            (Box::new(FaceTracker::new(detector, TrackOptions::live(bundle.manifest()))), engine)
        }
    };
    if common.verbose {
        remark(&format!("driver: {}", supply.describe()));
        remark(&format!("detector: {engine}"));
        let (own, most) = puppet.reach();
        remark(&format!("keypoints {own:.1} from the mean, {most:.1} for 99 % of the generator's own"));
    }
    let live = supply.is_live();
    let title = format!("{} as {}", args.source, supply.describe());
    let screen: ScreenOpener =
        Box::new(move |size| Ok(Box::new(Display::open(&title, size)?) as Box<dyn Screen>));
    let report = LiveLoop {
        supply,
        finder: finder.as_mut(),
        painter: &mut puppet,
        sinks,
        screen: window.then_some(screen),
        options: LoopOptions {
            max_frames: args.max_frames,
            mirror: args.mirror,
            numbers: !args.no_hud,
            engine,
            origin,
        },
        stop: &interrupt::requested,
        notice: &mut remark,
    }
    .run()?;
    write_report(args.json, &report)?;
    Ok(match report.ended {
        Ended::CameraLost => REPORTED,
        Ended::Interrupted if !live && !args.r#loop => 130,
        _ => 0,
    })
}

/// What can be refused before anything is opened.
fn check(args: &ReenactArgs, recorded: bool) -> Result<()> {
    let usage = |text: &str| Err(Error::Usage(text.to_owned()));
    if args.size.is_some() && !names_a_camera(args.driver.as_deref()) {
        return usage("--size is what to ask of a camera; the driver is a file or folder");
    }
    if recorded && args.paste == Paste::Driver {
        return usage("--paste driver draws over the driver's face, and recorded motion has no picture");
    }
    if args.sheet.as_ref().is_some_and(|s| !s.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"))) {
        return usage("--sheet writes a PNG: name a FILE.png");
    }
    if args.save_motion.as_ref().is_some_and(|p| !Recording::has_name(&p.to_string_lossy())) {
        return usage("--save-motion writes JSON Lines: name a FILE.jsonl");
    }
    let outputs: Vec<&Path> =
        [&args.out, &args.sheet, &args.save_motion].into_iter().filter_map(Option::as_deref).collect();
    for (i, output) in outputs.iter().enumerate() {
        let source = |name: &str| Path::new(name) == *output;
        if outputs[i + 1..].contains(output)
            || args.driver.as_deref().is_some_and(source)
            || source(&args.source)
        {
            return Err(Error::Usage(format!("{}: named twice", output.display())));
        }
    }
    Ok(())
}

fn sinks(args: &ReenactArgs, unasked: Option<&Path>, bundle: &Bundle) -> Result<Vec<Box<dyn Sink>>> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(out) = args.out.as_deref().or(unasked) {
        sinks.push(open_output(out, args.force)?);
    }
    if let Some(sheet) = &args.sheet {
        sinks.push(Box::new(SheetSink::create(sheet, args.force)?));
    }
    if let Some(motion) = &args.save_motion {
        sinks.push(Box::new(recorder(motion, &BundleId::of(bundle), args.force)?));
    }
    Ok(sinks)
}

fn opener(args: &ReenactArgs, recording: Option<&Recording>) -> Opener {
    if let Some(recording) = recording.cloned() {
        return Arc::new(move || Ok(Box::new(recording.source()) as Box<dyn Source>));
    }
    let name = args.driver.clone();
    let size = args.size.map(|s| (s.width, s.height));
    let options = SourceOptions { fps: args.fps, size, ..SourceOptions::default() };
    Arc::new(move || media::open(name.as_deref(), &options))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

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
            "--source a.png b.avi --out b.avi",
        ] {
            let args = parse(bad);
            let recorded = args.driver.as_deref().is_some_and(Recording::has_name);
            assert!(matches!(check(&args, recorded), Err(Error::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn one_gain_is_for_all_and_may_be_told_apart() {
        let gains = parse("--source seed:1 --gain 0.5 --gain-parts 2").gains();
        assert_eq!((gains.pose, gains.parts), (0.5, 2.0));
    }
}
