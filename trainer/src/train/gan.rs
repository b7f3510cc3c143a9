//! Generator against discriminator.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use super::adam::Adam;
use super::checkpoint::{self, Checkpoint, State};
use super::generator::Generator;
use super::progress::Progress;
use super::run::Run;
use super::{average, interrupt, parameters};
use crate::config::Config;
use crate::dataset::{Loader, Store};
use crate::error::{Error, Result};
use crate::losses::{self, augment::augment};
use crate::nets::Discriminator;
use crate::nets::heatmap::{self, Pose};
use crate::nets::image_generator::Mode;
use crate::nets::keypoint_generator::Noise;
use crate::nets::layers::Norm;
use crate::sample;

/// The stage's name in files.
pub const STAGE: &str = "gan";

/// Images over which the average's half-life grows to its full length, as a fraction of images seen: at the start
/// the average must follow quickly.
const AVERAGE_RAMP: f64 = 0.05;

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

/// What one step measured; also a line of the log.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// Steps done.
    pub step: u64,
    /// Real images seen.
    pub images: u64,
    /// Side trained at.
    pub size: i64,
    /// Blend of that size, 1 once it is grown into.
    pub alpha: f64,
    /// Discriminator's loss without the penalty.
    pub discriminator: f64,
    /// Generator's adversarial loss.
    pub generator: f64,
    /// R1 on this step, if it was due.
    pub r1: Option<f64>,
    /// Background loss before its weight.
    pub background: f64,
    /// Mean over keypoints of the standard deviation over samples, normalised coordinates.
    pub spread: f64,
    /// Share of keypoint coordinates within 0.03 of the border.
    pub at_border: f64,
}

/// Everything that is trained, averaged and saved.
pub struct Gan {
    config: Config,
    generator: Generator,
    average: Generator,
    discriminator: Discriminator,
    discriminator_store: VarStore,
    generator_adam: Adam,
    discriminator_adam: Adam,
    state: State,
    device: Device,
}

impl Gan {
    /// Fresh networks.
    pub fn new(config: &Config, dataset_size: u64, device: Device) -> Self {
        tch::manual_seed(config.seed as i64);
        let generator = Generator::new(&config.architecture, device);
        let average = Generator::new(&config.architecture, device);
        average::copy(&average.store, &generator.store);
        let discriminator_store = VarStore::new(device);
        let discriminator = Discriminator::new(discriminator_store.root(), &config.architecture);
        Self {
            generator_adam: Adam::new(&generator.store, config.gan.betas),
            discriminator_adam: Adam::new(&discriminator_store, config.gan.betas),
            generator,
            average,
            discriminator,
            discriminator_store,
            state: State::new(STAGE, config, dataset_size),
            config: config.clone(),
            device,
        }
    }

