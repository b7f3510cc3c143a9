//! `runtime reenact`: a face of a photo or of a seed that moves as the one before the camera.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lkg_bundle::{Bundle, Network};

use super::args::{Common, MarkArgs, ReenactArgs};
use super::live::{self, Files, LiveConfig};
use super::reenact_args::Driver;
use super::{open_bundle, remark, service};
use crate::edit::{BundleId, FaceModel};
use crate::engine::{Detector, EngineSummary};
use crate::error::{Error, Result};
use crate::live::{Finder, LiveLoop, LoopOptions, Opener};
use crate::media::sink::Sink;
use crate::media::{Source, SourceOptions, SourceSpec};
use crate::reenact::{Recording, ReenactOptions, ReenactPainter, Reenactor, View, recorder};
use crate::vision::track::FaceTracker;

/// What the command does.
struct Config {
    /// Whose appearance is kept.
    sources: Vec<String>,
    driver: Driver,
    live: LiveConfig,
    options: ReenactOptions,
    /// Whether a face that is not certain will do.
    anyway: bool,
    /// The file that motion is saved to.
    save_motion: Option<PathBuf>,
    mark: MarkArgs,
}

impl Config {
    /// What can be refused before anything is opened, is.
    fn resolve(args: &ReenactArgs) -> Result<Self> {
        let refuse = |text: &str| Err(Error::Usage(text.to_owned()));
        let named = args.driver.as_ref().or(args.positional_driver.as_ref());
        let driver = named.cloned().unwrap_or(Driver::Frames(SourceSpec::FirstCamera));
        let recorded = matches!(driver, Driver::Motion(_));
        if recorded && args.view == View::Driver {
            return refuse("--view driver draws over the driver's face, and recorded motion has no picture");
        }
        if args.save_motion.as_ref().is_some_and(|p| !Recording::has_name(&p.to_string_lossy())) {
            return refuse("--save-motion writes JSON Lines: name a FILE.jsonl");
        }
        let mut read: Vec<&Path> = args.sources.iter().map(Path::new).collect();
        let frames = match &driver {
            Driver::Frames(source) => Some(source),
            Driver::Motion(path) => {
                read.push(path);
                None
            }
        };
        let written: Vec<&Path> = args.save_motion.iter().map(PathBuf::as_path).collect();
        let live = LiveConfig::resolve(&args.live, frames, Files { read: &read, written: &written })?;
        let options = ReenactOptions {
            drive: args.drive,
            gains: args.gains(),
            absolute: args.absolute,
            view: args.view,
        };
        Ok(Self {
            sources: args.sources.clone(),
            driver,
            live,
            options,
            anyway: args.anyway,
            save_motion: args.save_motion.clone(),
            mark: args.mark,
        })
    }

    /// What this command writes beside the sinks of every live command.
    fn sinks(&self, bundle: &Bundle) -> Result<Vec<Box<dyn Sink>>> {
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        if let Some(motion) = &self.save_motion {
            sinks.push(Box::new(recorder(motion, &BundleId::of(bundle), self.live.force)?));
        }
        Ok(sinks)
    }
}

/// A driver whose file, if it is one of motion, is read.
enum Motion {
    Found(SourceSpec),
    Recorded(Recording),
}

impl Motion {
    fn of(driver: &Driver, bundle: &Bundle) -> Result<Self> {
        Ok(match driver {
            Driver::Frames(source) => Self::Found(source.clone()),
            Driver::Motion(path) => {
                Self::Recorded(Recording::read(path, &BundleId::of(bundle), bundle.manifest())?)
            }
        })
    }

    fn opener(&self, options: &SourceOptions) -> Opener {
        match self {
            Self::Found(source) => live::opener(source.clone(), options.clone()),
            Self::Recorded(recording) => {
                let recording = recording.clone();
                Arc::new(move || Ok(Box::new(recording.source()) as Box<dyn Source>))
            }
        }
    }

