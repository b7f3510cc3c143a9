//! The detector, on endless generated pairs and on real pictures without labels; or, where portrait networks were trained, on
//! pictures with what their own detector sees in them as they are.

mod crops;
mod loss;
mod teacher;

use serde::Serialize;
use tch::{Device, Kind, Tensor};

use crate::augment::jitter::jitter;
use crate::augment::local_warp::LocalWarp;
use crate::augment::part_move::PartMove;
use crate::augment::scenes;
use crate::augment::similarity::{self, Similarity};
use crate::augment::{accessories, camera, mixed};
use crate::config::{Config, LocalWarpConfig};
use crate::dataset::Loader;
use crate::error::Result;
use crate::losses::Terms;
use crate::nets::Detector;
use crate::nets::detector::Detection;
use crate::nets::keypoint_generator::Latents;
use crate::nets::layers::Norm;
use crate::nets::resize::resize;
use crate::sample;
use crate::support::share::Share;
use crate::train::optim::{average, parameters};
use crate::train::run::Run;
use crate::train::run::checkpoint::Checkpoint;
use crate::train::run::generator::Generator;
use crate::train::run::stored::Staged;
use crate::train::stages::learner::Learner;
use crate::train::stages::portrait;
use crate::train::stages::stage::{Measured, Pictures, Stage, StepReport};

pub use teacher::{Teacher, promote, teacher};

use loss::Batch;

/// The stage's name in files.
pub const STAGE: &str = Detector::NAME;

/// Adam's decay rates: no adversary here, so the usual ones.
const BETAS: (f64, f64) = (0.9, 0.999);
/// Batches that re-estimate the averaged detector's statistics.
const CALIBRATION: u64 = 60;
/// Steps for which generated pictures serve, warped and lit anew each time: generating costs as much as learning.
const REGENERATE_EVERY: u64 = 3;
/// Side of the real pictures that a step gets, in sides of the detector's.
pub const SHARPER: i64 = 2;
/// Sizes of a face, relative to the picture it is from, at which its states count: about those of a crop that follows it.
const READABLE: (f64, f64) = (0.75, 1.3);
/// Added to the seed, so that this stage draws other numbers than the first.
const SEED_SHIFT: u64 = 0xDE7EC7;

/// What one step measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measures {
    /// Mean distance on generated pairs, normalised coordinates.
    error: f64,
    /// Mean difference of states from those of the picture as it is.
    states: Option<f64>,
    /// Mean disagreement on real pictures, normalised coordinates.
    equivariance: Option<f64>,
}

impl Measured for Measures {
    fn note(&self) -> String {
        let mut note = format!("error {:.4}", self.error);
        if let Some(states) = self.states {
            note.push_str(&format!(" states {states:.4}"));
        }
        if let Some(e) = self.equivariance {
            note.push_str(&format!(" equivariance {e:.4}"));
        }
        note
    }
}

/// The detector's training.
pub struct DetectorTraining {
    config: Config,
    /// What draws pictures to learn from; without one the training pictures serve, with what the teacher sees in them.
    generator: Option<Generator>,
    learner: Learner<Detector>,
    /// What real pictures are held against.
    teacher: Option<Teacher>,
    device: Device,
    /// The pictures generated last with their keypoints.
    generated: Option<(Tensor, Known)>,
}

/// What is known of pictures.
struct Known {
    /// `[N, K, 2]`, normalised coordinates.
    keypoints: Tensor,
    /// `[N, K, S]`, where a detector that reads states saw them.
    states: Option<Tensor>,
}

impl Known {
    fn shallow_clone(&self) -> Self {
        Self {
            keypoints: self.keypoints.shallow_clone(),
            states: self.states.as_ref().map(Tensor::shallow_clone),
        }
    }
}

impl From<Detection> for Known {
    fn from(seen: Detection) -> Self {
        Self { keypoints: seen.keypoints, states: seen.states }
    }
}

