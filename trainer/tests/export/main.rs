//! Export: graphs compute what libtorch computes, errors are caught, bundles appear whole or not at all.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod nets;
mod portrait;
mod split;

use std::fs;

use lkg_bundle::onnx::ModelProto;
use lkg_bundle::{Bundle, Network};
use lkg_trainer::config::{Architecture, ImageFamily, ModulationForm, StyleMap};
use lkg_trainer::export::{
    self, ExportRequest, GeneratorNets, NETWORKS, TrainedNets, check_bundle, export_bundle, parity,
};
use prost::Message;

use nets::{Nets, content, entries, kinds, request, small};

#[test]
fn graphs_compute_what_libtorch_computes() {
    for (seed, arch) in [(1, Architecture::default()), (2, small())] {
        let nets = Nets::random(&arch, seed);
        for network in nets.view().networks() {
            let content = content(&nets, &arch, network);
            lkg_bundle::onnx::check_model(&content, network, &arch.bundle_dims()).unwrap();
            let worst = parity::check(&nets.view(), &arch, network, &content).unwrap();
            println!("{network} at {} px: {worst:?}", arch.image_size);
            assert_eq!(worst.len(), network.outputs(&arch.bundle_dims()).len());
        }
    }
}

#[test]
fn an_operator_that_a_provider_lacks_is_refused_with_its_node() {
    let arch = small();
    let nets = Nets::random(&arch, 40);
    let mut model = nets.view().graph(Network::Detector, &arch).unwrap().model;
    let nodes = &mut model.graph.as_mut().unwrap().node;
    let node = nodes.iter_mut().find(|n| n.op_type == "Relu").unwrap();
    node.op_type = "HardSwish".to_owned();
    let name = node.name.clone();
    let content = model.encode_to_vec();
    let error = lkg_bundle::onnx::check_model(&content, Network::Detector, &arch.bundle_dims()).unwrap_err();
    let error = error.to_string();
    let parts = ["detector.onnx", &name, "operator HardSwish", "CUDA", "TensorRT 8.5"];
    assert!(parts.iter().all(|p| error.contains(p)), "{error}");
}

#[test]
fn graphs_of_every_kind_of_generator_compute_what_libtorch_computes() {
    let base = Architecture { modulation_hidden: 10, ..small() };
    for (seed, arch) in (20..).zip(kinds(&base)) {
        arch.check().unwrap();
        let nets = Nets::random(&arch, seed);
        for network in [Network::KeypointGenerator, Network::ImageGenerator] {
            let content = content(&nets, &arch, network);
            lkg_bundle::onnx::check_model(&content, network, &arch.bundle_dims()).unwrap();
            let worst = parity::check(&nets.view(), &arch, network, &content).unwrap();
            println!(
                "{network} {:?} {:?} {:?} {}: {worst:?}",
                arch.image_generator, arch.style_map, arch.modulation, arch.shortcut
            );
        }
    }
}

#[test]
fn the_cheap_form_costs_two_products_and_a_convolution_a_layer() {
    let arch = Architecture::default();
    let nets = Nets::random(&arch, 30);
    let operators = |arch: &Architecture, nets: &Nets| {
        let content = content(nets, arch, Network::ImageGenerator);
        lkg_bundle::onnx::check_model(&content, Network::ImageGenerator, &arch.bundle_dims())
            .unwrap()
            .operators
    };
    let count = operators(&arch, &nets);
    // Four doublings with two layers each; one more product for all tables, one more convolution for the head.
    assert_eq!((count["MatMul"], count["Conv"], count["Resize"]), (2 * 8 + 1, 8 + 1, 4));
    // After each layer and before the head; norms are folded away, and the only division is that by scales.
    assert_eq!((count["LeakyRelu"], count["Div"], count.get("Sqrt")), (8 + 1, 1, None));
    // Parts of their own readers cost one table product too.
    let concat = Architecture { style_map: StyleMap::Concat, ..arch };
    let nets = Nets::random(&concat, 31);
    assert_eq!(operators(&concat, &nets)["MatMul"], 2 * 8 + 1);
}

