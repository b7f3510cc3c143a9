//! The detector, on endless generated pairs and, towards the end, on real pictures without labels.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use super::adam::Adam;
use super::checkpoint::{Checkpoint, State};
use super::generator::Generator;
use super::progress::Progress;
use super::run::Run;
use super::warp::{self, Warp};
use super::{average, interrupt, parameters};
use crate::config::{Architecture, Config};
use crate::dataset::{Loader, Store};
use crate::error::{Error, Result};
use crate::nets::layers::Norm;
use crate::nets::{Detector, detector::Detection};
use crate::share::Share;
use crate::{nets, sample};

/// The stage's name in files.
pub const STAGE: &str = "detector";

/// Adam's decay rates: no adversary here, so the usual ones.
const BETAS: (f64, f64) = (0.9, 0.999);
/// Part of the training over which the step length rises.
const WARM_UP: f64 = 0.02;
/// Weight of the cross entropy between heat maps and Gaussians: dense guidance for where the soft-argmax peaks.
const HEAT_WEIGHT: f64 = 0.2;
/// Weight of the confidence's cross entropy.
const CONFIDENCE_WEIGHT: f64 = 0.1;
/// Error (normalised coordinates) at which the wanted confidence is `exp(-1/2)`.
const CONFIDENCE_SCALE: f64 = 0.1;
/// Standard deviation of a heat map's target, in cells.
const HEAT_DEVIATION: f64 = 1.5;
/// Blocks a side of pictures without a face.
const NEGATIVE_BLOCKS: i64 = 4;
/// Batches that re-estimate the averaged detector's statistics.
const CALIBRATION: u64 = 60;
/// Steps for which drawn pictures serve, warped and lit anew each time: drawing costs as much as learning.
const REDRAW_EVERY: u64 = 3;
/// Added to the seed, so that this stage draws other numbers than the first.
const SEED_SHIFT: u64 = 0xDE7EC7;

/// A detector over its own parameter store.
pub struct StoredDetector {
    /// The parameters.
    pub store: VarStore,
    /// The network.
    pub net: Detector,
}

impl StoredDetector {
    /// A fresh network.
    pub fn new(arch: &Architecture, device: Device) -> Self {
        let store = VarStore::new(device);
        let net = Detector::new(store.root(), arch);
        Self { store, net }
    }

    /// The averaged network of a `detector` checkpoint.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn averaged(checkpoint: &Checkpoint, device: Device) -> Result<Self> {
        let detector = Self::new(&checkpoint.state.config.architecture, device);
        let mut tensors = parameters::prefixed("average", parameters::all(&detector.store));
        checkpoint.restore(&mut tensors)?;
        Ok(detector)
    }
}

/// What one step measured; also a line of the log.
#[derive(Clone, Debug, Serialize)]
struct StepReport {
    step: u64,
    images: u64,
    loss: f64,
    /// Mean distance on generated pairs, normalised coordinates.
    error: f64,
    /// Mean disagreement on real pictures, normalised coordinates.
    equivariance: Option<f64>,
    rate: f64,
}

/// The detector's training.
pub struct DetectorTraining {
    config: Config,
    generator: Generator,
    live: StoredDetector,
    average: StoredDetector,
    adam: Adam,
    state: State,
    device: Device,
    /// The pictures drawn last with their keypoints.
    drawn: Option<(Tensor, Tensor)>,
}

/// A batch with what is known of it.
struct Batch {
    images: Tensor,
    keypoints: Tensor,
    /// `[N, K]`: 1 where the position counts.
    weight: Tensor,
}

impl DetectorTraining {
    /// A fresh detector for the averaged generator of `generator`, a `gan` checkpoint.
    ///
    /// # Errors
    /// [`Error::Checkpoint`], also if the generator has not reached its full image size.
    pub fn new(config: &Config, generator: &Checkpoint, dataset_size: u64, device: Device) -> Result<Self> {
        generator.check_architecture(config)?;
        let generator = Generator::finished(generator, device)?;
        tch::manual_seed(config.seed.wrapping_add(SEED_SHIFT) as i64);
        let live = StoredDetector::new(&config.architecture, device);
        let average = StoredDetector::new(&config.architecture, device);
        average::copy(&average.store, &live.store);
        Ok(Self {
            adam: Adam::new(&live.store, BETAS),
            state: State::new(STAGE, config, dataset_size),
            config: config.clone(),
            generator,
            live,
            average,
            device,
            drawn: None,
        })
    }

