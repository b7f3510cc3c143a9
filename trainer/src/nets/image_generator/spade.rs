//! Spatially adaptive normalisation: heat maps of the keypoints, each carrying its part's embedding, modulate a learned
//! start from size to size (paper).

use std::borrow::Borrow;

use tch::Tensor;
use tch::nn::{Init, Path};

use super::modulation::{Embeddings, Maps, Modulation};
use super::{Blocks, Conditioning, Mode, START_SIZE, doublings};
use crate::config::Architecture;
use crate::nets::layers::{Conv, PlainBatchNorm, channels_last, leaky, upsample};

/// Batch norm, then `gamma(p) * n + beta(p)`.
#[derive(Debug)]
pub struct Modulated {
    /// The normalisation.
    pub norm: PlainBatchNorm,
    /// What makes gamma and beta.
    pub modulation: Modulation,
}

impl Modulated {
    fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture, channels: i64) -> Self {
        let p = path.borrow();
        Self {
            modulation: Modulation::new(p, arch, channels),
            norm: PlainBatchNorm::new(p / "norm", channels),
        }
    }
}

/// The way round a block's convolutions, as in the residual blocks of Park et al., "Semantic Image Synthesis with
/// Spatially-Adaptive Normalization" (2019).
#[derive(Debug)]
pub struct Shortcut {
    /// Applied to what `spade_in` has normalised.
    pub modulation: Modulation,
    /// 1x1, `C_in -> C_out`, without bias.
    pub conv: Conv,
}

impl Shortcut {
    fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture, inputs: i64, outputs: i64) -> Self {
        let p = path.borrow();
        let modulation = Modulation::new(p, arch, inputs);
        let conv = Conv::without_bias(p / "conv", inputs, outputs, 1, 1, 1);
        // Nearly closed at first: fully open, colours ran to their ends within the first hundred steps.
        let _ = tch::no_grad(|| conv.weight.shallow_clone().g_mul_scalar_(0.1));
        Self { modulation, conv }
    }
}

/// Doubles the resolution: modulate, convolve to the new width while still small, upsample, modulate, convolve.
#[derive(Debug)]
pub struct Block {
    /// Modulation at the incoming resolution and width.
    pub spade_in: Modulated,
    /// `C_in -> C_out` at the incoming resolution.
    pub conv_in: Conv,
    /// Modulation at the outgoing resolution and width.
    pub spade_out: Modulated,
    /// `C_out -> C_out` at the outgoing resolution.
    pub conv_out: Conv,
    /// Added to what `conv_out` makes, after upsampling.
    pub shortcut: Option<Shortcut>,
    /// Side of the outgoing feature map.
    pub size: i64,
}

/// The family's networks.
///
/// Whether there are shortcuts or not, a block's output is used in one normalised form only, so that at export every
/// batch norm folds into the convolutions before it.
#[derive(Debug)]
pub struct Spade {
    /// `[1, C, 4, 4]`, the learned start.
    pub start: Tensor,
    /// From 8 px up.
    pub blocks: Vec<Block>,
    /// Width of the heat maps.
    pub tau: f64,
}

/// What modulates, at every size.
#[derive(Debug)]
pub struct Scene {
    embeddings: Embeddings,
    /// From [`START_SIZE`] up.
    maps: Vec<Maps>,
    mode: Mode,
}

impl Spade {
    /// Registers the networks under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        let widths = &arch.generator_channels;
        let mut size = START_SIZE;
        let blocks = widths
            .windows(2)
            .map(|w| {
                size *= 2;
                let p = p / format!("stage{size}");
                Block {
                    spade_in: Modulated::new(&p / "spade_in", arch, w[0]),
                    conv_in: Conv::new(&p / "conv_in", w[0], w[1], 3, 1),
                    spade_out: Modulated::new(&p / "spade_out", arch, w[1]),
                    conv_out: Conv::new(&p / "conv_out", w[1], w[1], 3, 1),
                    shortcut: arch.shortcut.then(|| Shortcut::new(&p / "shortcut", arch, w[0], w[1])),
                    size,
                }
            })
            .collect();
        let start =
            p.var("start", &[1, widths[0], START_SIZE, START_SIZE], Init::Randn { mean: 0.0, stdev: 1.0 });
        Self { start, blocks, tau: arch.tau }
    }
}

impl Blocks for Spade {
    type Scene = Scene;

    fn scene(&self, latent: Conditioning, mode: Mode) -> Scene {
        let conv = self.blocks.iter().any(|s| s.spade_in.modulation.reads_neighbours());
        let maps = (0..=doublings(mode.size))
            .map(|i| Maps::new(latent.pose, self.tau, START_SIZE << i, mode.kind, conv))
            .collect();
        Scene { embeddings: Embeddings::new(latent, mode.kind), maps, mode }
    }

    fn start(&self, scene: &Scene) -> Tensor {
        let start = self.start.to_kind(scene.mode.kind);
        channels_last(&start.expand([scene.embeddings.count(), -1, -1, -1], false))
    }

    fn grow(&self, i: usize, x: &Tensor, scene: &Scene) -> Tensor {
        let (block, norm) = (&self.blocks[i], scene.mode.norm);
        let modulate = |m: &Modulation, x: &Tensor, maps: &Maps| m.forward(x, &scene.embeddings, maps);
        let normed = block.spade_in.norm.forward(x, norm);
        let y = modulate(&block.spade_in.modulation, &normed, &scene.maps[i]);
        let y = upsample(&block.conv_in.forward(&leaky(&y)));
        let y = block.spade_out.norm.forward(&y, norm);
        let y = modulate(&block.spade_out.modulation, &y, &scene.maps[i + 1]);
        let y = block.conv_out.forward(&leaky(&y));
        match &block.shortcut {
            Some(s) => y + upsample(&s.conv.forward(&modulate(&s.modulation, &normed, &scene.maps[i]))),
            None => y,
        }
    }
}
