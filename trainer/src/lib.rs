//! Trains LatentKeypointGAN on libtorch and exports it to ONNX bundles.
//!
//! Folders may use those before them: `support` (interrupts, progress, devices), `config`, `dataset` (reads pictures),
//! `nets` (the networks), `losses` (what they minimise), `augment` (random changes of pictures), `train` (the loops with
//! their checkpoints), `subject` (what is measured: networks of a run or of a bundle), `semantics` (what keypoints stand
//! for), `eval` (measures), `export` (writes bundles), `cli`, which alone knows of a command line. `plot` and `sample`
//! draw; `onnx_runtime` runs graphs.

pub mod augment;
pub mod cli;
pub mod config;
pub mod dataset;
mod error;
pub mod eval;
pub mod export;
pub mod losses;
pub mod nets;
pub mod onnx_runtime;
pub mod plot;
pub mod sample;
pub mod semantics;
pub mod subject;
pub mod support;
pub mod train;

pub use error::{Error, Result};
