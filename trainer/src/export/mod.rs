//! Builds the ONNX graphs of trained networks and holds them against libtorch.

mod cases;
pub mod detector;
pub mod fold;
pub mod graph;
pub mod image_generator;
pub mod keypoint_generator;
pub mod parity;
pub mod reference;
pub mod session;

use std::collections::BTreeMap;

use models::{Network, golden};

use crate::config::Architecture;
use crate::error::{Error, Result};
use crate::nets::{Detector, ImageGenerator, KeypointGenerator};

/// The networks that are exported.
pub const NETWORKS: [Network; 3] = [Network::KeypointGenerator, Network::ImageGenerator, Network::Detector];

/// Tensors by name: the inputs or the outputs of a network.
pub type Tensors = BTreeMap<String, golden::Tensor>;

/// The networks to export, on the CPU.
#[derive(Clone, Copy, Debug)]
pub struct TrainedNets<'a> {
    /// Noise to keypoints and embeddings.
    pub keypoint_generator: &'a KeypointGenerator,
    /// Keypoints and embeddings to an image.
    pub image_generator: &'a ImageGenerator,
    /// Image to keypoints.
    pub detector: &'a Detector,
}

impl TrainedNets<'_> {
    /// Builds the ONNX graph of `network`.
    ///
    /// # Errors
    /// [`Error::Export`] if there is no such network or its graph does not fit the contract.
    pub fn graph(&self, network: Network, arch: &Architecture) -> Result<graph::Exported> {
        let _no_grad = tch::no_grad_guard();
        match network {
            Network::KeypointGenerator => keypoint_generator::build(self.keypoint_generator, arch),
            Network::ImageGenerator => image_generator::build(self.image_generator, arch),
            Network::Detector => detector::build(self.detector, arch),
            Network::Encoder => Err(Error::Export("no encoder is trained".to_owned())),
        }
    }
}
