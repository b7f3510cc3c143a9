//! The models on the shelf: whole, within limits, and computing what libtorch computed.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use lkg_bundle::{Bundle, Network};
use serde_json::Value;
use workspace_tests::{program, runtime};

/// Largest bundle, so that a checkout stays small.
const MAX_BYTES: u64 = 25 << 20;

fn shelf() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/faces64-edge")
}

/// All that are shipped.
fn shelves() -> Vec<std::path::PathBuf> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let entries = std::fs::read_dir(models).unwrap().map(|e| e.unwrap().path());
    let shelves: Vec<_> = entries.filter(|p| p.join("manifest.json").exists()).collect();
    assert!(shelves.iter().any(|p| p.file_name() == shelf().file_name()), "{shelves:?}");
    shelves
}

#[test]
fn every_output_is_that_of_libtorch_one_by_one_and_five_at_once() {
    shelves().iter().for_each(|shelf| computes_what_libtorch_does(shelf));
}

fn computes_what_libtorch_does(shelf: &Path) {
    let bundle = Bundle::open(shelf).unwrap();
    for (network, case) in bundle.read_golden().unwrap() {
        for tensor in case.inputs.values().chain(case.outputs.values()) {
            // Photos are carried one at a time.
            let images = if [Network::PortraitSource, Network::Portrait].contains(&network) { 1 } else { 5 };
            assert_eq!(tensor.shape[0], images, "{network}");
        }
    }
    let outcome = runtime(&["verify", shelf.to_str().unwrap(), "--json"]);
    let report: Value = serde_json::from_str(outcome.succeeded()).unwrap();
    let outputs = report["outputs"].as_array().unwrap();
    let expected = bundle.functions().iter().map(|n| n.outputs(&bundle.manifest().dims).len()).sum::<usize>();
    assert_eq!((outputs.len(), expected >= 8), (expected, true));
    for output in outputs {
        assert!(output["max_abs_difference"].as_f64().unwrap() < 1e-4, "{output}");
    }
}

#[test]
fn they_are_small_described_and_measured() {
    for shelf in shelves() {
        is_small_and_described(&Bundle::open(&shelf).unwrap());
    }
    let bundle = Bundle::open(shelf()).unwrap();
    for set in ["wild", "aligned"] {
        let name = format!("landmark error ({set})");
        let metric = bundle.manifest().metrics.iter().find(|m| m.name == name).unwrap();
        assert!(metric.n == 300 && metric.value > 0.0, "{metric:?}");
    }
    let card = String::from_utf8(bundle.read("MODEL_CARD.md").unwrap()).unwrap();
    assert!(card.contains("FFHQ"), "the card must say where the data came from");
}

fn is_small_and_described(bundle: &Bundle) {
    bundle.verify_files().unwrap();
    let manifest = bundle.manifest();
    let bytes: u64 = manifest.files.values().map(|f| f.bytes).sum();
    assert!(bytes < MAX_BYTES, "{bytes} bytes");
    assert!(manifest.networks.values().all(|n| n.parity.values().all(|d| *d < 1e-4)));
    let generates = bundle.has_generator();
    assert!(generates || bundle.has_portrait());
    assert!(manifest.provenance.images_seen > 0);
    assert!(!generates || manifest.provenance.detector_images_seen > 0);
    let measured = |what: &str| manifest.metrics.iter().any(|m| m.name.starts_with(what) && m.n >= 300);
    let what = if generates { "KID" } else { "expression reading" };
    assert!(measured("landmark error") && measured(what), "{:?}", manifest.metrics);
    let card = String::from_utf8(bundle.read("MODEL_CARD.md").unwrap()).unwrap();
    assert!(["## Training", "unselected"].iter().all(|part| card.contains(part)));
    assert!(["## Licence", "## Data and licence"].iter().any(|part| card.contains(part)));
    assert!(bundle.has(Network::Detector) && (!generates || bundle.has(Network::Encoder)));
}

/// ONNX Runtime from 1.29 on writes usage data below the home folder unless it is asked not to before it is loaded.
#[test]
fn nothing_is_written_below_the_home_folder() {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(program("runtime"))
        .args(["verify", shelf().to_str().unwrap()])
        .env("HOME", home.path())
        .env_remove("XDG_CACHE_HOME")
        .env_remove("ORT_DISABLE_TELEMETRY")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}