    /// What finds keypoints in the driver's frames, and what computes.
    fn finder(
        self,
        common: &Common,
        bundle: &Bundle,
        config: &LiveConfig,
    ) -> Result<(Box<dyn Finder>, EngineSummary)> {
        match self {
            Self::Recorded(recording) => {
                let engine =
                    EngineSummary { chosen: "recorded motion".to_owned(), ..EngineSummary::default() };
                Ok((Box::new(recording.finder()), engine))
            }
            Self::Found(_) => {
                let detector = Detector::load(bundle, &common.engine())?;
                let engine = detector.summary();
                let mut tracker = FaceTracker::new(detector, config.track_options(bundle.manifest()));
                tracker.warm_up()?;
                Ok((Box::new(tracker), engine))
            }
        }
    }
}

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &ReenactArgs) -> Result<u8> {
    let config = Config::resolve(args)?;
    let bundle = open_bundle(common)?;
    let motion = Motion::of(&config.driver, &bundle)?;
    let mut model = FaceModel::new(bundle.clone(), common.engine());
    model.anyway = config.anyway;
    let sources = config.sources.iter().map(|name| model.open(name)).collect::<Result<Vec<_>>>()?;
    sources.iter().flat_map(|source| &source.notes).for_each(|note| remark(note));
    let reenactor = Reenactor::new(&mut model, &sources, config.options.clone())?;
    let origin = config.mark.origin(reenactor.origin());
    let pictures = matches!(config.driver, Driver::Frames(_));
    let mut painter = ReenactPainter::new(reenactor, pictures, config.mark.visible_mark);
    let opener = motion.opener(&config.live.source_options);
    let wiring = live::open(&config.live, "reenact", bundle.manifest(), config.sinks(&bundle)?, opener)?;
    let (mut finder, engine) = motion.finder(common, &bundle, &config.live)?;
    if common.verbose {
        remark(&format!("driver: {}", wiring.supply.describe()));
        remark(&format!("detector: {engine}"));
        let every_frame = if bundle.draws_in_two() { Network::Render } else { Network::ImageGenerator };
        let generator = live::where_it_runs(common, &bundle, every_frame)?;
        remark(&format!("image generator: {generator}"));
        let (own, most) = painter.reenactor().reach();
        remark(&format!("keypoints {own:.1} from the mean, {most:.1} for 99 % of the generator's own"));
    }
    let is_live = wiring.supply.is_live();
    let title = format!("{} as {}", config.sources.join(", "), wiring.supply.describe());
    let report = LiveLoop {
        supply: wiring.supply,
        finder: finder.as_mut(),
        painter: &mut painter,
        sinks: wiring.sinks,
        viewers: wiring.viewers,
        window: wiring.window.then(|| live::window(title)),
        options: LoopOptions {
            change: config.save_motion.is_some(),
            ..config.live.loop_options(engine, origin)
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
    use crate::edit::Parts;

    fn try_parse(line: &str) -> std::result::Result<ReenactArgs, clap::Error> {
        let words = ["runtime", "reenact"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words)?.command {
            Command::Reenact(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    fn parse(line: &str) -> ReenactArgs {
        try_parse(line).unwrap()
    }

    #[test]
    fn contradictions_are_refused_before_anything_opens() {
        assert!(Config::resolve(&parse("--source seed:1 --size 640x480")).is_ok());
        for bad in [
            "--source seed:1 m.jsonl --view driver",
            "--source seed:1 Cargo.toml --size 640x480",
            "--source seed:1 --sheet a.jpg",
            "--source seed:1 --save-motion a.txt",
            "--source seed:1 m.jsonl --save-motion m.jsonl",
            "--source a.png --sheet a.png",
            "Cargo.toml --source a.png --save-motion Cargo.toml",
        ] {
            assert!(matches!(Config::resolve(&parse(bad)), Err(Error::Usage(_))), "{bad}");
        }
        // No output is called so.
        for bad in ["--source a.png --out a.png", "Cargo.toml --source a.png --out Cargo.toml"] {
            assert!(try_parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_driver_is_named_by_a_flag_or_without() {
        let driver = |line: &str| Config::resolve(&parse(line)).unwrap().driver;
        let motion = Driver::Motion("m.jsonl".into());
        assert_eq!(driver("--source seed:1"), Driver::Frames(SourceSpec::FirstCamera));
        assert_eq!(
            (driver("-s seed:1 m.jsonl"), driver("-s seed:1 --driver m.jsonl")),
            (motion.clone(), motion)
        );
        let both = try_parse("-s seed:1 a.mp4 --driver b.mp4").unwrap_err().to_string();
        assert!(both.contains("cannot be used with") && both.contains("--driver"), "{both}");
    }

    #[test]
    fn the_view_was_called_paste() {
        let view = |line: &str| Config::resolve(&parse(line)).unwrap().options.view;
        assert_eq!(view("-s seed:1"), View::Beside);
        assert_eq!(
            (view("-s seed:1 --view source"), view("-s seed:1 --paste source")),
            (View::Source, View::Source)
        );
    }

    #[test]
    fn one_gain_is_for_all_and_may_be_told_apart() {
        let line = "--source seed:1 --gain 0.5 --gain-parts 2 --gain-y 0.25 --gain-of eyes=3 --gain-of 9=0";
        let gains = parse(line).gains();
        assert_eq!((gains.pose, gains.parts, gains.axes), (0.5, 2.0, [1.0, 0.25]));
        assert_eq!(gains.own, [(Parts::Name("eyes".to_owned()), 3.0), (Parts::Index(9), 0.0)]);
    }
}
