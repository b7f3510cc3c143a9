//! Networks on ONNX Runtime: finding the library, choosing where to compute, sessions, the golden check.

mod bare;
pub mod cache;
mod encoder;
pub mod golden;
pub mod library;
mod networks;
mod noise;
mod provider;
mod runner;
mod tensorrt;

pub use bare::{BareRun, nodes_per_provider};
pub use encoder::Encoder;
pub use networks::{Detection, DetectionView, Detector, ImageGenerator, KeypointGenerator, Latent, Layout};
pub use provider::{Attempt, Precision, Provider, SPINNING, probe};
pub use runner::{NetworkRunner, OrtRunner, default_threads};

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
    /// Told what takes long, as when TensorRT builds an engine.
    pub notice: Option<fn(&str)>,
}
