//! Keypoints, part states and the portrait networks, learned together from pairs of pictures of one person, without
//! labels: one picture, driven by the parts of the other, must become it.

mod close_up;
mod discriminator;
mod measures;
mod start;

use tch::nn::Path;
use tch::{Device, Kind, Tensor};

use self::discriminator::Discriminator;
pub use self::measures::Measures;
use self::start::Known;
pub use self::start::{begun, check_fit, check_start};
use super::learner::Learner;
use super::stage::{Pictures, Stage, StepReport};
use crate::augment::elastic::Elastic;
use crate::augment::jitter::jitter;
use crate::augment::{camera, scenes};
use crate::config::{Architecture, Config, GanConfig};
use crate::dataset::Loader;
use crate::error::Result;
use crate::losses::named::portrait as named;
use crate::losses::{self, Loss, Terms};
use crate::nets::detector::Detection;
use crate::nets::layers::Norm;
use crate::nets::portrait::{Parts, Portrait, Rendered};
use crate::nets::resize::resize;
use crate::nets::{FeatureDiscriminator, FeatureNet};
use crate::sample;
use crate::support::share::Share;
use crate::train::optim::parameters;
use crate::train::run::Run;
use crate::train::run::stored::{Staged, Stored};

/// The stage's name in files.
pub const STAGE: &str = "portrait";

/// Adam's decay rates.
const BETAS: (f64, f64) = (0.5, 0.999);
/// The detector's last weights at the start, as a multiple of what they would be: a heat map must come to a point before it can
/// follow anything.
const HEAD_START: f64 = 2.0;
/// Batches that re-estimate the averaged networks' statistics.
const CALIBRATION: u64 = 40;
/// Added to the seed, so that this stage draws other numbers than the others.
const SEED_SHIFT: u64 = 0x90_27_2A;
/// Side that the feature network sees pictures at.
const FEATURES_SIDE: i64 = 128;
/// Most of a deformed picture's side that something covers, half of it.
const OCCLUSION: f64 = 0.15;
/// Of the deformed pictures, how many more have no face.
const FACELESS: i64 = 4;
/// Pairs on a sheet.
const COLUMNS: i64 = 8;

impl Staged for Portrait {
    const NAME: &'static str = STAGE;

    fn register(root: Path, arch: &Architecture) -> Self {
        Self::new(root, arch)
    }

    fn is_trained_along(_: &GanConfig) -> bool {
        false
    }
}

/// The networks in training.
pub struct PortraitTraining {
    config: Config,
    learner: Learner<Portrait>,
    discriminator: Option<Discriminator>,
    features: Option<FeatureNet>,
    /// What the detector is to begin with, until the first pictures are there.
    known: Option<Known>,
    device: Device,
}

/// A batch of pairs and what was made of it.
struct Driven {
    source: Parts,
    driven: Parts,
    rendered: Rendered,
}

impl PortraitTraining {
    /// Fresh networks.
    ///
    /// # Errors
    /// [`crate::Error::Config`] if the architecture has no states; [`crate::Error::Usage`] naming the command that fetches the feature
    /// network, if it is needed.
    pub fn new(config: &Config, dataset_size: u64, device: Device) -> Result<Self> {
        if config.architecture.states == 0 {
            let reason = "architecture.states must be above 0 for portraits; 4 is a good start";
            return Err(crate::Error::Config(reason.into()));
        }
        let features = FeatureNet::load_if(config.portrait.needs_features(), device)?;
        tch::manual_seed(config.seed.wrapping_add(SEED_SHIFT) as i64);
        let start = Stored::<Portrait>::new(&config.architecture, device);
        let _ = tch::no_grad(|| start.net.detector.head.weight.shallow_clone().g_mul_scalar_(HEAD_START));
        let mut learner = Learner::new(config, Some(&start), BETAS, dataset_size, device);
        learner.multiply_rate("detector.head.", config.portrait.head_rate);
        let discriminator =
            (config.portrait.adversarial.weight > 0.0).then(|| Discriminator::new(config, device));
        Ok(Self { config: config.clone(), learner, discriminator, features, known: None, device })
    }

    fn detect(&self, net: &Portrait, images: &Tensor, norm: Norm) -> Detection {
        let images = resize(images, self.config.architecture.detector_size);
        net.detector.forward(&images.to_kind(self.config.precision.kind(self.device)), norm)
    }

    /// Photos `[N, 3, S, S]` with the parts `source`, driven to `driven`.
    fn render(&self, net: &Portrait, photo: &Tensor, source: &Parts, driven: &Parts, norm: Norm) -> Rendered {
        net.drive(photo, source, driven, self.config.precision.kind(self.device), norm).1
    }

    /// Photos, the first half of `pairs`, driven by the second half, of which the detector sees `shown`.
    fn drive(&self, net: &Portrait, pairs: &Tensor, shown: &Tensor, norm: Norm) -> Option<Driven> {
        let n = pairs.size()[0] / 2;
        let parts = Parts::of(&self.detect(net, shown, norm))?;
        let (source, driven) = (parts.narrow(0, n), parts.narrow(n, n));
        let rendered = self.render(net, &pairs.narrow(0, 0, n), &source, &driven, norm);
        Some(Driven { source, driven, rendered })
    }

