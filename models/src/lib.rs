//! The bundle contract of the LatentKeypointGAN trainer and runtime.
//!
//! A *bundle* is a self-contained directory of ONNX networks, a manifest, golden tensors and a model card.
//! This crate owns everything that the half that writes bundles (`trainer`) and the half that runs them
//! (`runtime`) must agree on: the [manifest], the [tensor names and shapes](contract), the
//! [coordinate and colour conventions](conventions), [checksums](bundle) and the [golden check](golden).
//! It depends on neither libtorch nor ONNX Runtime.

pub mod bundle;
pub mod cache;
pub mod contract;
pub mod conventions;
mod elf;
mod error;
pub mod face_parts;
pub mod files;
pub mod golden;
pub mod json;
pub mod leftovers;
pub mod manifest;
pub mod onnx;
pub mod onnx_runtime;
pub mod operators;
pub mod pictures;
pub mod publish;
#[cfg(feature = "testing")]
pub mod testing;

pub use bundle::Bundle;
pub use contract::{BundleDims, Dim, Network, TensorSpec};
pub use error::{Error, Result};
pub use manifest::Manifest;
