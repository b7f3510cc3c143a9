//! ONNX Runtime with nothing of ours around it: what its own `run` takes, and where it runs each node.

use std::collections::BTreeMap;

use models::{Bundle, BundleDims, Network};
use ndarray::ArrayD;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor};

use super::EngineOptions;
use super::binding::Bound;
use super::cuda::Gpu;
use super::runner::{bound, session};
use crate::error::{Error, Result};

/// A session with its inputs made once, run again and again, its outputs thrown away: the least that a program on
/// ONNX Runtime can take.
pub struct BareRun {
    session: Session,
    inputs: Vec<(String, DynValue)>,
    network: Network,
    /// On a GPU: the values in its place, and the size of the batch.
    bound: Option<(Bound, usize)>,
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
        if let Some(mut bound) = bound(network, dims, &attempts, options) {
            let size = inputs.first().map_or(0, |(_, array)| array.shape()[0]);
            let views: Vec<_> = inputs.iter().map(|(name, array)| (name.as_str(), array.view())).collect();
            bound.run(&mut session, &views, &[])?;
            return Ok(Self { session, inputs: Vec::new(), network, bound: Some((bound, size)) });
        }
        let inputs = inputs
            .into_iter()
            .map(|(name, array)| Ok((name, Tensor::from_array(array)?.into_dyn())))
            .collect::<ort::Result<_>>()
            .map_err(Error::engine(format!("inputs of {network}")))?;
        Ok(Self { session, inputs, network, bound: None })
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
        self.session.run(values).map(drop).map_err(Error::engine(format!("running {}", self.network)))
    }
}

/// Inputs of `network` for a batch of `batch`, every value 0.
pub fn silence(network: Network, dims: &BundleDims, batch: usize) -> Vec<(String, ArrayD<f32>)> {
    let zeros = |spec: models::TensorSpec| (spec.name.to_owned(), ArrayD::zeros(spec.with_batch(batch)));
    network.inputs(dims).into_iter().map(zeros).collect()
}

/// For each provider the number of nodes of the optimised graph that ran on it, counted in the profile that ONNX
/// Runtime itself writes of a run.
///
/// # Errors
/// Those of [`super::OrtRunner::load`], and [`Error::Io`] if the profile cannot be written or read.
pub fn nodes_per_provider(
    bundle: &Bundle,
    network: Network,
    options: &EngineOptions,
) -> Result<BTreeMap<String, usize>> {
    let io = |source| Error::Io { what: "the profile of ONNX Runtime".to_owned(), source };
    let dir = tempfile::tempdir().map_err(io)?;
    // A graph of kernels that is replayed has no kernels in the profile.
    let options = EngineOptions { gpu: Gpu { graph: false, ..options.gpu }, ..options.clone() };
    let (session, _) = session(bundle, network, &options, Some(&dir.path().join("profile")))?;
    let inputs = silence(network, &bundle.manifest().dims, 1)
        .into_iter()
        .map(|(name, array)| Ok((name, Tensor::from_array(array)?.into_dyn())))
        .collect::<ort::Result<_>>()
        .map_err(Error::engine(format!("inputs of {network}")))?;
    let mut bare = BareRun { session, inputs, network, bound: None };
    bare.run()?;
    let path = bare.session.end_profiling().map_err(Error::engine("ending the profile"))?;
    count_nodes(&std::fs::read_to_string(path).map_err(io)?)
        .map_err(|e| Error::Engine { what: "the profile of ONNX Runtime".to_owned(), reason: e.to_string() })
}

/// Events of a profile that are kernels, by provider.
fn count_nodes(profile: &str) -> serde_json::Result<BTreeMap<String, usize>> {
    let events: Vec<serde_json::Value> = serde_json::from_str(profile)?;
    let mut counts = BTreeMap::new();
    for event in &events {
        let kernel = event["name"].as_str().is_some_and(|n| n.ends_with("_kernel_time"));
        if let (true, Some(provider)) = (kernel, event["args"]["provider"].as_str()) {
            *counts.entry(provider.to_owned()).or_insert(0) += 1;
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use models::testing::{DIMS, write_tiny_bundle};

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
        let inputs = silence(Network::ImageGenerator, &DIMS, 3);
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
            {"name": "c_kernel_time", "args": {"provider": "CPUExecutionProvider"}}
        ]"#;
        let counts = count_nodes(profile).unwrap();
        let expected = [("CPUExecutionProvider", 1), ("CUDAExecutionProvider", 2)];
        assert!(counts.iter().map(|(p, n)| (p.as_str(), *n)).eq(expected));
    }
}
