//! Networks of random weights to export.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use lkg_bundle::Network;
use lkg_bundle::manifest::Provenance;
use lkg_trainer::config::{Architecture, ImageFamily, KeypointFamily, ModulationForm, StyleMap};
use lkg_trainer::export::{ExportRequest, GeneratorNets, TrainedNets};
use lkg_trainer::nets::heatmap::Pose;
use lkg_trainer::nets::image_generator::Mode;
use lkg_trainer::nets::keypoint_generator::Noise;
use lkg_trainer::nets::layers::Norm;
use lkg_trainer::nets::{Detector, Encoder, ImageGenerator, KeypointGenerator};
use prost::Message;
use tch::nn::VarStore;
use tch::{Device, Tensor};

pub struct Nets {
    pub store: VarStore,
    pub keypoint_generator: KeypointGenerator,
    pub image_generator: ImageGenerator,
    pub detector: Detector,
    pub encoder: Encoder,
}

/// libtorch has one random generator for all threads.
pub static SEEDING: Mutex<()> = Mutex::new(());

impl Nets {
    /// Networks with nothing left at a value that would hide a mistake: no bias is 0, no norm the identity.
    pub fn random(arch: &Architecture, seed: i64) -> Self {
        let _seeding = SEEDING.lock().unwrap();
        tch::manual_seed(seed);
        let store = VarStore::new(Device::Cpu);
        let root = store.root();
        let nets = Self {
            keypoint_generator: KeypointGenerator::new(&root / "keypoint_generator", arch),
            image_generator: ImageGenerator::new(&root / "image_generator", arch),
            detector: Detector::new(&root / "detector", arch),
            encoder: Encoder::new(&root / "encoder", arch),
            store,
        };
        disturb(&nets.store);
        nets
    }

    /// Makes the image generator as tame as a trained one, its modulation mild and its norms' statistics those of its
    /// own images: through many layers of a wild one, rounding grows beyond what parity allows.
    pub fn tame(&self, arch: &Architecture) {
        let _seeding = SEEDING.lock().unwrap();
        tch::manual_seed(1);
        let _no_grad = tch::no_grad_guard();
        for (name, mut tensor) in self.store.variables() {
            if ["style", "gamma.weight", "beta.weight"].iter().any(|e| name.ends_with(e)) {
                let _ = tensor.g_mul_scalar_(0.2);
            }
        }
        let latents =
            self.keypoint_generator.forward(&Noise::sample(8, arch.latent, Device::Cpu), Norm::Running);
        let mode = Mode { norm: Norm::Batch(1.0), ..Mode::exported(arch) };
        let pose = Pose::natural(latents.keypoints);
        let _ = self.image_generator.forward(&pose, &latents.embeddings, &latents.background, mode);
    }

    pub fn view(&self) -> TrainedNets<'_> {
        TrainedNets {
            detector: &self.detector,
            generator: Some(GeneratorNets {
                keypoints: &self.keypoint_generator,
                images: &self.image_generator,
                encoder: Some(&self.encoder),
            }),
            portrait: None,
        }
    }

    pub fn fill(&self, ending: &str, value: f64) {
        let _no_grad = tch::no_grad_guard();
        let variables = self.store.variables();
        let mut found = variables.into_iter().filter(|(name, _)| name.ends_with(ending)).peekable();
        assert!(found.peek().is_some(), "no variable ends in {ending}");
        found.for_each(|(_, mut tensor)| tensor.copy_(&Tensor::full_like(&tensor, value)));
    }
}

/// Leaves nothing at a value that would hide a mistake: no bias at 0, no norm the identity.
pub fn disturb(store: &VarStore) {
    let _no_grad = tch::no_grad_guard();
    // In an order of their own, they would get other noise in every run.
    let sorted: BTreeMap<_, _> = store.variables().into_iter().collect();
    for (name, mut tensor) in sorted {
        let noise = Tensor::randn_like(&tensor) * 0.3;
        if name.ends_with("running_var") {
            tensor.copy_(&(noise.exp() * 1.5));
        } else if name.ends_with("running_mean") || name.ends_with("bias") || name.contains("norm") {
            tensor.copy_(&(&tensor + noise));
        }
    }
}

/// Nothing in it is equal to anything else, so that a mix-up of axes shows.
pub fn small() -> Architecture {
    Architecture {
        keypoints: 3,
        latent: 5,
        embedding: 8,
        mlp_hidden: 12,
        keypoint_divisor: 3.0,
        tau: 0.04,
        image_size: 16,
        first_size: 16,
        generator_channels: vec![7, 9, 6],
        discriminator_channels: vec![4, 4, 4],
        detector_size: 32,
        detector_channels: vec![10, 11],
        ..Architecture::default()
    }
}

pub fn request() -> ExportRequest {
    ExportRequest {
        name: "tiny".to_owned(),
        description: "random weights".to_owned(),
        keypoint_names: None,
        symmetric_pairs: vec![],
        skeleton: vec![],
        means: None,
        expressions: vec![],
        metrics: vec![],
        provenance: Provenance::default(),
        licence: "Apache-2.0".to_owned(),
        card: "# tiny\n".to_owned(),
        pictures: vec![],
    }
}

pub fn content(nets: &Nets, arch: &Architecture, network: Network) -> Vec<u8> {
    nets.view().graph(network, arch).unwrap().model.encode_to_vec()
}

pub fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every kind of generator, each in the shapes of `base`.
pub fn kinds(base: &Architecture) -> Vec<Architecture> {
    let mut kinds = Vec::new();
    for style_map in [StyleMap::Sum, StyleMap::Concat] {
        for modulation in [ModulationForm::Linear, ModulationForm::Conv] {
            for shortcut in [false, true] {
                kinds.push(Architecture { style_map, modulation, shortcut, ..base.clone() });
            }
        }
    }
    kinds.push(Architecture { image_generator: ImageFamily::Warp, ..base.clone() });
    kinds.push(Architecture { keypoint_generator: KeypointFamily::Trunk, ..base.clone() });
    kinds
}
