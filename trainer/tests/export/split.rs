//! The image generator in two files.

use std::fs;
use std::path::Path;

use lkg_bundle::bundle::{MANIFEST, describe_files};
use lkg_bundle::manifest::NetworkInfo;
use lkg_bundle::onnx::ModelProto;
use lkg_bundle::{Bundle, Network};
use lkg_trainer::config::{Architecture, ImageFamily, ModulationForm};
use lkg_trainer::export::split::{cut, split_bundle};
use lkg_trainer::export::{TrainedNets, check_bundle, export_bundle, parity_of};
use prost::Message;

use super::nets::{Nets, content, entries, kinds, request, small};

#[test]
fn linear_modulations_are_cut_and_draw_what_libtorch_draws() {
    let base = Architecture { modulation_hidden: 10, ..small() };
    for (seed, arch) in (60..).zip(kinds(&base)) {
        let nets = Nets::random(&arch, seed);
        let whole = nets.view().graph(Network::ImageGenerator, &arch).unwrap();
        let halves = cut(&whole.model, &arch.bundle_dims());
        let linear = arch.image_generator == ImageFamily::Spade && arch.modulation == ModulationForm::Linear;
        assert_eq!(halves.is_some(), linear, "{arch:?}");
        let Some(halves) = halves else { continue };
        parity_of(&nets.view(), &arch, Network::ImageGenerator).unwrap();
        // Gamma and beta of every channel that a layer reads: a product of that row with each embedding.
        let [rows, columns] = halves.dims.tables.unwrap();
        assert_eq!(columns, 3 + 2);
        let embeddings = if arch.style_map == lkg_trainer::config::StyleMap::Sum { columns } else { 3 + 1 };
        assert_eq!(halves.style_macs, (rows * 8 * embeddings) as u64);
        let weights = |m: &ModelProto| m.graph.as_ref().unwrap().initializer.len();
        assert!(weights(&halves.style) + weights(&halves.render) <= weights(&whole.model) + 1);
    }
}

/// Heat far from a keypoint once was a denormal number, and products with it took thirty times as long.
#[test]
fn no_exponential_is_small_enough_to_be_slow() {
    let least = lkg_trainer::export::heat::FLOOR.exp();
    assert!(least * least >= f32::MIN_POSITIVE && least < 1e-15);
    for arch in kinds(&Architecture { modulation_hidden: 10, ..small() }) {
        let nets = Nets::random(&arch, 70);
        let model = ModelProto::decode(&*content(&nets, &arch, Network::ImageGenerator)).unwrap();
        let nodes = model.graph.unwrap().node;
        let floored = |name: &str| nodes.iter().any(|n| n.op_type == "Max" && n.output[0] == name);
        let exponentials: Vec<_> = nodes.iter().filter(|n| n.op_type == "Exp").collect();
        assert!(!exponentials.is_empty() && exponentials.iter().all(|n| floored(&n.input[0])));
    }
}

/// Rewrites the bundle as earlier exports wrote it: one file, and exponentials without a floor.
fn as_it_was(nets: &TrainedNets, arch: &Architecture, dir: &Path) {
    let mut manifest = Bundle::open(dir).unwrap().manifest().clone();
    for half in [Network::Style, Network::Render] {
        fs::remove_file(dir.join(half.file_name())).unwrap();
        manifest.files.remove(&half.file_name());
        manifest.networks.remove(&half);
    }
    manifest.dims.tables = None;
    let whole = Network::ImageGenerator;
    let exported = nets.graph(whole, arch).unwrap();
    let mut model = exported.model;
    let graph = model.graph.as_mut().unwrap();
    let floors: Vec<_> = graph.node.iter().filter(|n| n.op_type == "Max").cloned().collect();
    graph.node.retain(|n| n.op_type != "Max");
    for node in &mut graph.node {
        for floor in &floors {
            node.input
                .iter_mut()
                .filter(|i| **i == floor.output[0])
                .for_each(|i| *i = floor.input[0].clone());
        }
    }
    fs::write(dir.join(whole.file_name()), model.encode_to_vec()).unwrap();
    manifest.files.extend(describe_files(dir, &[whole.file_name()]).unwrap());
    manifest.networks.insert(whole, NetworkInfo { opset: 17, macs: exported.macs, ..NetworkInfo::default() });
    let path = dir.join(MANIFEST);
    fs::write(&path, manifest.to_json(&path).unwrap()).unwrap();
}

#[test]
fn an_earlier_bundle_is_brought_into_the_form_that_exports_have() {
    let arch = small();
    let nets = Nets::random(&arch, 71);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tiny");
    let now = export_bundle(&nets.view(), &arch, &request(), &out, false).unwrap();
    assert!(Bundle::open(&out).unwrap().draws_in_two());
    let again = split_bundle(&out, &out, true).unwrap_err().to_string();
    assert!(again.contains("two files already"), "{again}");

    as_it_was(&nets.view(), &arch, &out);
    check_bundle(&out, Some((&nets.view(), &arch))).unwrap();
    // What was put beside the bundle's own files was once lost.
    fs::write(out.join("train.toml"), "[gan]").unwrap();
    let other = dir.path().join("other");
    let (split, worst) = split_bundle(&out, &other, false).unwrap();
    assert!(worst < 1e-6, "{worst}");
    check_bundle(&other, Some((&nets.view(), &arch))).unwrap();
    let numbers = |m: &lkg_bundle::Manifest| {
        let of = |n: Network| (m.networks[&n].macs, m.networks[&n].parameters);
        (m.dims, of(Network::Style), of(Network::Render).0)
    };
    assert_eq!(numbers(&split), numbers(&now));
    // In place, too, and the rest is as it was.
    split_bundle(&out, &out, true).unwrap();
    assert_eq!(entries(&out), entries(&other));
    assert!(out.join("train.toml").exists());
    assert_eq!(Bundle::open(&out).unwrap().manifest(), &split);
    assert_eq!(entries(dir.path()), ["other", "tiny"]);
}

#[test]
fn halves_that_draw_something_else_are_refused() {
    let arch = small();
    let nets = Nets::random(&arch, 72);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tiny");
    export_bundle(&nets.view(), &arch, &request(), &out, false).unwrap();
    let mut manifest = Bundle::open(&out).unwrap().manifest().clone();
    let file = Network::Style.file_name();
    let mut model = ModelProto::decode(&*fs::read(out.join(&file)).unwrap()).unwrap();
    let constants = &mut model.graph.as_mut().unwrap().initializer;
    let largest = constants.iter_mut().max_by_key(|t| t.raw_data.len()).unwrap();
    largest.raw_data[..4].copy_from_slice(&9f32.to_le_bytes());
    fs::write(out.join(&file), model.encode_to_vec()).unwrap();
    manifest.files.extend(describe_files(&out, &[file]).unwrap());
    let path = out.join(MANIFEST);
    fs::write(&path, manifest.to_json(&path).unwrap()).unwrap();
    let error = check_bundle(&out, None).unwrap_err().to_string();
    assert!(error.contains("image_generator: output \"image\" differs by"), "{error}");
}
