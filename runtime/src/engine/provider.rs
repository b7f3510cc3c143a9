//! Where networks are computed, and proof of it: a provider counts as used only once it has been registered with a
//! session without error, never because the library says that it was compiled in.

use std::path::Path;
use std::str::FromStr;

use models::onnx::{
    Dimension, DimensionValue, FLOAT, GraphProto, ModelProto, NodeProto, OperatorSetId, TensorShape,
    TensorType, TypeProto, ValueInfo,
};
use models::{BundleDims, Network};
use ort::ep::{self, ExecutionProviderDispatch};
use ort::session::Session;
use prost::Message;

use super::cache::Entry;
use super::{library, tensorrt};
use crate::error::{Error, Result, one_line};

/// Whether ONNX Runtime's threads spin while they wait for work.
pub const SPINNING: bool = false;

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provider {
    /// The first of TensorRT, CUDA and CPU that works.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA GPU through CUDA and cuDNN.
    Cuda,
    /// An NVIDIA GPU through TensorRT.
    TensorRt,
}

/// The outcome of trying a provider: `None` if it worked, else the reason it did not.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The provider tried.
    pub provider: Provider,
    /// Why it failed, on one line.
    pub failure: Option<String>,
}

impl Provider {
    /// Every choice, in the order in which help and errors list them.
    pub const ALL: [Provider; 4] = [Provider::Auto, Provider::Cpu, Provider::Cuda, Provider::TensorRt];

    /// The providers that `auto` tries, best first.
    pub const LADDER: [Provider; 3] = [Provider::TensorRt, Provider::Cuda, Provider::Cpu];

    /// The name used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Auto => "auto",
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
            Provider::TensorRt => "tensorrt",
        }
    }

    /// What to register for it; `error_on_failure` because registration is silent otherwise.
    fn dispatch(
        self,
        options: &SessionOptions<'_>,
        entry: Option<&Entry>,
    ) -> Option<ExecutionProviderDispatch> {
        match self {
            Provider::Auto | Provider::Cpu => None,
            Provider::Cuda => Some(ep::CUDA::default().build().error_on_failure()),
            Provider::TensorRt => Some(tensorrt::provider(options, entry).build().error_on_failure()),
        }
    }

    /// The providers to try for this choice, best first.
    fn candidates(self) -> &'static [Provider] {
        match self {
            Provider::Auto => &Self::LADDER,
            Provider::Cpu => &[Provider::Cpu],
            Provider::Cuda => &[Provider::Cuda],
            Provider::TensorRt => &[Provider::TensorRt],
        }
    }
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL.into_iter().find(|p| p.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|p| p.name()).collect();
            format!("unknown provider {text:?}, choose one of: {}", names.join(", "))
        })
    }
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Numbers that a network is computed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Those in which the bundle stores its weights.
    #[default]
    Stored,
    /// 16-bit floats where the provider finds them good enough: TensorRT only.
    Fp16,
}

impl Precision {
    /// Every choice.
    pub const ALL: [Precision; 2] = [Precision::Stored, Precision::Fp16];

    /// The name used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Stored => "stored",
            Precision::Fp16 => "fp16",
        }
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|p| p.name() == text)
            .ok_or_else(|| format!("unknown precision {text:?}, choose one of: stored, fp16"))
    }
}

/// How a session is to be opened.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionOptions<'p> {
    /// Where to compute.
    pub provider: Provider,
    /// In which numbers.
    pub precision: Precision,
    /// Threads within an operator.
    pub threads: usize,
    /// Where to write ONNX Runtime's profile; it adds a suffix.
    pub profile: Option<&'p Path>,
    /// The network and its bundle's sizes, if it is one: what an engine is built and kept for.
    pub network: Option<(Network, BundleDims)>,
    /// Told what takes long.
    pub notice: Option<fn(&str)>,
}

impl SessionOptions<'_> {
    /// The shapes of the network's inputs for `batch` images; empty for what is no network.
    pub(super) fn shapes(&self, batch: usize) -> String {
        self.network
            .as_ref()
            .map(|(network, dims)| tensorrt::shapes(*network, dims, batch))
            .unwrap_or_default()
    }
}