    /// Restores the state of an earlier run of this stage.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        checkpoint.check_architecture(&self.config)?;
        checkpoint.restore(&mut self.tensors())?;
        self.state = State { config: self.config.clone(), ..checkpoint.state.clone() };
        Ok(())
    }

    /// Step counts and configuration.
    pub fn state(&self) -> &State {
        &self.state
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        let parts = [
            parameters::prefixed("live", parameters::all(&self.live.store)),
            parameters::prefixed("average", parameters::all(&self.average.store)),
            parameters::prefixed("adam", self.adam.state()),
        ];
        parts.into_iter().flatten().collect()
    }

    /// Draws `n` pictures with their keypoints.
    fn draw_pictures(&self, n: i64) -> (Tensor, Tensor) {
        let size = self.config.architecture.image_size;
        let latents = self.generator.sample_latents(n);
        let images = self.generator.draw(&latents, size, 1.0, self.config.precision.kind());
        (images, latents.keypoints)
    }

    /// The pictures of this step, a function of its number alone.
    fn pictures(&mut self, n: i64) -> (Tensor, Tensor) {
        let due = self.state.step % REDRAW_EVERY;
        let drawn = match self.drawn.take() {
            Some(drawn) if due != 0 => drawn,
            _ => {
                self.seed_step(self.state.step - due, 1);
                self.draw_pictures(n)
            }
        };
        let pictures = (drawn.0.shallow_clone(), drawn.1.shallow_clone());
        self.drawn = Some(drawn);
        pictures
    }

    /// Seeds libtorch's generator for one purpose of a step's random numbers.
    fn seed_step(&self, step: u64, purpose: u64) {
        parameters::seed_step(self.config.seed.wrapping_add(SEED_SHIFT + purpose), step);
    }

    /// Pictures warped and lit, with their keypoints; a few of them without a face.
    fn generated(&self, images: &Tensor, keypoints: &Tensor) -> Batch {
        let n = images.size()[0];
        let negatives = ((n as f64 * self.config.detector.negatives).round() as i64).min(n);
        let shuffled = warp::shuffle_blocks(&images.narrow(0, 0, negatives), NEGATIVE_BLOCKS);
        let images = Tensor::cat(&[shuffled, images.narrow(0, negatives, n - negatives)], 0);
        let mut batch = self.warped(&images, keypoints);
        let _ = batch.weight.narrow(0, 0, negatives).fill_(0.0);
        batch.images = warp::photometric(&batch.images);
        batch
    }

    /// Real pictures, warped, with where the averaged detector sees their keypoints unwarped.
    fn real(&self, images: &Tensor) -> Batch {
        let seen = self.average.net.forward(images, Norm::Running);
        let mut batch = self.warped(images, &seen.keypoints);
        batch.weight *= seen.confidence.sigmoid();
        batch.images = warp::photometric(&batch.images);
        batch
    }

    fn warped(&self, images: &Tensor, keypoints: &Tensor) -> Batch {
        let warp = Warp::random(images.size()[0], &self.config.detector, self.device);
        let keypoints = warp.keypoints(keypoints);
        // Mirror and border in turn: what lies beyond a picture must not tell anything.
        let images =
            warp.images(images, self.config.architecture.detector_size, self.state.step.is_multiple_of(2));
        Batch { weight: warp::inside(&keypoints), images, keypoints }
    }

    fn step(&mut self, real: Option<&Tensor>) -> Result<StepReport> {
        let config = self.config.detector.clone();
        let (images, keypoints) = tch::no_grad(|| self.pictures(config.batch));
        self.seed_step(self.state.step, 0);
        let generated = tch::no_grad(|| self.generated(&images, &keypoints));
        let real = real.map(|images| tch::no_grad(|| self.real(images)));

        let mut images = vec![&generated.images];
        images.extend(real.as_ref().map(|r| &r.images));
        let all = self.live.net.forward(&Tensor::cat(&images, 0), Norm::TRAINING);
        let n = config.batch;
        let (mut loss, error) = supervised(&all.narrow(0, n), &generated);
        let mut equivariance = None;
        if let Some(real) = &real {
            let distance = weighted_distance(&all.narrow(n, real.images.size()[0]).keypoints, real);
            loss += &distance * config.equivariance_weight;
            equivariance = Some(parameters::value(&distance));
        }
        self.adam.zero_grad();
        loss.backward();
        let done = self.state.images_seen as f64 / config.images as f64;
        let rate =
            config.rate * (done / WARM_UP).min(1.0) * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
                / 2.0;
        self.adam.step(rate);
        self.state.step += 1;
        self.state.images_seen += n as u64;
        average::update(
            &self.average.store,
            &self.live.store,
            n,
            config.ema_half_life.min(0.1 * self.state.images_seen as f64),
        );
        let report = StepReport {
            step: self.state.step,
            images: self.state.images_seen,
            loss: parameters::value(&loss),
            error: parameters::value(&error),
            equivariance,
            rate,
        };
        if parameters::any_not_finite(&[report.loss]) {
            return Err(Error::Diverged(format!(
                "training diverged at step {} (the loss is not a number)",
                report.step
            )));
        }
        Ok(report)
    }

    /// Trains until the configuration's end or Ctrl-C, saving as it goes and at the end.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after Ctrl-C (what was trained is saved), [`Error::Diverged`] (it is not).
    pub fn train(
        &mut self,
        store: Arc<Store>,
        run: &Run,
        save_every: Duration,
        log_every: u64,
    ) -> Result<()> {
        let config = self.config.detector.clone();
        let end = config.images;
        let mut progress = Progress::resumed("training", self.state.images_seen, end);
        let real_batch = (config.batch / 2).max(1);
        let size = self.config.architecture.detector_size as usize;
        let seed = self.config.seed.wrapping_add(SEED_SHIFT);
        let mut loader = Loader::start(
            store,
            self.config.crop.clone(),
            seed,
            real_batch as usize,
            size,
            self.state.step,
            Share::WHOLE,
        );
        let (mut saved, mut clock) = (Instant::now(), Instant::now());
        let mut note = String::new();
        while self.state.images_seen < end {
            // Drawn even when not needed yet: batch and step stay in step after a resume.
            let real = loader.next_batch()?.to_device(self.device);
            let adapts = self.state.images_seen as f64 >= config.equivariance_from * end as f64;
            let report = self.step((adapts && config.equivariance_weight > 0.0).then_some(&real))?;
            self.state.seconds += clock.elapsed().as_secs_f64();
            clock = Instant::now();
            if report.step % log_every == 0 {
                run.log(STAGE, &report)?;
            }
            if progress.is_due() {
                note = format!("loss {:.4} error {:.4}", report.loss, report.error);
                if let Some(e) = report.equivariance {
                    note.push_str(&format!(" equivariance {e:.4}"));
                }
            }
            progress.advance(config.batch as u64, &note);
            if interrupt::asked() || saved.elapsed() >= save_every {
                run.save(STAGE, &self.tensors(), &self.state)?;
                saved = Instant::now();
                interrupt::end()?;
            }
        }
        progress.finish(&note);
        self.calibrate(&mut loader)?;
        run.save(STAGE, &self.tensors(), &self.state)?;
        self.draw(&mut loader, run)
    }

    /// Re-estimates the averaged detector's statistics, half on generated pictures and half on real ones.
    fn calibrate(&self, loader: &mut Loader) -> Result<()> {
        for pass in 0..CALIBRATION {
            let real = loader.next_batch()?.to_device(self.device);
            tch::no_grad(|| {
                let real = warp::photometric(
                    &self.warped(&real, &self.average.net.forward(&real, Norm::Running).keypoints).images,
                );
                let (images, keypoints) = self.draw_pictures(real.size()[0]);
                let generated = self.generated(&images, &keypoints).images;
                let norm = Norm::Batch(1.0 / (pass + 1) as f64);
                self.average.net.forward(&Tensor::cat(&[real, generated], 0), norm);
            });
        }
        Ok(())
    }

    /// Writes a sheet of real training crops with what the averaged detector sees.
    fn draw(&self, loader: &mut Loader, run: &Run) -> Result<()> {
        let mut batches = Vec::new();
        let columns = 10;
        while batches.iter().map(|b: &Tensor| b.size()[0]).sum::<i64>() < 6 * columns {
            batches.push(loader.next_batch()?);
        }
        let images = Tensor::cat(&batches, 0).narrow(0, 0, 6 * columns).to_device(self.device);
        let seen = tch::no_grad(|| self.average.net.forward(&images, Norm::Running));
        let path = run.sample(STAGE, self.state.images_seen);
        sample::write_png(&path, &sample::compose(&images, Some(&seen.keypoints), columns)?)?;
        run.sheet(STAGE, self.state.step, &path)
    }
}

