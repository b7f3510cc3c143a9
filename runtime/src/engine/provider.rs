//! Where networks are computed, and proof of it: a provider counts as used only once it has been registered with a
//! session without error, never because the library says that it was compiled in.

use std::path::Path;
use std::str::FromStr;
use std::sync::Once;
use std::time::Instant;

use lkg_bundle::onnx::{
    Dimension, DimensionValue, FLOAT, GraphProto, ModelProto, NodeProto, OperatorSetId, TensorShape,
    TensorType, TypeProto, ValueInfo,
};
use lkg_bundle::{BundleDims, Network};
use ort::ep::ExecutionProviderDispatch;
use ort::session::Session;
use prost::Message;

use super::cache::Entry;
use super::cuda::{self, Gpu};
use super::precision::Precision;
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

impl Attempt {
    /// How to fix the failure, where that is known.
    pub fn fix(&self) -> Option<String> {
        self.failure.as_deref().and_then(cuda::fix)
    }

    /// Why it failed, and what to do about that.
    fn explained(&self) -> Option<String> {
        let failure = self.failure.clone()?;
        Some(match self.fix() {
            Some(fix) => format!("{failure}; {fix}"),
            None => failure,
        })
    }
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

    /// Whether it computes on a GPU.
    pub fn is_gpu(self) -> bool {
        matches!(self, Provider::Cuda | Provider::TensorRt)
    }

    /// What to register for it; `error_on_failure` because registration is silent otherwise.
    fn dispatches(
        self,
        options: &SessionOptions<'_>,
        entry: Option<&Entry>,
        version: &str,
    ) -> Result<Vec<ExecutionProviderDispatch>> {
        let cuda = || cuda::provider(options, version).map(|ep| ep.build().error_on_failure());
        Ok(match self {
            Provider::Auto | Provider::Cpu => Vec::new(),
            Provider::Cuda => vec![cuda()?],
            // What TensorRT leaves, CUDA takes.
            Provider::TensorRt => {
                vec![tensorrt::provider(options, entry).build().error_on_failure(), cuda()?]
            }
        })
    }

