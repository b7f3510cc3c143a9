//! The keypoints' own training through the library: what it finds from pictures alone, what a resumed one repeats, and
//! what it leaves to the generator.

#![allow(clippy::unwrap_used)]

mod common;

use lkg_trainer::config::Config;
use lkg_trainer::nets::layers::Norm;
use lkg_trainer::train::checkpoint::{self, Checkpoint};
use lkg_trainer::train::gan::{Gan, Inference};
use lkg_trainer::train::keypoints::{self, KeypointsTraining};
use lkg_trainer::train::parameters;
use lkg_trainer::train::stage::{self, Stage};
use lkg_trainer::train::stored::Stored;
use tch::{Device, Kind, Tensor};

use common::alone;

/// 32 px pictures, three keypoints, a small detector; without the pretrained features.
fn config() -> Config {
    let text = "precision = 'fp32'\n[architecture]\nkeypoints = 3\nlatent = 8\nembedding = 6\nmlp_hidden = 16\n\
        image_size = 32\nfirst_size = 16\ngenerator_channels = [8, 8, 8, 8]\ndiscriminator_channels = [8, 8, 8, 8]\n\
        detector_size = 32\ndetector_channels = [16, 24, 32]\n\
        [keypoints]\nimages = 4000\nbatch = 16\nreconstruction.image_weight = 1.0\nreconstruction.perceptual_weight = 0.0\nlearning_rate = 5e-3\n\
        mask.fraction = 0.9\nmask.patches = 4\n\
        [gan]\nbatch = 4\nimages = [24, 56]\nfade_images = 16\nr1.every = 2\nreconstruction.every = 1\n\
        keypoint_discriminator.weight = 0.5\ncycle.keypoints_weight = 1.0\ncycle.teach_generator = false\nreconstruction.image_weight = 1.0\n";
    let config: Config = toml::from_str(text).unwrap();
    config.check().unwrap();
    config
}

/// Bright discs anywhere on grey, `[n, 3, 32, 32]`, and where they are, `[n, 2]`.
fn discs(n: i64) -> (Tensor, Tensor) {
    let at = (Tensor::rand([n, 2], (Kind::Float, Device::Cpu)) * 2.0 - 1.0) * 0.7;
    let axis = (Tensor::arange(32, (Kind::Float, Device::Cpu)) + 0.5) / 16.0 - 1.0;
    let off = |i: i64, shape: [i64; 4]| (axis.view(shape) - at.select(1, i).view([n, 1, 1, 1])).square();
    let inside = (off(0, [1, 1, 1, 32]) + off(1, [1, 1, 32, 1])).lt(0.06).to_kind(Kind::Float);
    (inside.expand([n, 3, 32, 32], false) * 1.6 - 0.8, at)
}

fn training(config: &Config) -> KeypointsTraining {
    KeypointsTraining::new(config, 64, Device::Cpu).unwrap()
}

/// As [`stage::train`] does it, on discs.
fn run_steps(training: &mut KeypointsTraining, steps: u64) -> Vec<String> {
    let mut lines = Vec::new();
    for _ in 0..steps {
        parameters::seed_step(5, training.learner().state.step);
        let report = training.step(&discs(16).0, 1.0).unwrap();
        training.learner_mut().state.step += 1;
        training.learner_mut().state.images_seen += 16;
        lines.push(serde_json::to_string(&report).unwrap());
    }
    lines
}

#[test]
fn a_part_is_found_from_pictures_alone() {
    let _turn = alone();
    let mut training = training(&config());
    run_steps(&mut training, 250);
    parameters::seed_step(6, 0);
    let (pictures, at) = discs(64);
    let seen = tch::no_grad(|| training.learner().live.net.detector.forward(&pictures, Norm::Batch(0.0)));
    // The distance that is left after the best shift, for the best keypoint: 0.4 for one that stays where it is.
    let off = |k: i64| {
        let difference = seen.keypoints.select(1, k) - &at;
        let middle = difference.mean_dim([0i64].as_slice(), true, Kind::Float);
        (difference - middle).square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float).sqrt()
    };
    let best = (0..3).map(|k| off(k).mean(Kind::Float).double_value(&[])).fold(f64::MAX, f64::min);
    assert!(best < 0.15, "{best}");
}

