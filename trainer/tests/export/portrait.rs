//! Portrait networks: both halves and the detector's states.

use std::fs;

use lkg_bundle::onnx::ModelProto;
use lkg_bundle::{Bundle, Network};
use lkg_trainer::config::Architecture;
use lkg_trainer::export::{ExportRequest, PortraitNets, TrainedNets, check_bundle, export_bundle, parity};
use lkg_trainer::nets::portrait::Portrait;
use prost::Message;
use tch::Device;
use tch::nn::VarStore;

use super::nets::{SEEDING, disturb, entries, request, small};

const NETWORKS: [Network; 3] = [Network::Detector, Network::PortraitSource, Network::Portrait];

struct Nets {
    store: VarStore,
    net: Portrait,
}

impl Nets {
    fn random(arch: &Architecture, seed: i64) -> Self {
        let _seeding = SEEDING.lock().unwrap();
        tch::manual_seed(seed);
        let store = VarStore::new(Device::Cpu);
        let net = Portrait::new(store.root(), arch);
        disturb(&store);
        // The last layers begin at 0 and the states near it, which would hide what comes before them.
        for (name, mut tensor) in store.variables() {
            if name.contains("head.weight") || name.contains("states.weight") {
                let _ = tch::no_grad(|| tensor.normal_(0.0, 0.05));
            }
        }
        Self { store, net }
    }

    fn view(&self) -> TrainedNets<'_> {
        let portrait = PortraitNets { flow: &self.net.flow, renderer: &self.net.renderer };
        TrainedNets { detector: &self.net.detector, generator: None, portrait: Some(portrait) }
    }
}

fn arch(side: i64) -> Architecture {
    Architecture { keypoints: 5, states: 3, portrait_size: side, ..small() }
}

fn asked() -> ExportRequest {
    ExportRequest { means: Some(vec![[0.25, -0.5]; 5]), ..request() }
}

#[test]
fn graphs_compute_what_libtorch_computes_at_every_side() {
    for (seed, side) in [(1, 64), (2, 128), (3, 256)] {
        let arch = arch(side);
        let nets = Nets::random(&arch, seed);
        let dims = nets.view().dims(&arch);
        assert_eq!(nets.view().networks(), NETWORKS);
        for network in NETWORKS {
            let content = nets.view().graph(network, &arch).unwrap().model.encode_to_vec();
            lkg_bundle::onnx::check_model(&content, network, &dims).unwrap();
            let worst = parity::check(&nets.view(), &arch, network, &content).unwrap();
            println!("{network} at {side} px: {worst:?}");
            assert_eq!(worst.len(), network.outputs(&dims).len());
        }
    }
}

#[test]
fn detectors_of_other_depths_read_states_too() {
    let shapes = [(vec![8, 8], 0), (vec![4, 6, 8], 0), (vec![4, 6, 8, 8], 0), (vec![4, 6, 8], 10)];
    for (seed, (detector_channels, state_channels)) in (5..).zip(shapes) {
        let arch = Architecture { detector_channels, state_channels, ..arch(64) };
        let nets = Nets::random(&arch, seed);
        let content = nets.view().graph(Network::Detector, &arch).unwrap().model.encode_to_vec();
        let worst = parity::check(&nets.view(), &arch, Network::Detector, &content).unwrap();
        assert!(worst.contains_key("states"), "{worst:?}");
    }
}

#[test]
fn a_changed_weight_is_caught_in_both_halves() {
    let arch = arch(64);
    let nets = Nets::random(&arch, 4);
    for network in [Network::PortraitSource, Network::Portrait] {
        let mut model = nets.view().graph(network, &arch).unwrap().model;
        for tensor in model.graph.as_mut().unwrap().initializer.iter_mut().filter(|t| t.dims.len() == 4) {
            for element in tensor.raw_data.chunks_exact_mut(4) {
                let value = f32::from_le_bytes(element.try_into().unwrap());
                element.copy_from_slice(&(value * 1.01).to_le_bytes());
            }
        }
        let error = parity::check(&nets.view(), &arch, network, &model.encode_to_vec()).unwrap_err();
        assert!(error.to_string().contains("differs by"), "{error}");
    }
}

