//! Holds a graph in ONNX Runtime against the network in libtorch.

use std::collections::BTreeMap;

use lkg_bundle::Network;

use super::{TrainedNets, cases, reference};
use crate::config::Architecture;
use crate::error::{Error, Result};
use crate::onnx_runtime::{OnnxSession, Tensors};

/// Largest absolute difference accepted between libtorch and ONNX Runtime, float32.
pub const TOLERANCE: f32 = 1e-4;

/// Largest absolute difference by output.
pub type Differences = BTreeMap<String, f32>;

/// Images at a time; a graph with the batch frozen in would pass at one size only.
pub(super) const BATCHES: [usize; 2] = [1, 5];

/// Seeds of the inputs. Two, so that a single picture is once noisy and once smooth.
pub(super) const SEEDS: [u64; 2] = [1, 2];

/// [`check_session`] of the ONNX file `content`.
///
/// # Errors
/// Those of [`check_session`] and of loading the file.
pub fn check(
    nets: &TrainedNets,
    arch: &Architecture,
    network: Network,
    content: &[u8],
) -> Result<Differences> {
    check_session(nets, arch, network, &mut OnnxSession::new(network, content)?)
}

/// Runs `network` in ONNX Runtime and in libtorch on the same inputs and returns the largest difference of each output.
///
/// # Errors
/// [`Error::Export`] naming network and output where they differ by more than [`TOLERANCE`], and those of the two
/// libraries.
pub fn check_session(
    nets: &TrainedNets,
    arch: &Architecture,
    network: Network,
    session: &mut OnnxSession,
) -> Result<Differences> {
    let mut worst = Differences::new();
    for batch in BATCHES {
        for seed in SEEDS {
            let mut all = vec![cases::natural(nets, arch, network, batch, seed)?];
            // The portrait's features hold its keypoints, so at random they contradict each other.
            if network != Network::Portrait {
                all.push(cases::random(network, &nets.dims(arch), batch, seed));
            }
            for inputs in all {
                let want = reference::outputs(nets, arch, network, &inputs)?;
                for (name, difference) in differences(&want, &session.run(&inputs)?) {
                    let entry = worst.entry(name).or_insert(0.0);
                    *entry = entry.max(difference);
                }
            }
        }
    }
    require(network, &worst, TOLERANCE)?;
    Ok(worst)
}

/// Largest absolute difference of each of the outputs wanted; infinite where one is missing.
pub fn differences(want: &Tensors, have: &Tensors) -> Differences {
    want.iter()
        .map(|(name, w)| (name.clone(), have.get(name).map_or(f32::INFINITY, |h| w.max_abs_difference(h))))
        .collect()
}

/// Refuses differences over `tolerance`.
///
/// # Errors
/// [`Error::Export`] naming network, output and difference.
pub fn require(network: Network, differences: &Differences, tolerance: f32) -> Result<()> {
    match differences.iter().find(|(_, d)| **d > tolerance) {
        None => Ok(()),
        Some((output, d)) => Err(Error::Export(format!(
            "{network}: output {output:?} differs by {d:.2e} between libtorch and ONNX Runtime, {tolerance:.0e} allowed"
        ))),
    }
}
