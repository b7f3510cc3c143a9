//! ONNX Runtime with nothing of ours around it: what its own `run` takes, and where it runs each node.

use std::collections::BTreeMap;

use lkg_bundle::{Bundle, BundleDims, Network};
use ndarray::ArrayD;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor};

use super::EngineOptions;
use super::binding::Bound;
use super::cuda::Gpu;
use super::provider::{Provider, SessionOptions, open_session};
use super::runner::{bound, session};
use crate::error::{Error, Result};

/// A session with its inputs made once, run again and again, its outputs thrown away: the least that a program on
/// ONNX Runtime can take.
pub struct BareRun {
    session: Session,
    inputs: Vec<(String, DynValue)>,
    what: String,
    /// On a GPU: the values in its place, and the size of the batch.
    bound: Option<(Bound, usize)>,
}

/// A node's run in the profile that ONNX Runtime itself writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The execution provider that ran it.
    pub provider: String,
    /// Bytes of the values read and written; not of weights, which are often packed anew before the first run.
    pub bytes: u64,
}

impl BareRun {
    /// Opens the same session as [`super::OrtRunner::load`] does, for these inputs.
    ///
    /// # Errors
    /// Those of [`super::OrtRunner::load`].
    pub fn load(
        bundle: &Bundle,
        network: Network,
        options: &EngineOptions,
        inputs: Vec<(String, ArrayD<f32>)>,
    ) -> Result<Self> {
        let (mut session, attempts) = session(bundle, network, options, None)?;
        let dims = bundle.manifest().dims;
        let Some(mut bound) = bound(network, dims, &attempts, options) else {
            return Self::around(session, network.to_string(), inputs);
        };
        let size = inputs.first().map_or(0, |(_, array)| array.shape()[0]);
        let views: Vec<_> = inputs.iter().map(|(name, array)| (name.as_str(), array.view())).collect();
        bound.run(&mut session, &views, &[])?;
        Ok(Self { session, inputs: Vec::new(), what: network.to_string(), bound: Some((bound, size)) })
    }

    /// Opens a session on the processor for an ONNX file that is no network of a bundle.
    ///
    /// # Errors
    /// [`Error::Library`] or [`Error::Engine`].
    pub fn of_graph(
        what: &str,
        model: &[u8],
        threads: usize,
        inputs: Vec<(String, ArrayD<f32>)>,
    ) -> Result<Self> {
        let options = SessionOptions { provider: Provider::Cpu, threads, ..SessionOptions::default() };
        let (session, _) = open_session(what, model, &options, &|_, _| Ok(()))?;
        Self::around(session, what.to_owned(), inputs)
    }

    fn around(session: Session, what: String, inputs: Vec<(String, ArrayD<f32>)>) -> Result<Self> {
        let inputs = inputs
            .into_iter()
            .map(|(name, array)| Ok((name, Tensor::from_array(array)?.into_dyn())))
            .collect::<ort::Result<_>>()
            .map_err(Error::engine(format!("inputs of {what}")))?;
        Ok(Self { session, inputs, what, bound: None })
    }

    /// Runs once.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn run(&mut self) -> Result<()> {
        if let Some((bound, size)) = &mut self.bound {
            return bound.again(&mut self.session, *size);
        }
        let values: Vec<(&str, SessionInputValue<'_>)> =
            self.inputs.iter().map(|(name, value)| (name.as_str(), value.into())).collect();
        self.session.run(values).map(drop).map_err(Error::engine(format!("running {}", self.what)))
    }
}

/// Inputs of `network` for a batch of `batch`, every value 0.
pub fn zero_inputs(network: Network, dims: &BundleDims, batch: usize) -> Vec<(String, ArrayD<f32>)> {
    let zeros = |spec: lkg_bundle::TensorSpec| (spec.name.to_owned(), ArrayD::zeros(spec.with_batch(batch)));
    network.inputs(dims).into_iter().map(zeros).collect()
}

