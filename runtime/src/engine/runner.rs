//! Running one network by tensor names.

use std::path::{Path, PathBuf};

use lkg_bundle::{Bundle, BundleDims, Dim, Network, TensorSpec};
use ndarray::{ArrayD, ArrayViewD};
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;

use super::EngineOptions;
use super::binding::{Bound, Place};
use super::golden;
use super::provider::{Attempt, Provider, SessionOptions, open_session};
use crate::error::{Error, Result};

/// Something that turns named float32 tensors into named float32 tensors.
pub trait NetworkRunner: Send {
    /// Runs the network and puts `outputs`, in the order in which they are asked for, into `results`: the arrays of an
    /// earlier call are used again where their shapes are still right.
    ///
    /// # Errors
    /// [`Error::Engine`] if a name is unknown, a shape does not fit or the computation fails, [`Error::Network`] if what it
    /// computes are no numbers; `results` then has no meaning.
    fn run_into(
        &mut self,
        inputs: &[(&str, ArrayViewD<'_, f32>)],
        outputs: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()>;

    /// The same into arrays of its own.
    ///
    /// # Errors
    /// Those of [`NetworkRunner::run_into`].
    fn run(&mut self, inputs: &[(&str, ArrayViewD<'_, f32>)], outputs: &[&str]) -> Result<Vec<ArrayD<f32>>> {
        let mut results = Vec::new();
        self.run_into(inputs, outputs, &mut results)?;
        Ok(results)
    }
}

/// A network in an ONNX Runtime session.
pub struct OrtRunner {
    session: Session,
    network: Network,
    /// Its file.
    path: PathBuf,
    /// What the contract asks of its values.
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    attempts: Vec<Attempt>,
    /// What it computes on, if that is a GPU.
    bound: Option<Bound>,
}

impl OrtRunner {
    /// Checks `network` of the bundle (hash, self-containment, operators, shapes) and opens a session for it.
    ///
    /// # Errors
    /// [`Error::Bundle`], [`Error::Library`], [`Error::Provider`] or [`Error::Network`].
    pub fn load(bundle: &Bundle, network: Network, options: &EngineOptions) -> Result<Self> {
        let (session, attempts) = session(bundle, network, options, None)?;
        let dims = bundle.manifest().dims;
        let bound = bound(network, dims, &attempts, options);
        let (inputs, outputs) = (network.inputs(&dims), network.outputs(&dims));
        let path = bundle.dir().join(network.file_name());
        Ok(Self { session, network, path, inputs, outputs, attempts, bound })
    }

    /// Every provider tried, the last of which is the one in use, with the reasons of those that failed.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Refuses inputs of another shape than the contract's, which whoever calls answers for.
    fn check_inputs(&self, inputs: &[(&str, ArrayViewD<'_, f32>)]) -> Result<()> {
        let wrong = inputs.iter().find(|(name, view)| {
            self.inputs.iter().find(|spec| spec.name == *name).is_none_or(|spec| !fits(spec, view.shape()))
        });
        let Some((name, view)) = wrong else { return Ok(()) };
        let reason = format!("input {name} is {:?}, not what the bundle takes", view.shape());
        Err(Error::Engine { what: format!("running {}", self.network), reason })
    }

    /// Refuses what was computed where it is no number, or of another shape than the contract's, which the network's file answers
    /// for.
    fn check_outputs(&self, names: &[&str], results: &[ArrayD<f32>]) -> Result<()> {
        for (name, result) in names.iter().zip(results) {
            let spec = self.outputs.iter().find(|spec| spec.name == *name);
            if spec.is_some_and(|spec| !fits(spec, result.shape())) {
                return Err(self.unsound(format!("its output {name} is {:?}", result.shape())));
            }
            if !result.iter().all(|v| v.is_finite()) {
                return Err(self.unsound(format!("values of its output {name} are not numbers")));
            }
        }
        Ok(())
    }

    fn unsound(&self, reason: String) -> Error {
        Error::Network { path: self.path.clone(), reason }
    }
}

/// Whether a value's shape is what `spec` asks for, whatever the batch.
fn fits(spec: &TensorSpec, shape: &[usize]) -> bool {
    let axis = |(dim, length): (&Dim, &usize)| match dim {
        Dim::Batch => *length > 0,
        Dim::Fixed(n) => n == length,
    };
    spec.shape.len() == shape.len() && spec.shape.iter().zip(shape).all(axis)
}

/// Reads and checks a network and opens a session for it.
pub(super) fn session(
    bundle: &Bundle,
    network: Network,
    options: &EngineOptions,
    profile: Option<&Path>,
) -> Result<(Session, Vec<Attempt>)> {
    let model = bundle.read_network(network)?;
    let EngineOptions { provider, precision, gpu, notice, explain, .. } = *options;
    let threads = options.threads.unwrap_or_else(|| default_threads(network));
    let sizes = Some((network, bundle.manifest().dims));
    let options =
        SessionOptions { provider, precision, gpu, threads, profile, network: sizes, notice, explain };
    let prove =
        |provider, session: &mut Session| golden::prove(session, bundle, network, precision, provider);
    open_session(&network.file_name(), &model, &options, &prove).map_err(|e| match e {
        // On the processor, which runs whatever a bundle may hold.
        Error::Engine { reason, .. } => Error::Network {
            path: bundle.dir().join(network.file_name()),
            reason: format!("ONNX Runtime does not load it ({reason})"),
        },
        other => other,
    })
}

/// The values of a network that computes on a GPU; `None` where the last of `attempts`, the one in use, is no GPU.
pub(super) fn bound(
    network: Network,
    dims: BundleDims,
    attempts: &[Attempt],
    options: &EngineOptions,
) -> Option<Bound> {
    let provider = attempts.last()?.provider;
    // TensorRT's provider keeps one graph, and does not check whether it fits.
    let graph = Place::Graph { shapes: provider == Provider::Cuda };
    let place = if options.gpu.graph { graph } else { Place::Host };
    provider.is_gpu().then(|| Bound::new(network, dims, place))
}

/// Threads that suit a network.
pub fn default_threads(network: Network) -> usize {
    match network {
        // Waking a second one takes longer than it saves; the portrait network is more than twice as fast on two.
        Network::Detector | Network::Style => 1,
        _ => std::thread::available_parallelism().map_or(1, |n| n.get().min(4)),
    }
}

impl NetworkRunner for OrtRunner {
    fn run_into(
        &mut self,
        inputs: &[(&str, ArrayViewD<'_, f32>)],
        outputs: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
        self.check_inputs(inputs)?;
        match &mut self.bound {
            Some(bound) => *results = bound.run(&mut self.session, inputs, outputs)?,
            None => {
                let ran = run_session_into(&mut self.session, self.network, inputs, outputs, results);
                ran.map_err(|e| match e {
                    Error::Engine { reason, .. } => self.unsound(format!("it does not run ({reason})")),
                    other => other,
                })?;
            }
        }
        self.check_outputs(outputs, results)
    }
}

/// Runs a session with inputs and outputs in ordinary memory.
///
/// # Errors
/// Those of [`NetworkRunner::run`].
pub(super) fn run_session(
    session: &mut Session,
    network: Network,
    inputs: &[(&str, ArrayViewD<'_, f32>)],
    outputs: &[&str],
) -> Result<Vec<ArrayD<f32>>> {
    let mut results = Vec::new();
    run_session_into(session, network, inputs, outputs, &mut results)?;
    Ok(results)
}

/// The same into the arrays of an earlier call: [`NetworkRunner::run_into`].
fn run_session_into(
    session: &mut Session,
    network: Network,
    inputs: &[(&str, ArrayViewD<'_, f32>)],
    outputs: &[&str],
    results: &mut Vec<ArrayD<f32>>,
) -> Result<()> {
    let failed = || Error::engine(format!("running {network}"));
    let values = inputs
        .iter()
        .map(|(name, view)| Ok((*name, TensorRef::from_array_view(view.view())?.into())))
        .collect::<ort::Result<Vec<(&str, SessionInputValue<'_>)>>>()
        .map_err(failed())?;
    let ran = session.run(values).map_err(failed())?;
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
