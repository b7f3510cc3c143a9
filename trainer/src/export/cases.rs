//! Seeded inputs to compare libtorch and ONNX Runtime on.

use std::f32::consts::PI;

use lkg_bundle::golden::Tensor;
use lkg_bundle::{BundleDims, Network, TensorSpec};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{TrainedNets, reference};
use crate::config::Architecture;
use crate::error::Result;
use crate::onnx_runtime::Tensors;

/// Added to the seed of what is driven.
const DRIVEN_SEED: u64 = 100;
/// Most that a keypoint is driven along either axis, normalised coordinates.
const FARTHEST: f32 = 0.3;

/// Random inputs of `network`: keypoints in [-1, 1], scales 0.5 to 2, visibility 0 to 1, pictures noisy and smooth
/// by turns, everything else standard normal.
pub fn random(network: Network, dims: &BundleDims, batch: usize, seed: u64) -> Tensors {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    network
        .inputs(dims)
        .iter()
        .map(|spec| (spec.name.to_owned(), draw(spec, batch, seed, &mut rng)))
        .collect()
}

/// Inputs of `network` as they come up in use: those of [`random`], but the image generator gets what the keypoint
/// generator makes of noise, and the portrait network what its other half makes of the photo.
///
/// # Errors
/// Those of [`reference::outputs`].
pub fn natural(
    nets: &TrainedNets,
    arch: &Architecture,
    network: Network,
    batch: usize,
    seed: u64,
) -> Result<Tensors> {
    let dims = nets.dims(arch);
    let mut inputs = random(network, &dims, batch, seed);
    if network == Network::Portrait {
        inputs.extend(driven(&dims, batch, seed));
        let photo = [("image", "image"), ("source_keypoints", "keypoints")]
            .into_iter()
            .filter_map(|(own, half)| Some((half.to_owned(), inputs.get(own)?.clone())))
            .collect();
        inputs.extend(reference::outputs(nets, arch, Network::PortraitSource, &photo)?);
    }
    if network == Network::ImageGenerator {
        let noise = random(Network::KeypointGenerator, &dims, batch, seed);
        inputs.extend(reference::outputs(nets, arch, Network::KeypointGenerator, &noise)?);
    }
    Ok(inputs)
}

/// Smooth photos, their keypoints, and those that they are driven to, not far off. In noise a place read a hundred-thousandth
/// of a pixel beside another is another value: rounding would be all that is compared.
fn driven(dims: &BundleDims, batch: usize, seed: u64) -> Tensors {
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(DRIVEN_SEED));
    let side = dims.portrait_size.unwrap_or_default();
    let image: Vec<f32> = (0..batch).flat_map(|_| picture(side, true, &mut rng)).collect();
    let count = batch * dims.keypoints * 2;
    let source: Vec<f32> = (0..count).map(|_| rng.random_range(-0.8..=0.8)).collect();
    let keypoints = source.iter().map(|at| at + rng.random_range(-FARTHEST..=FARTHEST)).collect();
    let points = |data| Tensor { shape: vec![batch, dims.keypoints, 2], data };
    let named = [
        ("image", Tensor { shape: vec![batch, 3, side, side], data: image }),
        ("source_keypoints", points(source)),
        ("keypoints", points(keypoints)),
    ];
    named.map(|(name, tensor)| (name.to_owned(), tensor)).into()
}

fn draw(spec: &TensorSpec, batch: usize, seed: u64, rng: &mut ChaCha8Rng) -> Tensor {
    let shape = spec.with_batch(batch);
    let count = shape.iter().product();
    let mut uniform = |low: f32, high: f32| (0..count).map(|_| rng.random_range(low..=high)).collect();
    let data = match spec.name {
        "keypoints" | "source_keypoints" | "change" => uniform(-1.0, 1.0),
        "scales" => uniform(0.5, 2.0),
        "visible" => uniform(0.0, 1.0),
        "image" => {
            (0..batch).flat_map(|i| picture(shape[2], (i as u64 + seed).is_multiple_of(2), rng)).collect()
        }
        _ => (0..count).map(|_| normal(rng)).collect(),
    };
    Tensor { shape, data }
}

/// Three planes in [-1, 1]: waves of low frequency, or noise.
fn picture(side: usize, smooth: bool, rng: &mut ChaCha8Rng) -> Vec<f32> {
    if !smooth {
        return (0..3 * side * side).map(|_| rng.random_range(-1.0..=1.0)).collect();
    }
    let mut data = Vec::with_capacity(3 * side * side);
    for _ in 0..3 {
        let [fx, fy] = [0; 2].map(|_| rng.random_range(0.5..3.0) * PI / side as f32);
        let [px, py] = [0; 2].map(|_| rng.random_range(-PI..PI));
        let wave = |x: usize, y: usize| (fx * x as f32 + px).sin() * (fy * y as f32 + py).cos();
        data.extend((0..side * side).map(|i| wave(i % side, i / side)));
    }
    data
}

/// A standard normal number (Box and Muller's method).
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (2.0 * PI * rng.random::<f32>()).cos()
}