impl DetectorTraining {
    /// A detector for the averaged generator of `source`, a `gan` checkpoint, or for portrait networks, a checkpoint of their
    /// stage: it begins as its teacher, or else afresh. Portrait networks must come with a teacher.
    ///
    /// # Errors
    /// [`crate::Error::Checkpoint`], also if the generator has not reached its full image size.
    pub fn new(
        config: &Config,
        source: &Checkpoint,
        teacher: Option<Teacher>,
        dataset_size: u64,
        device: Device,
    ) -> Result<Self> {
        source.check_architecture(config)?;
        let draws = source.state.stage != portrait::STAGE;
        let generator = draws.then(|| Generator::finished(source, device)).transpose()?;
        tch::manual_seed(config.seed.wrapping_add(SEED_SHIFT) as i64);
        let start = teacher.as_ref().map(|t| &t.detector);
        let learner = Learner::new(config, start, BETAS, dataset_size, device);
        Ok(Self { config: config.clone(), generator, learner, teacher, device, generated: None })
    }

    /// Generates `n` pictures with their keypoints: those that they were generated from, or, where keypoints had a training of
    /// their own, those that its detector sees, which the generator misses by a little.
    fn generate(&self, generator: &Generator, n: i64) -> (Tensor, Known) {
        let (config, size) = (&self.config, self.config.architecture.image_size);
        let latents = generator.sample_latents(n);
        let latents = some_moved(latents, config.detector.part_move.fraction, config.gan.part_move.reach);
        let images = generator.render(&latents, size, 1.0, config.precision.kind(self.device));
        match self.teacher.as_ref().filter(|_| config.keypoints.is_on()) {
            Some(teacher) => {
                let seen = self.detect(&teacher.detector.net, &images.to_kind(Kind::Float));
                (images, seen.into())
            }
            None => (images, Known { keypoints: latents.keypoints, states: None }),
        }
    }

    /// Pictures as the detector is shown whole ones.
    fn shown(&self, images: &Tensor) -> Tensor {
        resize(&images.to_device(self.device), self.config.architecture.detector_size)
    }

    /// Where `net` sees the keypoints of pictures of any size.
    fn detect(&self, net: &Detector, images: &Tensor) -> Detection {
        let (size, crops) = (self.config.architecture.detector_size, self.config.detector.refinement_crops);
        crops::detect(net, images, size, crops)
    }

    /// `n` generated pictures with what is known of them; without a generator the `real` ones, with what the teacher sees.
    fn pictures_like(&self, real: &Tensor, n: i64) -> (Tensor, Known) {
        match &self.generator {
            Some(generator) => self.generate(generator, n),
            None => (real.shallow_clone(), self.sight(real).into()),
        }
    }

    /// The pictures of this step with what is known of them, a function of its number and of the `real` ones alone.
    fn known_pictures(&mut self, real: &Tensor, n: i64) -> (Tensor, Known) {
        let step = self.learner.state.step;
        let due = if self.generator.is_some() { step % REGENERATE_EVERY } else { 0 };
        let (images, known) = match self.generated.take() {
            Some(generated) if due != 0 => generated,
            _ => {
                self.seed_step(step - due, 1);
                self.pictures_like(real, n)
            }
        };
        self.generated = Some((images.shallow_clone(), known.shallow_clone()));
        (images, known)
    }

    /// Seeds libtorch's generator for one purpose of a step's random numbers.
    fn seed_step(&self, step: u64, purpose: u64) {
        parameters::seed_step(self.config.seed.wrapping_add(SEED_SHIFT + purpose), step);
    }

    /// What the teacher, or else the averaged detector, sees in pictures as they are.
    fn sight(&self, images: &Tensor) -> Detection {
        self.detect(&self.teacher.as_ref().map_or(&self.learner.average, |t| &t.detector).net, images)
    }

    /// Pictures warped and lit, with what is known of them; a few of them without a face, made of `others`.
    fn pairs(&self, images: &Tensor, known: &Known, others: &Tensor) -> Batch {
        let n = images.size()[0];
        let mut batch = self.warped(images, known);
        batch.images = self.worn(&batch);
        let lit = self.photographed(&batch.images);
        batch.images = match batch.states {
            // What states say must not hang on tones and sharpness; both changes at once leave little to see.
            Some(_) => mixed(&lit, &jitter(&batch.images, 1.0), 0.5),
            None => lit,
        };
        let negatives = (n as f64 * self.config.detector.negatives.fraction).round() as i64;
        if negatives > 0 {
            batch.images.narrow(0, 0, negatives).copy_(&self.faceless(others, negatives));
            let _ = batch.weight.narrow(0, 0, negatives).fill_(0.0);
            let _ = batch.state_weight.narrow(0, 0, negatives).fill_(0.0);
            let weight = self.config.detector.negatives.weight;
            let _ = batch.confidence_weight.narrow(0, 0, negatives).fill_(weight);
        }
        batch
    }

