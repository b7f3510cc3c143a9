//! The keypoint detector: a small depthwise-separable hourglass, heat maps at half resolution, soft-argmax.

use std::borrow::Borrow;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::layers::{BatchNorm, Conv, Norm, channels_last, upsample};
use super::mean_place::mean_place;
use super::part_states::StateHead;
use crate::config::Architecture;

/// Convolution, batch norm, optional ReLU.
#[derive(Debug)]
pub struct ConvNorm {
    /// The convolution, without bias.
    pub conv: Conv,
    /// The norm, folded into the convolution at export.
    pub norm: BatchNorm,
    /// Whether a ReLU follows.
    pub relu: bool,
}

impl ConvNorm {
    /// Registers a `k` x `k` convolution and its norm under `path`.
    pub fn new<'a>(
        path: impl Borrow<Path<'a>>,
        inputs: i64,
        outputs: i64,
        k: i64,
        stride: i64,
        groups: i64,
        relu: bool,
    ) -> Self {
        let p = path.borrow();
        Self {
            conv: Conv::without_bias(p / "conv", inputs, outputs, k, stride, groups),
            norm: BatchNorm::new(p / "norm", outputs),
            relu,
        }
    }

    /// Applies both.
    pub fn forward(&self, x: &Tensor, norm: Norm) -> Tensor {
        let x = self.norm.forward(&self.conv.forward(x), norm);
        if self.relu { x.relu() } else { x }
    }
}

/// Depthwise 3x3, then pointwise; adds its input where shapes allow.
#[derive(Debug)]
pub struct Separable {
    /// 3x3, one filter a channel.
    pub depthwise: ConvNorm,
    /// 1x1.
    pub pointwise: ConvNorm,
    /// Whether the input is added.
    pub residual: bool,
}

impl Separable {
    fn new<'a>(path: impl Borrow<Path<'a>>, inputs: i64, outputs: i64, stride: i64) -> Self {
        let p = path.borrow();
        Self {
            depthwise: ConvNorm::new(p / "depthwise", inputs, inputs, 3, stride, inputs, false),
            pointwise: ConvNorm::new(p / "pointwise", inputs, outputs, 1, 1, 1, true),
            residual: inputs == outputs && stride == 1,
        }
    }

    fn forward(&self, x: &Tensor, norm: Norm) -> Tensor {
        let y = self.pointwise.forward(&self.depthwise.forward(x, norm), norm);
        if self.residual { y + x } else { y }
    }
}

/// One step of the way back up: narrow, upsample, add the skip, refine.
#[derive(Debug)]
pub struct Up {
    /// 1x1 to the skip's width.
    pub lateral: ConvNorm,
    /// After the sum.
    pub refine: Separable,
}

/// Maps of their own for states to be read from: what a lid or a lip does takes more telling than where it is.
#[derive(Debug)]
pub struct StateMaps {
    /// 3x3, stride 2, from the largest map.
    pub halve: ConvNorm,
    /// 1x1, from the one half as large.
    pub lateral: ConvNorm,
    /// After the sum and a ReLU.
    pub refine: Vec<Separable>,
}

/// Blocks after the sum.
const STATE_BLOCKS: i64 = 3;

impl StateMaps {
    /// From maps of `widths`, the larger one first, to `channels`.
    fn new<'a>(path: impl Borrow<Path<'a>>, widths: (i64, i64), channels: i64) -> Self {
        let p = path.borrow();
        Self {
            halve: ConvNorm::new(p / "halve", widths.0, channels, 3, 2, 1, false),
            lateral: ConvNorm::new(p / "lateral", widths.1, channels, 1, 1, 1, false),
            refine: (0..STATE_BLOCKS)
                .map(|i| Separable::new(p / "refine" / i, channels, channels, 1))
                .collect(),
        }
    }

    /// Maps `[N, C, H/2, H/2]` from `large` `[N, _, H, H]` and `small` `[N, _, H/2, H/2]`.
    fn forward(&self, large: &Tensor, small: &Tensor, norm: Norm) -> Tensor {
        let x = (self.halve.forward(large, norm) + self.lateral.forward(small, norm)).relu();
        self.refine.iter().fold(x, |x, block| block.forward(&x, norm))
    }
}

/// Where the parts are, and with what confidence.
#[derive(Debug)]
pub struct Detection {
    /// `[N, K, 2]`, normalised coordinates.
    pub keypoints: Tensor,
    /// `[N, K]`, logits; the exported network applies the sigmoid.
    pub confidence: Tensor,
    /// `[N, K, S/2, S/2]`, heat maps before the softmax, for training.
    pub heat_logits: Tensor,
    /// `[N, K, S]` in [-1, 1], where the detector reads states.
    pub states: Option<Tensor>,
}

