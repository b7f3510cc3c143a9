//! Generator against discriminator.

mod critics;
mod draw;
mod inference;
mod optional;
mod poses;
mod probe;
mod report;
mod revisit;
mod seen_features;
mod step;
mod terms;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor};

use crate::config::Config;
use crate::dataset::{Loader, Pick, Store};
use crate::error::Result;
use crate::nets::layers::Norm;
use crate::nets::{Detector, FeatureNet};
use crate::support::interrupt;
use crate::support::progress::Progress;
use crate::support::share::Share;
use crate::train::optim::adam::Adam;
use crate::train::optim::{average, parameters};
use crate::train::ranks::{self, Ranks, Single};
use crate::train::run::Run;
use crate::train::run::checkpoint::{Checkpoint, State};
use crate::train::run::generator::Generator;
use crate::train::run::sheet::{self, Sheet};
use crate::train::run::stored::Stored;

pub use critics::Critic;
use critics::Critics;
pub use inference::Inference;
use poses::Poses;
pub use report::{Measured, StepReport};
use terms::Watch;

/// The stage's name in files.
pub const STAGE: &str = "gan";

/// The sheet of samples that is drawn now and then.
pub const SHEET: Sheet = Sheet { columns: 10, rows: 6, seed: 0, keypoints: true };

/// Real pictures whose poses are known.
const POSES: usize = 2048;
/// As many at a time.
const POSES_A_BATCH: usize = 64;

/// Steps after which it is looked whether all losses are finite: each look waits for the device.
const LOOK_EVERY: u64 = 16;

/// How often and for how long.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Stop after this many real images in all, if before the configuration's end.
    pub until_images: Option<u64>,
    /// Time between checkpoints.
    pub save_every: Duration,
    /// Images between sample sheets.
    pub sample_every: u64,
    /// Steps between log lines.
    pub log_every: u64,
}

/// Everything that is trained, averaged and saved.
pub struct Gan {
    config: Config,
    generator: Generator,
    average: Generator,
    critics: Critics,
    inference: Inference,
    average_inference: Inference,
    generator_adam: Adam,
    critics_adam: Adam,
    inference_adam: Adam,
    /// The pretrained network of the perceptual loss and of the feature discriminator, not trained and not saved.
    features: Option<FeatureNet>,
    /// Those of real pictures, where a fixed detector tells them.
    poses: Option<Poses>,
    watch: Watch,
    state: State,
    /// Step of the checkpoint that is there.
    saved: Option<u64>,
    device: Device,
    ranks: Rc<dyn Ranks>,
}

impl Gan {
    /// Fresh networks.
    ///
    /// # Errors
    /// Those of [`FeatureNet::load_if`].
    pub fn new(config: &Config, dataset_size: u64, device: Device) -> Result<Self> {
        let features = FeatureNet::load_if(config.gan.needs_features(), device)?;
        tch::manual_seed(config.seed as i64);
        let generator = Generator::new(&config.architecture, device);
        let average = Generator::new(&config.architecture, device);
        average::copy(&average.store, &generator.store);
        let critics = Critics::new(config, device);
        let inference = Inference::new(config, device);
        let average_inference = Inference::new(config, device);
        average::copy(&average_inference.store, &inference.store);
        Ok(Self {
            generator_adam: Adam::new(&generator.store, config.gan.betas),
            critics_adam: Adam::new(&critics.store, config.gan.betas),
            inference_adam: Adam::new(&inference.store, config.gan.betas),
            generator,
            average,
            critics,
            inference,
            average_inference,
            features,
            poses: None,
            watch: Watch::default(),
            state: State::new(STAGE, config, dataset_size),
            saved: None,
            config: config.clone(),
            device,
            ranks: Rc::new(Single),
        })
    }

    /// Takes over the detector of the keypoints' own training, which stays as it is.
    pub fn adopt(&self, detector: &Stored<Detector>) {
        self.inference.adopt(detector);
        self.average_inference.adopt(detector);
    }

    /// Trains together with `ranks`, all of which must have the same networks; each takes its share of the batch.
    ///
    /// # Errors
    /// [`crate::Error::Config`] if the batch can't be shared out evenly.
    pub fn join(&mut self, ranks: Rc<dyn Ranks>) -> Result<()> {
        self.config.gan.share(ranks.size())?;
        self.ranks = ranks;
        Ok(())
    }