/// The nodes of the optimised graph as they ran, in the profile that ONNX Runtime itself writes of a run.
///
/// # Errors
/// Those of loading a network, and [`Error::Io`] if the profile cannot be written or read.
pub fn kernels(bundle: &Bundle, network: Network, options: &EngineOptions) -> Result<Vec<Kernel>> {
    let io = |source| Error::Io { what: "the profile of ONNX Runtime".to_owned(), source };
    let dir = tempfile::tempdir().map_err(io)?;
    // A graph of kernels that is replayed has no kernels in the profile.
    let options = EngineOptions { gpu: Gpu { graph: false, ..options.gpu }, ..options.clone() };
    let (session, _) = session(bundle, network, &options, Some(&dir.path().join("profile")))?;
    let inputs = zero_inputs(network, &bundle.manifest().dims, 1);
    let mut bare = BareRun::around(session, network.to_string(), inputs)?;
    bare.run()?;
    let path = bare.session.end_profiling().map_err(Error::engine("ending the profile"))?;
    read_kernels(&std::fs::read_to_string(path).map_err(io)?)
        .map_err(|e| Error::Engine { what: "the profile of ONNX Runtime".to_owned(), reason: e.to_string() })
}

/// For each provider the number of nodes that ran on it.
///
/// # Errors
/// Those of [`kernels`].
pub fn nodes_per_provider(
    bundle: &Bundle,
    network: Network,
    options: &EngineOptions,
) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for kernel in kernels(bundle, network, options)? {
        *counts.entry(kernel.provider).or_insert(0) += 1;
    }
    Ok(counts)
}

/// Events of a profile that are kernels.
fn read_kernels(profile: &str) -> serde_json::Result<Vec<Kernel>> {
    let events: Vec<serde_json::Value> = serde_json::from_str(profile)?;
    let kernel = |event: &serde_json::Value| {
        event["name"].as_str().filter(|n| n.ends_with("_kernel_time"))?;
        let size = |name: &str| event["args"][name].as_str().and_then(|t| t.parse::<u64>().ok()).unwrap_or(0);
        Some(Kernel {
            provider: event["args"]["provider"].as_str()?.to_owned(),
            bytes: size("activation_size") + size("output_size"),
        })
    };
    Ok(events.iter().filter_map(kernel).collect())
}

#[cfg(test)]
mod tests {
    use lkg_bundle::testing::{DIMS, write_tiny_bundle};

    use super::*;
    use crate::engine::Provider;

    #[test]
    fn every_node_runs_on_the_processor_where_that_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_bundle(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
        let counts = nodes_per_provider(&bundle, Network::Detector, &options).unwrap();
        assert!(counts.keys().eq(["CPUExecutionProvider"]) && counts.values().all(|n| *n > 1), "{counts:?}");
        let moved: u64 = kernels(&bundle, Network::Detector, &options).unwrap().iter().map(|k| k.bytes).sum();
        assert!(moved > (3 * DIMS.detector_size * DIMS.detector_size * 4) as u64, "{moved}");
        let inputs = zero_inputs(Network::ImageGenerator, &DIMS, 3);
        let mut bare = BareRun::load(&bundle, Network::ImageGenerator, &options, inputs).unwrap();
        bare.run().unwrap();
        bare.run().unwrap();
    }

    #[test]
    fn kernels_are_counted_and_other_events_are_not() {
        let profile = r#"[
            {"name": "model_run", "args": {}},
            {"name": "a_fence_before", "args": {"provider": "X"}},
            {"name": "a_kernel_time", "args": {"provider": "CUDAExecutionProvider"}},
            {"name": "b_kernel_time", "args": {"provider": "CUDAExecutionProvider"}},
            {"name": "c_kernel_time", "args": {"provider": "CPUExecutionProvider", "parameter_size": "9",
                                               "activation_size": "20", "output_size": "100"}}
        ]"#;
        let kernels = read_kernels(profile).unwrap();
        let expected =
            [("CUDAExecutionProvider", 0), ("CUDAExecutionProvider", 0), ("CPUExecutionProvider", 120)];
        assert!(kernels.iter().map(|k| (k.provider.as_str(), k.bytes)).eq(expected));
    }
}
