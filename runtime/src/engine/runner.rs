//! Running one network by tensor names.

use std::path::Path;

use models::{Bundle, Network};
use ndarray::{ArrayD, ArrayViewD};
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;

use super::EngineOptions;
use super::provider::{Attempt, SessionOptions, open_session};
use crate::error::{Error, Result};

/// Something that turns named float32 tensors into named float32 tensors.
pub trait NetworkRunner: Send {
    /// Runs the network and returns `outputs` in the order in which they are asked for.
    ///
    /// # Errors
    /// [`Error::Engine`] if a name is unknown, a shape does not fit or the computation fails.
    fn run(&mut self, inputs: &[(&str, ArrayViewD<'_, f32>)], outputs: &[&str]) -> Result<Vec<ArrayD<f32>>>;

    /// The same into the arrays of an earlier call, which are used again where their shapes are still right.
    ///
    /// # Errors
    /// Those of [`NetworkRunner::run`]; `results` then has no meaning.
    fn run_into(
        &mut self,
        inputs: &[(&str, ArrayViewD<'_, f32>)],
        outputs: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
        *results = self.run(inputs, outputs)?;
        Ok(())
    }
}

/// A network in an ONNX Runtime session.
pub struct OrtRunner {
    session: Session,
    network: Network,
    attempts: Vec<Attempt>,
}

impl OrtRunner {
    /// Checks `network` of the bundle (hash, self-containment, operators, shapes) and opens a session for it.
    ///
    /// # Errors
    /// [`Error::Bundle`], [`Error::Library`], [`Error::Provider`] or [`Error::Engine`].
    pub fn load(bundle: &Bundle, network: Network, options: &EngineOptions) -> Result<Self> {
        let (session, attempts) = session(bundle, network, options, None)?;
        Ok(Self { session, network, attempts })
    }

    /// Every provider tried, the last of which is the one in use, with the reasons of those that failed.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }
}

/// Reads and checks a network and opens a session for it.
pub(super) fn session(
    bundle: &Bundle,
    network: Network,
    options: &EngineOptions,
    profile: Option<&Path>,
) -> Result<(Session, Vec<Attempt>)> {
    let model = bundle.read_network(network)?;
    let EngineOptions { provider, precision, notice, .. } = *options;
    let threads = options.threads.unwrap_or_else(|| default_threads(network));
    let sizes = Some((network, bundle.manifest().dims));
    let options = SessionOptions { provider, precision, threads, profile, network: sizes, notice };
    open_session(&network.file_name(), &model, &options)
}

/// Threads that suit a network.
pub fn default_threads(network: Network) -> usize {
    match network {
        Network::Detector => 1,
        _ => std::thread::available_parallelism().map_or(1, |n| n.get().min(4)),
    }
}

impl NetworkRunner for OrtRunner {
    fn run(&mut self, inputs: &[(&str, ArrayViewD<'_, f32>)], outputs: &[&str]) -> Result<Vec<ArrayD<f32>>> {
        let mut results = Vec::new();
        self.run_into(inputs, outputs, &mut results)?;
        Ok(results)
    }

    fn run_into(
        &mut self,
        inputs: &[(&str, ArrayViewD<'_, f32>)],
        outputs: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
        let network = self.network;
        let failed = || Error::engine(format!("running {network}"));
        let values = inputs
            .iter()
            .map(|(name, view)| Ok((*name, TensorRef::from_array_view(view.view())?.into())))
            .collect::<ort::Result<Vec<(&str, SessionInputValue<'_>)>>>()
            .map_err(failed())?;
        let ran = self.session.run(values).map_err(failed())?;
        results.truncate(outputs.len());
        for (i, name) in outputs.iter().enumerate() {
            let value = ran.get(name).ok_or_else(|| Error::Engine {
                what: format!("running {network}"),
                reason: format!("it has no output named {name:?}"),
            })?;
            let array = value.try_extract_array::<f32>().map_err(failed())?;
            match results.get_mut(i) {
                Some(result) if result.shape() == array.shape() => result.assign(&array),
                Some(result) => *result = array.to_owned(),
                None => results.push(array.to_owned()),
            }
        }
        Ok(())
    }
}
