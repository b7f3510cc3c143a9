//! Batch norms with fixed statistics are one multiplication and one addition a channel, which the convolution
//! before them can do on the way.

use tch::{Device, Kind, Tensor};

use crate::nets::BATCH_NORM_EPS;
use crate::nets::layers::{BatchNorm, Conv, PlainBatchNorm};

/// `y = scale * x + shift`, both `[C]`, float64 so that folding adds no error of its own.
#[derive(Debug)]
pub struct Affine {
    /// The factor of each channel.
    pub scale: Tensor,
    /// What is added to each channel.
    pub shift: Tensor,
}

impl Affine {
    /// What leaves `channels` channels as they are.
    pub fn identity(channels: i64) -> Self {
        let options = (Kind::Double, Device::Cpu);
        Self { scale: Tensor::ones([channels], options), shift: Tensor::zeros([channels], options) }
    }

    /// The factors alone: what is left for the second of two summands.
    pub fn without_shift(&self) -> Self {
        Self { scale: self.scale.shallow_clone(), shift: self.shift.zeros_like() }
    }
}

impl From<&PlainBatchNorm> for Affine {
    fn from(norm: &PlainBatchNorm) -> Self {
        let scale = (norm.running_var.to_kind(Kind::Double) + BATCH_NORM_EPS).rsqrt();
        let shift = -norm.running_mean.to_kind(Kind::Double) * &scale;
        Self { scale, shift }
    }
}

impl From<&BatchNorm> for Affine {
    fn from(norm: &BatchNorm) -> Self {
        let plain = Self::from(&norm.plain);
        let weight = norm.weight.to_kind(Kind::Double);
        Self { scale: &plain.scale * &weight, shift: plain.shift * weight + &norm.bias }
    }
}

/// A convolution as it is exported.
#[derive(Debug)]
pub struct Kernel {
    /// `[out, in / groups, k, k]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Tensor,
    /// 1 or 2.
    pub stride: i64,
    /// 1, or the number of channels for a depthwise convolution.
    pub groups: i64,
    /// On each side.
    pub padding: i64,
}

impl Kernel {
    /// The convolution as it is.
    pub fn plain(conv: &Conv) -> Self {
        let weight = conv.weight.to_kind(Kind::Double);
        let bias = match &conv.bias {
            Some(bias) => bias.to_kind(Kind::Double),
            None => Tensor::zeros([weight.size()[0]], (Kind::Double, weight.device())),
        };
        Self { weight, bias, stride: conv.stride, groups: conv.groups, padding: conv.padding() }
    }

    /// The convolution followed by `affine`.
    pub fn folded(conv: &Conv, affine: &Affine) -> Self {
        let plain = Self::plain(conv);
        Self {
            weight: &plain.weight * affine.scale.view([-1, 1, 1, 1]),
            bias: &plain.bias * &affine.scale + &affine.shift,
            ..plain
        }
    }

    /// The convolution of inputs whose channels come in another `order`; those left out are 0.
    pub fn inputs(&self, order: &[i64]) -> Self {
        Self {
            weight: self.weight.index_select(1, &Tensor::from_slice(order)),
            bias: self.bias.shallow_clone(),
            ..*self
        }
    }

    /// The convolution of a picture, of whose pixel unshuffle by `factor` this is one: the same numbers in larger squares.
    pub fn of_pixels(&self, factor: i64) -> Self {
        let size = self.weight.size();
        let (outputs, channels, side) = (size[0], size[1] / (factor * factor), size[2]);
        let squares = self.weight.view([outputs, channels, factor, factor, side, side]);
        let side = side * factor;
        Self {
            weight: squares.permute([0, 1, 4, 2, 5, 3]).reshape([outputs, channels, side, side]),
            bias: self.bias.shallow_clone(),
            stride: self.stride * factor,
            padding: self.padding * factor,
            ..*self
        }
    }

    /// The part that makes `length` output channels from `start` on, of a convolution without groups.
    pub fn outputs(&self, start: i64, length: i64) -> Self {
        Self {
            weight: self.weight.narrow(0, start, length),
            bias: self.bias.narrow(0, start, length),
            ..*self
        }
    }
}
