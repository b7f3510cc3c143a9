//! Trains LatentKeypointGAN on libtorch and exports it to ONNX bundles.
//!
//! `dataset` reads pictures, `nets` are the networks, `losses` what they minimise, `train` the loops with their
//! checkpoints, `meaning` finds what keypoints stand for, `export` writes bundles, `eval` measures, `plot` draws; `cli`
//! is the only part that knows of a command line.

pub mod cli;
pub mod config;
pub mod dataset;
pub mod device;
mod error;
pub mod eval;
pub mod export;
pub mod losses;
mod machine;
pub mod meaning;
pub mod nets;
pub mod plot;
pub mod sample;
pub mod share;
pub mod train;

pub use error::{Error, Result};
