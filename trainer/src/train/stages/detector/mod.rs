//! The detector, on endless generated pairs and on real pictures without labels.

mod looks;
mod loss;
mod teacher;

use serde::Serialize;
use tch::{Device, Kind, Tensor};

use crate::augment::camera;
use crate::augment::local_warp::LocalWarp;
use crate::augment::part_move::PartMove;
use crate::augment::scenes;
use crate::augment::similarity::{self, Similarity};
use crate::config::Config;
use crate::dataset::Loader;
use crate::error::Result;
use crate::nets::Detector;
use crate::nets::detector::Detection;
use crate::nets::keypoint_generator::Latents;
use crate::nets::layers::Norm;
use crate::nets::resize::resize;
use crate::sample;
use crate::support::share::Share;
use crate::train::optim::parameters;
use crate::train::run::Run;
use crate::train::run::checkpoint::Checkpoint;
use crate::train::run::generator::Generator;
use crate::train::run::stored::Staged;
use crate::train::stages::learner::Learner;
use crate::train::stages::stage::{Pictures, Report, Stage};

pub use teacher::{Teacher, promote, teacher};

use loss::{Batch, supervised, sureness, weighted_distance};

/// The stage's name in files.
pub const STAGE: &str = Detector::NAME;

/// Adam's decay rates: no adversary here, so the usual ones.
const BETAS: (f64, f64) = (0.9, 0.999);
/// Batches that re-estimate the averaged detector's statistics.
const CALIBRATION: u64 = 60;
/// Steps for which drawn pictures serve, warped and lit anew each time: drawing costs as much as learning.
const REDRAW_EVERY: u64 = 3;
/// Side of the real pictures that a step gets, in sides of the detector's.
pub const SHARPER: i64 = 2;
/// Added to the seed, so that this stage draws other numbers than the first.
const SEED_SHIFT: u64 = 0xDE7EC7;

/// What one step measured; also a line of the log.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    step: u64,
    images: u64,
    loss: f64,
    /// Mean distance on generated pairs, normalised coordinates.
    error: f64,
    /// Mean disagreement on real pictures, normalised coordinates.
    equivariance: Option<f64>,
    rate: f64,
}

impl Report for StepReport {
    fn loss(&self) -> f64 {
        self.loss
    }

    fn note(&self) -> String {
        let mut note = format!("loss {:.4} error {:.4}", self.loss, self.error);
        if let Some(e) = self.equivariance {
            note.push_str(&format!(" equivariance {e:.4}"));
        }
        note
    }
}

/// The detector's training.
pub struct DetectorTraining {
    config: Config,
    generator: Generator,
    learner: Learner<Detector>,
    /// What real pictures are held against.
    teacher: Option<Teacher>,
    device: Device,
    /// The pictures drawn last with their keypoints.
    drawn: Option<(Tensor, Tensor)>,
}

impl DetectorTraining {
    /// A detector for the averaged generator of `generator`, a `gan` checkpoint: it begins as its teacher, or else afresh.
    ///
    /// # Errors
    /// [`Error::Checkpoint`], also if the generator has not reached its full image size.
    pub fn new(
        config: &Config,
        generator: &Checkpoint,
        teacher: Option<Teacher>,
        dataset_size: u64,
        device: Device,
    ) -> Result<Self> {
        generator.check_architecture(config)?;
        let generator = Generator::finished(generator, device)?;
        tch::manual_seed(config.seed.wrapping_add(SEED_SHIFT) as i64);
        let start = teacher.as_ref().map(|t| &t.detector);
        let learner = Learner::new(config, start, BETAS, dataset_size, device);
        Ok(Self { config: config.clone(), generator, learner, teacher, device, drawn: None })
    }

    /// Draws `n` pictures with their keypoints: those that they were drawn from, or, where keypoints had a training of
    /// their own, those that its detector sees, which the generator misses by a little.
    fn draw_pictures(&self, n: i64) -> (Tensor, Tensor) {
        let (config, size) = (&self.config, self.config.architecture.image_size);
        let latents = self.generator.sample_latents(n);
        let latents = some_moved(latents, config.detector.moved, config.gan.move_reach);
        let images = self.generator.draw(&latents, size, 1.0, config.precision.kind(self.device));
        match self.teacher.as_ref().filter(|_| config.keypoints.is_on()) {
            Some(teacher) => {
                let seen = self.look(&teacher.detector.net, &images.to_kind(Kind::Float));
                (images, seen.keypoints)
            }
            None => (images, latents.keypoints),
        }
    }

    /// Pictures as the detector is shown whole ones.
    fn shown(&self, images: &Tensor) -> Tensor {
        resize(&images.to_device(self.device), self.config.architecture.detector_size)
    }

    /// Where `net` sees the keypoints of pictures of any size.
    fn look(&self, net: &Detector, images: &Tensor) -> Detection {
        looks::seen(net, images, self.config.architecture.detector_size, self.config.detector.looks)
    }

