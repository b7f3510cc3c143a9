//! The encoder, on generated pairs and on real pictures that the finished generator reconstructs from what the encoder
//! and the detector see in them.

use std::path::PathBuf;

use serde::Serialize;
use tch::{Device, Kind, Tensor};

use crate::augment::elastic::Elastic;
use crate::config::{Config, Perceptual};
use crate::dataset::Loader;
use crate::error::{Error, Result};
use crate::losses::named::encoder as named;
use crate::losses::{self, Loss, Terms, due};
use crate::nets::encoder::Appearance;
use crate::nets::heatmap::Pose;
use crate::nets::image_generator::Mode;
use crate::nets::keypoint_generator::Latents;
use crate::nets::layers::Norm;
use crate::nets::resize::resize;
use crate::nets::{Detector, Encoder, FeatureNet};
use crate::sample;
use crate::support::share::Share;
use crate::train::optim::adam::Adam;
use crate::train::optim::parameters;
use crate::train::run::Run;
use crate::train::run::checkpoint::Checkpoint;
use crate::train::run::generator::Generator;
use crate::train::run::stored::{Staged, Stored};
use crate::train::stages::gan::ImageDiscriminator;
use crate::train::stages::learner::Learner;
use crate::train::stages::stage::{Measured, Pictures, Stage, StepReport};

/// The stage's name in files.
pub const STAGE: &str = Encoder::NAME;

/// Adam's decay rates of the encoder.
const BETAS: (f64, f64) = (0.9, 0.99);
/// Added to the seed, so that this stage draws other numbers than the others.
const SEED_SHIFT: u64 = 0xE2C0DE;

/// What one step measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measures {
    /// Mean absolute error of generated pictures' embeddings.
    embeddings: Option<f64>,
    /// Mean absolute error of reconstructions of real pictures, of [-1, 1].
    image: Option<f64>,
    /// Perceptual distance of the same.
    perceptual: Option<f64>,
    /// What the discriminator asks of them.
    adversarial: Option<f64>,
    /// The discriminator's loss.
    discriminator: Option<f64>,
}

impl Measured for Measures {
    fn note(&self) -> String {
        let all = [("embeddings", self.embeddings), ("image", self.image), ("perceptual", self.perceptual)];
        let known = all.iter().filter_map(|(name, value)| value.map(|v| format!("{name} {v:.4}")));
        known.collect::<Vec<_>>().join(" ")
    }
}

/// The encoder's training.
pub struct EncoderTraining {
    config: Config,
    generator: Generator,
    detector: Stored<Detector>,
    discriminator: ImageDiscriminator,
    discriminator_adam: Adam,
    features: Option<FeatureNet>,
    learner: Learner<Encoder>,
    device: Device,
}

/// Pictures to reconstruct and the keypoints to do it from.
struct Wanted {
    /// `[N, 3, S, S]`.
    images: Tensor,
    /// `[N, K, 2]`.
    keypoints: Tensor,
}

impl EncoderTraining {
    /// An encoder for the averaged generator of the `gan` checkpoint `generator` and the averaged detector of
    /// `detector`: the one that was trained along with the generator, or a fresh one.
    ///
    /// # Errors
    /// [`Error::Checkpoint`], also if the generator has not reached its full image size; [`Error::Usage`] naming the
    /// command that fetches the feature network, if it is needed.
    pub fn new(
        config: &Config,
        generator: &Checkpoint,
        detector: &Checkpoint,
        dataset_size: u64,
        device: Device,
    ) -> Result<Self> {
        generator.check_architecture(config)?;
        detector.check_architecture(config)?;
        let features = FeatureNet::load_if(config.encoder.needs_features(), device)?;
        let detector = Stored::averaged(detector, device)?;
        let start = Stored::trained_along(generator, device)?;
        tch::manual_seed(config.seed.wrapping_add(SEED_SHIFT) as i64);
        let discriminator = ImageDiscriminator::restored(generator, device)?;
        let learner = Learner::new(config, start.as_ref(), BETAS, dataset_size, device);
        let mut generator = Generator::finished(generator, device)?;
        // Only what they say of a picture is wanted, not how they would have to change.
        generator.store.freeze();
        Ok(Self {
            discriminator_adam: Adam::new(&discriminator.store, config.gan.betas),
            config: config.clone(),
            generator,
            detector,
            discriminator,
            features,
            learner,
            device,
        })
    }

