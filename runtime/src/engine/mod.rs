//! Networks on ONNX Runtime: finding the library, choosing where to compute, sessions, the golden check.

pub mod golden;
pub mod library;
mod networks;
mod provider;
mod runner;

pub use networks::{Detection, Detector, ImageGenerator, KeypointGenerator, Latent, Layout};
pub use provider::{Attempt, Provider, probe};
pub use runner::{NetworkRunner, OrtRunner};

/// How networks are to be run.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Where to compute.
    pub provider: Provider,
    /// Threads within an operator; `None` means what suits each network (1 for the detector, where a second thread
    /// buys nothing, and up to 4 for the others).
    pub threads: Option<usize>,
}