    /// `n` lit pictures without a face, made of `others`: of a larger number, those in which the averaged detector is
    /// most confident of one. Most of what is no face it recognises at once, and learns nothing from.
    fn faceless(&self, others: &Tensor, n: i64) -> Tensor {
        let among = Tensor::arange(n * self.config.detector.negatives.among, (Kind::Int64, self.device));
        let others = self.shown(others).index_select(0, &among.remainder(others.size()[0]));
        let empty = scenes::faceless(&others, self.config.architecture.detector_size);
        let empty = self.photographed(&empty);
        if self.config.detector.negatives.among == 1 {
            return empty;
        }
        most_confident(&empty, &self.learner.average.net.forward(&empty, Norm::Running).confidence, n)
    }

    /// Real pictures, warped, with where the teacher, or else the averaged detector, sees their keypoints unwarped.
    fn real(&self, images: &Tensor) -> Batch {
        let seen = self.sight(images);
        let confidence = seen.confidence.sigmoid();
        let mut batch = self.warped(images, &seen.into());
        if self.teacher.is_none() {
            batch.weight *= confidence;
        }
        batch.images = self.photographed(&self.worn(&batch));
        batch
    }

    /// Pictures as cameras may have taken them.
    fn photographed(&self, images: &Tensor) -> Tensor {
        camera::photometric(images, self.config.detector.occlusion, self.config.detector.harsh)
    }

    /// The pictures of a batch with what people wear on some of the faces.
    fn worn(&self, batch: &Batch) -> Tensor {
        accessories::worn(&batch.images, &batch.keypoints, self.config.detector.accessories)
    }

    /// Pictures warped about keypoints and placed, with where their keypoints go.
    fn warped(&self, images: &Tensor, Known { keypoints, states }: &Known) -> Batch {
        let config = &self.config.detector;
        let LocalWarpConfig { fraction, reach } = config.local_warp;
        let local = (fraction > 0.0).then(|| LocalWarp::about(keypoints, reach, fraction));
        let (images, keypoints) = match local {
            Some(local) => (&local.images(images), &local.keypoints(keypoints)),
            None => (images, keypoints),
        };
        let placement = Similarity::random(images.size()[0], &config.placement, self.device);
        let keypoints = placement.keypoints(keypoints);
        let images = camera::place(
            images,
            &placement,
            self.config.architecture.detector_size,
            self.learner.state.step,
        );
        let confidence_weight = Tensor::ones([images.size()[0], 1], (Kind::Float, self.device));
        let states = states.as_ref().map(Tensor::shallow_clone);
        // Far away there is nothing to read, and what is learned there is the mean.
        let scale = placement.scale();
        let near = scale.ge(READABLE.0).logical_and(&scale.le(READABLE.1)).to_kind(Kind::Float).unsqueeze(1);
        let weight = similarity::inside(&keypoints);
        Batch { state_weight: &weight * near, weight, confidence_weight, images, keypoints, states }
    }

    /// Writes a sheet of what the detector learns from: pairs as it sees them.
    fn write_pairs(&self, real: &Tensor, run: &Run) -> Result<()> {
        let pairs = tch::no_grad(|| {
            let (images, known) = self.pictures_like(real, real.size()[0]);
            self.pairs(&images, &known, real)
        });
        let path = run.sample("detector-pairs", self.learner.state.images_seen);
        sample::write_png(&path, &sample::compose(&pairs.images, Some(&pairs.keypoints), 10)?)
    }
}

