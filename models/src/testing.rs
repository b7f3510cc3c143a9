//! A tiny sound bundle whose networks have outputs that can be worked out by hand, for tests of what reads bundles.
//!
//! * The detector puts keypoint `k` at `(r, g) + k * (0.1, 0)`, where r, g, b are the picture's mean channels in
//!   [-1, 1], each with confidence `sigmoid(b)`.
//! * The keypoint generator's keypoints are `tanh` of sums of noise, its embeddings and background are sums of noise.
//! * The image generator's picture is flat: `tanh` of the sum of the background. In two files the tables are the
//!   background.
//!
//! [`write_tiny_portrait_bundle`] writes one that carries photos instead.

mod portrait;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use prost::Message;

use crate::bundle::{MANIFEST, describe_files};
use crate::contract::{BundleDims, Dim, Network, TensorSpec};
use crate::error::{Error, Result};
use crate::golden::{self, Case, Cases, Tensor};
use crate::manifest::{Keypoint, Manifest, NetworkInfo, Provenance, SCHEMA_VERSION};
use crate::onnx::{
    Dimension, DimensionValue, FLOAT, GraphProto, INT64, ModelProto, NodeProto, OperatorSetId, TensorProto,
    TensorShape, TensorType, TypeProto, ValueInfo,
};

pub use portrait::{PORTRAIT_DIMS, write_tiny_portrait_bundle};

/// Sizes of the tiny bundle.
pub const DIMS: BundleDims = BundleDims {
    keypoints: 2,
    latent: 4,
    embedding: 3,
    image_size: 8,
    detector_size: 16,
    tables: None,
    states: None,
    portrait_size: None,
};

/// Sizes of the tiny bundle with its image generator in two files.
pub const IN_TWO: BundleDims = BundleDims { tables: Some([DIMS.embedding, 1]), ..DIMS };

const NETWORKS: [Network; 3] = [Network::KeypointGenerator, Network::ImageGenerator, Network::Detector];

/// Writes the bundle into `dir`, which must exist.
///
/// # Errors
/// [`Error::Io`] or [`Error::Golden`].
pub fn write_tiny_bundle(dir: &Path) -> Result<Manifest> {
    let mut names = vec![golden::FILE_NAME.to_owned()];
    golden::write(&dir.join(golden::FILE_NAME), &golden_cases())?;
    for network in NETWORKS {
        let path = dir.join(network.file_name());
        fs::write(&path, tiny_network(network).encode_to_vec()).map_err(Error::io(&path))?;
        names.push(network.file_name());
    }
    let info = NetworkInfo {
        opset: 17,
        operators: BTreeMap::new(),
        parameters: 0,
        macs: 0,
        parity: BTreeMap::new(),
    };
    let keypoint = |name: &str, x: f32, colour| Keypoint {
        name: name.to_owned(),
        aliases: vec![],
        colour,
        mean: [x, 0.0],
    };
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        name: "tiny".to_owned(),
        description: "for tests".to_owned(),
        dims: DIMS,
        tau: 0.01,
        keypoints: vec![keypoint("left", -0.5, [255, 0, 0]), keypoint("right", 0.5, [0, 0, 255])],
        symmetric_pairs: vec![[0, 1]],
        skeleton: vec![[0, 1]],
        expressions: vec![],
        files: describe_files(dir, &names)?,
        networks: NETWORKS.into_iter().map(|n| (n, info.clone())).collect(),
        tolerance: 1e-5,
        metrics: vec![],
        provenance: Provenance::default(),
        licence: "test".to_owned(),
    };
    write_manifest(dir, &manifest)?;
    Ok(manifest)
}

/// Writes the bundle with its image generator in two files into `dir`, which must exist.
///
/// # Errors
/// Those of [`write_tiny_bundle`].
pub fn write_tiny_bundle_in_two(dir: &Path) -> Result<Manifest> {
    let mut manifest = write_tiny_bundle(dir)?;
    let whole = Network::ImageGenerator;
    let path = dir.join(whole.file_name());
    fs::remove_file(&path).map_err(Error::io(&path))?;
    manifest.files.remove(&whole.file_name());
    let info = manifest.networks.remove(&whole).unwrap_or_default();
    manifest.dims = IN_TWO;
    for network in [Network::Style, Network::Render] {
        let path = dir.join(network.file_name());
        fs::write(&path, tiny_network(network).encode_to_vec()).map_err(Error::io(&path))?;
        manifest.networks.insert(network, info.clone());
        manifest.files.extend(describe_files(dir, &[network.file_name()])?);
    }
    write_manifest(dir, &manifest)?;
    Ok(manifest)
}

