//! How close each network of a bundle runs to what one core of this machine can do:
//!
//! ```sh
//! cargo run --release -p runtime --example roofline [BUNDLE]
//! ```
//!
//! The roof is measured, not taken from a data sheet: ONNX Runtime's own product of two matrices of 512 x 512, and copies
//! of a megabyte (which stay in a core's cache, as these networks' maps do) and of 512 MB. A network can take no less
//! than its multiply-accumulates at the one and its bytes (weights, and values as ONNX Runtime's profile counts them node
//! by node) at the other; the last column is how much of its time that is.

use std::hint::black_box;
use std::time::Instant;

use lkg_bundle::onnx::{
    Dimension, DimensionValue, FLOAT, GraphProto, ModelProto, NodeProto, OperatorSetId, TensorProto,
    TensorShape, TensorType, TypeProto, ValueInfo,
};
use lkg_bundle::{Bundle, Network};
use lkg_runtime::engine::{BareRun, EngineOptions, KeypointGenerator, Latent, Provider, kernels, silence};
use ndarray::ArrayD;
use prost::Message;

/// Side of the matrices.
const SIDE: usize = 512;
/// Rounds in which everything takes its turn; the best median counts for the roof, the median for a network.
const ROUNDS: usize = 9;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "models/faces64-edge".to_owned());
    let bundle = Bundle::open(dir)?;
    let options = EngineOptions { provider: Provider::Cpu, threads: Some(1), ..EngineOptions::default() };
    let square = ArrayD::from_elem(vec![SIDE, SIDE], 0.5f32);
    let mut gemm = BareRun::of_graph("a product", &product(), 1, vec![("x".to_owned(), square)])?;
    let mut runs = Vec::new();
    for network in bundle.networks() {
        let maps: u64 = kernels(&bundle, network, &options)?.iter().map(|k| k.bytes).sum();
        let bytes = maps + 4 * bundle.manifest().networks[&network].parameters;
        let inputs = inputs(&bundle, network, &options)?;
        runs.push((network, bytes, BareRun::load(&bundle, network, &options, inputs)?, Vec::new()));
    }
    let (mut gemm_seconds, mut near, mut far) = (f64::INFINITY, 0.0f64, 0.0f64);
    for _ in 0..ROUNDS {
        gemm_seconds = gemm_seconds.min(median(|| gemm.run(), 40)?);
        near = near.max(copies(1 << 20)?);
        far = far.max(copies(512 << 20)?);
        for (_, _, run, seconds) in &mut runs {
            seconds.push(median(|| run.run(), 30)?);
        }
    }
    let peak = (SIDE * SIDE * SIDE) as f64 / gemm_seconds;
    println!(
        "one thread; product {:.0} GMAC/s, copies {:.0} GB/s in the cache, {:.0} GB/s in memory\n",
        peak / 1e9,
        near / 1e9,
        far / 1e9
    );
    println!(
        "| network | MMAC | weights, MB | moved, MB | MAC/byte | ms | GMAC/s | of the product | of the roof |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (network, bytes, _, mut seconds) in runs {
        let info = &bundle.manifest().networks[&network];
        seconds.sort_by(f64::total_cmp);
        let (macs, bytes, took) = (info.macs as f64, bytes as f64, seconds[seconds.len() / 2]);
        let least = (macs / peak).max(bytes / near);
        println!(
            "| {network} | {:.1} | {:.2} | {:.1} | {:.1} | {:.3} | {:.0} | {:.0} % | {:.0} % |",
            macs / 1e6,
            info.parameters as f64 * 4e-6,
            bytes / 1e6,
            macs / bytes,
            took * 1e3,
            macs / took / 1e9,
            100.0 * macs / took / peak,
            100.0 * least / took
        );
    }
    Ok(())
}

/// What the network is given in use where that matters: the generators get a face, the others zeros.
fn inputs(
    bundle: &Bundle,
    network: Network,
    options: &EngineOptions,
) -> Result<Vec<(String, ArrayD<f32>)>, Failure> {
    let dims = bundle.manifest().dims;
    let layout = KeypointGenerator::load(bundle, options)?.run(&Latent::noise(0, 0..1, &dims, 1.0))?;
    let mut inputs = silence(network, &dims, 1);
    for (name, array) in &mut inputs {
        match name.as_str() {
            "keypoints" => *array = layout.keypoints.clone().into_dyn(),
            "embeddings" => *array = layout.embeddings.clone().into_dyn(),
            "scales" | "visible" => array.fill(1.0),
            "tables" => array.fill(0.1),
            _ => {}
        }
    }
    Ok(inputs)
}

/// Median seconds of `runs` runs after three that warm up.
fn median<E>(mut run: impl FnMut() -> Result<(), E>, runs: usize) -> Result<f64, E> {
    let mut seconds = Vec::new();
    for i in 0..runs + 3 {
        let start = Instant::now();
        run()?;
        if i >= 3 {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

/// Bytes a second read and written by copies of `bytes / 2`.
fn copies(bytes: usize) -> Result<f64, Failure> {
    let from = vec![1u8; bytes / 2];
    let mut to = vec![0u8; bytes / 2];
    let copy = || {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
        Ok::<(), Failure>(())
    };
    Ok(bytes as f64 / median(copy, if bytes > 1 << 24 { 3 } else { 200 })?)
}

/// `y = x w`, all of [`SIDE`] x [`SIDE`].
fn product() -> Vec<u8> {
    let side = SIDE as i64;
    let value = |name: &str| {
        let dim = vec![Dimension { value: Some(DimensionValue::Fixed(side)) }; 2];
        let tensor = TensorType { elem_type: FLOAT, shape: Some(TensorShape { dim }) };
        ValueInfo { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
    };
    let weights = TensorProto {
        name: "w".to_owned(),
        dims: vec![side, side],
        data_type: FLOAT,
        raw_data: 0.5f32.to_le_bytes().repeat(SIDE * SIDE),
        ..TensorProto::default()
    };
    let node = NodeProto {
        op_type: "MatMul".to_owned(),
        input: vec!["x".to_owned(), "w".to_owned()],
        output: vec!["y".to_owned()],
        ..NodeProto::default()
    };
    let graph = GraphProto {
        name: "product".to_owned(),
        node: vec![node],
        initializer: vec![weights],
        input: vec![value("x")],
        output: vec![value("y")],
        ..GraphProto::default()
    };
    let opset = OperatorSetId { domain: String::new(), version: 17 };
    ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..ModelProto::default() }
        .encode_to_vec()
}
