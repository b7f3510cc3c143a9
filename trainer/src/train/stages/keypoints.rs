//! The keypoints' own training: pictures without labels, before there is a generator.

use serde::Serialize;
use tch::nn::Path;
use tch::{Device, Kind, Tensor};

use crate::augment::elastic::Elastic;
use crate::config::{Architecture, Config, GanConfig};
use crate::dataset::Loader;
use crate::error::{Error, Result};
use crate::losses::named::keypoints as named;
use crate::losses::{self, Loss, Terms};
use crate::nets::heatmap::{self, Pose};
use crate::nets::layers::Norm;
use crate::nets::resize::resize;
use crate::nets::{Detector, FeatureNet, MaskedAutoencoder};
use crate::sample;
use crate::support::share::Share;
use crate::train::optim::parameters;
use crate::train::run::Run;
use crate::train::run::checkpoint::Checkpoint;
use crate::train::run::stored::{Staged, Stored};
use crate::train::stages::learner::Learner;
use crate::train::stages::stage::{Measured, Pictures, Stage, StepReport};

/// The stage's name in files.
pub const STAGE: &str = "keypoints";

/// Adam's decay rates.
const BETAS: (f64, f64) = (0.9, 0.99);
/// The detector's last weights at the start, as a fraction of what they would be.
const HEAD_START: f64 = 0.4;
/// Batches that re-estimate the averaged networks' statistics.
const CALIBRATION: u64 = 40;
/// Added to the seed, so that this stage draws other numbers than the others.
const SEED_SHIFT: u64 = 0x5EE2;
/// Side that the feature network sees pictures at: as much as pictures of 64 px have to tell, at half of its usual price.
const FEATURES_SIDE: i64 = 80;

/// What one step measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measures {
    /// Mean absolute error of reconstructions, of [-1, 1].
    image: f64,
    /// Perceptual distance of the same.
    perceptual: Option<f64>,
    /// How many others each keypoint has near it.
    separation: f64,
    /// Mean distance of a deformed picture's keypoints from the deformed keypoints, normalised coordinates.
    equivariance: Option<f64>,
    /// Mean over keypoints of the standard deviation over pictures, normalised coordinates.
    spread: f64,
}

impl Measured for Measures {
    fn note(&self) -> String {
        let mut note = format!("image {:.4}", self.image);
        if let Some(e) = self.equivariance {
            note.push_str(&format!(" equivariance {e:.4}"));
        }
        format!("{note} spread {:.3} near {:.2}", self.spread, self.separation)
    }
}

impl Staged for MaskedAutoencoder {
    const NAME: &'static str = STAGE;

    fn register(root: Path, arch: &Architecture) -> Self {
        Self::new(root, arch)
    }

    fn is_trained_along(_: &GanConfig) -> bool {
        false
    }
}

/// The averaged detector of a checkpoint of this stage.
///
/// # Errors
/// [`crate::Error::Checkpoint`].
pub fn detector(checkpoint: &Checkpoint, device: Device) -> Result<Stored<Detector>> {
    Stored::restored(checkpoint, "average/detector.", device)
}

/// Refuses a checkpoint of this stage whose detector is not that of `config`.
///
/// # Errors
/// [`crate::Error::Checkpoint`] naming what differs.
pub fn check_detector(checkpoint: &Checkpoint, config: &Config) -> Result<()> {
    let own = &checkpoint.state.config.architecture;
    let wanted = &config.architecture;
    // What else there is may differ: the generator that the keypoints are for is still to come.
    let like = Architecture {
        keypoints: wanted.keypoints,
        detector_size: wanted.detector_size,
        detector_channels: wanted.detector_channels.clone(),
        ..own.clone()
    };
    checkpoint.check_architecture(&Config { architecture: like, ..config.clone() })
}

/// Refuses a checkpoint of the detector's stage to hold a generator to, where `generator`, what a run begins with if not with
/// fresh networks, is not held to one that stays as it is, or to one of another make.
///
/// # Errors
/// [`Error::Usage`], [`Error::Checkpoint`].
pub fn check_replacement(
    detector: &Checkpoint,
    generator: Option<&Checkpoint>,
    config: &Config,
) -> Result<()> {
    let usage = |reason: &str| Err(Error::Usage(format!("--detector: {reason}")));
    if detector.state.stage != crate::train::stages::detector::STAGE {
        return usage("not the checkpoint of a detector: name a run's detector.safetensors");
    }
    if !config.keypoints.is_on() {
        return usage(
            "it is for generators held to a detector that stays as it is: set keypoints.images above 0",
        );
    }
    if generator.is_some_and(|g| g.state.stage != crate::train::stages::gan::STAGE) {
        return usage("--from names a detector, too: leave out one of them");
    }
    check_detector(detector, config)
}

