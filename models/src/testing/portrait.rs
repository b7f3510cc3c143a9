//! A tiny bundle that carries photos along.
//!
//! * The detector is that of the tiny bundle; the states of each part are `(b, -b)`, b the picture's mean blue.
//! * The photo's `small` is its mean colour everywhere, `coarse` its first keypoint's x, `fine` its mean red.
//! * `flow` is the mean of `source_keypoints - keypoints` everywhere, as a photo that moves with its keypoints has it.
//!   With c the change of the first part's first state held to [0, 1], `mask` is `1 - c` everywhere. `colour` is that
//!   of `small`.
//! * `mouth-open` (0 to 1) is the first part's first state, and moves the second keypoint down by 0.1; `brows` (-1 to 1)
//!   is the second part's, and moves the first keypoint up by 0.1.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use prost::Message;

use super::{Builder, golden_case, write_manifest, write_tiny_bundle};
use crate::bundle::describe_files;
use crate::contract::{BundleDims, Network, PORTRAIT_COARSE, PORTRAIT_FINE, PORTRAIT_WIDTHS};
use crate::error::{Error, Result};
use crate::golden;
use crate::manifest::{Expression, Manifest, NetworkInfo};
use crate::onnx::ModelProto;

/// Sizes of the tiny bundle that carries photos.
pub const PORTRAIT_DIMS: BundleDims = BundleDims {
    keypoints: super::DIMS.keypoints,
    latent: 0,
    embedding: 0,
    image_size: 0,
    detector_size: super::DIMS.detector_size,
    tables: None,
    states: Some(2),
    portrait_size: Some(64),
};

const NETWORKS: [Network; 3] = [Network::Detector, Network::PortraitSource, Network::Portrait];

/// Writes the bundle into `dir`, which must exist: a detector with states and portrait networks, no generator.
///
/// # Errors
/// Those of [`write_tiny_bundle`].
pub fn write_tiny_portrait_bundle(dir: &Path) -> Result<Manifest> {
    let mut manifest = write_tiny_bundle(dir)?;
    for network in [Network::KeypointGenerator, Network::ImageGenerator] {
        let path = dir.join(network.file_name());
        fs::remove_file(&path).map_err(Error::io(&path))?;
    }
    let mut cases: golden::Cases =
        NETWORKS.into_iter().map(|n| (n, golden_case(n, &PORTRAIT_DIMS))).collect();
    // Nothing moved and nothing changed: the photo's own pixels.
    if let Some(mask) = cases.get_mut(&Network::Portrait).and_then(|c| c.outputs.get_mut("mask")) {
        mask.data.fill(1.0);
    }
    golden::write(&dir.join(golden::FILE_NAME), &cases)?;
    let mut names = vec![golden::FILE_NAME.to_owned()];
    for network in NETWORKS {
        let path = dir.join(network.file_name());
        fs::write(&path, network_of(network).encode_to_vec()).map_err(Error::io(&path))?;
        names.push(network.file_name());
    }
    let info = NetworkInfo { opset: 17, ..Default::default() };
    manifest.name = "tiny-portrait".to_owned();
    manifest.dims = PORTRAIT_DIMS;
    manifest.networks = BTreeMap::from(NETWORKS.map(|n| (n, info.clone())));
    manifest.files = describe_files(dir, &names)?;
    manifest.expressions = vec![
        Expression {
            name: "mouth-open".to_owned(),
            range: [0.0, 1.0],
            rest: 0.0,
            bias: 0.0,
            weights: vec![vec![1.0, 0.0], vec![0.0, 0.0]],
            states: vec![vec![1.0, -1.0], vec![0.0, 0.0]],
            keypoints: vec![[0.0, 0.0], [0.0, 0.1]],
        },
        Expression {
            name: "brows".to_owned(),
            range: [-1.0, 1.0],
            rest: 0.0,
            bias: 0.0,
            weights: vec![vec![0.0, 0.0], vec![1.0, 0.0]],
            states: vec![vec![0.0, 0.0], vec![1.0, -1.0]],
            keypoints: vec![[0.0, -0.1], [0.0, 0.0]],
        },
    ];
    write_manifest(dir, &manifest)?;
    Ok(manifest)
}