/// Loss on generated pairs and the plain mean distance.
fn supervised(seen: &Detection, batch: &Batch) -> (Tensor, Tensor) {
    let distance = weighted_distance(&seen.keypoints, batch);
    let off =
        (&seen.keypoints - &batch.keypoints).square().sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
    let sure = ((off.detach() / (-2.0 * CONFIDENCE_SCALE * CONFIDENCE_SCALE)).exp() * &batch.weight).detach();
    let confidence =
        seen.confidence.binary_cross_entropy_with_logits::<Tensor>(&sure, None, None, tch::Reduction::Mean);
    let loss = &distance + heat_cross_entropy(seen, batch) * HEAT_WEIGHT + confidence * CONFIDENCE_WEIGHT;
    (loss, distance)
}

/// Mean distance over the keypoints that count.
fn weighted_distance(keypoints: &Tensor, batch: &Batch) -> Tensor {
    let off = (keypoints - &batch.keypoints).square().sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
    // The constant keeps the gradient finite at 0.
    let distance = (off + 1e-6).sqrt();
    (distance * &batch.weight).sum(Kind::Float) / (batch.weight.sum(Kind::Float) + 1e-6)
}

/// Cross entropy between the heat maps and Gaussians round the known positions, mean over those that count.
fn heat_cross_entropy(seen: &Detection, batch: &Batch) -> Tensor {
    let side = seen.heat_logits.size()[2];
    let deviation = 2.0 * HEAT_DEVIATION / side as f64;
    let pose = nets::heatmap::Pose::natural(batch.keypoints.shallow_clone());
    let target = nets::heatmap::parts(&pose, 2.0 * deviation * deviation, side).flatten(2, 3);
    let target = &target / (target.sum_dim_intlist([-1i64].as_slice(), true, Kind::Float) + 1e-6);
    let log = seen.heat_logits.flatten(2, 3).log_softmax(-1, Kind::Float);
    let each = -(target * log).sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
    (each * &batch.weight).sum(Kind::Float) / (batch.weight.sum(Kind::Float) + 1e-6)
}
