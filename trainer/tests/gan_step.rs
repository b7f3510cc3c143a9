//! Steps of the generator's training through the library: what each loss reaches, what a resumed run repeats, what is
//! said when numbers go wrong.

#![allow(clippy::unwrap_used)]

mod common;

use lkg_trainer::config::{Config, GanConfig, Perceptual};
use lkg_trainer::train::checkpoint::Checkpoint;
use lkg_trainer::train::gan::{Gan, Inference, STAGE, StepReport};
use lkg_trainer::train::parameters;
use lkg_trainer::train::run::Run;
use tch::{Device, Kind, Tensor};

use common::alone;

type Tensors = Vec<(String, Tensor)>;

/// 8 px images grown to 16, three keypoints, and what `change` makes of the losses.
fn config(change: impl FnOnce(&mut GanConfig)) -> Config {
    let text = "precision = 'fp32'\n[architecture]\nkeypoints = 3\nlatent = 8\nembedding = 6\nmlp_hidden = 16\n\
        image_size = 16\nfirst_size = 8\ngenerator_channels = [8, 8, 8]\ndiscriminator_channels = [8, 8, 8]\n\
        detector_size = 32\ndetector_channels = [8, 8]\n\
        [gan]\nbatch = 4\nimages = [24, 56]\nfade_images = 16\nr1.every = 2\nreconstruction.every = 1\n\
        diversity.every = 1\n";
    let mut config: Config = toml::from_str(text).unwrap();
    change(&mut config.gan);
    config.check().unwrap();
    config
}

/// All losses, the perceptual one in the discriminator's maps.
fn everything(gan: &mut GanConfig) {
    for (_, on, _) in LOSSES {
        on(gan);
    }
}

type Change = fn(&mut GanConfig);

/// Each loss beyond the first version's: the term that it shows as, how it is switched on, and whose parameters
/// its gradients reach: the generator, the discriminators, the detector and the encoder.
const LOSSES: [(&str, Change, &[&str]); 13] = [
    (
        "keypoints",
        |g| g.keypoint_discriminator.weight = 0.5,
        &["generator/", "discriminator/keypoints.", "inference/detector."],
    ),
    (
        "appearance",
        |g| g.appearance_discriminator.weight = 0.5,
        &["generator/", "discriminator/appearance.", "inference/encoder."],
    ),
    ("features", |g| g.feature_discriminator.weight = 0.5, &["generator/", "discriminator/features."]),
    ("cycle_keypoints", |g| g.cycle.keypoints_weight = 0.5, &["generator/", "inference/detector."]),
    ("cycle_embeddings", |g| g.cycle.embeddings_weight = 0.5, &["generator/", "inference/encoder."]),
    (
        "cycle_image",
        |g| g.reconstruction.image_weight = 0.5,
        &["generator/", "inference/detector.", "inference/encoder."],
    ),
    (
        "perceptual",
        |g| g.reconstruction.perceptual_weight = 0.5,
        &["generator/", "inference/detector.", "inference/encoder."],
    ),
    ("equivariance", |g| g.equivariance.weight = 0.5, &["inference/detector."]),
    ("feature_matching", |g| g.feature_matching.weight = 0.5, &["generator/"]),
    ("diversity", |g| g.diversity.weight = 0.5, &["generator/"]),
    (
        "generator_equivariance",
        |g| (g.generator_equivariance.weight, g.generator_equivariance.fraction) = (0.5, 1.0),
        &["generator/"],
    ),
    (
        "move",
        |g| (g.part_move.weight, g.part_move.fraction) = (0.5, 0.5),
        &["generator/", "inference/detector."],
    ),
    ("move_rest", |g| (g.part_move.rest_weight, g.part_move.fraction) = (0.5, 0.5), &["generator/"]),
];

fn gan(config: &Config) -> Gan {
    Gan::new(config, 12, Device::Cpu).unwrap()
}

/// Real pictures of a step, a function of its number.
fn real(step: u64, size: i64) -> Tensor {
    parameters::seed_step(77, step);
    Tensor::rand([4, 3, size, size], (Kind::Float, Device::Cpu)) * 2.0 - 1.0
}

/// A training of so many steps, and its checkpoint.
fn trained(config: &Config, steps: u64) -> (Gan, Checkpoint) {
    let dir = tempfile::tempdir().unwrap();
    let run = Run::create(dir.path(), config).unwrap();
    let mut gan = gan(config);
    run_steps(&mut gan, steps);
    gan.save(&run).unwrap();
    let checkpoint = Checkpoint::open(&run.checkpoint(STAGE)).unwrap();
    (gan, checkpoint)
}

