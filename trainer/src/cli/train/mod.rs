mod dry_run;
mod start;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tch::Device;

use self::start::Start;
use super::choice::Choice;
use super::keep::{Keep, KeepBest};
use super::minutes;
use super::stop::StopAfter;
use crate::cli::output::print_line;
use crate::config::{Config, Precision};
use crate::dataset::{STORE_FACTOR, Store};
use crate::error::{Error, Result};
use crate::nets::Detector;
use crate::train::ranks::{self, Ranks};
use crate::train::run::Run;
use crate::train::run::checkpoint::{self, Checkpoint};
use crate::train::run::session::Session;
use crate::train::run::stored::Stored;
use crate::train::stages::gan::{self, Gan, Schedule};
use crate::train::stages::keypoints::{self, KeypointsTraining};
use crate::train::stages::stage::{self, Stage};

#[derive(Debug, Args)]
#[command(
    after_help = "Example: trainer train faces.pack --out runs/faces --preset faces64-edge --stop-after 60"
)]
pub struct Train {
    /// Packs, folders, zips or pictures to learn from.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Folder of the run: checkpoints, log, samples.
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
    /// Carry on a run from its last checkpoint. With --preset, --config or --set, with that configuration from here on.
    #[arg(long)]
    resume: bool,
    /// Begin a new run with the networks of a checkpoint: another run's, or weights that `trainer export --weights` wrote, as
    /// `models` has them. Its configuration holds where none is named; one that names a larger image with the same networks
    /// up to its side, or more channels in the image generator, grows from there. Of a run's keypoints.safetensors, its detector: the generator begins at once.
    #[arg(long, value_name = "CHECKPOINT", conflicts_with_all = ["resume", "dry_run"])]
    from: Option<PathBuf>,
    /// Hold the generator to the detector of this checkpoint, a run's detector.safetensors, from here on: in the place of the
    /// one that its keypoints were learned with, or, in a new run, in the place of learning keypoints.
    #[arg(long, value_name = "CHECKPOINT", conflicts_with_all = ["dry_run", "ranks"])]
    detector: Option<PathBuf>,
    /// Stop after this many real images in all, if before the configuration's end.
    #[arg(long, value_name = "N")]
    images: Option<u64>,
    /// Seed of everything random (default: the configuration's).
    #[arg(long, help_heading = "Configuration")]
    seed: Option<u64>,
    /// Arithmetic inside the networks: fp32, bf16 or auto, which is bf16 where the device has it (default: the
    /// configuration's).
    #[arg(long, help_heading = "Configuration", value_parser = parse_precision)]
    precision: Option<Precision>,
    /// Minutes between checkpoints.
    #[arg(long, help_heading = "Checkpoints and records", default_value = "3", value_name = "MINUTES", value_parser = minutes::any)]
    save_every: Duration,
    /// Images between sample sheets.
    #[arg(long, help_heading = "Checkpoints and records", default_value_t = 10_000, value_name = "IMAGES", value_parser = clap::value_parser!(u64).range(1..))]
    sample_every: u64,
    /// Steps between lines of the log.
    #[arg(long, help_heading = "Checkpoints and records", default_value_t = 16, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    log_every: u64,
    #[command(flatten)]
    keep: Keep,
    #[command(flatten)]
    keep_best: KeepBest,
    #[command(flatten)]
    stop: StopAfter,
    /// Write nothing: print the configuration, the networks' sizes, and estimates of memory and time.
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
    /// With --dry-run: print it as JSON.
    #[arg(long, requires = "dry_run")]
    json: bool,
    /// Train over all processes that mpirun has started, each with its share of every batch:
    /// mpirun -n 2 trainer train … --ranks. Needs a build with --features mpi.
    #[arg(long, conflicts_with = "dry_run")]
    ranks: bool,
    /// Write the last step's gradients into a safetensors file, to compare runs.
    #[arg(long, help_heading = "Checkpoints and records", value_name = "FILE")]
    dump_gradients: Option<PathBuf>,
}

fn parse_precision(text: &str) -> std::result::Result<Precision, String> {
    match text {
        "fp32" => Ok(Precision::Fp32),
        "bf16" => Ok(Precision::Bf16),
        "auto" => Ok(Precision::Auto),
        _ => Err("fp32, bf16 or auto".into()),
    }
}

impl Train {
    pub fn run(self, device: Device) -> Result<()> {
        self.stop.begin();
        let Some(out) = self.out.as_deref().filter(|_| !self.dry_run) else {
            let (config, pictures) = self.resolve_alone()?;
            return dry_run::print(&self.choice.name(), &config, pictures, device, self.json);
        };
        let ranks = ranks::join(self.ranks)?;
        let result = self.train(out, device, &ranks);
        ranks::end(&*ranks, result)
    }

