//! Edge inference for LatentKeypointGAN bundles on ONNX Runtime. No libtorch, no Python.
//!
//! `engine` runs networks, `vision` finds and draws keypoints, `media` reads and writes pictures, clips, cameras
//! and windows, `live` joins them into a loop, `cli` is the only part that knows of a command line.

pub mod frame;