impl Stage for DetectorTraining {
    type Net = Detector;
    type Measured = Measures;

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
        let batch = self.config.detector.batch;
        Pictures {
            count: if self.generator.is_some() { (batch / 2).max(1) } else { batch },
            // A refinement crop, and a near face, show more than a picture of the detector's own size holds.
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

    fn step(&mut self, real: &Tensor, rate: f64) -> Result<StepReport<Measures>> {
        let config = self.config.detector.clone();
        let done = self.learner.state.images_seen as f64 / config.images as f64;
        let adapts = self.generator.is_some()
            && config.equivariance.weight > 0.0
            && (self.teacher.is_some() || done >= config.equivariance.from);
        let real = real.to_device(self.device);
        let (images, known) = tch::no_grad(|| self.known_pictures(&real, config.batch));
        self.seed_step(self.learner.state.step, 0);
        let pairs = tch::no_grad(|| self.pairs(&images, &known, &real));
        let real = adapts.then(|| tch::no_grad(|| self.real(&real)));

        let mut images = vec![&pairs.images];
        images.extend(real.as_ref().map(|r| &r.images));
        let all = self.learner.live.net.forward(&Tensor::cat(&images, 0), Norm::TRAINING);
        let n = config.batch;
        let mut terms = Terms::default();
        let seen = all.narrow(0, n);
        let error = loss::add_pairs(&mut terms, &seen, &pairs);
        let states = loss::add_states(&mut terms, &seen, &pairs, config.state_weight);
        let equivariance = real.as_ref().map(|real| {
            let seen = all.narrow(n, real.images.size()[0]);
            loss::add_real(&mut terms, &seen, real, config.equivariance.weight)
        });
        let learning_rate = config.learning_rate * rate;
        let measures = Measures { error, states, equivariance };
        Ok(self.learner.learn(terms, learning_rate, n, config.ema_half_life, measures))
    }

    /// Mixes the teacher's share in, then re-estimates the averaged detector's statistics on pictures as it learns from them: where there is a generator, half on
    /// generated ones and half on real ones.
    fn end(&mut self, loader: &mut Loader) -> Result<()> {
        if let Some(teacher) = self.teacher.as_ref().filter(|_| self.config.detector.teacher_share > 0.0) {
            average::mix(
                &self.learner.average.store,
                &teacher.detector.store,
                self.config.detector.teacher_share,
            );
        }
        for pass in 0..CALIBRATION {
            let real = loader.next_batch()?.to_device(self.device);
            tch::no_grad(|| {
                let (images, known) = self.pictures_like(&real, real.size()[0]);
                let pairs = self.pairs(&images, &known, &real).images;
                // Without a generator the pairs are of the real pictures already.
                let real = self.generator.is_some().then(|| self.real(&real).images);
                let images: Vec<Tensor> = real.into_iter().chain([pairs]).collect();
                self.learner.average.net.forward(&Tensor::cat(&images, 0), Norm::calibrating(pass));
            });
        }
        Ok(())
    }

    /// Writes a sheet of real training crops with what the averaged detector sees.
    fn write_sheets(&self, loader: &mut Loader, run: &Run) -> Result<()> {
        let mut batches = Vec::new();
        let columns = 10;
        while batches.iter().map(|b: &Tensor| b.size()[0]).sum::<i64>() < 6 * columns {
            batches.push(loader.next_batch()?);
        }
        let images = self.shown(&Tensor::cat(&batches, 0).narrow(0, 0, 6 * columns));
        let seen = tch::no_grad(|| self.learner.average.net.forward(&images, Norm::Running));
        self.write_pairs(&images, run)?;
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
fn most_confident(images: &Tensor, confidence: &Tensor, n: i64) -> Tensor {
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
    fn the_most_confident_are_those_of_the_greatest_mean_confidence_not_of_the_greatest_logit() {
        let images = Tensor::arange(4, (Kind::Float, Device::Cpu)).view([4, 1, 1, 1]);
        let confidence = Tensor::from_slice(&[-2.0f32, -2.0, 90.0, -90.0, 3.0, 3.0, 1.0, 1.0]).view([4, 2]);
        let mut chosen = Vec::<f32>::try_from(most_confident(&images, &confidence, 2).flatten(0, 3)).unwrap();
        chosen.sort_by(f32::total_cmp);
        assert_eq!(chosen, [2.0, 3.0]);
    }
}