/// Writes `manifest` into `dir`, for tests that change one.
///
/// # Errors
/// [`Error::Io`] or [`Error::Manifest`].
pub fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<()> {
    let path = dir.join(MANIFEST);
    let text = manifest.to_json(&path)?;
    fs::write(&path, text).map_err(Error::io(&path))
}

/// Golden cases: a flat picture of 0.5 for the detector, silence for the generators.
fn golden_cases() -> Cases {
    NETWORKS.into_iter().map(|n| (n, golden_case(n, &DIMS))).collect()
}

fn golden_case(network: Network, dims: &BundleDims) -> Case {
    let zeros = |specs: Vec<TensorSpec>| -> BTreeMap<String, Tensor> {
        let zero = |s: &TensorSpec| {
            let shape = s.with_batch(1);
            let data = vec![0.0; shape.iter().product()];
            (s.name.to_owned(), Tensor { shape, data })
        };
        specs.iter().map(zero).collect()
    };
    let mut case = Case { inputs: zeros(network.inputs(dims)), outputs: zeros(network.outputs(dims)) };
    if network == Network::Detector {
        case.inputs.values_mut().for_each(|t| t.data.fill(0.5));
        for (name, tensor) in &mut case.outputs {
            match name.as_str() {
                "keypoints" => tensor.data = vec![0.5, 0.5, 0.6, 0.5],
                "states" => tensor.data = vec![0.5, -0.5, 0.5, -0.5],
                _ => tensor.data.fill(1.0 / (1.0 + (-0.5f32).exp())),
            }
        }
    }
    case
}

/// One of the networks as an ONNX model.
pub fn tiny_network(network: Network) -> ModelProto {
    let (k, e, s) = (DIMS.keypoints, DIMS.embedding, DIMS.image_size);
    let mut graph = Builder::default();
    match network {
        Network::Detector | Network::Encoder => graph.detector(k),
        Network::KeypointGenerator => {
            let z = DIMS.latent;
            graph.constant("w_pose", &[z, 2 * k], |i| 0.1 * (i % 5) as f32 - 0.2);
            graph.node("MatMul", &["z_pose", "w_pose"], "pose");
            graph.node("Tanh", &["pose"], "bounded");
            graph.reshape("bounded", &[-1, k as i64, 2], "keypoints");
            graph.constant("w_appearance", &[z, k * e], |_| 1.0);
            graph.node("MatMul", &["z_appearance", "w_appearance"], "appearance");
            graph.reshape("appearance", &[-1, k as i64, e as i64], "embeddings");
            graph.constant("w_background", &[z, e], |_| 1.0);
            graph.node("MatMul", &["z_background", "w_background"], "background");
        }
        Network::ImageGenerator => {
            graph.constant("w", &[e, 3 * s * s], |_| 1.0);
            graph.node("MatMul", &["background", "w"], "sums");
            graph.node("Tanh", &["sums"], "bounded");
            graph.reshape("bounded", &[-1, 3, s as i64, s as i64], "image");
        }
        // The tiny bundle has none.
        Network::PortraitSource | Network::Portrait => {}
        Network::Style => graph.reshape("background", &[-1, e as i64, 1], "tables"),
        Network::Render => {
            graph.reshape("tables", &[-1, e as i64], "background");
            graph.constant("w", &[e, 3 * s * s], |_| 1.0);
            graph.node("MatMul", &["background", "w"], "sums");
            graph.node("Tanh", &["sums"], "bounded");
            graph.reshape("bounded", &[-1, 3, s as i64, s as i64], "image");
        }
    }
    graph.model(network, &IN_TWO)
}