    /// Maps of images, brought to `side`, in the feature network, in float32.
    fn maps(&self, net: &FeatureNet, images: &Tensor, side: i64) -> Vec<Tensor> {
        net.layers_at(images, FeatureNet::DEPTHS, side, self.config.precision.kind(self.device))
    }
}

impl Stage for PortraitTraining {
    type Net = Portrait;
    type Measured = Measures;

    fn learner(&self) -> &Learner<Portrait> {
        &self.learner
    }

    fn learner_mut(&mut self) -> &mut Learner<Portrait> {
        &mut self.learner
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        let mut tensors = self.learner.tensors();
        if let Some(discriminator) = &self.discriminator {
            tensors.extend(discriminator.networks());
            tensors.extend(discriminator.optimiser());
        }
        tensors
    }

    fn schedule(&self) -> (i64, u64) {
        (self.config.portrait.batch, self.config.portrait.images)
    }

    fn pictures(&self) -> Pictures {
        let arch = &self.config.architecture;
        Pictures {
            count: 2 * self.config.portrait.batch,
            size: arch.portrait_size.max(arch.detector_size),
            seed: self.config.seed.wrapping_add(SEED_SHIFT),
            pairs: true,
        }
    }

    fn step(&mut self, real: &Tensor, rate: f64) -> Result<StepReport<Measures>> {
        let config = self.config.portrait.clone();
        let real = real.to_device(self.device);
        parameters::seed_step(self.config.seed.wrapping_add(SEED_SHIFT), self.learner.state.step);
        let n = real.size()[0] / 2;
        let net = &self.learner.live.net;
        let pairs = resize(&real, self.config.architecture.portrait_size);
        let driver = pairs.narrow(0, n, n);
        let Some(Driven { source, driven, rendered }) =
            self.drive(net, &pairs, &jitter(&real, config.jitter), Norm::TRAINING)
        else {
            return Err(crate::Error::Config("the detector reads no states".into()));
        };
        let mut terms = Terms::default();
        let mut add = |loss: &'static Loss, weight: f64, value: Tensor| {
            let shown = parameters::value(&value);
            terms.add(loss, weight, value);
            shown
        };
        let image = parameters::value(&losses::cycle::image(&rendered.image, &driver));
        add(
            &named::IMAGE,
            config.image_weight,
            losses::portrait::image(&rendered.image, &driver, &rendered.warped, config.focus),
        );
        let warped = parameters::value(&losses::cycle::image(&rendered.warped, &driver));
        if config.warped_weight > 0.0 {
            add(&named::WARPED, config.warped_weight, losses::portrait::at_scales(&rendered.warped, &driver));
        }
        let shown = real.narrow(0, n, n);
        let elastic =
            Elastic::random(n, shown.size()[2], config.equivariance.deformation, Share::WHOLE, self.device);
        // Some pictures more are of no face: a detector must know that, too.
        let faceless = scenes::faceless(&shown.narrow(0, 0, (n / FACELESS).max(1)), shown.size()[2]);
        let moved = Tensor::cat(&[elastic.images(&shown), faceless], 0);
        let all = self.detect(net, &camera::photometric(&moved, OCCLUSION, 0.0), Norm::TRAINING);
        let deformed = all.narrow(0, n);
        let (sources, inside) = elastic.sources(&deformed.keypoints);
        let count = all.keypoints.size()[0];
        let none = Tensor::zeros([count - n, inside.size()[1]], (Kind::Float, self.device));
        let off = losses::confidence::square_distance(&sources, &driven.keypoints);
        let confidence = losses::confidence::confidence(
            &all.confidence,
            &Tensor::cat(&[&off, &none], 0),
            &Tensor::cat(&[&inside, &none], 0),
            &Tensor::ones([count, 1], (Kind::Float, self.device)),
        );
        let confidence = add(&named::CONFIDENCE, config.confidence_weight, confidence);
        let distance = losses::cycle::equivariance(&sources, &driven.keypoints, &inside);
        let equivariance = add(&named::EQUIVARIANCE, config.equivariance.weight, distance);
        let states = deformed.states.unwrap_or_else(|| driven.states.shallow_clone());
        let state =
            add(&named::STATE, config.state_weight, losses::portrait::state_change(&states, &driven.states));
        let all_states = Tensor::cat(&[&source.states, &driven.states], 0);
        add(&named::STATE_RANGE, config.state_range_weight, losses::portrait::state_range(&all_states));
        let near = losses::separation::separation(&driven.keypoints, config.separation.width);
        let separation = add(&named::SEPARATION, config.separation.weight, near);
        let generated = add(&named::MASK, config.mask_weight, 1.0 - rendered.mask.mean(Kind::Float));