#[test]
fn a_resumed_training_repeats_bit_by_bit() {
    let _turn = alone();
    let mut config = config();
    (config.keypoints.equivariance.weight, config.keypoints.equivariance.from) = (0.5, 0.0);
    let mut whole = training(&config);
    run_steps(&mut whole, 3);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.safetensors");
    checkpoint::save(&path, &whole.tensors(), &whole.learner().state).unwrap();
    let mut resumed = training(&config);
    stage::restore(&mut resumed, &Checkpoint::open(&path).unwrap(), &config).unwrap();
    let lines = run_steps(&mut whole, 3);
    assert!(lines[2].contains("\"equivariance\":0"), "{}", lines[2]);
    assert_eq!(run_steps(&mut resumed, 3), lines);
}

/// The detector that learned first teaches the generator and does not change; without it being fixed the same cycle leaves
/// the generator alone.
#[test]
fn the_generator_learns_from_a_detector_that_stays_as_it_is() {
    let _turn = alone();
    let config = config();
    let mut first = training(&config);
    run_steps(&mut first, 2);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.safetensors");
    checkpoint::save(&path, &first.tensors(), &first.learner().state).unwrap();
    let detector = keypoints::detector(&Checkpoint::open(&path).unwrap(), Device::Cpu).unwrap();

    let after = |weight: f64| {
        let mut config = config.clone();
        config.gan.cycle.keypoints_weight = weight;
        let mut gan = Gan::new(&config, 12, Device::Cpu).unwrap();
        gan.adopt(&detector);
        for step in 0..2 {
            parameters::seed_step(7, step);
            gan.step(&discs(4).0.slice(2, 0, 32, 2).slice(3, 0, 32, 2), 16, 1.0).unwrap();
        }
        gan
    };
    let gan = after(1.0);
    let kept = parameters::all(&detector.store);
    for prefix in ["inference/detector.", "average_inference/detector."] {
        let tensors: Vec<_> = gan
            .tensors()
            .into_iter()
            .filter_map(|(n, t)| Some((n.strip_prefix(prefix)?.to_owned(), t)))
            .collect();
        assert_eq!(tensors.len(), kept.len());
        assert!(tensors.iter().all(|(name, t)| kept.iter().any(|(k, u)| k == name && u == t)), "{prefix}");
    }
    assert!(!gan.tensors().iter().any(|(name, _)| name.starts_with("inference_adam/detector.")));
    let generator = |gan: &Gan| {
        gan.tensors()
            .into_iter()
            .filter(|(n, _)| n.starts_with("generator/"))
            .map(|(_, t)| t)
            .collect::<Vec<_>>()
    };
    assert_ne!(generator(&gan), generator(&after(0.0)));

    // What is trained along is what the detector's stage begins with.
    let saved = dir.path().join("gan.safetensors");
    checkpoint::save(&saved, &gan.tensors(), gan.state()).unwrap();
    let checkpoint = Checkpoint::open(&saved).unwrap();
    assert!(Inference::averaged(&checkpoint, Device::Cpu).unwrap().detector_is_fixed);
    let along =
        Stored::<lkg_trainer::nets::Detector>::trained_along(&checkpoint, Device::Cpu).unwrap().unwrap();
    assert_eq!(parameters::all(&along.store), kept);
}

#[test]
fn keypoints_that_nothing_would_use_are_refused() {
    let mut config = config();
    config.gan = lkg_trainer::config::GanConfig { images: vec![24, 56], ..Default::default() };
    let refusal = config.check().unwrap_err().to_string();
    assert!(
        refusal.contains("keypoints.images") && refusal.contains("gan.cycle.keypoints_weight"),
        "{refusal}"
    );
    // libtorch used to say that sizes did not fit, once training had begun.
    let refusal = config.keypoints.check(8).unwrap_err().to_string();
    assert!(refusal.contains("keypoints.images") && refusal.contains("16"), "{refusal}");
    config.keypoints.mask.patches = 5;
    assert!(config.check().unwrap_err().to_string().contains("keypoints.mask.patches"));
}