impl Detection {
    /// The detections of `count` images from `start` on.
    pub fn narrow(&self, start: i64, count: i64) -> Self {
        let cut = |t: &Tensor| t.narrow(0, start, count);
        Self {
            keypoints: cut(&self.keypoints),
            confidence: cut(&self.confidence),
            heat_logits: cut(&self.heat_logits),
            states: self.states.as_ref().map(cut),
        }
    }
}

/// The detector.
#[derive(Debug)]
pub struct Detector {
    /// 3x3, stride 2.
    pub stem: ConvNorm,
    /// From half resolution down; each level's last feature map is a skip.
    pub levels: Vec<Vec<Separable>>,
    /// From the lowest level up.
    pub ups: Vec<Up>,
    /// 1x1 to `2 K` maps: heat-map logits, then confidence logits.
    pub head: Conv,
    /// Reads each part's state from the two largest maps on the way up, where `architecture.states` is above 0.
    pub states: Option<StateHead>,
    /// What it reads besides, where `architecture.state_channels` is above 0, too.
    pub state_maps: Option<StateMaps>,
    keypoints: i64,
}

impl Detector {
    /// Registers the network under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        let widths = &arch.detector_channels;
        let stem = ConvNorm::new(p / "stem", 3, widths[0], 3, 2, 1, true);
        let mut inputs = widths[0];
        let levels = widths
            .iter()
            .enumerate()
            .map(|(level, &w)| {
                let p = p / format!("level{level}");
                // Context is cheap where maps are small, so the lower levels are deeper.
                let depth = if level == 0 { 1 } else { 2 };
                (0..depth)
                    .map(|i| {
                        let stride = if i == 0 && level > 0 { 2 } else { 1 };
                        let block = Separable::new(&p / i, inputs, w, stride);
                        inputs = w;
                        block
                    })
                    .collect()
            })
            .collect();
        let ups = widths
            .windows(2)
            .enumerate()
            .rev()
            .map(|(level, w)| {
                let p = p / format!("up{level}");
                Up {
                    lateral: ConvNorm::new(&p / "lateral", w[1], w[0], 1, 1, 1, false),
                    refine: Separable::new(&p / "refine", w[0], w[0], 1),
                }
            })
            .collect();
        let head = Conv::new(p / "head", widths[0], 2 * arch.keypoints, 1, 1);
        let states = (arch.states > 0).then(|| {
            let channels = widths[0] + widths[1] + arch.state_channels;
            StateHead::new(p / "states", arch.keypoints, channels, arch.states)
        });
        let state_maps = (arch.states > 0 && arch.state_channels > 0)
            .then(|| StateMaps::new(p / "state_maps", (widths[0], widths[1]), arch.state_channels));
        Self { stem, levels, ups, head, states, state_maps, keypoints: arch.keypoints }
    }

    /// Images `[N, 3, S, S]` in [-1, 1] to keypoints. The position is the mean of the pixel centres under the
    /// softmax of the heat map (soft-argmax); the confidence logit is the mean of its map under the same weights.
    pub fn forward(&self, images: &Tensor, norm: Norm) -> Detection {
        let mut x = self.stem.forward(&channels_last(images), norm);
        let mut skips = Vec::new();
        for level in &self.levels {
            for block in level {
                x = block.forward(&x, norm);
            }
            skips.push(x.shallow_clone());
        }
        skips.pop();
        // Half as large as the last.
        let mut below = x.shallow_clone();
        for (up, skip) in self.ups.iter().zip(skips.iter().rev()) {
            below = x.shallow_clone();
            x = upsample(&up.lateral.forward(&x, norm)) + skip;
            x = up.refine.forward(&x, norm);
        }
        let maps = self.head.forward(&x).to_kind(Kind::Float);
        let size = maps.size();
        let (side, k) = (size[3], self.keypoints);
        let heat_logits = maps.narrow(1, 0, k);
        let heat = heat_logits.flatten(2, 3).softmax(-1, Kind::Float);
        let evidence = maps.narrow(1, k, k).flatten(2, 3);
        let confidence = (&heat * evidence).sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
        let heat = heat.view([-1, k, side, side]);
        let maps = self.state_maps.as_ref().map(|maps| maps.forward(&x, &below, norm));
        let features: Vec<&Tensor> = [&x, &below].into_iter().chain(&maps).collect();
        let states = self.states.as_ref().map(|head| head.forward(&heat, &features));
        Detection { keypoints: mean_place(&heat), confidence, heat_logits, states }
    }
}