fn run_steps(gan: &mut Gan, steps: u64) -> Vec<StepReport> {
    let mut reports = Vec::new();
    for _ in 0..steps {
        let (size, alpha) = gan.resolution();
        let real = real(gan.state().step, size);
        reports.push(gan.step(&real, size, alpha).unwrap().report().unwrap());
    }
    reports
}

/// A copy of the networks that are trained.
fn networks(gan: &Gan) -> Tensors {
    let trained =
        |name: &str| ["generator/", "discriminator/", "inference/"].iter().any(|p| name.starts_with(p));
    let tensors = gan.tensors().into_iter().filter(|(name, _)| trained(name));
    tensors.map(|(name, t)| (name, t.detach().copy())).collect()
}

/// The names of tensors that differ by a bit, or are not in both.
fn differing(a: &Tensors, b: &Tensors) -> Vec<String> {
    let alone = a.iter().chain(b).filter(|(name, _)| find(a, name).is_none() || find(b, name).is_none());
    let other = a.iter().filter(|(name, t)| find(b, name).is_some_and(|u| u != t));
    alone.chain(other).map(|(name, _)| name.clone()).collect()
}

fn find<'a>(tensors: &'a [(String, Tensor)], name: &str) -> Option<&'a Tensor> {
    tensors.iter().find(|(n, _)| n == name).map(|(_, t)| t)
}

fn max_difference(a: &[(String, Tensor)], b: &[(String, Tensor)], prefix: &str) -> f64 {
    let shared = a.iter().filter(|(name, _)| name.starts_with(prefix));
    shared
        .filter_map(|(name, t)| Some((t - find(b, name)?).abs().max().double_value(&[])))
        .fold(0.0, f64::max)
}

#[test]
fn a_loss_of_weight_0_changes_nothing_and_makes_no_network() {
    let _turn = alone();
    let mut base = gan(&config(|_| ()));
    // Everything but the weights is as if the losses were on.
    let mut off = gan(&config(|g| {
        g.reconstruction.perceptual = Perceptual::OpenNsfw;
        (g.reconstruction.every, g.diversity.every, g.inference_learning_rate) = (3, 5, 0.1);
    }));
    run_steps(&mut base, 7);
    run_steps(&mut off, 7);
    assert_eq!(differing(&base.tensors(), &off.tensors()), [""; 0]);
    assert!(base.tensors().iter().all(|(name, _)| !name.contains("inference")));
}

#[test]
fn each_loss_is_reported_and_reaches_the_networks_it_should() {
    let _turn = alone();
    // Without augmentation, which draws other numbers where a loss has drawn some before it.
    let mut base = gan(&config(|g| g.augment.colour = 0.0));
    run_steps(&mut base, 1);
    let base = networks(&base);
    for (term, on, reaches) in LOSSES {
        let config = config(|g| {
            g.augment.colour = 0.0;
            on(g);
        });
        let mut with = gan(&config);
        let fresh = networks(&with);
        let report = run_steps(&mut with, 1).remove(0);
        assert!(report.terms[term].is_finite(), "{term}: {report:?}");
        let after = networks(&with);
        for prefix in reaches {
            let before = if *prefix == "generator/" { &base } else { &fresh };
            assert!(max_difference(before, &after, prefix) > 1e-6, "{term} does not reach {prefix}");
        }
        // The discriminators learn from their own losses only. Some generate more images at once, which the norms mix.
        let image_discriminator = max_difference(&base, &after, "discriminator/");
        let generates_more = ["diversity", "generator_equivariance", "move", "move_rest"].contains(&term);
        assert!(image_discriminator == 0.0 || generates_more, "{term} reaches the image discriminator");
        for network in [
            "discriminator/keypoints.",
            "discriminator/appearance.",
            "discriminator/features.",
            "inference/detector.",
            "inference/encoder.",
        ] {
            let made = after.iter().any(|(name, _)| name.starts_with(network));
            assert_eq!(made, reaches.contains(&network), "{term}: {network}");
        }
    }
}

/// With the cycles' gradients in it, the generator painted spots and loud colours that told detector and encoder what
/// it had been given.
#[test]
fn cycles_can_leave_the_generator_alone() {
    let _turn = alone();
    let after = |change: Change| {
        let mut gan = gan(&config(|g| {
            g.augment.colour = 0.0;
            change(g);
        }));
        run_steps(&mut gan, 1);
        networks(&gan)
    };
    let base = after(|_| ());
    let cycles = after(|g| {
        (g.cycle.keypoints_weight, g.cycle.embeddings_weight, g.cycle.teach_generator) = (2.0, 2.0, false);
    });
    assert_eq!(max_difference(&base, &cycles, "generator/"), 0.0);
}

