//! Keypoints learned from pictures alone: a detector, and a decoder that reconstructs a picture from the few patches that
//! a mask leaves of it and the Gaussians of its keypoints. What the patches show of colours is enough for appearance; where
//! parts are can only come through the keypoints (masks: He, Wandt and Rhodin, "AutoLink", 2022, which draws edges
//! between keypoints; Gaussians: Jakab et al., "Unsupervised Learning of Object Landmarks through Conditional Image
//! Generation", 2018).

use std::borrow::Borrow;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::detector::Detector;
use super::layers::{BatchNorm, Conv, Norm, channels_last, leaky, upsample};
use crate::config::{Architecture, SIDE_MULTIPLE};

/// Channels at full size and at each halving.
const WIDTHS: [i64; 5] = [20, 40, 80, 160, 160];
const _: () = assert!(SIDE_MULTIPLE == 1 << (WIDTHS.len() - 1));

/// Detector and decoder, which learn together.
#[derive(Debug)]
pub struct MaskedAutoencoder {
    /// Picture to keypoints: what is kept.
    pub detector: Detector,
    /// What is left of a picture and Gaussians to the picture.
    pub decoder: Decoder,
}

impl MaskedAutoencoder {
    /// Registers both networks under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        Self {
            detector: Detector::new(p / "detector", arch),
            decoder: Decoder::new(p / "decoder", arch.keypoints),
        }
    }
}

/// 3x3 convolution, batch norm, LeakyReLU.
#[derive(Debug)]
struct Block {
    conv: Conv,
    norm: BatchNorm,
}

impl Block {
    fn new<'a>(path: impl Borrow<Path<'a>>, inputs: i64, outputs: i64, stride: i64) -> Self {
        let p = path.borrow();
        Self {
            conv: Conv::without_bias(p / "conv", inputs, outputs, 3, stride, 1),
            norm: BatchNorm::new(p / "norm", outputs),
        }
    }

    fn forward(&self, x: &Tensor, norm: Norm) -> Tensor {
        leaky(&self.norm.forward(&self.conv.forward(x), norm))
    }
}

/// A U-Net (Ronneberger et al., 2015) over `WIDTHS`.
#[derive(Debug)]
pub struct Decoder {
    first: Block,
    downs: Vec<Block>,
    ups: Vec<Block>,
    last: Conv,
}

impl Decoder {
    fn new<'a>(path: impl Borrow<Path<'a>>, keypoints: i64) -> Self {
        let p = path.borrow();
        let steps = || WIDTHS.windows(2).enumerate();
        Self {
            first: Block::new(p / "first", 3 + keypoints, WIDTHS[0], 1),
            downs: steps().map(|(i, w)| Block::new(p / format!("down{i}"), w[0], w[1], 2)).collect(),
            ups: steps().rev().map(|(i, w)| Block::new(p / format!("up{i}"), w[0] + w[1], w[0], 1)).collect(),
            last: Conv::new(p / "last", WIDTHS[0], 3, 3, 1),
        }
    }

    /// Pictures `[N, 3, S, S]` with patches missing (0 there) and heat maps `[N, K, S, S]` to pictures of the same size,
    /// float32; S is a multiple of [`SIDE_MULTIPLE`].
    pub fn forward(&self, left: &Tensor, heat: &Tensor, kind: Kind, norm: Norm) -> Tensor {
        let shown = Tensor::cat(&[left, heat], 1).to_kind(kind);
        let mut x = self.first.forward(&channels_last(&shown), norm);
        let mut skips = Vec::new();
        for down in &self.downs {
            skips.push(x.shallow_clone());
            x = down.forward(&x, norm);
        }
        for (up, skip) in self.ups.iter().zip(skips.iter().rev()) {
            x = up.forward(&Tensor::cat(&[&upsample(&x), skip], 1), norm);
        }
        self.last.forward(&x).to_kind(Kind::Float)
    }
}