    /// The checked configuration by itself, without a run's or a checkpoint's, with the number of pictures.
    fn resolve_alone(&self) -> Result<(Config, u64)> {
        let mut config = self.choice.named()?.unwrap_or_default();
        self.override_config(&mut config)?;
        let pictures = Store::count(&self.data, config.gan.batch)? as u64;
        config.gan.resolve_epochs(pictures);
        Ok((config, pictures))
    }

    fn train(&self, out: &Path, device: Device, ranks: &Rc<dyn Ranks>) -> Result<()> {
        let Start { mut run, config, mut checkpoint, detector } = self.resolve(out, &**ranks)?;
        let side = config.architecture.image_size * STORE_FACTOR;
        let store = Store::load(&self.data, side as usize).and_then(|store| {
            store.check_batch(config.gan.batch)?;
            Ok(store)
        });
        let store = Arc::new(ranks::together(&**ranks, store)?);
        let fix = "give all the same pictures";
        ranks::check_same(&**ranks, "other pictures", fix, store.fingerprint())?;
        let size = store.len() as u64;
        let keypoints = checkpoint.take_if(|c| c.state.stage == keypoints::STAGE);
        let learned = checkpoint.as_ref().is_some_and(|c| c.state.config.keypoints.is_on());
        let learns_keypoints = config.keypoints.is_on() && !learned;
        if learns_keypoints && ranks.size() > 1 {
            return Err(Error::Usage(
                "keypoints are learned by one process: start without --ranks, stop it (Ctrl-C) once the generator is \
                 in training, and carry on with --resume --ranks"
                    .into(),
            ));
        }
        if ranks.leads() {
            match self.resume {
                true => run.write_config(&config)?,
                false => run = Run::create(out, &config)?,
            }
        }
        if let Some(keypoints) = keypoints {
            lkg_bundle::files::write_atomically(&run.checkpoint(keypoints::STAGE), keypoints.content())?;
        }
        let detector = match detector {
            Some(detector) => Some(Stored::averaged(&detector, device)?),
            None => {
                learns_keypoints.then(|| self.learn_keypoints(&run, &config, &store, device)).transpose()?
            }
        };
        let gan = match &checkpoint {
            Some(checkpoint) => Gan::resume(checkpoint, &config, size, device),
            None => Gan::new(&config, size, device),
        };
        let mut gan = ranks::together(&**ranks, gan)?;
        gan.join(ranks.clone())?;
        if let Some(detector) = &detector {
            gan.adopt(detector);
        }
        if ranks.leads() {
            if checkpoint.is_some() {
                let state = gan.state();
                eprintln!("carrying on at step {}, {} images seen", state.step, state.images_seen);
                run.trim_log(gan::STAGE, state.step)?;
            }
            run = self.keep.apply(run, self.keep_best.evaluator(&store, &config, device)?);
            run.begin(Session::now(gan::STAGE, gan.state().step, &self.data, size, device))?;
            eprintln!("run in {}", run.dir().display());
        }
        let schedule = Schedule {
            until_images: self.images,
            save_every: self.save_every,
            sample_every: self.sample_every,
            log_every: self.log_every,
        };
        gan.train(store, &run, &schedule)?;
        if ranks.leads() {
            if let Some(path) = &self.dump_gradients {
                checkpoint::save(path, &gan.gradients(), gan.state())?;
            }
            print_line!("{}", run.checkpoint(gan::STAGE).display());
        }
        Ok(())
    }

    /// The detector of the keypoints' own training, as far as that is not done yet.
    fn learn_keypoints(
        &self,
        run: &Run,
        config: &Config,
        store: &Arc<Store>,
        device: Device,
    ) -> Result<Stored<Detector>> {
        let path = run.checkpoint(keypoints::STAGE);
        let stored = path.exists().then(|| Checkpoint::open(&path)).transpose()?;
        if let Some(done) = stored.as_ref().filter(|c| c.state.images_seen >= config.keypoints.images) {
            keypoints::check_detector(done, config)?;
            return keypoints::detector(done, device);
        }
        store.check_batch(config.keypoints.batch)?;
        let mut training = KeypointsTraining::new(config, store.len() as u64, device)?;
        if let Some(stored) = &stored {
            stage::restore(&mut training, stored, config)?;
        }
        let first_step = training.learner().state.step;
        eprintln!("keypoints first, from masked pictures, then the generator; from step {first_step}");
        run.trim_log(keypoints::STAGE, first_step)?;
        run.begin(Session::now(keypoints::STAGE, first_step, &self.data, store.len() as u64, device))?;
        stage::train(&mut training, store, run, self.save_every, self.log_every)?;
        keypoints::detector(&Checkpoint::open(&path)?, device)
    }

    fn override_config(&self, config: &mut Config) -> Result<()> {
        self.choice.overrule(config)?;
        if let Some(seed) = self.seed {
            config.seed = seed;
        }
        if let Some(precision) = self.precision {
            config.precision = precision;
        }
        config.check()
    }
}