fn value(spec: &TensorSpec) -> ValueInfo {
    let axis = |d: &Dim| Dimension {
        value: Some(match d {
            Dim::Batch => DimensionValue::Named("N".to_owned()),
            Dim::Fixed(n) => DimensionValue::Fixed(*n as i64),
        }),
    };
    let shape = TensorShape { dim: spec.shape.iter().map(axis).collect() };
    let tensor = TensorType { elem_type: FLOAT, shape: Some(shape) };
    ValueInfo { name: spec.name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Builder {
    /// The graph as a model of `network`.
    fn model(self, network: Network, dims: &BundleDims) -> ModelProto {
        let values = |specs: Vec<TensorSpec>| specs.iter().map(value).collect();
        ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetId { domain: String::new(), version: 17 }],
            graph: Some(GraphProto {
                name: network.name().to_owned(),
                node: self.nodes,
                initializer: self.constants,
                input: values(network.inputs(dims)),
                output: values(network.outputs(dims)),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    /// The detector of `k` keypoints, without states; leaves the picture's mean channels as `mean`.
    fn detector(&mut self, k: usize) {
        self.node("GlobalAveragePool", &["image"], "pooled");
        self.node("Flatten", &["pooled"], "mean");
        self.constant("pick", &[3, 2 * k], |i| {
            let (channel, coordinate) = (i / (2 * k), i % 2);
            if channel == coordinate { 1.0 } else { 0.0 }
        });
        self.constant("shift", &[2 * k], |i| if i % 2 == 0 { (i / 2) as f32 * 0.1 } else { 0.0 });
        self.node("MatMul", &["mean", "pick"], "picked");
        self.node("Add", &["picked", "shift"], "flat");
        self.reshape("flat", &[-1, k as i64, 2], "keypoints");
        self.constant("pick_blue", &[3, k], |i| if i / k == 2 { 1.0 } else { 0.0 });
        self.node("MatMul", &["mean", "pick_blue"], "blue");
        self.node("Sigmoid", &["blue"], "confidence");
    }

    fn node(&mut self, operator: &str, inputs: &[&str], output: &str) {
        self.nodes.push(NodeProto {
            op_type: operator.to_owned(),
            name: output.to_owned(),
            input: inputs.iter().map(|s| (*s).to_owned()).collect(),
            output: vec![output.to_owned()],
            ..Default::default()
        });
    }

    fn constant(&mut self, name: &str, shape: &[usize], element: impl Fn(usize) -> f32) {
        let count = shape.iter().product();
        self.constants.push(TensorProto {
            name: name.to_owned(),
            dims: shape.iter().map(|n| *n as i64).collect(),
            data_type: FLOAT,
            raw_data: (0..count).flat_map(|i| element(i).to_le_bytes()).collect(),
            ..Default::default()
        });
    }

    fn reshape(&mut self, input: &str, shape: &[i64], output: &str) {
        let name = format!("{output}_shape");
        self.constants.push(TensorProto {
            name: name.clone(),
            dims: vec![shape.len() as i64],
            data_type: INT64,
            raw_data: shape.iter().flat_map(|n| n.to_le_bytes()).collect(),
            ..Default::default()
        });
        self.node("Reshape", &[input, &name], output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;

    #[test]
    fn the_tiny_bundle_is_sound() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = write_tiny_bundle(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        assert_eq!(bundle.manifest(), &manifest);
        bundle.verify_files().unwrap();
        assert!(!bundle.draws_in_two());
    }

    #[test]
    fn so_is_the_one_with_its_image_generator_in_two_files() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = write_tiny_bundle_in_two(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        bundle.verify_files().unwrap();
        assert!(bundle.draws_in_two());
        assert_eq!(
            bundle.functions(),
            [Network::KeypointGenerator, Network::ImageGenerator, Network::Detector]
        );
        let refused = |change: &dyn Fn(&mut Manifest)| {
            let mut manifest = manifest.clone();
            change(&mut manifest);
            write_manifest(dir.path(), &manifest).unwrap_err().to_string()
        };
        assert!(refused(&|m| m.dims.tables = None).contains("dims.tables"));
        let half = |m: &mut Manifest| drop(m.networks.remove(&Network::Style));
        assert!(refused(&half).contains("neither image_generator nor style with render"));
        let both = |m: &mut Manifest| {
            m.networks.insert(Network::ImageGenerator, m.networks[&Network::Style].clone());
        };
        assert!(refused(&both).contains("more than that"));
    }
}