    /// The networks of a checkpoint, to be trained on with `config`, whose architecture must be the same or grow from it
    /// ([`crate::config::Architecture::grows_from`]). What the checkpoint was trained without starts afresh, and networks that
    /// `config` has no use for are dropped.
    ///
    /// # Errors
    /// [`crate::Error::Checkpoint`], and those of [`Gan::new`].
    pub fn resume(
        checkpoint: &Checkpoint,
        config: &Config,
        dataset_size: u64,
        device: Device,
    ) -> Result<Self> {
        let grows = checkpoint.check_grows(config)?;
        let mut gan = Self::new(config, dataset_size, device)?;
        let added = optional::added(&checkpoint.state.config.gan, &config.gan);
        for network in &added {
            eprintln!("the {} starts afresh: the checkpoint was trained without it", network.title);
        }
        let mut tensors = gan.tensors();
        tensors.retain(|(name, _)| !added.iter().any(|network| network.owns(name)));
        if checkpoint.is_weights_only()? {
            eprintln!("the optimisers start afresh: the checkpoint is without their state");
            tensors.retain(|(name, _)| !name.contains("_adam/"));
        }
        if grows {
            let (before, now) = (&checkpoint.state.config.architecture, &config.architecture);
            if before.image_size < now.image_size {
                eprintln!("what the checkpoint lacks for {} px starts afresh", now.image_size);
            }
            if before.style_map != now.style_map {
                eprintln!("from here on each part's looks are read by weights of its own");
            }
            if before.generator_channels.iter().zip(&now.generator_channels).any(|(had, has)| had < has) {
                eprintln!("the image generator is wider: what is new begins unheard");
            }
            checkpoint.retain_fitting(&mut tensors)?;
        }
        checkpoint.restore(&mut tensors)?;
        gan.saved = Some(checkpoint.state.step);
        gan.state = State { config: config.clone(), dataset_size, ..checkpoint.state.clone() };
        Ok(gan)
    }

