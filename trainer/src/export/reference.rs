//! What libtorch makes of the contract's inputs: the truth that graphs are held against.

use lkg_bundle::Network;
use tch::{Device, Kind, Tensor};

use super::TrainedNets;
use crate::config::Architecture;
use crate::error::{Error, Result};
use crate::nets::heatmap::Pose;
use crate::nets::image_generator::Mode;
use crate::nets::keypoint_generator::Noise;
use crate::nets::layers::Norm;
use crate::onnx_runtime::{Tensors, from_torch, to_torch};

/// Outputs of `network` for `inputs`, both named and shaped as the contract says; inference mode, float32, on the
/// CPU.
///
/// # Errors
/// [`Error::Export`] if an input is missing or `network` is none of `nets`, or the weights are not on the
/// CPU.
pub fn outputs(
    nets: &TrainedNets,
    arch: &Architecture,
    network: Network,
    inputs: &Tensors,
) -> Result<Tensors> {
    // A GPU may round convolutions to TF32 and would be no reference.
    if nets.image_generator.device() != Device::Cpu {
        return Err(Error::Export("the networks must be on the CPU".to_owned()));
    }
    let input = |name: &str| -> Result<Tensor> {
        let tensor = inputs
            .get(name)
            .ok_or_else(|| Error::Export(format!("{network}: no value for the input {name:?}")))?;
        to_torch(tensor)
    };
    let _no_grad = tch::no_grad_guard();
    let named = match network {
        Network::KeypointGenerator => {
            let noise = Noise {
                pose: input("z_pose")?,
                appearance: input("z_appearance")?,
                background: input("z_background")?,
            };
            let latents = nets.keypoint_generator.forward(&noise, Norm::Running);
            vec![
                ("keypoints", latents.keypoints),
                ("embeddings", latents.embeddings),
                ("background", latents.background),
            ]
        }
        Network::ImageGenerator => {
            let pose =
                Pose { keypoints: input("keypoints")?, scales: input("scales")?, visible: input("visible")? };
            let (embeddings, background) = (input("embeddings")?, input("background")?);
            let image = nets.image_generator.forward(&pose, &embeddings, &background, Mode::exported(arch));
            vec![("image", image)]
        }
        Network::Detector => {
            let detection = nets.detector.forward(&input("image")?, Norm::Running);
            vec![("keypoints", detection.keypoints), ("confidence", detection.confidence.sigmoid())]
        }
        // Halves of the image generator, which libtorch has in one piece.
        Network::Style | Network::Render | Network::PortraitSource | Network::Portrait => {
            return Err(Error::Export(format!("{network} has no counterpart in libtorch")));
        }
        Network::Encoder => {
            let net = nets.encoder.ok_or_else(|| Error::Export("no encoder is trained".to_owned()))?;
            let appearance = net.forward(&input("image")?, Kind::Float);
            vec![("embeddings", appearance.embeddings), ("background", appearance.background)]
        }
    };
    named.into_iter().map(|(name, tensor)| Ok((name.to_owned(), from_torch(&tensor)?))).collect()
}