    /// Where the detector sees keypoints in `images`, `[N, K, 2]`.
    fn keypoints(&self, images: &Tensor) -> Tensor {
        let images = resize(images, self.config.architecture.detector_size);
        tch::no_grad(|| self.detector.net.forward(&images, Norm::Running).keypoints)
    }

    /// Real pictures as they are to be reconstructed: some of them deformed.
    fn wanted(&self, real: &Tensor) -> Wanted {
        let config = &self.config.encoder;
        let n = real.size()[0];
        let deformed = (n as f64 * config.deformed.fraction).round() as i64;
        let mut images = real.shallow_clone();
        if deformed > 0 && config.deformed.strength > 0.0 {
            let (size, strength) = (self.config.architecture.image_size, config.deformed.strength);
            let elastic = Elastic::random(deformed, size, strength, Share::WHOLE, self.device);
            let changed = elastic.images(&real.narrow(0, 0, deformed));
            images = Tensor::cat(&[changed, real.narrow(0, deformed, n - deformed)], 0);
        }
        Wanted { keypoints: self.keypoints(&images), images }
    }

    fn reconstruct(&self, keypoints: &Tensor, appearance: &Appearance, kind: Kind) -> Tensor {
        let pose = Pose::natural(keypoints.shallow_clone());
        let mode = Mode { kind, ..Mode::exported(&self.config.architecture) };
        self.generator.images.forward(&pose, &appearance.embeddings, &appearance.background, mode)
    }

    /// `n` generated pictures with what they were generated from.
    fn generate(&self, n: i64) -> (Latents, Tensor) {
        let (size, kind) = (self.config.architecture.image_size, self.config.precision.kind(self.device));
        tch::no_grad(|| {
            let latents = self.generator.sample_latents(n);
            let images = self.generator.render(&latents, size, 1.0, kind);
            (latents, images)
        })
    }

    /// One update of the discriminator, on real pictures and reconstructions; its loss without the penalty.
    fn update_discriminator(&mut self, real: &Tensor, again: &Tensor) -> Option<f64> {
        let (gan, kind) = (self.config.gan.clone(), self.config.precision.kind(self.device));
        let logits = |x: &Tensor| self.discriminator.net.forward(x, 1.0, kind);
        let loss = losses::discriminator(&logits(real), &logits(&again.detach()));
        let shown = loss.shallow_clone();
        let mut terms = Terms::default();
        terms.add(&named::DISCRIMINATOR, 1.0, loss);
        if let Some(weight) = due(gan.r1.weight, gan.r1.every, self.learner.state.step + 1) {
            let images = real.detach().set_requires_grad(true);
            // Second derivatives lose too much in bfloat16.
            let logits = self.discriminator.net.forward(&images, 1.0, Kind::Float);
            terms.add(&named::R1, weight, losses::r1(&[&images], &logits));
        }
        let total = terms.total()?;
        self.discriminator_adam.zero_grad();
        total.backward();
        self.discriminator_adam.step(gan.discriminator_learning_rate);
        self.learner.watch(terms);
        Some(parameters::value(&shown))
    }
}

impl Stage for EncoderTraining {
    type Net = Encoder;
    type Measured = Measures;

    fn learner(&self) -> &Learner<Encoder> {
        &self.learner
    }

    fn learner_mut(&mut self) -> &mut Learner<Encoder> {
        &mut self.learner
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        let mut tensors = self.learner.tensors();
        tensors.extend(parameters::prefixed("discriminator", parameters::all(&self.discriminator.store)));
        tensors.extend(parameters::prefixed("discriminator_adam", self.discriminator_adam.state()));
        tensors
    }

    fn schedule(&self) -> (i64, u64) {
        (self.config.encoder.batch, self.config.encoder.images)
    }

    fn pictures(&self) -> Pictures {
        Pictures {
            count: self.config.encoder.batch,
            size: self.config.architecture.image_size,
            seed: self.config.seed.wrapping_add(SEED_SHIFT),
            pairs: false,
        }
    }

    fn step(&mut self, real: &Tensor, rate: f64) -> Result<StepReport<Measures>> {
        let (config, kind) = (self.config.encoder.clone(), self.config.precision.kind(self.device));
        let real = real.to_device(self.device);
        parameters::seed_step(self.config.seed.wrapping_add(SEED_SHIFT), self.learner.state.step);
        let n = real.size()[0];
        let mut terms = Terms::default();
        let mut add = |loss: &'static Loss, weight: f64, value: Tensor| {
            let shown = parameters::value(&value);
            terms.add(loss, weight, value);
            Some(shown)
        };
        let (mut embeddings, mut image, mut perceptual, mut adversarial) = (None, None, None, None);