#[test]
fn images_of_128_and_256_px_export_too() {
    let shapes = |image_size: i64, generator_channels: Vec<i64>| Architecture {
        modulation_hidden: 16,
        discriminator_channels: generator_channels.clone(),
        image_size,
        first_size: 32,
        generator_channels,
        ..small()
    };
    let spade = shapes(256, vec![16, 16, 12, 12, 8, 6, 4]);
    let large = shapes(128, vec![16, 16, 12, 12, 8, 4]);
    let published = Architecture {
        style_map: StyleMap::Concat,
        modulation: ModulationForm::Conv,
        shortcut: true,
        ..large.clone()
    };
    let warp = Architecture { image_generator: ImageFamily::Warp, ..large };
    for (seed, arch) in (40..).zip([spade, published, warp]) {
        arch.check().unwrap();
        let nets = Nets::random(&arch, seed);
        nets.tame(&arch);
        let worst = export::parity_of(&nets.view(), &arch, Network::ImageGenerator).unwrap();
        println!("{:?} at {} px: {worst:?}", arch.image_generator, arch.image_size);
    }
}

#[test]
fn two_levels_and_four_give_a_detector_each() {
    for detector_channels in [vec![8, 8], vec![4, 6, 8], vec![4, 6, 8, 8]] {
        let arch = Architecture { detector_channels, ..small() };
        let nets = Nets::random(&arch, 3);
        parity::check(&nets.view(), &arch, Network::Detector, &content(&nets, &arch, Network::Detector))
            .unwrap();
    }
}

#[test]
fn a_norm_that_is_not_the_folded_one_is_caught() {
    let arch = small();
    for (network, statistic, output) in [
        (Network::ImageGenerator, "stage8.spade_in.norm.running_mean", "image"),
        (Network::ImageGenerator, "stage8.spade_out.norm.running_var", "image"),
        (Network::ImageGenerator, "stage16.spade_in.norm.running_var", "image"),
        (Network::Detector, "stem.norm.running_mean", "confidence"),
        (Network::Detector, "depthwise.norm.running_var", "confidence"),
    ] {
        let nets = Nets::random(&arch, 4);
        let content = content(&nets, &arch, network);
        nets.fill(statistic, 0.9);
        let error = parity::check(&nets.view(), &arch, network, &content).unwrap_err().to_string();
        assert!(error.contains(network.name()) && error.contains(output), "{statistic}: {error}");
    }
}

#[test]
fn a_changed_weight_is_caught_in_every_network() {
    let arch = small();
    let nets = Nets::random(&arch, 5);
    for network in nets.view().networks() {
        let mut model = ModelProto::decode(&*content(&nets, &arch, network)).unwrap();
        let weights = &mut model.graph.as_mut().unwrap().initializer;
        let largest = weights.iter_mut().max_by_key(|t| t.raw_data.len()).unwrap();
        for element in largest.raw_data.chunks_exact_mut(4) {
            let value = f32::from_le_bytes(element.try_into().unwrap());
            element.copy_from_slice(&(value * 1.01).to_le_bytes());
        }
        let error = parity::check(&nets.view(), &arch, network, &model.encode_to_vec()).unwrap_err();
        assert!(error.to_string().contains("differs by"), "{error}");
    }
}

#[test]
fn a_bundle_is_written_checked_and_not_overwritten() {
    let arch = small();
    let nets = Nets::random(&arch, 6);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("shelf/tiny");
    let manifest = export_bundle(&nets.view(), &arch, &request(), &out, false).unwrap();
    assert_eq!(Bundle::open(&out).unwrap().manifest(), &manifest);
    assert_eq!(entries(&dir.path().join("shelf")), ["tiny"]);
    assert_eq!(entries(&out).len(), manifest.files.len() + 1);
    assert_eq!(fs::read_to_string(out.join("MODEL_CARD.md")).unwrap(), "# tiny\n");
    assert_eq!(manifest.keypoints.iter().map(|k| &*k.name).collect::<Vec<_>>(), ["k0", "k1", "k2"]);
    assert!(manifest.keypoints.iter().flat_map(|k| k.mean).all(|m| m != 0.0 && m.abs() < 1.0));

    let reports = check_bundle(&out, Some((&nets.view(), &arch))).unwrap();
    assert_eq!(reports.iter().map(|r| r.network).collect::<Vec<_>>(), nets.view().networks());
    assert!(reports.iter().all(|r| r.parity.is_some()));
    let other = Architecture { latent: 6, ..small() };
    assert!(check_bundle(&out, Some((&nets.view(), &other))).is_err());
    let without = dir.path().join("without");
    let generator = nets.view().generator.map(|g| GeneratorNets { encoder: None, ..g });
    export_bundle(&TrainedNets { generator, ..nets.view() }, &arch, &request(), &without, false).unwrap();
    assert!(!entries(&without).contains(&Network::Encoder.file_name()));
    let reports = check_bundle(&without, None).unwrap();
    assert_eq!(reports.iter().map(|r| r.network).collect::<Vec<_>>(), NETWORKS);

    let refusal = export_bundle(&nets.view(), &arch, &request(), &out, false).unwrap_err().to_string();
    assert!(refusal.contains("exists already"), "{refusal}");
    let names = ["a", "b", "c"].map(str::to_owned).to_vec();
    let renamed = ExportRequest { keypoint_names: Some(names), ..request() };
    export_bundle(&nets.view(), &arch, &renamed, &out, true).unwrap();
    assert_eq!(Bundle::open(&out).unwrap().manifest().keypoints[2].name, "c");
}