    /// The pictures of this step, a function of its number alone.
    fn drawn_pictures(&mut self, n: i64) -> (Tensor, Tensor) {
        let due = self.learner.state.step % REDRAW_EVERY;
        let drawn = match self.drawn.take() {
            Some(drawn) if due != 0 => drawn,
            _ => {
                self.seed_step(self.learner.state.step - due, 1);
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

    /// Pictures warped and lit, with their keypoints; a few of them without a face, made of `others`.
    fn generated(&self, images: &Tensor, keypoints: &Tensor, others: &Tensor) -> Batch {
        let n = images.size()[0];
        let mut batch = self.warped(images, keypoints);
        batch.images = camera::photometric(&batch.images, self.config.detector.cover);
        let negatives = (n as f64 * self.config.detector.negatives).round() as i64;
        if negatives > 0 {
            batch.images.narrow(0, 0, negatives).copy_(&self.faceless(others, negatives));
            let _ = batch.weight.narrow(0, 0, negatives).fill_(0.0);
            let _ =
                batch.sureness_weight.narrow(0, 0, negatives).fill_(self.config.detector.negatives_weight);
        }
        batch
    }

    /// `n` lit pictures without a face, made of `others`: of a larger number, those in which the averaged detector is
    /// surest of one. Most of what is no face it tells at once, and learns nothing from.
    fn faceless(&self, others: &Tensor, n: i64) -> Tensor {
        let among = Tensor::arange(n * self.config.detector.negatives_among, (Kind::Int64, self.device));
        let others = self.shown(others).index_select(0, &among.remainder(others.size()[0]));
        let empty = scenes::faceless(&others, self.config.architecture.detector_size);
        let empty = camera::photometric(&empty, self.config.detector.cover);
        if self.config.detector.negatives_among == 1 {
            return empty;
        }
        surest(&empty, &self.learner.average.net.forward(&empty, Norm::Running).confidence, n)
    }

    /// Real pictures, warped, with where the teacher, or else the averaged detector, sees their keypoints unwarped.
    fn real(&self, images: &Tensor) -> Batch {
        let net = &self.teacher.as_ref().map_or(&self.learner.average, |t| &t.detector).net;
        let seen = self.look(net, images);
        let mut batch = self.warped(images, &seen.keypoints);
        if self.teacher.is_none() {
            batch.weight *= seen.confidence.sigmoid();
        }
        batch.images = camera::photometric(&batch.images, self.config.detector.cover);
        batch
    }

    /// Pictures bent and warped, with where their keypoints go.
    fn warped(&self, images: &Tensor, keypoints: &Tensor) -> Batch {
        let config = &self.config.detector;
        let bend = (config.bend > 0.0).then(|| LocalWarp::about(keypoints, config.bend_reach, config.bend));
        let (images, keypoints) = match bend {
            Some(bend) => (&bend.images(images), &bend.keypoints(keypoints)),
            None => (images, keypoints),
        };
        let warp = Similarity::random(images.size()[0], config, self.device);
        let keypoints = warp.keypoints(keypoints);
        let images =
            camera::place(images, &warp, self.config.architecture.detector_size, self.learner.state.step);
        let sureness_weight = Tensor::ones([images.size()[0], 1], (Kind::Float, self.device));
        Batch { weight: similarity::inside(&keypoints), sureness_weight, images, keypoints }
    }

    /// Writes a sheet of what the detector learns from: generated pairs as it sees them.
    fn draw_pairs(&self, real: &Tensor, run: &Run) -> Result<()> {
        let pairs = tch::no_grad(|| {
            let (images, keypoints) = self.draw_pictures(60);
            self.generated(&images, &keypoints, real)
        });
        let path = run.sample("detector-pairs", self.learner.state.images_seen);
        sample::write_png(&path, &sample::compose(&pairs.images, Some(&pairs.keypoints), 10)?)
    }
}

impl Stage for DetectorTraining {
    type Net = Detector;
    type Report = StepReport;

    fn learner(&self) -> &Learner<Detector> {
        &self.learner
    }

    fn learner_mut(&mut self) -> &mut Learner<Detector> {
        &mut self.learner
    }

    fn schedule(&self) -> (i64, u64) {
        (self.config.detector.batch, self.config.detector.images)
    }

    fn pictures(&self) -> Pictures {
        Pictures {
            count: (self.config.detector.batch / 2).max(1),
            // A closer look, and a near face, show more than a picture of the detector's own size holds.
            size: SHARPER * self.config.architecture.detector_size,
            seed: self.config.seed.wrapping_add(SEED_SHIFT),
            pairs: false,
        }
    }

    /// Re-estimates the teacher's statistics on pictures as it will see them, if they are of others.
    fn begin(&mut self, loader: &mut Loader) -> Result<()> {
        let Some(teacher) = self.teacher.as_ref().filter(|t| t.is_mixed) else { return Ok(()) };
        for pass in 0..CALIBRATION {
            let real = self.shown(&loader.next_batch()?);
            tch::no_grad(|| teacher.detector.net.forward(&real, Norm::calibrating(pass)));
        }
        Ok(())
    }

    fn step(&mut self, real: &Tensor, rate: f64) -> Result<StepReport> {
        let config = self.config.detector.clone();
        let done = self.learner.state.images_seen as f64 / config.images as f64;
        let adapts =
            config.equivariance_weight > 0.0 && (self.teacher.is_some() || done >= config.equivariance_from);
        let (images, keypoints) = tch::no_grad(|| self.drawn_pictures(config.batch));
        self.seed_step(self.learner.state.step, 0);
        let real = real.to_device(self.device);
        let generated = tch::no_grad(|| self.generated(&images, &keypoints, &real));
        let real = adapts.then(|| tch::no_grad(|| self.real(&real)));

        let mut images = vec![&generated.images];
        images.extend(real.as_ref().map(|r| &r.images));
        let all = self.learner.live.net.forward(&Tensor::cat(&images, 0), Norm::TRAINING);
        let n = config.batch;
        let (mut loss, error) = supervised(&all.narrow(0, n), &generated);
        let mut equivariance = None;
        if let Some(real) = &real {
            let seen = all.narrow(n, real.images.size()[0]);
            let distance = weighted_distance(&seen.keypoints, real);
            // Real faces are faces: what is learned from generated ones alone takes dark ones for none.
            // That counts once whatever the weight: pictures without a face are to be outnumbered no further.
            loss += &distance * config.equivariance_weight + sureness(&seen, real);
            equivariance = Some(parameters::value(&distance));
        }
        let rate = config.rate * rate;
        self.learner.learn(&loss, rate, n, config.ema_half_life);
        Ok(StepReport {
            step: self.learner.state.step + 1,
            images: self.learner.images_after(n),
            loss: parameters::value(&loss),
            error: parameters::value(&error),
            equivariance,
            rate,
        })
    }

    /// Re-estimates the averaged detector's statistics, half on generated pictures and half on real ones.
    fn end(&mut self, loader: &mut Loader) -> Result<()> {
        for pass in 0..CALIBRATION {
            let real = loader.next_batch()?.to_device(self.device);
            tch::no_grad(|| {
                let (images, keypoints) = self.draw_pictures(real.size()[0]);
                let generated = self.generated(&images, &keypoints, &real).images;
                let norm = Norm::calibrating(pass);
                let images = Tensor::cat(&[self.real(&real).images, generated], 0);
                self.learner.average.net.forward(&images, norm);
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
        let images = self.shown(&Tensor::cat(&batches, 0).narrow(0, 0, 6 * columns));
        let seen = tch::no_grad(|| self.learner.average.net.forward(&images, Norm::Running));
        self.draw_pairs(&images, run)?;
        let path = run.sample(STAGE, self.learner.state.images_seen);
        sample::write_png(&path, &sample::compose(&images, Some(&seen.keypoints), columns)?)?;
        run.sheet(STAGE, self.learner.state.step, &path)
    }
}

/// The same with one part moved alone, by up to `reach` along each axis, in a `share` of the latents: the last ones, as the
/// first pictures of a batch make room for those without a face.
fn some_moved(latents: Latents, share: f64, reach: f64) -> Latents {
    let n = latents.keypoints.size()[0];
    let moved = (n as f64 * share).round() as i64;
    if moved == 0 {
        return latents;
    }
    let (whole, of) = (n - moved, &latents.keypoints);
    let part_move = PartMove::random(&of.narrow(0, whole, moved), reach, Share::WHOLE);
    Latents { keypoints: Tensor::cat(&[of.narrow(0, 0, whole), part_move.asked], 0), ..latents }
}

/// The `n` of `images` whose confidence `[N, K]`, logits, is greatest in the mean.
fn surest(images: &Tensor, confidence: &Tensor, n: i64) -> Tensor {
    let mean = confidence.sigmoid().mean_dim([1i64].as_slice(), false, Kind::Float);
    images.index_select(0, &mean.topk(n, 0, true, false).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_is_moved_in_the_last_pictures_only() {
        let keypoints = Tensor::zeros([8, 3, 2], (Kind::Float, Device::Cpu));
        let empty = || Tensor::zeros([8, 1], (Kind::Float, Device::Cpu));
        let latents = || Latents { keypoints: keypoints.copy(), embeddings: empty(), background: empty() };
        let parts = |share: f64| {
            let went = some_moved(latents(), share, 0.2).keypoints.abs().amax([2i64].as_slice(), false);
            let parts = went.gt(0.0).sum_dim_intlist([1i64].as_slice(), false, Kind::Int64);
            Vec::<i64>::try_from(parts).unwrap()
        };
        assert_eq!(parts(0.0), [0; 8]);
        assert_eq!(parts(0.25), [0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(parts(1.0), [1; 8]);
    }

    #[test]
    fn the_surest_are_those_of_the_greatest_mean_confidence_not_of_the_greatest_logit() {
        let images = Tensor::arange(4, (Kind::Float, Device::Cpu)).view([4, 1, 1, 1]);
        let confidence = Tensor::from_slice(&[-2.0f32, -2.0, 90.0, -90.0, 3.0, 3.0, 1.0, 1.0]).view([4, 2]);
        let mut chosen = Vec::<f32>::try_from(surest(&images, &confidence, 2).flatten(0, 3)).unwrap();
        chosen.sort_by(f32::total_cmp);
        assert_eq!(chosen, [2.0, 3.0]);
    }
}