    /// The networks of a checkpoint, to be trained on with `config`, whose architecture must be the same.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn resume(
        checkpoint: &Checkpoint,
        config: &Config,
        dataset_size: u64,
        device: Device,
    ) -> Result<Self> {
        checkpoint.check_architecture(config)?;
        let mut gan = Self::new(config, dataset_size, device);
        checkpoint.restore(&mut gan.tensors())?;
        gan.state = State { config: config.clone(), dataset_size, ..checkpoint.state.clone() };
        Ok(gan)
    }

    /// Step counts and configuration.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Everything that a checkpoint holds.
    pub(crate) fn tensors(&self) -> Vec<(String, Tensor)> {
        let parts = [
            parameters::prefixed("generator", parameters::all(&self.generator.store)),
            parameters::prefixed("average", parameters::all(&self.average.store)),
            parameters::prefixed("discriminator", parameters::all(&self.discriminator_store)),
            parameters::prefixed("generator_adam", self.generator_adam.state()),
            parameters::prefixed("discriminator_adam", self.discriminator_adam.state()),
        ];
        parts.into_iter().flatten().collect()
    }

    fn save(&self, run: &Run) -> Result<()> {
        checkpoint::save(&run.checkpoint(STAGE), &self.tensors(), &self.state)
    }

    /// Size and blend for the images seen so far.
    fn resolution(&self) -> (i64, f64) {
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

    /// One update of both networks with `real` `[N, 3, size, size]`.
    fn step(&mut self, real: &Tensor, size: i64, alpha: f64) -> Result<StepReport> {
        let gan = self.config.gan.clone();
        let kind = self.config.precision.kind();
        parameters::seed_step(self.config.seed, self.state.step);
        let batch = real.size()[0];
        let twice = ((batch as f64 * gan.background_fraction).round() as i64).clamp(0, batch);

        let noise = Noise::sample(batch, self.config.architecture.latent, self.device);
        let latents = self.generator.keypoints.forward(&noise);
        let other_noise = Tensor::randn([twice, self.config.architecture.latent], (Kind::Float, self.device));
        let other_background = self.generator.keypoints.background_embedding(&other_noise);
        let again = |t: &Tensor| Tensor::cat(&[t, &t.narrow(0, 0, twice)], 0);
        let images = self.generator.images.forward(
            &Pose::natural(again(&latents.keypoints)),
            &again(&latents.embeddings),
            &Tensor::cat(&[&latents.background, &other_background], 0),
            Mode { size, alpha, kind, norm: Norm::TRAINING },
        );
        let fake = images.narrow(0, 0, batch);

        let real_logits = self.discriminator.forward(&augment(real, &gan), alpha, kind);
        let fake_logits = self.discriminator.forward(&augment(&fake.detach(), &gan), alpha, kind);
        let discriminator_loss = losses::discriminator(&real_logits, &fake_logits);
        let mut total = discriminator_loss.shallow_clone();
        let mut r1 = None;
        if (self.state.step + 1).is_multiple_of(gan.r1_every) && gan.r1_weight > 0.0 {
            let images = augment(real, &gan).detach().set_requires_grad(true);
            // Second derivatives lose too much in bfloat16.
            let penalty = losses::r1(&images, &self.discriminator.forward(&images, alpha, Kind::Float));
            total += &penalty * (gan.r1_weight * gan.r1_every as f64);
            r1 = Some(parameters::value(&penalty));
        }
        self.discriminator_adam.zero_grad();
        total.backward();
        self.discriminator_adam.step(gan.discriminator_rate);

        // The discriminator's own gradients are not wanted here, and cost a third of its backward pass.
        self.discriminator_store.freeze();
        let generator_loss =
            losses::generator(&self.discriminator.forward(&augment(&fake, &gan), alpha, kind));
        let background_loss = if twice > 0 {
            let pose = Pose::natural(latents.keypoints.narrow(0, 0, twice));
            let tau = self.config.architecture.tau * gan.background_reach;
            let maps = heatmap::parts(&pose, tau, size).detach();
            let parts = 1.0 - heatmap::background(&maps);
            losses::background(&images.narrow(0, 0, twice), &images.narrow(0, batch, twice), &parts)
        } else {
            Tensor::zeros([], (Kind::Float, self.device))
        };
        self.generator_adam.zero_grad();
        (&generator_loss + &background_loss * gan.background_weight).backward();
        self.generator_adam.step(gan.generator_rate);
        self.discriminator_store.unfreeze();

        self.state.step += 1;
        self.state.images_seen += batch as u64;
        let half_life = gan.ema_half_life.min(self.state.images_seen as f64 * AVERAGE_RAMP);
        average::update(&self.average.store, &self.generator.store, batch, half_life);

        let keypoints = latents.keypoints.detach();
        let report = StepReport {
            step: self.state.step,
            images: self.state.images_seen,
            size,
            alpha,
            discriminator: parameters::value(&discriminator_loss),
            generator: parameters::value(&generator_loss),
            r1,
            background: parameters::value(&background_loss),
            spread: parameters::value(&keypoints.std_dim([0i64].as_slice(), true, false).mean(Kind::Float)),
            at_border: parameters::value(&keypoints.abs().gt(0.97).to_kind(Kind::Float).mean(Kind::Float)),
        };
        let losses = [report.discriminator, report.generator, report.background, r1.unwrap_or(0.0)];
        if parameters::any_not_finite(&losses) {
            return Err(Error::Diverged(format!(
                "training diverged at step {} (a loss is not a number); resume with lower rates",
                report.step
            )));
        }
        Ok(report)
    }

    /// Noise, and what the live networks make of it at `size` pixels with the batch's statistics, in float32.
    pub(crate) fn reference(&self, size: i64) -> Vec<(String, Tensor)> {
        let noise = Noise::sample(4, self.config.architecture.latent, self.device);
        let latents = self.generator.keypoints.forward(&noise);
        let mode = Mode { size, alpha: 1.0, kind: Kind::Float, norm: Norm::Batch(0.0) };
        let pose = Pose::natural(latents.keypoints.shallow_clone());
        let image = self.generator.images.forward(&pose, &latents.embeddings, &latents.background, mode);
        let logits = self.discriminator.forward(&image, 1.0, Kind::Float);
        let named = [
            ("noise/pose", noise.pose),
            ("noise/appearance", noise.appearance),
            ("noise/background", noise.background),
            ("keypoints", latents.keypoints),
            ("embeddings", latents.embeddings),
            ("background", latents.background),
            ("image", image),
            ("logits", logits),
        ];
        named.map(|(name, tensor)| (format!("reference/{name}"), tensor)).into()
    }

    /// A step for measurements: as if it were number `step`, of images at their full blend.
    ///
    /// # Errors
    /// [`Error::Diverged`].
    pub(crate) fn bench_step(&mut self, real: &Tensor, step: u64) -> Result<()> {
        self.state.step = step - 1;
        self.step(real, real.size()[2], 1.0).map(drop)
    }

    /// Trains until the configuration's end, `schedule.until_images` or Ctrl-C, whichever comes first, saving as
    /// it goes and at the end.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after Ctrl-C (what was trained is saved), [`Error::Diverged`] (it is not).
    pub fn train(&mut self, store: Arc<Store>, run: &Run, schedule: &Schedule) -> Result<()> {
        let planned: u64 = self.config.gan.images.iter().sum();
        let end = schedule.until_images.map_or(planned, |u| u.min(planned));
        let mut progress = Progress::resumed("training", self.state.images_seen, end);
        let mut loader: Option<(i64, Loader)> = None;
        let mut saved = Instant::now();
        let mut clock = Instant::now();
        let mut note = String::new();
        while self.state.images_seen < end {
            let (size, alpha) = self.resolution();
            if loader.as_ref().is_none_or(|(s, _)| *s != size) {
                let (batch, crops) = (self.config.gan.batch as usize, self.config.crop.clone());
                let first = self.state.step;
                loader = Some((
                    size,
                    Loader::start(store.clone(), crops, self.config.seed, batch, size as usize, first),
                ));
            }
            let Some((_, loader)) = &mut loader else { continue };
            let real = loader.next_batch()?.to_device(self.device);
            let sampled = self.state.images_seen / schedule.sample_every;
            let report = self.step(&real, size, alpha)?;
            self.state.seconds += clock.elapsed().as_secs_f64();
            clock = Instant::now();
            if report.step % schedule.log_every == 0 {
                run.log(STAGE, &report)?;
            }
            if progress.is_due() {
                note = note_of(&report);
            }
            progress.advance(self.config.gan.batch as u64, &note);
            if self.state.images_seen / schedule.sample_every != sampled {
                self.draw(run)?;
            }
            if interrupt::asked() || saved.elapsed() >= schedule.save_every {
                self.save(run)?;
                saved = Instant::now();
                interrupt::end()?;
            }
        }
        progress.finish(&note);
        self.draw(run)?;
        self.save(run)
    }

    /// Writes a sheet of the averaged generator's samples, the same noise every time.
    fn draw(&mut self, run: &Run) -> Result<PathBuf> {
        let (size, alpha) = self.resolution();
        self.average.calibrate(sample::SHEET_CALIBRATION, size, alpha, self.config.precision.kind());
        let path = run.sample(STAGE, self.state.images_seen);
        let sheet = sample::Sheet { columns: 10, rows: 6, seed: 0, keypoints: true };
        sample::write_sheet(&path, &self.average, &sheet, size, alpha)?;
        Ok(path)
    }
}

fn note_of(r: &StepReport) -> String {
    format!(
        "{} px D {:.3} G {:.3} bg {:.4} spread {:.3} border {:.0} %",
        r.size,
        r.discriminator,
        r.generator,
        r.background,
        r.spread,
        r.at_border * 100.0
    )
}
