//! A training that diverges names the term, whichever stage it is, and leaves the checkpoint before it alone.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lkg_trainer::config::Config;
use lkg_trainer::dataset::Store;
use lkg_trainer::train::checkpoint::Checkpoint;
use lkg_trainer::train::detector::DetectorTraining;
use lkg_trainer::train::encoder::EncoderTraining;
use lkg_trainer::train::gan::{self, Gan};
use lkg_trainer::train::keypoints::{self, KeypointsTraining};
use lkg_trainer::train::run::Run;
use lkg_trainer::train::stage::{self, Stage};
use tch::{Device, Tensor};

use common::alone;

/// 16 px pictures at one size, so that a generator counts as finished from the start.
fn config() -> Config {
    let text = "precision = 'fp32'\n[architecture]\nkeypoints = 3\nlatent = 8\nembedding = 6\nmlp_hidden = 16\n\
        image_size = 16\nfirst_size = 16\ngenerator_channels = [8, 8, 8]\ndiscriminator_channels = [8, 8, 8]\n\
        detector_size = 32\ndetector_channels = [8, 8]\n\
        [keypoints]\nimages = 8\nbatch = 4\n[keypoints.mask]\npatches = 4\n\
        [keypoints.reconstruction]\nperceptual_weight = 0.0\n\
        [gan]\nbatch = 4\nimages = [40]\n[gan.cycle]\nkeypoints_weight = 1.0\n\
        [detector]\nbatch = 4\nimages = 40\n\
        [encoder]\nbatch = 4\nimages = 40\n[encoder.reconstruction]\nperceptual_weight = 0.0\n";
    Config::parse(text, "test").unwrap()
}

/// A new run in `dir`, and pictures to learn from.
fn begin(dir: &Path, config: &Config) -> (Run, Arc<Store>) {
    let pictures = dir.join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    for i in 0..8u8 {
        let picture = image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([x as u8 * 7, i * 30, y as u8 * 7]));
        picture.save(pictures.join(format!("{i}.png"))).unwrap();
    }
    let store = Store::load(&[pictures], 64).unwrap();
    (Run::create(&dir.join("run"), config).unwrap(), Arc::new(store))
}

/// What is said when `stage` trains on with the tensors whose names `chosen` chooses spoiled by `spoil`.
fn message<S: Stage>(
    mut stage: S,
    (run, store): &(Run, Arc<Store>),
    chosen: &str,
    spoil: fn(&mut Tensor),
) -> String {
    let mut tensors = stage.tensors();
    tensors.retain(|(name, _)| name.contains(chosen));
    assert!(!tensors.is_empty(), "{chosen}");
    tch::no_grad(|| tensors.iter_mut().for_each(|(_, tensor)| spoil(tensor)));
    stage::train(&mut stage, store, run, Duration::ZERO, 1).unwrap_err().to_string()
}

fn all(tensor: &mut Tensor) {
    let _ = tensor.fill_(f64::NAN);
}

/// The checkpoint of a generator that has learned nothing.
fn generator(config: &Config, run: &Run) -> Checkpoint {
    Gan::new(config, 8, Device::Cpu).unwrap().save(run).unwrap();
    Checkpoint::open(&run.checkpoint(gan::STAGE)).unwrap()
}

#[test]
fn the_keypoints_own_training_names_the_term_and_the_checkpoint() {
    let _turn = alone();
    let (dir, mut config) = (tempfile::tempdir().unwrap(), config());
    let (run, store) = begin(dir.path(), &config);
    let mut first = KeypointsTraining::new(&config, 8, Device::Cpu).unwrap();
    stage::train(&mut first, &store, &run, Duration::ZERO, 1).unwrap();
    let path = run.checkpoint(keypoints::STAGE);
    let sound = std::fs::read(&path).unwrap();

    config.keypoints.images = 40;
    let mut resumed = KeypointsTraining::new(&config, 8, Device::Cpu).unwrap();
    stage::restore(&mut resumed, &Checkpoint::open(&path).unwrap(), &config).unwrap();
    let said = message(resumed, &(run, store), "live/decoder.", all);
    assert!(said.contains("at step 3: the term image was not a finite number"), "{said}");
    assert!(said.contains("the checkpoint of step 2 is untouched"), "{said}");
    assert!(said.ends_with("a lower keypoints.reconstruction.image_weight"), "{said}");
    assert_eq!(std::fs::read(&path).unwrap(), sound);
}

#[test]
fn the_detectors_training_names_the_term() {
    let _turn = alone();
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let of_run = begin(dir.path(), &config);
    let generator = generator(&config, &of_run.0);
    let training = DetectorTraining::new(&config, &generator, None, 8, Device::Cpu).unwrap();
    // Its second half is what confidence is read from.
    let said = message(training, &of_run, "live/head.weight", |weight| {
        let _ = weight.narrow(0, 3, 3).fill_(f64::NAN);
    });
    assert!(said.contains("at step 1: the term confidence was not a finite number"), "{said}");
    assert!(said.contains("no checkpoint was written yet"), "{said}");
    assert!(said.ends_with("a lower detector.negatives.weight or detector.learning_rate"), "{said}");
}

/// What the discriminator minimised was not checked, and spoiled what came after.
#[test]
fn the_encoders_training_names_the_terms_of_encoder_and_discriminator() {
    let _turn = alone();
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let of_run = begin(dir.path(), &config);
    let generator = generator(&config, &of_run.0);
    let mut detector = DetectorTraining::new(&config, &generator, None, 8, Device::Cpu).unwrap();
    detector.learner_mut().state.images_seen = config.detector.images;
    stage::train(&mut detector, &of_run.1, &of_run.0, Duration::ZERO, 1).unwrap();
    let detector = Checkpoint::open(&of_run.0.checkpoint("detector")).unwrap();
    let training = EncoderTraining::new(&config, &generator, &detector, 8, Device::Cpu).unwrap();
    let said = message(training, &of_run, "discriminator/", all);
    assert!(said.contains("at step 1: the terms adversarial, discriminator were not"), "{said}");
    let fix = "a lower encoder.reconstruction.adversarial_weight or gan.discriminator_learning_rate";
    assert!(said.ends_with(fix), "{said}");
}

#[test]
fn weights_that_are_not_finite_are_not_saved_though_all_losses_are() {
    let _turn = alone();
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let of_run = begin(dir.path(), &config);
    let training = KeypointsTraining::new(&config, 8, Device::Cpu).unwrap();
    let said = message(training, &of_run, "average/detector.head.weight", all);
    assert!(said.contains("average/detector.head.weight is not finite though all losses were"), "{said}");
    assert!(!of_run.0.checkpoint(keypoints::STAGE).exists());
}
