//! Stage 2: keypoints and embeddings to an image, by spatially adaptive normalisation in its cheap linear form.
//!
//! The style map is the sum over parts of heat map times embedding. With one linear map from style to modulation,
//! `gamma` and `beta` at every pixel are a product of a table, which depends on the appearance only, and the heat
//! maps, which depend on the pose only. A heat map of ones carries the bias.
//!
//! There is no shortcut round the convolutions, so that at export every batch norm folds into the convolution
//! before it.

use std::borrow::Borrow;

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

use super::heatmap::{self, Pose};
use super::layers::{Conv, Norm, PlainBatchNorm, channels_last, leaky, upsample};
use crate::config::Architecture;

/// Spatially adaptive normalisation: batch norm, then `gamma(p) * n + beta(p)`.
#[derive(Debug)]
pub struct Spade {
    /// `[E, 2 C]`: embedding to `(gamma, beta)`.
    pub style: Tensor,
    /// `[1, 2 C]`: ones for gamma, zeros for beta at the start.
    pub bias: Tensor,
    /// The normalisation.
    pub norm: PlainBatchNorm,
    /// C.
    pub channels: i64,
}

impl Spade {
    fn new<'a>(path: impl Borrow<Path<'a>>, embedding: i64, channels: i64) -> Self {
        let p = path.borrow();
        let stdev = 0.5 / (embedding as f64).sqrt();
        let start = Tensor::cat(
            &[
                Tensor::ones([1, channels], (Kind::Float, p.device())),
                Tensor::zeros([1, channels], (Kind::Float, p.device())),
            ],
            1,
        );
        Self {
            style: p.var("style", &[embedding, 2 * channels], Init::Randn { mean: 0.0, stdev }),
            bias: p.var_copy("bias", &start),
            norm: PlainBatchNorm::new(p / "norm", channels),
            channels,
        }
    }

    /// `x` `[N, C, H, W]`, `looks` `[N, K + 1, E]`, `maps` `[N, H W, K + 2]`, all of one kind.
    fn forward(&self, x: &Tensor, looks: &Tensor, maps: &Tensor, norm: Norm) -> Tensor {
        let size = x.size();
        let (n, h, w) = (maps.size()[0], size[2], size[3]);
        let bias = self.bias.to_kind(x.kind()).unsqueeze(0).expand([n, -1, -1], false);
        let table = Tensor::cat(&[looks.matmul(&self.style.to_kind(x.kind())), bias], 1);
        // Two products rather than one cut in two: the halves stay dense, and so do their gradients.
        let halves = table.chunk(2, 2);
        let field =
            |half: &Tensor| maps.bmm(&half.contiguous()).view([n, h, w, self.channels]).permute([0, 3, 1, 2]);
        field(&halves[1]).addcmul(&self.norm.forward(x, norm), &field(&halves[0]))
    }
}

/// Doubles the resolution: modulate, convolve to the new width while still small, upsample, modulate, convolve.
#[derive(Debug)]
pub struct Stage {
    /// Modulation at the incoming resolution and width.
    pub spade_in: Spade,
    /// `C_in -> C_out` at the incoming resolution.
    pub conv_in: Conv,
    /// Modulation at the outgoing resolution and width.
    pub spade_out: Spade,
    /// `C_out -> C_out` at the outgoing resolution.
    pub conv_out: Conv,
    /// Side of the outgoing feature map.
    pub size: i64,
}

/// How an image is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// Side of the image.
    pub size: i64,
    /// Below 1 the image of half the size, upsampled, is blended in: a size being grown into.
    pub alpha: f64,
    /// Arithmetic inside the network.
    pub kind: Kind,
    /// Statistics of the norms.
    pub norm: Norm,
}

impl Mode {
    /// As exported: full size, float32, running statistics.
    pub fn exported(arch: &Architecture) -> Self {
        Self { size: arch.image_size, alpha: 1.0, kind: Kind::Float, norm: Norm::Running }
    }
}

/// The image generator.
#[derive(Debug)]
pub struct ImageGenerator {
    /// `[1, C, 4, 4]`, the learned start.
    pub start: Tensor,
    /// From 8 px up.
    pub stages: Vec<Stage>,
    /// One for each size that training passes through: `(size, conv to RGB)`.
    pub to_rgb: Vec<(i64, Conv)>,
    /// Width of the heat maps.
    pub tau: f64,
}

/// Side of the learned start.
pub const START_SIZE: i64 = 4;

impl ImageGenerator {
    /// Registers the network under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        let widths = &arch.generator_channels;
        let mut size = START_SIZE;
        let stages = widths
            .windows(2)
            .map(|w| {
                size *= 2;
                let p = p / format!("stage{size}");
                Stage {
                    spade_in: Spade::new(&p / "spade_in", arch.embedding, w[0]),
                    conv_in: Conv::new(&p / "conv_in", w[0], w[1], 3, 1),
                    spade_out: Spade::new(&p / "spade_out", arch.embedding, w[1]),
                    conv_out: Conv::new(&p / "conv_out", w[1], w[1], 3, 1),
                    size,
                }
            })
            .collect();
        let to_rgb = arch
            .sizes()
            .into_iter()
            .map(|s| (s, Conv::new(p / format!("to_rgb{s}"), arch.generator_width(s), 3, 3, 1)))
            .collect();
        let start =
            p.var("start", &[1, widths[0], START_SIZE, START_SIZE], Init::Randn { mean: 0.0, stdev: 1.0 });
        Self { start, stages, to_rgb, tau: arch.tau }
    }

    /// The image `[N, 3, size, size]` in [-1, 1], float32.
    pub fn forward(&self, pose: &Pose, embeddings: &Tensor, background: &Tensor, mode: Mode) -> Tensor {
        let Mode { size, alpha, kind, norm } = mode;
        let n = pose.keypoints.size()[0];
        let looks = Tensor::cat(&[embeddings, &background.unsqueeze(1)], 1).to_kind(kind);
        let maps_at = |s: i64| {
            let parts = heatmap::parts(pose, self.tau, s);
            let ones = Tensor::ones([n, 1, s, s], (parts.kind(), parts.device()));
            let all = Tensor::cat(&[&parts, &heatmap::background(&parts), &ones], 1);
            all.flatten(2, 3).transpose(1, 2).to_kind(kind).contiguous()
        };
        let mut maps = maps_at(START_SIZE);
        let mut x = channels_last(&self.start.to_kind(kind).expand([n, -1, -1, -1], false));
        let mut smaller = None;
        for stage in self.stages.iter().take_while(|s| s.size <= size) {
            if stage.size == size && alpha < 1.0 {
                smaller = Some(upsample(&self.rgb(&x, size / 2)));
            }
            x = stage.conv_in.forward(&leaky(&stage.spade_in.forward(&x, &looks, &maps, norm)));
            x = upsample(&x);
            maps = maps_at(stage.size);
            x = stage.conv_out.forward(&leaky(&stage.spade_out.forward(&x, &looks, &maps, norm)));
        }
        let image = self.rgb(&x, size);
        match smaller {
            Some(small) => small * (1.0 - alpha) + image * alpha,
            None => image,
        }
    }

    fn rgb(&self, x: &Tensor, size: i64) -> Tensor {
        let conv = self.to_rgb.iter().find(|(s, _)| *s == size).map(|(_, c)| c);
        // `Architecture::check` has made sure that every size trained at has its own.
        let conv = conv.unwrap_or(&self.to_rgb[self.to_rgb.len() - 1].1);
        conv.forward(&leaky(x)).to_kind(Kind::Float).tanh()
    }
}