/// Opens a session for the ONNX file `model` on the best of the providers that `options` allow; `what` is named in
/// errors. Returns every attempt, the last of which is the one that worked.
pub(super) fn open_session(
    what: &str,
    model: &[u8],
    options: &SessionOptions<'_>,
) -> Result<(Session, Vec<Attempt>)> {
    let candidates = match (options.precision, options.provider) {
        (Precision::Stored, provider) => provider.candidates(),
        (Precision::Fp16, Provider::Auto | Provider::TensorRt) => Provider::TensorRt.candidates(),
        (Precision::Fp16, provider) => {
            let reason = format!("precision fp16 is TensorRT's, {provider} computes in what is stored");
            return Err(Error::Provider { provider: provider.name(), reason });
        }
    };
    let environment = &library::get()?.environment;
    let open = |provider: Provider, entry: Option<&Entry>| -> ort::Result<Session> {
        let mut builder = Session::builder(environment)?
            .with_intra_threads(options.threads)?
            // Spinning threads would take the cores that decoding and drawing need.
            .with_intra_op_spinning(SPINNING)?;
        if let Some(profile) = options.profile {
            builder = builder.with_profiling(profile)?;
        }
        if let Some(dispatch) = provider.dispatch(options, entry) {
            builder = builder.with_execution_providers([dispatch])?;
        }
        builder.commit_from_memory(model)
    };
    // The outer errors end the attempts, the inner ones are one attempt's.
    let attempt = |provider: Provider| -> Result<ort::Result<Session>> {
        if provider != Provider::TensorRt {
            return Ok(open(provider, None));
        }
        let entry = tensorrt::entry(model, options)?;
        let notice = options.notice.filter(|_| !entry.as_ref().is_some_and(Entry::is_ready));
        let session = tensorrt::saying_so(what, notice, || open(provider, entry.as_ref()));
        if let (Ok(_), Some(entry)) = (&session, entry) {
            entry.seal()?;
        }
        Ok(session)
    };
    let mut attempts = Vec::new();
    for &provider in candidates {
        match attempt(provider)? {
            Ok(session) => {
                attempts.push(Attempt { provider, failure: None });
                return Ok((session, attempts));
            }
            Err(e) if provider == Provider::Cpu => return Err(Error::engine(format!("loading {what}"))(e)),
            Err(e) => attempts.push(Attempt { provider, failure: Some(one_line(&e.to_string())) }),
        }
    }
    let reason = attempts.pop().and_then(|a| a.failure).unwrap_or_default();
    Err(Error::Provider { provider: options.provider.name(), reason })
}

/// Tries every provider on a graph of one node.
///
/// # Errors
/// [`Error::Library`] if there is no ONNX Runtime to try them with.
pub fn probe() -> Result<Vec<Attempt>> {
    library::get()?;
    let model = one_node_graph();
    let options = |provider| SessionOptions { provider, threads: 1, ..SessionOptions::default() };
    Ok(Provider::LADDER
        .into_iter()
        .map(|provider| {
            let failure = match open_session("a test graph", &model, &options(provider)) {
                Ok(_) => None,
                Err(Error::Provider { reason, .. } | Error::Engine { reason, .. }) => Some(reason),
                Err(e) => Some(e.to_string()),
            };
            Attempt { provider, failure }
        })
        .collect())
}

/// `y = Relu(x)` on a vector of any length.
fn one_node_graph() -> Vec<u8> {
    let value = |name: &str| {
        let dim = vec![Dimension { value: Some(DimensionValue::Named("N".to_owned())) }];
        let tensor = TensorType { elem_type: FLOAT, shape: Some(TensorShape { dim }) };
        ValueInfo { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
    };
    let graph = GraphProto {
        name: "probe".to_owned(),
        node: vec![NodeProto {
            op_type: "Relu".to_owned(),
            input: vec!["x".to_owned()],
            output: vec!["y".to_owned()],
            ..Default::default()
        }],
        input: vec![value("x")],
        output: vec![value("y")],
        ..Default::default()
    };
    let opset = OperatorSetId { domain: String::new(), version: 17 };
    ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..Default::default() }
        .encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_unknown_ones_list_the_choices() {
        for provider in Provider::ALL {
            assert_eq!(provider.name().parse::<Provider>().unwrap(), provider);
        }
        let message = "gpu".parse::<Provider>().unwrap_err();
        assert!(message.contains("auto, cpu, cuda, tensorrt"), "{message}");
    }

    #[test]
    fn sixteen_bit_floats_are_refused_where_they_would_not_be_used() {
        let options =
            |provider| SessionOptions { provider, precision: Precision::Fp16, ..Default::default() };
        let error = open_session("x", &[], &options(Provider::Cpu)).err().unwrap();
        assert!(error.to_string().contains("fp16 is TensorRT's"), "{error}");
        assert_eq!("fp16".parse(), Ok(Precision::Fp16));
        assert!("int3".parse::<Precision>().is_err());
    }

    #[test]
    fn the_processor_always_works_and_failures_have_reasons() {
        for attempt in probe().unwrap() {
            if attempt.provider == Provider::Cpu {
                assert!(attempt.failure.is_none());
            } else if let Some(reason) = attempt.failure {
                assert!(!reason.is_empty() && !reason.contains('\n'));
            }
        }
    }
}