/// Denormal numbers cost a factor of thirty.
#[test]
fn no_exponential_is_small_enough_to_be_slow() {
    let arch = arch(64);
    let nets = Nets::random(&arch, 6);
    for network in [Network::PortraitSource, Network::Portrait] {
        let nodes = nets.view().graph(network, &arch).unwrap().model.graph.unwrap().node;
        let floored = |name: &str| nodes.iter().any(|n| n.op_type == "Max" && n.output[0] == name);
        let exponentials: Vec<_> = nodes.iter().filter(|n| n.op_type == "Exp").collect();
        assert!(!exponentials.is_empty() && exponentials.iter().all(|n| floored(&n.input[0])));
    }
}

#[test]
fn the_frame_s_half_of_what_ships_stays_under_its_budget() {
    let arch = Architecture { keypoints: 20, states: 4, portrait_size: 128, ..Architecture::default() };
    let nets = Nets::random(&arch, 7);
    let [source, frame] = [Network::PortraitSource, Network::Portrait].map(|network| {
        let exported = nets.view().graph(network, &arch).unwrap();
        (exported.macs, exported.model.encoded_len())
    });
    assert!(frame.0 < 1_200_000_000, "{frame:?}");
    assert!(source.1 + frame.1 < 12_000_000, "{source:?} {frame:?}");
}

#[test]
fn a_bundle_of_portrait_networks_is_written_and_checked() {
    let arch = arch(64);
    let nets = Nets::random(&arch, 8);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("portrait");
    let manifest = export_bundle(&nets.view(), &arch, &asked(), &out, false).unwrap();
    let bundle = Bundle::open(&out).unwrap();
    assert_eq!(bundle.manifest(), &manifest);
    assert!(bundle.has_portrait() && !bundle.has_generator());
    let d = manifest.dims;
    assert_eq!((d.latent, d.embedding, d.image_size), (0, 0, 0));
    assert_eq!((d.states, d.portrait_size), (Some(3), Some(64)));
    assert_eq!(manifest.keypoints[4].mean, [0.25, -0.5]);
    assert_eq!(entries(&out).len(), manifest.files.len() + 1);
    let reports = check_bundle(&out, Some((&nets.view(), &arch))).unwrap();
    assert_eq!(reports.iter().map(|r| r.network).collect::<Vec<_>>(), NETWORKS);
    assert!(reports.iter().all(|r| r.parity.is_some()));
    assert!(check_bundle(&out, Some((&nets.view(), &self::arch(128)))).is_err());
    // Nothing says where keypoints lie on average.
    let error = export_bundle(&nets.view(), &arch, &request(), &dir.path().join("other"), false).unwrap_err();
    assert!(error.to_string().contains("no generator"), "{error}");
}

#[test]
fn a_changed_output_fails_the_golden_check() {
    let arch = arch(64);
    let nets = Nets::random(&arch, 9);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("portrait");
    let mut manifest = export_bundle(&nets.view(), &arch, &asked(), &out, false).unwrap();
    let mut model = ModelProto::decode(&*fs::read(out.join(Network::Portrait.file_name())).unwrap()).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let last = graph.node.iter_mut().find(|n| n.output[0] == "colour").unwrap();
    assert_eq!(last.op_type, "Tanh");
    last.op_type = "Sigmoid".to_owned();
    fs::write(out.join(Network::Portrait.file_name()), model.encode_to_vec()).unwrap();
    let files: Vec<String> = manifest.files.keys().cloned().collect();
    manifest.files = lkg_bundle::bundle::describe_files(&out, &files).unwrap();
    let path = out.join("manifest.json");
    fs::write(&path, manifest.to_json(&path).unwrap()).unwrap();
    let error = check_bundle(&out, None).unwrap_err().to_string();
    assert!(error.contains("portrait: output \"colour\" differs by"), "{error}");
    drop(nets.store);
}