#[test]
fn a_resumed_training_with_every_loss_repeats_bit_by_bit() {
    let _turn = alone();
    let config = config(everything);
    let (mut whole, checkpoint) = trained(&config, 7);
    let mut resumed = Gan::resume(&checkpoint, &config, 12, Device::Cpu).unwrap();
    assert_eq!(differing(&resumed.tensors(), &whole.tensors()), [""; 0]);
    // Through the growth to 16 px.
    let lines = |gan: &mut Gan| -> Vec<String> {
        run_steps(gan, 4).iter().map(|r| serde_json::to_string(r).unwrap()).collect()
    };
    assert_eq!(lines(&mut resumed), lines(&mut whole));
    assert_eq!(differing(&resumed.tensors(), &whole.tensors()), [""; 0]);
}

#[test]
fn losses_can_be_switched_on_and_off_when_resuming() {
    let _turn = alone();
    let (base, full) = (config(|_| ()), config(everything));
    let dir = tempfile::tempdir().unwrap();
    let run = Run::create(dir.path(), &base).unwrap();
    let mut gan = gan(&base);
    run_steps(&mut gan, 3);
    gan.save(&run).unwrap();
    let open = || Checkpoint::open(&run.checkpoint(STAGE)).unwrap();
    assert!(Inference::averaged(&open(), Device::Cpu).unwrap().encoder.is_none());
    let mut added = Gan::resume(&open(), &full, 12, Device::Cpu).unwrap();
    assert_eq!(max_difference(&networks(&gan), &networks(&added), ""), 0.0);
    run_steps(&mut added, 2);
    added.save(&run).unwrap();
    assert!(Inference::averaged(&open(), Device::Cpu).unwrap().encoder.is_some());
    let dropped = Gan::resume(&open(), &base, 12, Device::Cpu).unwrap();
    assert_eq!(dropped.tensors().len(), gan.tensors().len());
}

/// The detector had no optimiser's state then, and the message was about a tensor.
#[test]
fn keypoints_that_were_learned_first_cannot_be_switched_off() {
    let _turn = alone();
    let off = config(|g| g.cycle.keypoints_weight = 0.5);
    let mut first = off.clone();
    first.keypoints.images = 8;
    let (_, checkpoint) = trained(&first, 2);
    assert!(Gan::resume(&checkpoint, &first, 12, Device::Cpu).is_ok());
    let Err(refusal) = Gan::resume(&checkpoint, &off, 12, Device::Cpu) else { panic!("switched off") };
    assert!(refusal.to_string().contains("leave keypoints.images above 0 (it was 8)"), "{refusal}");
}

#[test]
fn a_trained_generator_grows_by_a_size() {
    let _turn = alone();
    let small = config(|g| {
        everything(g);
        (g.images, g.fade_images) = (vec![4, 8], 4);
    });
    let mut large = small.clone();
    large.architecture.image_size = 32;
    large.architecture.generator_channels.push(6);
    large.architecture.discriminator_channels.push(6);
    large.gan.images.push(40);
    large.check().unwrap();
    let (gan, checkpoint) = trained(&small, 3);
    let mut grown = Gan::resume(&checkpoint, &large, 12, Device::Cpu).unwrap();
    let (before, after) = (gan.tensors(), grown.tensors());
    for prefix in ["generator/", "average/", "discriminator/", "generator_adam/", "inference/detector."] {
        assert!(before.iter().any(|(name, _)| name.starts_with(prefix)), "{prefix}");
        assert_eq!(max_difference(&before, &after, prefix), 0.0, "{prefix}");
        assert!(before.iter().filter(|(n, _)| n.starts_with(prefix)).all(|(n, _)| find(&after, n).is_some()));
    }
    assert_eq!(grown.resolution(), (32, 0.25));
    let reports = run_steps(&mut grown, 2);
    assert!(reports.iter().all(|r| serde_json::to_value(r).unwrap()["size"] == 32));

    // Wider it could be, not narrower.
    large.architecture.generator_channels[0] = 1;
    let Err(refusal) = Gan::resume(&checkpoint, &large, 12, Device::Cpu) else { panic!("another network") };
    assert!(refusal.to_string().contains("generator_channels"), "{refusal}");
}