        let pairs = if config.embeddings_weight > 0.0 { (n / 2).max(1) } else { 0 };
        let generated = (pairs > 0).then(|| self.generate(pairs));
        let mut shown = vec![real.shallow_clone()];
        shown.extend(generated.as_ref().map(|(_, images)| images.shallow_clone()));
        let found = self.learner.live.net.forward(&Tensor::cat(&shown, 0), kind);
        let part = |start: i64, count: i64| Appearance {
            embeddings: found.embeddings.narrow(0, start, count),
            background: found.background.narrow(0, start, count),
        };
        if let Some((latents, _)) = &generated {
            let found = part(n, pairs);
            let loss = losses::cycle::embeddings(
                (&found.embeddings, &latents.embeddings),
                (&found.background, &latents.background),
            );
            embeddings = add(&named::EMBEDDINGS, config.embeddings_weight, loss);
        }
        let mut reconstructed = None;
        if config.reconstructs() {
            let Wanted { images, keypoints } = self.wanted(&real);
            let again = self.reconstruct(&keypoints, &part(0, n), kind);
            let weights = &config.reconstruction;
            if weights.image_weight > 0.0 {
                image = add(&named::IMAGE, weights.image_weight, losses::cycle::image(&again, &images));
            }
            // The discriminator tells by what it has learned so far, and learns from the same pictures after that.
            self.discriminator.store.freeze();
            if weights.perceptual_weight > 0.0 {
                let maps = |x: &Tensor| match (weights.perceptual, &self.features) {
                    (Perceptual::OpenNsfw, Some(net)) => net.layers(x),
                    _ => self.discriminator.net.maps(x, 1.0, kind),
                };
                let wanted = tch::no_grad(|| maps(&images));
                let loss = losses::features::perceptual(&maps(&again), &wanted);
                perceptual = add(&named::PERCEPTUAL, weights.perceptual_weight, loss);
            }
            if weights.adversarial_weight > 0.0 {
                let loss = losses::generator(&self.discriminator.net.forward(&again, 1.0, kind));
                adversarial = add(&named::ADVERSARIAL, weights.adversarial_weight, loss);
                reconstructed = Some((images, again));
            }
        }
        let learning_rate = config.learning_rate * rate;
        let measures = Measures { embeddings, image, perceptual, adversarial, discriminator: None };
        let mut report = self.learner.learn(terms, learning_rate, n, config.ema_half_life, measures);
        self.discriminator.store.unfreeze();
        if let Some((images, again)) = reconstructed {
            report.measured.discriminator = self.update_discriminator(&images, &again);
        }
        Ok(report)
    }

    /// Writes a sheet of real crops, each reconstructed, with the next one's pose, and with the next one's appearance.
    fn write_sheets(&self, loader: &mut Loader, run: &Run) -> Result<()> {
        let real = loader.next_batch()?.to_device(self.device);
        let real = real.narrow(0, 0, real.size()[0].min(10));
        let columns = real.size()[0];
        let rows = tch::no_grad(|| {
            let keypoints = self.keypoints(&real);
            let own = self.learner.average.net.forward(&real, Kind::Float);
            let next = |t: &Tensor| t.roll([-1], [0]);
            let others = Appearance { embeddings: next(&own.embeddings), background: next(&own.background) };
            [
                real.shallow_clone(),
                self.reconstruct(&keypoints, &own, Kind::Float),
                self.reconstruct(&next(&keypoints), &own, Kind::Float),
                self.reconstruct(&keypoints, &others, Kind::Float),
            ]
        });
        let path = run.sample(STAGE, self.learner.state.images_seen);
        sample::write_png(&path, &sample::compose(&Tensor::cat(&rows, 0), None, columns)?)?;
        run.sheet(STAGE, self.learner.state.step, &path)
    }
}

/// Where a run has its detector's checkpoint: pictures are reconstructed from what it sees.
///
/// # Errors
/// [`Error::Usage`] naming the command that trains one, if it is not there.
pub fn find_detector(run: &Run) -> Result<PathBuf> {
    let path = run.checkpoint(Detector::NAME);
    if path.exists() {
        return Ok(path);
    }
    Err(Error::Usage(format!(
        "{} is not there: train the detector first (`trainer detector`)",
        path.display()
    )))
}