    /// Step counts and configuration.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Everything that a checkpoint holds, by name, sharing memory.
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let parts = [
            parameters::prefixed("generator", parameters::all(&self.generator.store)),
            parameters::prefixed("average", parameters::all(&self.average.store)),
            parameters::prefixed("discriminator", parameters::all(&self.critics.store)),
            parameters::prefixed("inference", parameters::all(&self.inference.store)),
            parameters::prefixed("average_inference", parameters::all(&self.average_inference.store)),
            parameters::prefixed("generator_adam", self.generator_adam.state()),
            parameters::prefixed("discriminator_adam", self.critics_adam.state()),
            parameters::prefixed("inference_adam", self.inference_adam.state()),
        ];
        parts.into_iter().flatten().collect()
    }

    /// The gradients of the last step, over all ranks.
    pub fn gradients(&self) -> Vec<(String, Tensor)> {
        let parts = [
            parameters::prefixed("generator", parameters::gradients(&self.generator.store)),
            parameters::prefixed("discriminator", parameters::gradients(&self.critics.store)),
            parameters::prefixed("inference", parameters::gradients(&self.inference.store)),
        ];
        parts.into_iter().flatten().collect()
    }

    /// Writes the checkpoint, unless anything in it is not a finite number or ranks would write different ones.
    ///
    /// # Errors
    /// [`crate::Error::Diverged`] naming the losses or the tensor, [`crate::Error::Shared`] naming a rank that went astray, and
    /// those of [`Run::save`].
    pub fn save(&mut self, run: &Run) -> Result<()> {
        let tensors = self.tensors();
        ranks::together(&*self.ranks, self.check_sound(&tensors))?;
        ranks::check_equal(&*self.ranks, &tensors)?;
        if self.ranks.leads() {
            run.save(STAGE, &tensors, &self.state)?;
        }
        self.saved = Some(self.state.step);
        Ok(())
    }

    fn check_sound(&self, tensors: &[(String, Tensor)]) -> Result<()> {
        self.check_losses()?;
        match parameters::first_not_finite(tensors)? {
            Some(name) => Err(report::spoiled(&name, self.state.step, self.saved)),
            None => Ok(()),
        }
    }

    /// Stops if a loss of any step so far was not a finite number.
    fn check_losses(&self) -> Result<()> {
        match self.watch.failure()? {
            Some(failure) => Err(report::diverged(&failure, self.saved)),
            None => Ok(()),
        }
    }

    /// Finds keypoints in real pictures, the first that training shows and the same after every resume: drawn poses are
    /// held against these.
    ///
    /// # Errors
    /// Those of the loader.
    fn observe_poses(&mut self, store: &Arc<Store>) -> Result<()> {
        if !self.inference.detector_is_fixed || self.config.gan.pose_weight == 0.0 {
            return Ok(());
        }
        let (crops, size) = (self.config.crop.clone(), self.config.architecture.image_size as usize);
        let mut loader =
            Loader::start(store.clone(), crops, self.config.seed, POSES_A_BATCH, size, 0, Share::WHOLE, Pick::Single);
        let mut poses = Vec::new();
        for _ in 0..POSES / POSES_A_BATCH {
            let real = loader.next_batch()?.to_device(self.device);
            let seen =
                tch::no_grad(|| self.inference.forward(&real, true, false, Kind::Float, Norm::Running));
            poses.extend(seen.keypoints.map(|keypoints| keypoints.flatten(1, 2)));
        }
        self.poses = Some(Poses::new(&Tensor::cat(&poses, 0)));
        Ok(())
    }

    /// Size and blend for the images seen so far.
    pub fn resolution(&self) -> (i64, f64) {
        let gan = &self.config.gan;
        let mut begun = 0;
        let sizes = self.config.architecture.sizes();
        for (i, (size, images)) in sizes.iter().zip(&gan.images).enumerate() {
            let here = self.state.images_seen - begun;
            if here < *images || i + 1 == sizes.len() {
                let fades = i > 0 && here < gan.fade_images;
                // Never 0: the new size's networks must get a gradient from their first step.
                let alpha = if fades { ((here + 1) as f64 / gan.fade_images as f64).min(1.0) } else { 1.0 };
                return (*size, alpha);
            }
            begun += images;
        }
        (self.config.architecture.image_size, 1.0)
    }

    /// Trains until the configuration's end, `schedule.until_images` or Ctrl-C, whichever comes first, saving as
    /// it goes and at the end.
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`] after Ctrl-C (what was trained is saved), [`crate::Error::Diverged`] (it is not, and the
    /// checkpoint is the last sound one).
    pub fn train(&mut self, store: Arc<Store>, run: &Run, schedule: &Schedule) -> Result<()> {
        let planned: u64 = self.config.gan.images.iter().sum();
        let end = schedule.until_images.map_or(planned, |u| u.min(planned));
        let leads = self.ranks.leads();
        let mut progress = Progress::resumed("training", self.state.images_seen, end);
        self.observe_poses(&store)?;
        let mut loader: Option<(i64, Loader)> = None;
        let mut saved = Instant::now();
        let mut clock = Instant::now();
        let mut note = String::new();
        while self.state.images_seen < end {
            let (size, alpha) = self.resolution();
            if loader.as_ref().is_none_or(|(s, _)| *s != size) {
                let batch = self.config.gan.share(self.ranks.size())? as usize;
                let (crops, seed) = (self.config.crop.clone(), self.config.seed);
                let (first, share) = (self.state.step, self.ranks.share());
                loader = Some((
                    size,
                    Loader::start(store.clone(), crops, seed, batch, size as usize, first, share, Pick::Single),
                ));
            }
            let Some((_, loader)) = &mut loader else { continue };
            let real = loader.next_batch()?.to_device(self.device);
            let sampled = self.state.images_seen / schedule.sample_every;
            let measured = self.step(&real, size, alpha)?;
            self.state.seconds += clock.elapsed().as_secs_f64();
            clock = Instant::now();
            // Reading numbers waits for the device, so they are read only where someone wants to see them.
            let logged = measured.step.is_multiple_of(schedule.log_every);
            if logged || progress.is_due() || measured.step.is_multiple_of(LOOK_EVERY) {
                self.check_losses()?;
            }
            if logged {
                let report = measured.report_over(&*self.ranks)?;
                note = report.note();
                if leads {
                    run.log(STAGE, &report)?;
                }
            } else if progress.is_due() {
                // Only this rank knows that it is due, so the numbers are those of its share.
                note = measured.report()?.note();
            }
            progress.advance(self.config.gan.batch as u64, &note);
            if leads && self.state.images_seen / schedule.sample_every != sampled {
                self.draw(run)?;
            }
            // Agreed upon, so that all ranks save and stop after the same step.
            let mut flags = [interrupt::asked(), saved.elapsed() >= schedule.save_every];
            self.ranks.any(&mut flags);
            if flags.contains(&true) {
                self.save(run)?;
                saved = Instant::now();
                ranks::together(&*self.ranks, interrupt::end())?;
            }
        }
        progress.finish(&note);
        if leads {
            self.draw(run)?;
        }
        self.save(run)
    }

    /// Writes a sheet of the averaged generator's samples, the same noise every time.
    fn draw(&mut self, run: &Run) -> Result<PathBuf> {
        self.check_losses()?;
        let (size, alpha) = self.resolution();
        self.average.calibrate(sheet::CALIBRATION, size, alpha, self.config.precision.kind(self.device));
        let path = run.sample(STAGE, self.state.images_seen);
        sheet::write(&path, &self.average, &SHEET, size, alpha)?;
        run.sheet(STAGE, self.state.step, &path)?;
        run.keep_best(STAGE, &self.average, (size, alpha), &self.state, || self.tensors())?;
        Ok(path)
    }
}

/// Whether what `config` asks for is there: the feature network's file, if a loss needs it.
///
/// # Errors
/// [`crate::Error::Usage`] naming the command that fetches it.
pub fn check_requirements(config: &Config) -> Result<()> {
    match config.gan.needs_features() || config.keypoints.needs_features() {
        true => FeatureNet::find().map(drop),
        false => Ok(()),
    }
}
