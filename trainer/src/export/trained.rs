//! The networks that a run trained, as they are exported.

use lkg_bundle::{BundleDims, Network};
use tch::Device;

use super::{detector, encoder, graph, image_generator, keypoint_generator, portrait};
use crate::config::Architecture;
use crate::error::{Error, Result};
use crate::nets::portrait::{FlowNet, Renderer};
use crate::nets::{Detector, Encoder, ImageGenerator, KeypointGenerator};

/// The networks to export, on the CPU: a detector, and what draws by its keypoints.
#[derive(Clone, Copy, Debug)]
pub struct TrainedNets<'a> {
    /// Image to keypoints.
    pub detector: &'a Detector,
    /// What draws faces.
    pub generator: Option<GeneratorNets<'a>>,
    /// What carries photos along.
    pub portrait: Option<PortraitNets<'a>>,
}

/// A generator.
#[derive(Clone, Copy, Debug)]
pub struct GeneratorNets<'a> {
    /// Noise to keypoints and embeddings.
    pub keypoints: &'a KeypointGenerator,
    /// Keypoints and embeddings to an image.
    pub images: &'a ImageGenerator,
    /// Image to embeddings, where a loss has trained one.
    pub encoder: Option<&'a Encoder>,
}

/// Portrait networks.
#[derive(Clone, Copy, Debug)]
pub struct PortraitNets<'a> {
    /// Both pictures' keypoints and states to flow.
    pub flow: &'a FlowNet,
    /// Photo and flow to the driven picture.
    pub renderer: &'a Renderer,
}

impl<'a> TrainedNets<'a> {
    /// The networks that there are, an image generator in one piece.
    pub fn networks(&self) -> Vec<Network> {
        let mut networks = vec![];
        if self.generator.is_some() {
            networks.extend([Network::KeypointGenerator, Network::ImageGenerator]);
        }
        networks.push(Network::Detector);
        if self.generator.is_some_and(|g| g.encoder.is_some()) {
            networks.push(Network::Encoder);
        }
        if self.portrait.is_some() {
            networks.extend([Network::PortraitSource, Network::Portrait]);
        }
        networks
    }

    /// Sizes of a bundle of these networks: those of networks that are not there are 0 or none.
    pub fn dims(&self, arch: &Architecture) -> BundleDims {
        let all = arch.bundle_dims();
        let drawn = if self.generator.is_some() {
            all
        } else {
            BundleDims { latent: 0, embedding: 0, image_size: 0, ..all }
        };
        let portrait_size = self.portrait.map(|_| arch.portrait_size as usize);
        BundleDims { portrait_size, ..drawn }
    }

    /// The generator.
    ///
    /// # Errors
    /// [`Error::Export`] if there is none.
    pub fn generator(&self) -> Result<GeneratorNets<'a>> {
        self.generator.ok_or_else(|| Error::Export("no generator is trained".to_owned()))
    }

    /// The portrait networks.
    ///
    /// # Errors
    /// [`Error::Export`] if there are none.
    pub fn portrait(&self) -> Result<PortraitNets<'a>> {
        self.portrait.ok_or_else(|| Error::Export("no portrait networks are trained".to_owned()))
    }

    /// The encoder.
    ///
    /// # Errors
    /// [`Error::Export`] if there is none.
    pub fn encoder(&self) -> Result<&'a Encoder> {
        let encoder = self.generator()?.encoder;
        encoder.ok_or_else(|| Error::Export("no encoder is trained".to_owned()))
    }

    /// Whether all weights are on the CPU. A GPU may round convolutions to TF32 and would be no reference.
    pub fn are_on_the_cpu(&self) -> bool {
        let generator = self.generator.is_none_or(|g| g.images.device() == Device::Cpu);
        generator && self.detector.head.weight.device() == Device::Cpu
    }

    /// Builds the ONNX graph of `network`.
    ///
    /// # Errors
    /// [`Error::Export`] if there is no such network or its graph does not fit the contract.
    pub fn graph(&self, network: Network, arch: &Architecture) -> Result<graph::ExportedGraph> {
        let _no_grad = tch::no_grad_guard();
        match network {
            Network::KeypointGenerator => keypoint_generator::build(self.generator()?.keypoints, arch),
            Network::ImageGenerator => image_generator::build(self.generator()?.images, arch),
            Network::Detector => detector::build(self.detector, arch),
            Network::Style | Network::Render => {
                Err(Error::Export(format!("{network} is cut from the image generator")))
            }
            Network::PortraitSource => portrait::source(self.portrait()?.renderer, self.dims(arch)),
            Network::Portrait => {
                let nets = self.portrait()?;
                portrait::frame(nets.flow, nets.renderer, self.dims(arch))
            }
            Network::Encoder => encoder::build(self.encoder()?, arch),
        }
    }
}