fn network_of(network: Network) -> ModelProto {
    let (k, side) = (PORTRAIT_DIMS.keypoints, PORTRAIT_DIMS.portrait_size.unwrap_or(PORTRAIT_FINE));
    let (coarse, fine) = (PORTRAIT_COARSE, PORTRAIT_FINE);
    let one = |_: usize| 1.0;
    let mut graph = Builder::default();
    match network {
        Network::PortraitSource => {
            graph.node("GlobalAveragePool", &["image"], "mean");
            graph.constant("everywhere", &[1, 1, coarse, coarse], one);
            graph.node("Mul", &["mean", "everywhere"], "small");

            graph.reshape("keypoints", &[-1, 2 * k as i64], "flat");
            let channels = PORTRAIT_WIDTHS.0 + k;
            graph.constant("first", &[2 * k, channels], |i| if i < channels { 1.0 } else { 0.0 });
            graph.node("MatMul", &["flat", "first"], "x");
            graph.reshape("x", &[-1, channels as i64, 1, 1], "map");
            graph.node("Mul", &["map", "everywhere"], "coarse");

            graph.node("Flatten", &["mean"], "colours");
            let width = PORTRAIT_WIDTHS.1;
            graph.constant("red", &[3, width], |i| if i < width { 1.0 } else { 0.0 });
            graph.node("MatMul", &["colours", "red"], "reds");
            graph.reshape("reds", &[-1, width as i64, 1, 1], "fine_map");
            graph.constant("everywhere_fine", &[1, 1, fine, fine], one);
            graph.node("Mul", &["fine_map", "everywhere_fine"], "fine");
        }
        Network::Portrait => {
            graph.node("Sub", &["source_keypoints", "keypoints"], "shifts");
            graph.reshape("shifts", &[-1, 2 * k as i64], "flat");
            graph.constant("mean", &[2 * k, 2], |i| if i / 2 % 2 == i % 2 { 1.0 / k as f32 } else { 0.0 });
            graph.node("MatMul", &["flat", "mean"], "shift");
            graph.reshape("shift", &[-1, 2, 1, 1], "motion");
            graph.constant("everywhere", &[1, 1, coarse, coarse], one);
            graph.node("Mul", &["motion", "everywhere"], "flow");

            let numbers = k * PORTRAIT_DIMS.states.unwrap_or_default();
            graph.reshape("change", &[-1, numbers as i64], "changes");
            graph.constant("first", &[numbers, 1], |i| if i == 0 { 1.0 } else { 0.0 });
            graph.node("MatMul", &["changes", "first"], "raw");
            graph.node("Relu", &["raw"], "positive");
            graph.constant("whole", &[1], one);
            graph.node("Min", &["positive", "whole"], "changed");
            graph.node("Sub", &["whole", "changed"], "kept");
            graph.reshape("kept", &[-1, 1, 1, 1], "kept_map");
            graph.constant("every_pixel", &[1, 1, side, side], one);
            graph.node("Mul", &["kept_map", "every_pixel"], "mask");

            graph.node("GlobalAveragePool", &["small"], "tint");
            graph.node("Mul", &["tint", "every_pixel"], "colour");
        }
        _ => {
            graph.detector(k);
            let numbers = k * PORTRAIT_DIMS.states.unwrap_or_default();
            let both = |i: usize| match (i / numbers, i % 2) {
                (2, 0) => 1.0,
                (2, _) => -1.0,
                _ => 0.0,
            };
            graph.constant("pick_states", &[3, numbers], both);
            graph.node("MatMul", &["mean", "pick_states"], "flat_states");
            graph.reshape("flat_states", &[-1, k as i64, (numbers / k) as i64], "states");
        }
    }
    graph.model(network, &PORTRAIT_DIMS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;

    #[test]
    fn the_tiny_portrait_bundle_is_sound() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = write_tiny_portrait_bundle(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        assert_eq!(bundle.manifest(), &manifest);
        bundle.verify_files().unwrap();
        assert!(bundle.has_portrait() && !bundle.has_generator());
        assert_eq!(bundle.functions(), NETWORKS);
        for network in NETWORKS {
            bundle.read_network(network).unwrap();
        }
        assert_eq!(manifest.expressions[0].read(&[0.25, -0.25, 0.25, -0.25]), 0.25);
        let refused = |change: &dyn Fn(&mut Manifest)| {
            let mut manifest = manifest.clone();
            change(&mut manifest);
            write_manifest(dir.path(), &manifest).unwrap_err().to_string()
        };
        assert!(refused(&|m| m.dims.states = None).contains("dims.states"));
        let half = |m: &mut Manifest| drop(m.networks.remove(&Network::Portrait));
        assert!(refused(&half).contains("belong together"));
        assert!(refused(&|m| m.expressions[0].weights.truncate(1)).contains("mouth-open"));
    }
}