/// Detector and decoder in training.
pub struct KeypointsTraining {
    config: Config,
    learner: Learner<MaskedAutoencoder>,
    features: Option<FeatureNet>,
    device: Device,
}

/// A batch, what is left of it, and its keypoints.
struct Masked {
    /// `[N, 3, S, S]`.
    images: Tensor,
    /// The same with patches missing.
    left: Tensor,
    /// `[N, K, 2]`.
    keypoints: Tensor,
}

impl KeypointsTraining {
    /// Fresh networks.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] naming the command that fetches the feature network, if it is needed.
    pub fn new(config: &Config, dataset_size: u64, device: Device) -> Result<Self> {
        let features = FeatureNet::load_if(config.keypoints.needs_features(), device)?;
        tch::manual_seed(config.seed.wrapping_add(SEED_SHIFT) as i64);
        // Begins with heat maps that are flat: a gradient from anywhere in the picture moves a keypoint then, where one from
        // beside a chance peak would not.
        let start = Stored::<MaskedAutoencoder>::new(&config.architecture, device);
        let _ = tch::no_grad(|| start.net.detector.head.weight.shallow_clone().g_mul_scalar_(HEAD_START));
        let learner = Learner::new(config, Some(&start), BETAS, dataset_size, device);
        Ok(Self { config: config.clone(), learner, features, device })
    }

    /// Where `net` sees keypoints in `images` `[N, 3, S, S]`.
    fn detect(&self, net: &MaskedAutoencoder, images: &Tensor, norm: Norm) -> Tensor {
        let images = resize(images, self.config.architecture.detector_size);
        let kind = self.config.precision.kind(self.device);
        net.detector.forward(&images.to_kind(kind), norm).keypoints
    }

    /// Masks pictures `[N, 3, S, S]`, S as the loader has it, and finds their keypoints.
    fn masked(&self, net: &MaskedAutoencoder, real: &Tensor, norm: Norm) -> Masked {
        let keypoints = self.detect(net, real, norm);
        let size = self.config.architecture.image_size;
        let images = resize(real, size);
        let (n, patches) = (images.size()[0], self.config.keypoints.mask.patches);
        let kept = Tensor::rand([n, 1, patches, patches], (Kind::Float, self.device))
            .gt(self.config.keypoints.mask.fraction)
            .to_kind(Kind::Float);
        let left = &images * kept.upsample_nearest2d([size, size], None, None);
        Masked { images, left, keypoints }
    }

    /// The pictures reconstructed, `[N, 3, S, S]`.
    fn reconstruct(&self, net: &MaskedAutoencoder, masked: &Masked, norm: Norm) -> Tensor {
        let pose = Pose::natural(masked.keypoints.shallow_clone());
        let heat = heatmap::parts(&pose, self.config.keypoints.tau, self.config.architecture.image_size);
        net.decoder.forward(&masked.left, &heat, self.config.precision.kind(self.device), norm)
    }

    /// Mean distance between the keypoints of deformed pictures and the deformed keypoints.
    fn equivariance(&self, real: &Tensor, keypoints: &Tensor) -> Tensor {
        let size = real.size();
        let strength = self.config.keypoints.equivariance.deformation;
        let elastic = Elastic::random(size[0], size[2], strength, Share::WHOLE, self.device);
        let moved = self.detect(&self.learner.live.net, &elastic.images(real), Norm::TRAINING);
        let (sources, inside) = elastic.sources(&moved);
        losses::cycle::equivariance(&sources, keypoints, &inside)
    }
}

impl Stage for KeypointsTraining {
    type Net = MaskedAutoencoder;
    type Measured = Measures;

    fn learner(&self) -> &Learner<MaskedAutoencoder> {
        &self.learner
    }

    fn learner_mut(&mut self) -> &mut Learner<MaskedAutoencoder> {
        &mut self.learner
    }

    fn schedule(&self) -> (i64, u64) {
        (self.config.keypoints.batch, self.config.keypoints.images)
    }

