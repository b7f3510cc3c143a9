//! Checks a finished bundle.

use std::path::Path;

use lkg_bundle::{Bundle, BundleDims, Network};

use super::TrainedNets;
use super::parity::{self, Differences};
use crate::config::Architecture;
use crate::error::{Error, Result};
use crate::onnx_runtime::OnnxSession;

/// What [`check_bundle`] found of a network that passed.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkReport {
    /// The network.
    pub network: Network,
    /// Largest absolute difference of each output from the golden tensors.
    pub golden: Differences,
    /// Largest absolute difference of each output from libtorch, if there were networks to compare with.
    pub parity: Option<Differences>,
}

/// Opens the bundle in `dir`, checks every file against the manifest, runs the golden inputs through ONNX Runtime
/// and, given the networks it was exported from, compares it with libtorch anew.
///
/// # Errors
/// [`Error::Bundle`] if a file is missing, damaged or not as the contract asks, [`Error::Export`] if an output
/// differs from the golden tensors or from libtorch by more than is allowed, [`Error::OtherSizes`] if the networks have
/// other sizes than the bundle.
pub fn check_bundle(dir: &Path, nets: Option<(&TrainedNets, &Architecture)>) -> Result<Vec<NetworkReport>> {
    let bundle = Bundle::open(dir)?;
    bundle.verify_files()?;
    let manifest = bundle.manifest();
    // Whether the image generator lies in two files is no matter of the networks.
    let dims = BundleDims { tables: None, ..manifest.dims };
    if nets.is_some_and(|(nets, arch)| nets.dims(arch) != dims) {
        return Err(Error::OtherSizes { path: dir.to_owned() });
    }
    let cases = bundle.read_golden()?;
    let mut reports = Vec::new();
    for (network, case) in &cases {
        let mut session = OnnxSession::of_bundle(&bundle, *network)?;
        let found = session.run(&case.inputs)?;
        let golden = parity::differences(&case.outputs, &found);
        parity::require(*network, &golden, manifest.tolerance)?;
        let parity = match nets {
            Some((nets, arch)) if nets.networks().contains(network) => {
                Some(parity::check_session(nets, arch, *network, &mut session)?)
            }
            _ => None,
        };
        reports.push(NetworkReport { network: *network, golden, parity });
    }
    Ok(reports)
}