        let done = self.learner.state.images_seen as f64 / config.images.max(1) as f64;
        let adversarial_is_on = done >= config.adversarial.from;
        let (mut perceptual, mut close_up, mut adversarial, mut seen) = (None, None, None, None);
        if let Some(features) = &self.features {
            if config.close_up_weight > 0.0 {
                let places = close_up::close_up(&driven.keypoints);
                let [found, wanted] = [&rendered.image, &driver]
                    .map(|images| self.maps(features, &close_up::seen(images, &places), close_up::SIDE));
                let distance = losses::features::perceptual(&found, &wanted);
                close_up = Some(add(&named::CLOSE_UP, config.close_up_weight, distance));
            }
            let found = self.maps(features, &rendered.image, FEATURES_SIDE);
            let wanted = tch::no_grad(|| self.maps(features, &driver, FEATURES_SIDE));
            let distance = losses::features::perceptual(&found, &wanted);
            perceptual = Some(add(&named::PERCEPTUAL, config.perceptual_weight, distance));
            if let Some(discriminator) = self.discriminator.as_mut().filter(|_| adversarial_is_on) {
                let [found, wanted] = [&found, &wanted].map(|maps| FeatureDiscriminator::scaled(maps));
                // It says what it has learned so far, and learns from the same pictures after that.
                let loss = discriminator.asks(&found, self.config.precision.kind(self.device));
                adversarial = Some(add(&named::ADVERSARIAL, config.adversarial.weight, loss));
                seen = Some((wanted, found));
            }
        }
        let apart = (&source.keypoints - &driven.keypoints).detach().square();
        let motion = apart.sum_dim_intlist([-1i64].as_slice(), false, Kind::Float).sqrt();
        let expression = (&source.states - &driven.states).detach().abs().mean(Kind::Float);
        let measures = Measures {
            image,
            warped,
            perceptual,
            close_up,
            equivariance,
            state,
            confidence,
            separation,
            generated,
            motion: parameters::value(&motion.mean(Kind::Float)),
            expression: parameters::value(&expression),
            adversarial,
            discriminator: None,
        };
        let (learner, learning_rate) = (&mut self.learner, config.learning_rate * rate);
        let mut report = learner.learn(terms, learning_rate, n, config.ema_half_life, measures);
        if let Some((discriminator, (real, fake))) = self.discriminator.as_mut().zip(seen) {
            let terms = discriminator.learn(&self.config, learner.state.step + 1, &real, &fake);
            report.measured.discriminator = terms.first().map(|term| parameters::value(&term.value));
            learner.watch(terms);
        }
        Ok(report)
    }

    /// The detector begins with a known one, if it is to: where its further keypoints lie depends on the pictures.
    fn begin(&mut self, loader: &mut Loader) -> Result<()> {
        match self.known.take() {
            Some(known) => self.begin_detector(&known, &loader.next_batch()?),
            None => Ok(()),
        }
    }

    /// Re-estimates the averaged networks' statistics on pictures as they are.
    fn end(&mut self, loader: &mut Loader) -> Result<()> {
        for pass in 0..CALIBRATION {
            let real = loader.next_batch()?.to_device(self.device);
            tch::no_grad(|| {
                let pairs = resize(&real, self.config.architecture.portrait_size);
                let _ = self.drive(&self.learner.average.net, &pairs, &real, Norm::calibrating(pass));
            });
        }
        Ok(())
    }

    fn sheets_at_saves(&self) -> bool {
        true
    }

    /// Writes a sheet: photos and drivers with their keypoints, photos driven, carried by the flow alone, the mask, and
    /// photos driven by the next person.
    fn write_sheets(&self, loader: &mut Loader, run: &Run) -> Result<()> {
        let real = loader.next_batch()?.to_device(self.device);
        let n = real.size()[0] / 2;
        let columns = n.min(COLUMNS);
        let shown = Tensor::cat(&[real.narrow(0, 0, columns), real.narrow(0, n, columns)], 0);
        let (images, points) = tch::no_grad(|| {
            let net = &self.learner.average.net;
            let pairs = resize(&shown, self.config.architecture.portrait_size);
            let Some(driven) = self.drive(net, &pairs, &shown, Norm::Running) else {
                return (pairs.shallow_clone(), Tensor::zeros([0], (Kind::Float, self.device)));
            };
            let next = Parts {
                keypoints: driven.driven.keypoints.roll([-1], [0]),
                states: driven.driven.states.roll([-1], [0]),
            };
            let photo = pairs.narrow(0, 0, columns);
            let cross = self.render(net, &photo, &driven.source, &next, Norm::Running);
            let mask = driven.rendered.mask.expand_as(&driven.rendered.image) * 2.0 - 1.0;
            let rows = [&pairs, &driven.rendered.image, &driven.rendered.warped, &mask, &cross.image];
            let k = [&driven.source, &driven.driven, &driven.driven, &driven.driven, &driven.driven, &next]
                .map(|parts| parts.keypoints.shallow_clone());
            (Tensor::cat(&rows, 0), Tensor::cat(&k, 0))
        });
        let path = run.sample(STAGE, self.learner.state.images_seen);
        let points = (points.size()[0] == images.size()[0]).then_some(points);
        sample::write_png(&path, &sample::compose(&images, points.as_ref(), columns)?)?;
        run.sheet(STAGE, self.learner.state.step, &path)
    }
}
