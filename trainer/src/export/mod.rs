//! Builds the ONNX graphs of trained networks.

pub mod detector;
pub mod fold;
pub mod graph;
pub mod image_generator;
pub mod keypoint_generator;