#[test]
fn an_export_that_fails_half_way_leaves_what_was_there() {
    let arch = small();
    let nets = Nets::random(&arch, 7);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tiny");
    let sound = export_bundle(&nets.view(), &arch, &request(), &out, false).unwrap();
    // The detector comes late, so other networks are written by then.
    nets.fill("stem.conv.weight", f64::NAN);
    let error = export_bundle(&nets.view(), &arch, &request(), &out, true).unwrap_err().to_string();
    assert!(error.contains("detector"), "{error}");
    assert_eq!(entries(dir.path()), ["tiny"]);
    let bundle = Bundle::open(&out).unwrap();
    assert_eq!(bundle.manifest(), &sound);
    bundle.verify_files().unwrap();
    let elsewhere = dir.path().join("new");
    assert!(export_bundle(&nets.view(), &arch, &request(), &elsewhere, false).is_err());
    assert_eq!(entries(dir.path()), ["tiny"]);
}

#[test]
fn requests_that_contradict_the_networks_are_refused_before_anything_is_written() {
    let arch = small();
    let nets = Nets::random(&arch, 8);
    let dir = tempfile::tempdir().unwrap();
    for names in [vec!["a", "b"], vec!["a", "b", "a"], vec!["a", "b", " "]] {
        let names = names.into_iter().map(str::to_owned).collect();
        let request = ExportRequest { keypoint_names: Some(names), ..request() };
        assert!(export_bundle(&nets.view(), &arch, &request, &dir.path().join("x"), false).is_err());
    }
    assert!(entries(dir.path()).is_empty());
}

#[test]
fn golden_tensors_that_the_graph_does_not_reproduce_fail_the_check() {
    let arch = small();
    let nets = Nets::random(&arch, 9);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tiny");
    let mut manifest = export_bundle(&nets.view(), &arch, &request(), &out, false).unwrap();
    let mut cases = Bundle::open(&out).unwrap().read_golden().unwrap();
    cases.get_mut(&Network::ImageGenerator).unwrap().outputs.get_mut("image").unwrap().data[0] += 1e-3;
    lkg_bundle::golden::write(&out.join(lkg_bundle::golden::FILE_NAME), &cases).unwrap();
    let files: Vec<String> = manifest.files.keys().cloned().collect();
    manifest.files = lkg_bundle::bundle::describe_files(&out, &files).unwrap();
    let path = out.join("manifest.json");
    fs::write(&path, manifest.to_json(&path).unwrap()).unwrap();
    let error = check_bundle(&out, None).unwrap_err().to_string();
    assert!(error.contains("image_generator: output \"image\" differs by 1.00e-3"), "{error}");
}

#[test]
fn multiply_accumulates_are_those_of_the_layers() {
    let arch = small();
    let nets = Nets::random(&arch, 10);
    let macs = |network| nets.view().graph(network, &arch).unwrap().macs;
    let (z, h, k, e) = (arch.latent, arch.mlp_hidden, arch.keypoints, arch.embedding);
    let mlp = |outputs: i64| z * h + h * h + h * outputs;
    assert_eq!(macs(Network::KeypointGenerator), (mlp(2 * k) + 2 * mlp(e)) as u64);
    // Stem, level 0, level 1 (two blocks), lateral, refine, head, soft-argmax; 16 px is half resolution.
    let (half, quarter) = (16 * 16, 8 * 8);
    let block = |inputs: i64, outputs: i64, pixels: i64| (9 * inputs + inputs * outputs) * pixels;
    let layers = 27 * 10 * half
        + block(10, 10, half)
        + block(10, 11, quarter)
        + block(11, 11, quarter)
        + 11 * 10 * quarter
        + block(10, 10, half)
        + 10 * 2 * k * half
        + 2 * k * half;
    assert_eq!(macs(Network::Detector), layers as u64);
    let encoder = 27 * 10 * 64 + 9 * 10 * 11 * 16 + 11 * 16 * h + h * (k + 1) * e;
    assert_eq!(macs(Network::Encoder), encoder as u64);
}