    fn pictures(&self) -> Pictures {
        let arch = &self.config.architecture;
        Pictures {
            count: self.config.keypoints.batch,
            size: arch.image_size.max(arch.detector_size),
            seed: self.config.seed.wrapping_add(SEED_SHIFT),
            pairs: false,
        }
    }

    fn step(&mut self, real: &Tensor, rate: f64) -> Result<StepReport<Measures>> {
        let (config, kind) = (self.config.keypoints.clone(), self.config.precision.kind(self.device));
        let real = real.to_device(self.device);
        parameters::seed_step(self.config.seed.wrapping_add(SEED_SHIFT), self.learner.state.step);
        let net = &self.learner.live.net;
        let masked = self.masked(net, &real, Norm::TRAINING);
        let reconstruction = self.reconstruct(net, &masked, Norm::TRAINING);
        let mut terms = Terms::default();
        let mut add = |loss: &'static Loss, weight: f64, value: Tensor| {
            let shown = parameters::value(&value);
            terms.add(loss, weight, value);
            shown
        };
        let of_image = losses::cycle::image(&reconstruction, &masked.images);
        let image = add(&named::IMAGE, config.reconstruction.image_weight, of_image);
        let mut perceptual = None;
        let weight = config.reconstruction.perceptual_weight;
        if let Some(net) = self.features.as_ref().filter(|_| weight > 0.0) {
            let maps = |images: &Tensor| net.layers_at(images, FeatureNet::DEPTHS, FEATURES_SIDE, kind);
            let wanted = tch::no_grad(|| maps(&masked.images));
            let distance = losses::features::perceptual(&maps(&reconstruction), &wanted);
            perceptual = Some(add(&named::PERCEPTUAL, weight, distance));
        }
        let of_keypoints = losses::separation::separation(&masked.keypoints, config.separation.width);
        let separation = match config.separation.weight > 0.0 {
            true => add(&named::SEPARATION, config.separation.weight, of_keypoints),
            false => parameters::value(&of_keypoints),
        };
        let mut equivariance = None;
        let done = self.learner.state.images_seen as f64 / config.images as f64;
        if config.equivariance.weight > 0.0 && done >= config.equivariance.from {
            let distance = self.equivariance(&real, &masked.keypoints);
            equivariance = Some(add(&named::EQUIVARIANCE, config.equivariance.weight, distance));
        }
        let n = real.size()[0];
        let learning_rate = config.learning_rate * rate;
        let spread = masked.keypoints.detach().std_dim(Some([0i64].as_slice()), true, false);
        let spread = parameters::value(&spread.mean(Kind::Float));
        let measures = Measures { image, perceptual, separation, equivariance, spread };
        Ok(self.learner.learn(terms, learning_rate, n, config.ema_half_life, measures))
    }

    /// Re-estimates the averaged networks' statistics on pictures as they are.
    fn end(&mut self, loader: &mut Loader) -> Result<()> {
        for pass in 0..CALIBRATION {
            let real = loader.next_batch()?.to_device(self.device);
            tch::no_grad(|| {
                let (net, norm) = (&self.learner.average.net, Norm::calibrating(pass));
                let masked = self.masked(net, &real, norm);
                let _ = self.reconstruct(net, &masked, norm);
            });
        }
        Ok(())
    }

    /// Writes a sheet of real crops with their keypoints, what was left of them, and their reconstructions.
    fn write_sheets(&self, loader: &mut Loader, run: &Run) -> Result<()> {
        let columns = 10;
        let mut rows = Vec::new();
        for _ in 0..2 {
            let real = loader.next_batch()?.to_device(self.device);
            let real = real.narrow(0, 0, real.size()[0].min(columns));
            tch::no_grad(|| {
                let net = &self.learner.average.net;
                let masked = self.masked(net, &real, Norm::Running);
                let reconstruction = self.reconstruct(net, &masked, Norm::Running);
                rows.push((masked, reconstruction));
            });
        }
        let columns = rows[0].1.size()[0];
        let images: Vec<&Tensor> =
            rows.iter().flat_map(|(masked, image)| [&masked.images, &masked.left, image]).collect();
        let points: Vec<&Tensor> = rows.iter().flat_map(|(m, _)| [&m.keypoints; 3]).collect();
        let path = run.sample(STAGE, self.learner.state.images_seen);
        let sheet = sample::compose(&Tensor::cat(&images, 0), Some(&Tensor::cat(&points, 0)), columns)?;
        sample::write_png(&path, &sheet)?;
        run.sheet(STAGE, self.learner.state.step, &path)
    }
}
