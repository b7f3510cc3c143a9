//! What libtorch makes of the contract's inputs: the truth that graphs are held against.

use lkg_bundle::Network;
use tch::{Kind, Tensor};

use super::{PortraitNets, TrainedNets};
use crate::config::Architecture;
use crate::error::{Error, Result};
use crate::nets::heatmap::Pose;
use crate::nets::image_generator::Mode;
use crate::nets::keypoint_generator::Noise;
use crate::nets::layers::Norm;
use crate::nets::portrait::{COARSE, Features, PLACE, Parts, gaussians, grid};
use crate::nets::resize::resize;
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
    if !nets.are_on_the_cpu() {
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
            let latents = nets.generator()?.keypoints.forward(&noise, Norm::Running);
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
            let image =
                nets.generator()?.images.forward(&pose, &embeddings, &background, Mode::exported(arch));
            vec![("image", image)]
        }
        Network::Detector => {
            let detection = nets.detector.forward(&input("image")?, Norm::Running);
            let found = [("keypoints", detection.keypoints), ("confidence", detection.confidence.sigmoid())];
            found.into_iter().chain(detection.states.map(|states| ("states", states))).collect()
        }
        Network::PortraitSource => source(&nets.portrait()?, &input("image")?, &input("keypoints")?),
        Network::Portrait => frame(&nets.portrait()?, &input)?,
        // Halves of the image generator, which libtorch has in one piece.
        Network::Style | Network::Render => {
            return Err(Error::Export(format!("{network} has no counterpart in libtorch")));
        }
        Network::Encoder => {
            let appearance = nets.encoder()?.forward(&input("image")?, Kind::Float);
            vec![("embeddings", appearance.embeddings), ("background", appearance.background)]
        }
    };
    named.into_iter().map(|(name, tensor)| Ok((name.to_owned(), from_torch(&tensor)?))).collect()
}

/// What is made of a photo once.
fn source(nets: &PortraitNets, image: &Tensor, keypoints: &Tensor) -> Vec<(&'static str, Tensor)> {
    let features = nets.renderer.features(image, Kind::Float, Norm::Running);
    let placed = gaussians(keypoints, PLACE, COARSE);
    vec![
        ("small", resize(image, COARSE)),
        ("coarse", Tensor::cat(&[&features.coarse, &placed], 1)),
        ("fine", features.fine),
    ]
}

/// A frame. Change is taken from states of 0, as only differences count.
fn frame(nets: &PortraitNets, input: &dyn Fn(&str) -> Result<Tensor>) -> Result<Vec<(&'static str, Tensor)>> {
    let (image, coarse, change) = (input("image")?, input("coarse")?, input("change")?);
    let source = Parts { keypoints: input("source_keypoints")?, states: change.zeros_like() };
    let driven = Parts { keypoints: input("keypoints")?, states: change };
    let features = coarse.size()[1] - source.keypoints.size()[1];
    let features = Features { coarse: coarse.narrow(1, 0, features), fine: input("fine")? };
    let norm = Norm::Running;
    let flow = nets.flow.forward(&input("small")?, &source, &driven, Kind::Float, norm);
    let rendered = nets.renderer.forward(&image, &features, &source, &driven, &flow, Kind::Float, norm);
    let motion = (&flow.field - grid(COARSE, &image)).permute([0, 3, 1, 2]);
    Ok(vec![("flow", motion), ("mask", rendered.mask), ("colour", rendered.colour)])
}
