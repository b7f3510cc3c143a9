//! Parts of a batch add up to the whole: what training over several processes rests on.

#![allow(clippy::unwrap_used)]

mod common;

use std::rc::Rc;

use lkg_trainer::Result;
use lkg_trainer::augment::discriminator::augment;
use lkg_trainer::config::{Architecture, AugmentConfig, Config, GanConfig, Precision};
use lkg_trainer::support::share::Share;
use lkg_trainer::train::gan::Gan;
use lkg_trainer::train::ranks::{Ranks, Single};
use tch::{Device, Kind, Tensor};

use common::alone;

/// One of two ranks that never hears from the other: its gradients are those of its share.
struct Deaf(usize);

impl Ranks for Deaf {
    fn rank(&self) -> usize {
        self.0
    }
    fn size(&self) -> usize {
        2
    }
    fn average(&self, _: &[Tensor]) -> Result<()> {
        Ok(())
    }
    fn any(&self, _: &mut [bool]) {}
    fn gather(&self, _: &[u8]) -> Vec<Vec<u8>> {
        vec![]
    }
    fn abort(&self, _: u8) -> ! {
        std::process::abort()
    }
}

/// Every loss that needs no pretrained network, all due in the first step.
fn config() -> Config {
    let architecture = Architecture {
        keypoints: 3,
        latent: 8,
        embedding: 8,
        mlp_hidden: 16,
        image_size: 16,
        first_size: 8,
        generator_channels: vec![8, 8, 8],
        discriminator_channels: vec![8, 8, 8],
        detector_size: 32,
        detector_channels: vec![8, 8],
        ..Architecture::default()
    };
    let mut gan = GanConfig { batch: 8, norm_group: 4, images: vec![100, 100], ..GanConfig::default() };
    // The generator's gradients are to come from the same discriminator.
    gan.discriminator_learning_rate = 1e-30;
    (gan.r1.every, gan.background.every, gan.diversity.every, gan.reconstruction.every) = (1, 1, 1, 1);
    (gan.keypoint_discriminator.weight, gan.appearance_discriminator.weight) = (0.5, 0.5);
    (gan.cycle.keypoints_weight, gan.cycle.embeddings_weight) = (1.0, 1.0);
    (gan.reconstruction.image_weight, gan.reconstruction.perceptual_weight) = (1.0, 0.5);
    (gan.feature_matching.weight, gan.diversity.weight) = (1.0, 0.3);
    (gan.augment.translation, gan.augment.cutout) = (0.2, 0.3);
    Config { precision: Precision::Fp32, architecture, gan, ..Config::default() }
}

type Tensors = Vec<(String, Tensor)>;

/// The gradients of one step, and the running statistics after it.
fn one_step(real: &Tensor, config: &Config, ranks: Rc<dyn Ranks>) -> (Tensors, Tensors) {
    let mut gan = Gan::new(config, 100, Device::Cpu).unwrap();
    gan.join(ranks.clone()).unwrap();
    let measured = gan.step(&ranks.share().of(real), 16, 0.5).unwrap();
    assert_eq!(measured.images, 8);
    let terms = if config.gan.feature_discriminator.weight > 0.0 { 19 } else { 16 };
    assert_eq!(measured.terms.len(), terms, "{:?}", measured.terms);
    let mut statistics = gan.tensors();
    statistics.retain(|(name, _)| name.contains("running_") && !name.starts_with("average"));
    (gan.gradients(), statistics)
}

fn most(t: &Tensor) -> f64 {
    t.abs().max().double_value(&[])
}

#[test]
fn the_mean_of_two_halves_gradients_is_the_gradient_of_the_whole() {
    halves_make_the_whole(&config(), 1e-5);
}

#[test]
fn so_it_is_through_the_pretrained_network() {
    let mut config = config();
    config.gan.feature_discriminator.weight = 0.5;
    // Through its 40 layers rounding adds up to 4e-5.
    halves_make_the_whole(&config, 1e-4);
}

/// Holds the mean of two halves' gradients against the gradient of the whole: `bound` is a part of a network's largest.
fn halves_make_the_whole(config: &Config, bound: f64) {
    let _turn = alone();
    tch::manual_seed(11);
    let real = Tensor::rand([8, 3, 16, 16], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
    let (whole, statistics) = one_step(&real, config, Rc::new(Single));
    let halves = [0, 1].map(|rank| one_step(&real, config, Rc::new(Deaf(rank))));
    assert!(whole.len() > 100, "{}", whole.len());
    let network = |name: &str| name.split_once('/').unwrap().0.to_owned();
    let mut differ = 0;
    for (i, (name, gradient)) in whole.iter().enumerate() {
        let [a, b] = [0, 1].map(|half| {
            assert_eq!(&halves[half].0[i].0, name);
            halves[half].0[i].1.shallow_clone()
        });
        // Some gradients are nothing but rounding: those of a bias before a norm.
        let largest = whole.iter().filter(|(n, _)| network(n) == network(name)).map(|(_, g)| most(g));
        let largest = largest.fold(0.0, f64::max);
        let off = most(&((&a + &b) / 2.0 - gradient));
        assert!(off <= bound * largest, "{name}: {off} of {largest}");
        differ += usize::from(most(&(a - gradient)) > 1e-3 * largest);
    }
    assert!(differ > 50, "each half alone should be something else: {differ}");
    assert!(statistics.len() > 10, "{}", statistics.len());
    for (i, (name, statistic)) in statistics.iter().enumerate() {
        let mean = (&halves[0].1[i].1 + &halves[1].1[i].1) / 2.0;
        assert!(most(&(mean - statistic)) <= 1e-5 * most(statistic).max(1.0), "{name}");
    }
}

#[test]
fn batches_that_cannot_be_shared_are_refused() {
    let config = config();
    assert_eq!(config.gan.share(2).unwrap(), 4);
    let refused = |gan: &GanConfig, ranks: usize| gan.share(ranks).unwrap_err().to_string();
    assert!(
        refused(&config.gan, 3).contains("gan.batch 8 can't be shared by 3 ranks: make it a multiple of 12")
    );
    assert!(refused(&config.gan, 4).contains("a multiple of 16"));
    let free = GanConfig { norm_group: 0, ..config.gan };
    assert_eq!(free.share(4).unwrap(), 2);
    assert!(refused(&free, 8).contains("a multiple of 8, at least 16"));
}

#[test]
fn an_image_is_augmented_alike_whichever_part_of_the_batch_it_is_in() {
    let _turn = alone();
    let x = Tensor::randn([6, 3, 8, 8], (Kind::Float, Device::Cpu));
    let all = AugmentConfig { colour: 0.5, cutout: 0.5, translation: 0.25 };
    let part = |share: Share| {
        tch::manual_seed(7);
        augment(&share.of(&x), &all, share)
    };
    let parts: Vec<Tensor> = (0..3).map(|index| part(Share { index, count: 3 })).collect();
    assert_eq!(Tensor::cat(&parts, 0), part(Share::WHOLE));
}
