//! Networks on ONNX Runtime: finding the library, choosing where to compute, sessions, the golden check.

mod bare;
mod binding;
pub mod cache;
mod cuda;
mod encoder;
pub mod golden;
mod held;
pub mod library;
mod networks;
mod noise;
pub mod placement;
mod portrait;
mod precision;
mod provider;
mod runner;
mod split;
mod tensorrt;

pub use bare::{BareRun, kernels, nodes_per_provider, zero_inputs};
pub use cuda::{DEFAULT_MEMORY_MIB, Gpu};
pub use encoder::Encoder;
pub use held::Held;
pub use networks::{Detector, EngineSummary, ImageGenerator, KeypointGenerator, Latents};
pub use noise::Noise;
pub use portrait::{Carried, PhotoFeatures, Portrait, PortraitSource};
pub use precision::Precision;
pub use provider::{Attempt, Provider, SPINNING, probe};
pub use runner::{NetworkRunner, OrtRunner, default_threads};
pub use tensorrt::has_nvidia_driver;

/// How networks are to be run.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Where to compute.
    pub provider: Provider,
    /// Threads within an operator; `None` means what suits each network (1 for the detector, where a second thread
    /// buys nothing, and up to 4 for the others).
    pub threads: Option<usize>,
    /// In which numbers to compute.
    pub precision: Precision,
    /// How a GPU is used, if it is.
    pub gpu: Gpu,
    /// Told what takes long, as when TensorRT builds an engine.
    pub notice: Option<fn(&str)>,
    /// Tell it, too, why no GPU is used.
    pub explain: bool,
}