#[test]
fn a_term_that_is_not_finite_is_named_and_the_checkpoint_stays() {
    let _turn = alone();
    let config = config(|g| g.cycle.keypoints_weight = 0.25);
    let dir = tempfile::tempdir().unwrap();
    let run = Run::create(dir.path(), &config).unwrap();
    let mut gan = gan(&config);
    run_steps(&mut gan, 2);
    gan.save(&run).unwrap();
    let sound = std::fs::read(run.checkpoint(STAGE)).unwrap();
    run_steps(&mut gan, 1);
    let tensors = gan.tensors();
    let mut head = find(&tensors, "inference/detector.head.weight").unwrap().shallow_clone();
    let _ = tch::no_grad(|| head.fill_(f64::NAN));
    // The step itself goes on, and so do more: the first one is what counts.
    run_steps(&mut gan, 3);
    let message = gan.save(&run).unwrap_err().to_string();
    assert!(message.contains("at step 4: the term cycle_keypoints was not a finite number"), "{message}");
    assert!(message.contains("checkpoint of step 2 is untouched"), "{message}");
    assert!(message.contains("a lower gan.cycle.keypoints_weight"), "{message}");
    assert_eq!(std::fs::read(run.checkpoint(STAGE)).unwrap(), sound);
}

#[test]
fn weights_that_are_not_finite_are_not_saved_though_all_losses_are() {
    let _turn = alone();
    let config = config(|_| ());
    let dir = tempfile::tempdir().unwrap();
    let run = Run::create(dir.path(), &config).unwrap();
    let mut gan = gan(&config);
    run_steps(&mut gan, 1);
    let (name, mut tensor) = gan.tensors().swap_remove(4);
    let _ = tch::no_grad(|| tensor.fill_(f64::INFINITY));
    let message = gan.save(&run).unwrap_err().to_string();
    assert!(message.contains(&name) && message.contains("step 1"), "{message}");
    assert!(!run.checkpoint(STAGE).exists());
}

/// The discriminator's loss in the log once contained the gradient penalty: the sum was added up in its memory.
#[test]
fn the_discriminators_loss_is_logged_without_the_penalty() {
    let _turn = alone();
    let first = |weight: f64| {
        let mut gan = gan(&config(|g| (g.r1.weight, g.r1.every) = (weight, 1)));
        run_steps(&mut gan, 1).remove(0)
    };
    let (with, without) = (first(1000.0), first(0.0));
    assert!(with.r1.is_some_and(|r1| r1 > 0.0) && without.r1.is_none());
    assert_eq!(with.discriminator, without.discriminator);
}

#[test]
fn the_penalty_grows_with_the_interval_that_it_is_due_at() {
    let _turn = alone();
    // So large a weight drowns the adversarial gradient, and so small a learning rate leaves the discriminator as it is: what
    // Adam remembers, with these decay rates the mean of two steps' squares, is the penalty's gradient.
    let pull = |every: u64| {
        let mut gan = gan(&config(|g| {
            (g.r1.weight, g.r1.every) = (1e6, every);
            (g.discriminator_learning_rate, g.betas) = (1e-20, (0.0, 0.5));
        }));
        let mut squares = 0.0;
        for step in 0..every {
            gan.step(&real(0, 8), 8, 1.0).unwrap();
            let sum: f64 = gan
                .tensors()
                .iter()
                .filter(|(name, _)| name.starts_with("discriminator_adam/") && name.ends_with("/square"))
                .map(|(_, t)| t.sum(Kind::Double).double_value(&[]))
                .sum();
            squares = if step + 1 == every { sum - squares / 2.0 } else { sum };
        }
        (2.0 * squares).sqrt()
    };
    // The same picture under the same augmentation, but for what the step's seed changes.
    let ratio = pull(4) / pull(1);
    assert!((ratio / 4.0 - 1.0).abs() < 0.2, "{ratio}");
}

#[test]
fn what_is_inferred_from_real_pictures_is_not_augmented() {
    let _turn = alone();
    let cycle = |strength: f64| {
        let mut gan = gan(&config(|g| {
            everything(g);
            (g.augment.colour, g.augment.translation, g.augment.cutout) = (strength, strength, strength);
        }));
        run_steps(&mut gan, 1).remove(0)
    };
    let (strong, none) = (cycle(0.9), cycle(0.0));
    for term in ["cycle_image", "cycle_keypoints", "cycle_embeddings"] {
        assert_eq!(strong.terms[term], none.terms[term], "{term}");
    }
    assert_eq!(strong.background, none.background);
    assert_ne!(strong.discriminator, none.discriminator);
}
