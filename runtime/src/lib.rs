//! Edge inference for LatentKeypointGAN bundles on ONNX Runtime. No libtorch, no Python.
//!
//! `engine` runs networks, `vision` finds and draws keypoints, `media` reads and writes pictures, clips, cameras
//! and windows, `live` joins them into a loop, `serve` shows it to browsers, `edit` changes faces part by part, `reenact`
//! moves them as another one moves, `bench` measures, `cli` is the only part that knows of a command line.

pub mod bench;
pub mod cli;
pub mod edit;
pub mod engine;
mod error;
pub mod frame;
pub mod interrupt;
pub mod live;
pub mod media;
pub mod reenact;
pub mod serve;
pub mod vision;

pub use error::{Error, Result};
