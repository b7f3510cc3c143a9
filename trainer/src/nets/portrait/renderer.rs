//! From a photo's features and the flow to the driven picture.

use std::borrow::Borrow;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::{COARSE, FINE, Flow, PLACE, Parts, gaussians, state_maps, warp};
use crate::config::Architecture;
use crate::nets::detector::ConvNorm;
use crate::nets::layers::{Conv, Norm, channels_last};

/// Widths of the feature maps at 64 and at 32 px.
const WIDTHS: (i64, i64) = (48, 96);
/// Width of the coarse map when it is enlarged.
const NARROW: i64 = 48;
/// Widths between the photo's warped features and the output, at 64 px.
const LAST: (i64, i64) = (64, 32);
/// Blocks at 32 px, in the encoder and after the flow.
const BLOCKS: usize = 2;
/// Logit of the mask at first: the photo's own pixels.
pub const KEEP: f64 = 2.0;

/// What is made of a photo once.
#[derive(Debug)]
pub struct Features {
    /// `[N, 48, 64, 64]`.
    pub fine: Tensor,
    /// `[N, 96, 32, 32]`.
    pub coarse: Tensor,
}

/// A driven picture and what it is put together from.
#[derive(Debug)]
pub struct Rendered {
    /// `[N, 3, S, S]` in about [-1, 1]: `mask * warped + (1 - mask) * colour`.
    pub image: Tensor,
    /// `[N, 3, S, S]`: the photo as the flow alone carries it.
    pub warped: Tensor,
    /// `[N, 3, S, S]` in [-1, 1]: what is drawn anew.
    pub colour: Tensor,
    /// `[N, 1, S, S]`, 0 to 1: where the photo's own pixels show.
    pub mask: Tensor,
}

/// Two 3x3 convolutions and their input.
#[derive(Debug)]
pub struct Block {
    /// With ReLU.
    pub first: ConvNorm,
    /// Without.
    pub second: ConvNorm,
}

impl Block {
    fn new(p: Path, width: i64) -> Self {
        let conv = |name: &str, relu| ConvNorm::new(&p / name, width, width, 3, 1, 1, relu);
        Self { first: conv("first", true), second: conv("second", false) }
    }

    fn forward(&self, x: &Tensor, norm: Norm) -> Tensor {
        (x + self.second.forward(&self.first.forward(x, norm), norm)).relu()
    }
}

/// The network.
#[derive(Debug)]
pub struct Renderer {
    /// The unshuffled photo to the fine map.
    pub enter: ConvNorm,
    /// Fine to coarse.
    pub down: ConvNorm,
    /// Of the photo's coarse map.
    pub encode: Vec<Block>,
    /// Warped coarse features and both sets of Gaussians.
    pub merge: ConvNorm,
    /// 1x1, no bias: the change of states, added to what was merged; begins near 0.
    pub states: Conv,
    /// At 32 px.
    pub blocks: Vec<Block>,
    /// 1x1, before it is enlarged.
    pub narrow: ConvNorm,
    /// Enlarged, with the warped fine features and the warped photo.
    pub up: ConvNorm,
    /// At 64 px.
    pub refine: ConvNorm,
    /// 3x3 to colour and mask, shuffled to the picture's side.
    pub head: Conv,
    side: i64,
}

impl Renderer {
    /// Registers the network under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        let (fine, coarse) = WIDTHS;
        let factor = arch.portrait_size / FINE;
        let pixels = factor * factor;
        let conv = |name: &str, inputs, outputs, stride| {
            ConvNorm::new(p / name, inputs, outputs, 3, stride, 1, true)
        };
        let blocks = |name: &str| (0..BLOCKS).map(|i| Block::new(p / name / i, coarse)).collect();
        let net = Self {
            enter: conv("enter", 3 * pixels, fine, 1),
            down: conv("down", fine, coarse, 2),
            encode: blocks("encode"),
            merge: conv("merge", coarse + 2 * arch.keypoints, coarse, 1),
            states: Conv::without_bias(p / "states", arch.keypoints * arch.states, coarse, 1, 1, 1),
            blocks: blocks("blocks"),
            narrow: ConvNorm::new(p / "narrow", coarse, NARROW, 1, 1, 1, true),
            up: conv("up", NARROW + fine + 3 * pixels, LAST.0, 1),
            refine: conv("refine", LAST.0, LAST.1, 1),
            head: Conv::new(p / "head", LAST.1, 4 * pixels, 3, 1),
            side: arch.portrait_size,
        };
        tch::no_grad(|| {
            let _ = net.states.weight.shallow_clone().g_mul_scalar_(0.1);
            let _ = net.head.weight.shallow_clone().g_mul_scalar_(0.3);
        });
        net
    }

    /// Pixels of a unit of the fine map, a side.
    fn factor(&self) -> i64 {
        self.side / FINE
    }

    /// The features of photos `[N, 3, S, S]` in [-1, 1].
    pub fn features(&self, photo: &Tensor, kind: Kind, norm: Norm) -> Features {
        let pixels = photo.pixel_unshuffle(self.factor()).to_kind(kind);
        let fine = self.enter.forward(&channels_last(&pixels), norm);
        let coarse = self.down.forward(&fine, norm);
        let coarse = self.encode.iter().fold(coarse, |x, block| block.forward(&x, norm));
        Features { fine, coarse }
    }

    /// The photo `[N, 3, S, S]` with its `features`, driven.
    #[allow(clippy::too_many_arguments)]
    pub fn forward(
        &self,
        photo: &Tensor,
        features: &Features,
        source: &Parts,
        driven: &Parts,
        flow: &Flow,
        kind: Kind,
        norm: Norm,
    ) -> Rendered {
        let trust = flow.trust.narrow(1, 0, 1).sigmoid();
        let enlarged = |x: &Tensor, side: i64| x.upsample_bilinear2d([side, side], false, None, None);
        let coarse = warp(&features.coarse, &flow.field, COARSE) * &trust;
        let fine = warp(&features.fine, &flow.field, FINE) * enlarged(&trust, FINE);
        let warped = warp(photo, &flow.field, self.side);
        let before = warp(&gaussians(&source.keypoints, PLACE, COARSE), &flow.field, COARSE);
        let after = gaussians(&driven.keypoints, PLACE, COARSE);
        let shown = Tensor::cat(&[coarse, after, before], 1).to_kind(kind);
        let change = self.states.forward(&state_maps(source, driven, COARSE).to_kind(kind));
        let x = self.merge.forward(&channels_last(&shown), norm) + change;
        let x = self.blocks.iter().fold(x, |x, block| block.forward(&x, norm));
        let x = self.narrow.forward(&x, norm).upsample_nearest2d([FINE, FINE], None, None);
        let pixels = warped.pixel_unshuffle(self.factor());
        let x = Tensor::cat(&[x, fine.to_kind(kind), pixels.to_kind(kind)], 1);
        let x = self.refine.forward(&self.up.forward(&channels_last(&x), norm), norm);
        let out = self.head.forward(&x).to_kind(Kind::Float).pixel_shuffle(self.factor());
        let mask = (out.narrow(1, 3, 1) + enlarged(&flow.trust.narrow(1, 1, 1), self.side) + KEEP).sigmoid();
        let colour = out.narrow(1, 0, 3).tanh();
        let image = &mask * &warped + (1.0 - &mask) * &colour;
        Rendered { image, warped, colour, mask }
    }
}
