//! Trains LatentKeypointGAN on libtorch and exports it to ONNX bundles.
//!
//! `dataset` reads pictures, `nets` are the networks, `losses` what they minimise, `train` the loops with their
//! checkpoints, `subject` runs what is measured, by libtorch or by `onnx_runtime`, `semantics` finds what keypoints stand
//! for, `eval` measures, `export` writes bundles, `plot` draws; `cli` is the only part that knows of a command line.

mod cache;
pub mod cli;
pub mod config;
pub mod dataset;
pub mod device;
mod error;
pub mod eval;
pub mod export;
mod fingerprint;
pub mod losses;
mod machine;
pub mod nets;
pub mod onnx_runtime;
pub mod plot;
pub mod sample;
pub mod semantics;
pub mod share;
mod staged;
pub mod subject;
pub mod train;

pub use error::{Error, Result};
