//! `runtime reenact`: a photo, or a drawn face, that moves as the face before the camera.

use std::path::{Path, PathBuf};

use lkg_bundle::{Bundle, Network};

use super::args::{Common, MarkArgs, ReenactArgs};
use super::edit::is_photo;
use super::live::{self, Files, LiveConfig, Wiring};
use super::reenact_args::Driver;
use super::reenact_driver::Motion;
use super::{open_bundle, remark, service};
use crate::edit::{BundleId, FaceModel};
use crate::engine::EngineSummary;
use crate::error::{Error, Result};
use crate::live::{Finder, LiveLoop, LoopOptions, Painter};
use crate::media::SourceSpec;
use crate::media::mark::Origin;
use crate::media::picture::{Original, read_picture};
use crate::media::sink::Sink;
use crate::portrait::{PortraitModel, PortraitPhoto};
use crate::reenact::{
    PhotoPainter, PhotoReenactor, Recording, ReenactOptions, ReenactPainter, Reenactor, View, recorder,
};
use crate::serve::Job;
use crate::vision::choice::FaceChoice;
use crate::vision::track::TrackOptions;

/// What the command does.
struct Config {
    /// Whose appearance is kept.
    sources: Vec<String>,
    driver: Driver,
    live: LiveConfig,
    /// All but the view.
    options: ReenactOptions,
    /// What is shown, if it was said.
    view: Option<View>,
    /// A picture of the driver's neutral face.
    neutral: Option<PathBuf>,
    /// Whether a face that is not certain will do.
    anyway: bool,
    /// Which face of a source's photo is meant.
    face: FaceChoice,
    /// Who of the people before the camera drives, of how many that are followed.
    people: (usize, FaceChoice),
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
        if recorded && args.view == Some(View::Driver) {
            return refuse("--view driver draws over the driver's face, and recorded motion has no picture");
        }
        if args.save_motion.as_ref().is_some_and(|p| !Recording::has_name(&p.to_string_lossy())) {
            return refuse("--save-motion writes JSON Lines: name a FILE.jsonl");
        }
        if args.face != FaceChoice::Largest && !args.sources.iter().any(|name| is_photo(name)) {
            return refuse("--face chooses among the faces of a photo, and no --source is one");
        }
        if recorded && args.driver_face != FaceChoice::Largest {
            return refuse("--driver-face chooses among people in pictures, and recorded motion is of one");
        }
        let mut read: Vec<&Path> = args.sources.iter().map(Path::new).collect();
        read.extend(args.neutral.as_deref());
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
            ..ReenactOptions::default()
        };
        Ok(Self {
            sources: args.sources.clone(),
            driver,
            live,
            options,
            view: args.view,
            neutral: args.neutral.clone(),
            anyway: args.anyway,
            face: args.face,
            people: (args.faces.into(), args.driver_face),
            save_motion: args.save_motion.clone(),
            mark: args.mark,
        })
    }

    /// What this command writes beside the sinks of every live command.
    fn sinks(&self, bundle: &Bundle) -> Result<Vec<Box<dyn Sink>>> {
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        if let Some(motion) = &self.save_motion {
            let (id, manifest) = (BundleId::of(bundle), bundle.manifest());
            sinks.push(Box::new(recorder(motion, &id, manifest, self.live.force)?));
        }
        Ok(sinks)
    }

    /// How the driver's face is followed.
    fn track_options(&self, bundle: &Bundle) -> TrackOptions {
        let (faces, choice) = self.people;
        TrackOptions { faces, choice, only_main: true, ..self.live.track_options(bundle.manifest()) }
    }

    fn wiring(&self, common: &Common, bundle: &Bundle, motion: &Motion) -> Result<Wiring> {
        let opener = motion.opener(&self.live.source_options);
        live::open(&self.live, ("reenact", Job::Reenactment), common, bundle, self.sinks(bundle)?, opener)
    }

    /// What single pictures are to be like in this `view`: as the photo is, where one is all that they show.
    fn original(&self, view: View, of: &[&Original]) -> Original {
        match (view, of) {
            // The mark is seen on clear ground, too.
            (View::Source, [one]) if !self.live.mirror && !self.mark.visible_mark => (*one).clone(),
            (View::Source | View::Face, [one]) => one.without_pixels(),
            _ => Original::default(),
        }
    }

    /// Runs the loop; returns the exit code.
    fn go(
        &self,
        wiring: Wiring,
        finder: &mut dyn Finder,
        painter: &mut dyn Painter,
        engine: EngineSummary,
        origin: Option<Origin>,
        original: Original,
    ) -> Result<u8> {
        let is_live = wiring.supply.is_live();
        let title = format!("{} as {}", self.sources.join(", "), wiring.supply.describe());
        let report = LiveLoop {
            supply: wiring.supply,
            finder,
            painter,
            sinks: wiring.sinks,
            viewers: wiring.viewers,
            window: wiring.window.then(|| live::window(title)),
            options: LoopOptions {
                change: self.save_motion.is_some(),
                original,
                ..self.live.loop_options(engine, origin)
            },
            stop: &service::stop,
            notice: &mut remark,
        }
        .run()?;
        live::write_report(&self.live, &report)?;
        Ok(live::exit_code(&self.live, &report, is_live))
    }
}

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &ReenactArgs) -> Result<u8> {
    let config = Config::resolve(args)?;
    let bundle = open_bundle(common)?;
    let motion = Motion::of(&config.driver, &bundle)?;
    motion.notes().iter().for_each(|note| remark(note));
    if bundle.has_portrait() && config.sources.iter().all(|name| is_photo(name)) {
        return run_photos(common, &config, &bundle, motion);
    }
    if config.neutral.is_some() {
        return Err(Error::NoPortrait { bundle: bundle.manifest().name.clone() });
    }
    run_drawn(common, &config, &bundle, motion)
}

