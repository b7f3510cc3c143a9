use image::{Rgb, RgbImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::nn::VarStore;

use super::networks::{Driven, RunNetworks};
use super::*;
use crate::config::Config;
use crate::dataset::faces::amounts::Amounts;
use crate::train::optim::parameters;
use crate::train::run::checkpoint::{self, State};
use crate::train::run::stored::Stored;

/// Reads a picture's colours as its parts, and drives by changing them; `share` of what is asked of it.
struct Colours {
    share: f64,
}

impl Colours {
    fn of(images: &Tensor) -> Tensor {
        images.mean_dim([2i64, 3].as_slice(), false, Kind::Float)
    }
}

impl PortraitNetworks for Colours {
    fn describe(&self) -> String {
        "colours".into()
    }

    fn sizes(&self) -> (i64, i64) {
        (16, 32)
    }

    fn detect(&mut self, images: &Tensor) -> Result<Parts> {
        assert_eq!(images.size()[1..], [3, 16, 16]);
        let colours = Self::of(images);
        // Two keypoints, at fixed places: who they are tells the scale.
        let still = Tensor::from_slice(&[-0.5f32, 0.0, 0.5, 0.0]).view([1, 2, 2]);
        let moved = colours.narrow(1, 0, 2).unsqueeze(1) * 0.1;
        Ok(Parts { keypoints: still + moved, states: colours.unsqueeze(1) })
    }

    fn drive(&mut self, photos: &Tensor, source: &Parts, driven: &Parts) -> Result<Driven> {
        assert_eq!(photos.size()[1..], [3, 32, 32]);
        let change = (&driven.states - &source.states).squeeze_dim(1).unsqueeze(-1).unsqueeze(-1);
        let mask = Tensor::ones([photos.size()[0], 1, 32, 32], (Kind::Float, Device::Cpu)) * 0.75;
        let image = photos + change * self.share;
        Ok(Driven { image, warped: photos.shallow_clone(), mask })
    }
}

/// People of three pictures of one colour each, red by smile and green by yaw.
fn people(n: usize) -> Vec<Person> {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let person = |i: usize, rng: &mut ChaCha8Rng| {
        let blue: u8 = rng.random_range(80..200);
        let moves: Vec<[f64; 2]> = (0..3)
            .map(|v| {
                let (a, b): (f64, f64) = (rng.random_range(-40.0..40.0), rng.random_range(-4.0..4.0));
                if (i + v).is_multiple_of(2) { [a, b] } else { [b, a] }
            })
            .collect();
        let picture = |[a, b]: &[f64; 2]| {
            RgbImage::from_pixel(32, 32, Rgb([(128.0 + a).round() as u8, (128.0 + b).round() as u8, blue]))
        };
        let noted =
            |[a, b]: &[f64; 2]| Some(Amounts::from([("smile".to_owned(), *a), ("yaw".to_owned(), *b)]));
        Person {
            name: i.to_string(),
            pictures: moves.iter().map(picture).collect(),
            amounts: moves.iter().map(noted).collect(),
        }
    };
    (0..n).map(|i| person(i, &mut rng)).collect()
}

#[test]
fn networks_that_do_what_they_should_follow_and_reach_the_driver() {
    let people = people(12);
    let (report, sheet) = measure(&mut Colours { share: 1.0 }, &people, None, 4).unwrap();
    assert_eq!((report.people, report.pairs), (12, 48));
    assert!(report.driven.psnr > 60.0 && report.driven.ssim > 0.99, "{report:?}");
    assert_eq!(report.warped, report.still);
    assert!(report.still.psnr < 40.0 && (report.kept - 0.75).abs() < 1e-6, "{report:?}");
    let one = |f: Following| (f.slope - 1.0).abs() < 0.02 && f.correlation > 0.99;
    let cross = report.cross_person.unwrap();
    for f in [report.same_person.states, report.same_person.keypoints, cross.states, cross.keypoints] {
        assert!(one(f), "{report:?}");
    }
    assert_eq!((report.same_person.states.n, cross.states.n), (48, 24));
    assert_eq!(report.directions.len(), 2);
    for d in &report.directions {
        assert!(one(d.read) && one(d.followed) && one(d.alone) && d.leakage.unwrap() < 0.05, "{d:?}");
    }
    assert_eq!((sheet.images.size(), sheet.columns), (vec![8 * 8, 3, 32, 32], 8));
    let text = report.markdown();
    assert!(text.contains("| smile | 1.00 1.00 | 1.00 1.00 |"), "{text}");
    assert!(report.metrics().iter().any(|m| m.name == "portrait's states follow others" && m.value > 0.98));
}

#[test]
fn networks_that_do_half_of_it_are_found_out() {
    let (report, _) = measure(&mut Colours { share: 0.5 }, &people(6), None, 9).unwrap();
    assert_eq!(report.pairs, 6 * 6, "no more pairs than there are");
    let half = |f: Following| (f.slope - 0.5).abs() < 0.02;
    assert!(half(report.same_person.states) && half(report.cross_person.unwrap().states), "{report:?}");
    assert!(report.directions.iter().all(|d| half(d.followed)), "{report:?}");
    assert!(report.driven.psnr > report.still.psnr && report.driven.psnr < 50.0, "{report:?}");
}

#[test]
fn one_person_alone_has_no_other_to_follow() {
    let (report, sheet) = measure(&mut Colours { share: 1.0 }, &people(1), None, 6).unwrap();
    assert!(report.cross_person.is_none() && report.directions.is_empty());
    assert_eq!(sheet.images.size()[0], 5);
    assert!(!report.markdown().contains("somebody else"));
}

#[test]
fn a_run_is_measured_by_its_averaged_networks() {
    tch::manual_seed(3);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("portrait.safetensors");
    assert!(RunNetworks::open(&path).err().unwrap().to_string().contains("trainer portrait"));
    let mut config = Config::default();
    let arch = &mut config.architecture;
    (arch.keypoints, arch.states, arch.portrait_size) = (5, 3, 64);
    (arch.detector_size, arch.detector_channels) = (32, vec![8, 8]);
    let [live, average] =
        [(); 2].map(|()| Stored::<crate::nets::portrait::Portrait>::new(&config.architecture, Device::Cpu));
    let named = |prefix: &str, store: &VarStore| parameters::prefixed(prefix, parameters::all(store));
    let mut tensors = named("live", &live.store);
    tensors.extend(named("average", &average.store));
    checkpoint::save(&path, &tensors, &State { images_seen: 7, ..State::new("portrait", &config, 9) })
        .unwrap();
    let mut networks = RunNetworks::open(&path).unwrap();
    assert_eq!(networks.sizes(), (32, 64));
    assert!(networks.describe().contains("7 pairs"));
    let photos = Tensor::rand([2, 3, 64, 64], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
    let small = resize(&photos, 32);
    let own = networks.detect(&small).unwrap();
    let wanted = tch::no_grad(|| average.net.detector.forward(&small, crate::nets::layers::Norm::Running));
    assert!((&own.keypoints - wanted.keypoints).abs().max().double_value(&[]) < 1e-6);
    // A photo that is driven by its own parts is carried nowhere.
    let done = networks.drive(&photos, &own, &own).unwrap();
    let mut sums = Sums::default();
    sums.add(None, &done.warped, &photos).unwrap();
    assert!(sums.nearness().psnr > 60.0, "{:?}", sums.nearness());
    assert_eq!((done.image.size(), done.mask.size()), (photos.size(), vec![2, 1, 64, 64]));
}