    /// The providers to try for this choice, best first.
    pub(super) fn candidates(self) -> &'static [Provider] {
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

/// How a session is to be opened.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionOptions<'p> {
    /// Where to compute.
    pub provider: Provider,
    /// In which numbers.
    pub precision: Precision,
    /// How a GPU is used, if it is.
    pub gpu: Gpu,
    /// Threads within an operator.
    pub threads: usize,
    /// Where to write ONNX Runtime's profile; it adds a suffix.
    pub profile: Option<&'p Path>,
    /// The network and its bundle's sizes, if it is one: what an engine is built and kept for.
    pub network: Option<(Network, BundleDims)>,
    /// Told what takes long.
    pub notice: Option<fn(&str)>,
    /// Tell it, too, why no GPU is used.
    pub explain: bool,
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

/// Holds what a session computes on a provider against what it should.
pub(super) type Proof<'p> = dyn Fn(Provider, &mut Session) -> Result<()> + 'p;

/// Opens a session for the ONNX file `model` on the best of the providers that `options` allow; `what` is named in
/// errors. Returns every attempt, the last of which is the one that worked. An engine that was built just now is kept,
/// and used, only if `prove` finds nothing wrong with it.
pub(super) fn open_session(
    what: &str,
    model: &[u8],
    options: &SessionOptions<'_>,
    prove: &Proof<'_>,
) -> Result<(Session, Vec<Attempt>)> {
    let mut attempts = Vec::new();
    for &provider in options.precision.candidates(options.provider)? {
        let start = Instant::now();
        match attempt(provider, what, model, options, prove)? {
            Ok(session) => {
                let (ms, threads) = (start.elapsed().as_millis(), options.threads);
                tracing::info!(network = what, %provider, threads, ms, "network loaded");
                attempts.push(Attempt { provider, failure: None });
                if let (Some(say), true) = (options.notice, options.explain) {
                    explain_once(&attempts, say);
                }
                return Ok((session, attempts));
            }
            Err(e) if provider == Provider::Cpu => return Err(Error::engine(format!("loading {what}"))(e)),
            Err(e) => {
                let failure = plain(&e.to_string());
                tracing::info!(network = what, %provider, reason = failure, "provider not used");
                attempts.push(Attempt { provider, failure: Some(failure) });
            }
        }
    }
    let last = attempts.pop();
    let reason = last.as_ref().and_then(Attempt::explained).unwrap_or_default();
    Err(Error::Provider { provider: options.provider.name(), reason })
}

/// Says once in the life of the process what computes, and why nothing before it on the ladder.
fn explain_once(attempts: &[Attempt], say: fn(&str)) {
    static SAID: Once = Once::new();
    if let Some(why) = explanation(attempts) {
        SAID.call_once(|| say(&why));
    }
}

/// What computes, the last of `attempts`, and why those before it do not; nothing if the first one worked.
fn explanation(attempts: &[Attempt]) -> Option<String> {
    let (chosen, failed) = attempts.split_last().filter(|(_, failed)| !failed.is_empty())?;
    let reason =
        |a: &Attempt| format!("; not on {}: {}", a.provider, a.failure.as_deref().unwrap_or_default());
    let on = if chosen.provider == Provider::Cpu { "the CPU" } else { chosen.provider.name() };
    Some(format!("computing on {on}{}", failed.iter().map(reason).collect::<String>()))
}

/// Opens a session on `provider`. The outer error ends all attempts, the inner one is this attempt's.
fn attempt(
    provider: Provider,
    what: &str,
    model: &[u8],
    options: &SessionOptions<'_>,
    prove: &Proof<'_>,
) -> Result<ort::Result<Session>> {
    // Before anything else of `ort`, which would look for a library of its own.
    library::get()?;
    if provider != Provider::TensorRt {
        return open(provider, model, options, None);
    }
    let entry = tensorrt::entry(model, options)?;
    let new = !entry.as_ref().is_some_and(Entry::is_ready);
    let notice = options.notice.filter(|_| new);
    // A graph would be recorded with the values of the proof, and replayed with those.
    let plain = SessionOptions { gpu: Gpu { graph: false, ..options.gpu }, ..options.clone() };
    let build = || open(provider, model, if new { &plain } else { options }, entry.as_ref());
    let mut session = tensorrt::saying_so(what, notice, build)?;
    if let (Ok(opened), true) = (&mut session, new) {
        if let Err(e) = prove(provider, opened) {
            // The entry is dropped unsealed, and what was built with it.
            return Ok(Err(ort::Error::new(e.to_string())));
        }
        if options.gpu.graph {
            session = open(provider, model, options, entry.as_ref())?;
        }
    }
    if let (Ok(_), Some(entry)) = (&session, entry) {
        entry.seal()?;
    }
    Ok(session)
}

fn open(
    provider: Provider,
    model: &[u8],
    options: &SessionOptions<'_>,
    entry: Option<&Entry>,
) -> Result<ort::Result<Session>> {
    let library = library::get()?;
    let dispatches = provider.dispatches(options, entry, &library.version)?;
    let build = || -> ort::Result<Session> {
        let mut builder = Session::builder(&library.environment)?
            .with_intra_threads(options.threads)?
            // Spinning threads would take the cores that decoding and drawing need.
            .with_intra_op_spinning(SPINNING)?;
        if let Some(profile) = options.profile {
            builder = builder.with_profiling(profile)?;
        }
        if provider.is_gpu() {
            // ONNX Runtime then refuses the session if it has assigned a single node to the processor.
            builder = builder.with_disable_cpu_fallback()?.with_execution_providers(dispatches)?;
        }
        builder.commit_from_memory(model)
    };
    Ok(build())
}

/// What ONNX Runtime says went wrong, on one line, without the place in its source and its codes.
fn plain(text: &str) -> String {
    let line = one_line(text);
    if let Some((_, failure)) = line.rsplit_once("CUDA failure ") {
        return format!("CUDA failure {}", failure.split(" ;").next().unwrap_or(failure));
    }
    let rest = line.rsplit_once("[ONNXRuntimeError] : ").map_or(line.as_str(), |(_, rest)| rest);
    // "1 : FAIL : Failed to …"
    let said = rest.splitn(3, " : ").nth(2).filter(|_| rest.starts_with(|c: char| c.is_ascii_digit()));
    said.unwrap_or(rest).trim_end_matches('.').to_owned()
}

/// Tries every provider on a graph of one node.
///
/// # Errors
/// [`Error::Library`] if there is no ONNX Runtime to try them with.
pub fn probe() -> Result<Vec<Attempt>> {
    let model = one_node_graph();
    let options = |provider| SessionOptions { provider, threads: 1, ..SessionOptions::default() };
    let try_one = |provider| {
        let outcome = attempt(provider, "a test graph", &model, &options(provider), &|_, _| Ok(()))?;
        Ok(Attempt { provider, failure: outcome.err().map(|e| plain(&e.to_string())) })
    };
    Provider::LADDER.into_iter().map(try_one).collect()
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
    fn precisions_are_refused_where_they_would_not_be_used() {
        let options = |provider, precision| SessionOptions { provider, precision, ..Default::default() };
        let refused = |provider, precision, part: &str| {
            let error = open_session("x", &[], &options(provider, precision), &|_, _| Ok(())).err().unwrap();
            assert!(error.to_string().contains(part), "{error}");
        };
        refused(Provider::Cpu, Precision::Fp16, "fp16 is tensorrt's, not cpu's");
        refused(Provider::TensorRt, Precision::Tf32, "tf32 is cuda's, not tensorrt's");
        assert!(Precision::ALL.iter().all(|p| p.name().parse() == Ok(*p)));
        assert!("int3".parse::<Precision>().is_err());
    }

    /// With CUDA and without TensorRT it was said that the processor computes.
    #[test]
    fn what_computes_is_named_with_why_nothing_before_it_does() {
        let failed = |provider, reason: &str| Attempt { provider, failure: Some(reason.into()) };
        let worked = |provider| Attempt { provider, failure: None };
        let tried = [failed(Provider::TensorRt, "no library"), worked(Provider::Cuda)];
        assert_eq!(explanation(&tried).unwrap(), "computing on cuda; not on tensorrt: no library");
        let tried = [
            failed(Provider::TensorRt, "no library"),
            failed(Provider::Cuda, "no GPU"),
            worked(Provider::Cpu),
        ];
        assert_eq!(
            explanation(&tried).unwrap(),
            "computing on the CPU; not on tensorrt: no library; not on cuda: no GPU"
        );
        assert_eq!(explanation(&tried[2..]), None);
    }

    #[test]
    fn reasons_lose_what_only_its_makers_understand() {
        let raw = "/src/provider_bridge_ort.cc:2043 Provider& ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : \
                   Failed to load library /x/a.so with error: libcublasLt.so.13: cannot open shared object file: No \
                   such file or directory\n";
        let said = "Failed to load library /x/a.so with error: libcublasLt.so.13: cannot open shared object file: No \
                    such file or directory";
        assert_eq!(plain(raw), said);
        let off = "CUDA execution provider is not enabled in this build";
        assert_eq!(plain(&format!("{off}. ")), off);
        assert_eq!(plain("a : b : c : d"), "a : b : c : d");
        let raw = "/src/cuda_call.cc:146 CudaCall(ERRTYPE, int) [with ERRTYPE = cudaError] CUDA failure 35: CUDA driver \
                   version is insufficient for CUDA runtime version ; GPU=-1 ; hostname=vm ; expr=cudaSetDevice(0);";
        let said = "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version";
        assert_eq!(plain(raw), said);
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