/// Drives photos whose own pixels are carried along.
fn run_photos(common: &Common, config: &Config, bundle: &Bundle, motion: Motion) -> Result<u8> {
    let mut model = PortraitModel::load(bundle, &common.engine())?;
    (model.anyway, model.choice) = (config.anyway, config.face);
    let photos = config.sources.iter().map(|name| model.open(name)).collect::<Result<Vec<_>>>()?;
    photos.iter().flat_map(PortraitPhoto::notes).for_each(|note| remark(note));
    let portrait = model.summary();
    let view = config.view.unwrap_or(View::Source);
    let original = config.original(view, &photos.iter().map(PortraitPhoto::original).collect::<Vec<_>>());
    let options = ReenactOptions { view, ..config.options.clone() };
    let mut reenactor = PhotoReenactor::new(&mut model, photos, options)?;
    let wiring = config.wiring(common, bundle, &motion)?;
    let is_live = wiring.supply.is_live();
    let (mut finder, engine) = motion.finder(common, bundle, config.track_options(bundle))?;
    if let Some(path) = &config.neutral {
        reenactor.set_neutral(&read_picture(path)?, &path.to_string_lossy())?;
    } else if !is_live && !config.options.absolute {
        // A file can be looked at before it is driven with.
        motion.look_ahead(&mut finder, &config.live.source_options, &mut reenactor)?;
    }
    if common.verbose {
        remark(&format!("driver: {}", wiring.supply.describe()));
        remark(&format!("detector: {engine}"));
        let runs = live::where_it_runs(common, bundle, Network::Portrait)?;
        remark(&format!("portrait network: {portrait}; {runs}"));
    }
    let origin = config.mark.origin(reenactor.origin());
    let mut painter = PhotoPainter::new(reenactor, motion.has_pictures(), config.mark.visible_mark);
    config.go(wiring, finder.finder(), &mut painter, engine, origin, original)
}

/// Drives faces that a generator draws.
fn run_drawn(common: &Common, config: &Config, bundle: &Bundle, motion: Motion) -> Result<u8> {
    let mut model = FaceModel::new(bundle.clone(), common.engine());
    (model.anyway, model.choice) = (config.anyway, config.face);
    let sources = config.sources.iter().map(|name| model.open(name)).collect::<Result<Vec<_>>>()?;
    sources.iter().flat_map(|source| &source.notes).for_each(|note| remark(note));
    let view = config.view.unwrap_or(View::Beside);
    let original = config.original(view, &sources.iter().map(|s| &s.original).collect::<Vec<_>>());
    let options = ReenactOptions { view, ..config.options.clone() };
    let reenactor = Reenactor::new(&mut model, &sources, options)?;
    let origin = config.mark.origin(reenactor.origin());
    let wiring = config.wiring(common, bundle, &motion)?;
    let (mut finder, engine) = motion.finder(common, bundle, config.track_options(bundle))?;
    if common.verbose {
        remark(&format!("driver: {}", wiring.supply.describe()));
        remark(&format!("detector: {engine}"));
        let every_frame = if bundle.draws_in_two() { Network::Render } else { Network::ImageGenerator };
        let generator = live::where_it_runs(common, bundle, every_frame)?;
        remark(&format!("image generator: {generator}"));
        let (own, most) = reenactor.reach();
        remark(&format!("keypoints {own:.1} from the mean, {most:.1} for 99 % of the generator's own"));
    }
    let mut painter = ReenactPainter::new(reenactor, motion.has_pictures(), config.mark.visible_mark);
    config.go(wiring, finder.finder(), &mut painter, engine, origin, original)
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
            "--source seed:1 m.jsonl --driver-face 2",
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
        let view = |line: &str| Config::resolve(&parse(line)).unwrap().view;
        assert_eq!(view("-s seed:1"), None);
        for line in ["-s seed:1 --view source", "-s seed:1 --paste source", "-s seed:1 --view photo"] {
            assert_eq!(view(line), Some(View::Source), "{line}");
        }
        assert_eq!(view("-s seed:1 --paste none"), Some(View::Beside));
    }

    #[test]
    fn one_gain_is_for_all_and_may_be_told_apart() {
        let line = "--source seed:1 --gain 0.5 --gain-parts 2 --gain-y 0.25 --gain-of eyes=3 --gain-of 9=0";
        let gains = parse(line).gains();
        assert_eq!((gains.pose, gains.parts, gains.axes), (0.5, 2.0, [1.0, 0.25]));
        assert_eq!(gains.own, [(Parts::Name("eyes".to_owned()), 3.0), (Parts::Index(9), 0.0)]);
        let gains = parse("--source a.png --gain-of head=0.5 --gain-of mouth=1.3").gains();
        assert_eq!((gains.pose, gains.own.len()), (0.5, 1));
    }
}
