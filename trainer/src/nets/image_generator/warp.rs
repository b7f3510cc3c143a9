//! A learned map for each part, tinted by its embedding and warped to its keypoint; adaptive instance normalisation
//! by the statistics of the embeddings (Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive
//! Instance Normalization", 2017).
//!
//! At every size: embeddings spread over their parts' maps, 1x1 convolution, LeakyReLU; a spatial transformer places
//! each map round its keypoint; LeakyReLU; normalisation to the mean and deviation that the embeddings have over the
//! parts, LeakyReLU; 3x3 convolution. What the size below made is added before the normalisation.
//!
//! The statistics are those of all visible parts, so one part's embedding also shifts the whole picture a little: that is
//! the price of this family. The background's embedding enters by its map alone.

use std::borrow::Borrow;

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

use super::sampling::{self, Weights};
use super::{Blocks, Conditioning, Mode, START_SIZE, doublings};
use crate::config::Architecture;
use crate::nets::heatmap;
use crate::nets::layers::{Conv, Linear, leaky, upsample};

/// Half side of a part's frame over the square root of tau.
const REACH: f64 = 4.0;

/// Width of the window that a frame fades by, over tau: at the frame's edges little is left (0.02).
const WINDOW: f64 = 4.0;

/// Added to variances and to the sum of visibilities.
pub const EPSILON: f64 = 1e-5;

/// Side of a part's map for images of side `size`: about one place for each pixel that the frame covers, up to 16.
pub fn frame_size(size: i64) -> i64 {
    (size / 2).clamp(4, 16)
}

/// Half side of a part's frame at scale 1, normalised coordinates.
pub fn reach(tau: f64) -> f64 {
    REACH * tau.sqrt()
}

/// Width of a frame's window at scale 1.
pub fn window(tau: f64) -> f64 {
    WINDOW * tau
}

/// Maps that are tinted: embeddings to features.
#[derive(Debug)]
pub struct Canvas {
    /// `[K, frame, frame, E]` (rows before columns): how an embedding spreads.
    pub maps: Tensor,
    /// The 1x1 convolution, `E -> C`.
    pub tint: Linear,
}

impl Canvas {
    fn new<'a>(path: impl Borrow<Path<'a>>, parts: i64, frame: i64, embedding: i64, channels: i64) -> Self {
        let p = path.borrow();
        Self {
            maps: p.var("maps", &[parts, frame, frame, embedding], Init::Randn { mean: 0.0, stdev: 1.0 }),
            tint: Linear::new(p / "tint", embedding, channels),
        }
    }

    /// Embeddings `[N, K, E]` to feature maps `[N, K, frame, frame, C]`.
    fn forward(&self, embeddings: &Tensor) -> Tensor {
        let spread = embeddings.unsqueeze(2).unsqueeze(2) * self.maps.to_kind(embeddings.kind());
        leaky(&self.tint.forward(&spread))
    }
}

/// One size.
#[derive(Debug)]
pub struct Block {
    /// `C_in -> C` at the size below; none at the first.
    pub conv_in: Option<Conv>,
    /// Of the parts.
    pub parts: Canvas,
    /// Of the background.
    pub background: Canvas,
    /// `[E, C]`: embeddings to what the statistics are taken of.
    pub statistics: Tensor,
    /// `C -> C`.
    pub conv_out: Conv,
    /// Side of the feature map.
    pub size: i64,
}

/// The family's networks.
#[derive(Debug)]
pub struct Warp {
    /// From [`START_SIZE`] up.
    pub blocks: Vec<Block>,
    /// Width of the heat maps.
    pub tau: f64,
}

/// What each size is generated from.
#[derive(Debug)]
pub struct Scene {
    embeddings: Tensor,
    background: Tensor,
    visible: Tensor,
    kind: Kind,
    /// From [`START_SIZE`] up: where the parts' maps go, and where the background shows, `[N, size, size, 1]`.
    placed: Vec<(Weights, Tensor)>,
}

impl Warp {
    /// Registers the networks under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        let (k, e) = (arch.keypoints, arch.embedding);
        let block = |(i, &width): (usize, &i64)| {
            let size = START_SIZE << i;
            let p = p / format!("stage{size}");
            let frame = frame_size(size);
            let below = i.checked_sub(1).map(|i| arch.generator_channels[i]);
            let stdev = 1.0 / (e as f64).sqrt();
            Block {
                conv_in: below.map(|inputs| Conv::new(&p / "conv_in", inputs, width, 3, 1)),
                parts: Canvas::new(&p / "parts", k, frame, e, width),
                background: Canvas::new(&p / "background", 1, frame, e, width),
                statistics: p.var("statistics", &[e, width], Init::Randn { mean: 0.0, stdev }),
                conv_out: Conv::new(&p / "conv_out", width, width, 3, 1),
                size,
            }
        };
        Self { blocks: arch.generator_channels.iter().enumerate().map(block).collect(), tau: arch.tau }
    }

    /// What the parts and the background add at one size, `[N, C, size, size]`.
    fn layer(&self, i: usize, scene: &Scene) -> Tensor {
        let (block, (weights, shows)) = (&self.blocks[i], &scene.placed[i]);
        let parts = sampling::sample(&block.parts.forward(&scene.embeddings.to_kind(scene.kind)), weights);
        let frame = block.background.forward(&scene.background.unsqueeze(1).to_kind(scene.kind));
        let m = sampling::stretch(block.size, frame.size()[2], frame.device()).to_kind(frame.kind());
        let behind =
            sampling::sample(&frame, &Weights { columns: whole(&m, &frame), rows: whole(&m, &frame) });
        leaky(&(parts + behind * shows)).permute([0, 3, 1, 2])
    }

    /// Normalises each channel of each image to the mean and the deviation that the embeddings have over the visible
    /// parts.
    fn normalise(&self, block: &Block, x: &Tensor, scene: &Scene) -> Tensor {
        // Statistics over many pixels lose too much in bfloat16.
        let (var, mean) = x.to_kind(Kind::Float).var_mean_correction([2i64, 3].as_slice(), 0, true);
        let of_parts = scene.embeddings.matmul(&block.statistics);
        let sum = |t: &Tensor| t.sum_dim_intlist([1i64].as_slice(), true, Kind::Float);
        let weights = (&scene.visible / (sum(&scene.visible) + EPSILON)).unsqueeze(-1);
        let average = |t: &Tensor| sum(&(t * &weights));
        let mean_of_parts = average(&of_parts);
        let off = &of_parts - &mean_of_parts;
        let look_std = (average(&(&off * &off)) + EPSILON).sqrt();
        // Both are [N, 1, C].
        let per_channel = |t: Tensor| t.squeeze_dim(1).unsqueeze(-1).unsqueeze(-1);
        let factor = per_channel(look_std) * (var + EPSILON).rsqrt();
        let addend = per_channel(mean_of_parts) - mean * &factor;
        addend.to_kind(x.kind()).addcmul(x, &factor.to_kind(x.kind()))
    }

    fn finish(&self, i: usize, x: &Tensor, scene: &Scene) -> Tensor {
        let block = &self.blocks[i];
        block.conv_out.forward(&leaky(&self.normalise(block, x, scene)))
    }
}

/// A matrix for one frame in every image of a batch.
fn whole(m: &Tensor, frames: &Tensor) -> Tensor {
    m.unsqueeze(0).unsqueeze(0).expand([frames.size()[0], 1, -1, -1], false)
}

impl Blocks for Warp {
    type Scene = Scene;

    fn scene(&self, latent: Conditioning, mode: Mode) -> Scene {
        let place = |block: &Block| {
            let frame = frame_size(block.size);
            let w = sampling::place(latent.pose, reach(self.tau), window(self.tau), block.size, frame);
            let shows = heatmap::background(&heatmap::parts(latent.pose, self.tau, block.size));
            let weights = Weights { columns: w.columns.to_kind(mode.kind), rows: w.rows.to_kind(mode.kind) };
            (weights, shows.permute([0, 2, 3, 1]).to_kind(mode.kind))
        };
        Scene {
            embeddings: latent.embeddings.shallow_clone(),
            background: latent.background.shallow_clone(),
            visible: latent.pose.visible.shallow_clone(),
            kind: mode.kind,
            placed: self.blocks[..=doublings(mode.size)].iter().map(place).collect(),
        }
    }

    fn start(&self, scene: &Scene) -> Tensor {
        self.finish(0, &self.layer(0, scene), scene)
    }

    fn grow(&self, i: usize, x: &Tensor, scene: &Scene) -> Tensor {
        let own = self.layer(i + 1, scene);
        let x = match &self.blocks[i + 1].conv_in {
            Some(conv) => own + upsample(&conv.forward(&leaky(x))),
            None => own,
        };
        self.finish(i + 1, &x, scene)
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use tch::nn::VarStore;

    use super::*;
    use crate::nets::heatmap::Pose;
    use crate::nets::layers::Norm;

    const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

    fn arch() -> Architecture {
        Architecture {
            keypoints: 3,
            embedding: 6,
            image_size: 32,
            generator_channels: vec![8, 8, 8, 8],
            ..Architecture::default()
        }
    }

    fn pose(keypoints: [f32; 6], scales: [f32; 3], visible: [f32; 3]) -> Pose {
        Pose {
            keypoints: Tensor::from_slice(&keypoints).view([1, 3, 2]),
            scales: Tensor::from_slice(&scales).view([1, 3]),
            visible: Tensor::from_slice(&visible).view([1, 3]),
        }
    }

    #[test]
    fn a_part_is_drawn_round_its_keypoint_x_to_the_right_and_y_down() {
        let _no_grad = tch::no_grad_guard();
        let arch = arch();
        let store = VarStore::new(Device::Cpu);
        let net = Warp::new(store.root(), &arch);
        // A flat frame, so that what is generated is the window, whose centre is the keypoint's.
        let block = net.blocks.len() - 1;
        let _ = net.blocks[block].parts.maps.shallow_clone().fill_(1.0);
        let (embeddings, background) = (Tensor::rand([1, 3, 6], OPTIONS), Tensor::zeros([1, 6], OPTIONS));
        let mode = Mode { size: 32, alpha: 1.0, kind: Kind::Float, norm: Norm::Running };
        let layer = |keypoints, visible| {
            let pose = pose(keypoints, [1.0; 3], visible);
            net.layer(
                block,
                &net.scene(
                    Conditioning { pose: &pose, embeddings: &embeddings, background: &background },
                    mode,
                ),
            )
        };
        for (x, y) in [(0.45f32, -0.3f32), (-0.5, 0.1)] {
            let points = [x, y, 0.9, 0.9, 0.9, 0.9];
            let shown = layer(points, [1.0, 0.0, 0.0]) - layer(points, [0.0; 3]);
            let heat = shown.abs().sum_dim_intlist([0i64, 1].as_slice(), false, Kind::Float);
            let heat = &heat / heat.sum(Kind::Float);
            let centres = heatmap::pixel_centres(32, Device::Cpu);
            let along = |axis: i64| (&heat * centres.unsqueeze(axis)).sum(Kind::Float).double_value(&[]);
            // A pixel is 1/16: half of one is 0.031.
            assert!((along(0) - f64::from(x)).abs() < 0.01, "x {x}: {}", along(0));
            assert!((along(1) - f64::from(y)).abs() < 0.01, "y {y}: {}", along(1));
        }
    }

    #[test]
    fn a_removed_part_has_no_influence_and_a_visible_one_has() {
        let _no_grad = tch::no_grad_guard();
        let arch = arch();
        let store = VarStore::new(Device::Cpu);
        let net = Warp::new(store.root(), &arch);
        let mode = Mode { size: 32, alpha: 1.0, kind: Kind::Float, norm: Norm::Running };
        let (embeddings, background) = (Tensor::randn([1, 3, 6], OPTIONS), Tensor::randn([1, 6], OPTIONS));
        let other = embeddings.copy();
        let _ = other.narrow(1, 2, 1).fill_(3.0);
        let generate = |keypoints, scales, visible, embeddings: &Tensor| {
            let pose = pose(keypoints, scales, visible);
            let scene = net.scene(Conditioning { pose: &pose, embeddings, background: &background }, mode);
            (0..3).fold(net.start(&scene), |x, i| net.grow(i, &x, &scene))
        };
        let here = [0.1, 0.2, -0.4, 0.3, 0.5, -0.5];
        let there = [0.1, 0.2, -0.4, 0.3, -0.5, 0.0];
        for (visible, seen) in [([1.0, 1.0, 0.0], false), ([1.0; 3], true)] {
            let first = generate(here, [1.0; 3], visible, &embeddings);
            for changed in [
                generate(there, [1.0; 3], visible, &embeddings),
                generate(here, [1.0, 1.0, 1.6], visible, &embeddings),
                generate(here, [1.0; 3], visible, &other),
            ] {
                assert_eq!((&first - changed).abs().max().double_value(&[]) > 1e-3, seen);
            }
        }
    }

    #[test]
    fn channels_take_the_statistics_of_the_embeddings() {
        let _no_grad = tch::no_grad_guard();
        let arch = arch();
        let store = VarStore::new(Device::Cpu);
        let net = Warp::new(store.root(), &arch);
        let pose = pose([0.0; 6], [1.0; 3], [1.0, 0.0, 1.0]);
        let (embeddings, background) = (Tensor::randn([1, 3, 6], OPTIONS), Tensor::randn([1, 6], OPTIONS));
        let mode = Mode { size: 4, alpha: 1.0, kind: Kind::Float, norm: Norm::Running };
        let scene =
            net.scene(Conditioning { pose: &pose, embeddings: &embeddings, background: &background }, mode);
        let x = Tensor::randn([1, 8, 32, 32], OPTIONS) * 3.0 + 2.0;
        let y = net.normalise(&net.blocks[0], &x, &scene).flatten(2, 3).squeeze_dim(0);
        let of_parts = embeddings.matmul(&net.blocks[0].statistics).squeeze_dim(0);
        let (a, b) = (of_parts.get(0), of_parts.get(2));
        let close = |got: Tensor, want: Tensor| (got - want).abs().max().double_value(&[]) < 1e-3;
        assert!(close(y.mean_dim([1i64].as_slice(), false, Kind::Float), (&a + &b) / 2.0));
        // Two values that happen to be close in a channel leave what keeps the square root off 0.
        let deviation = ((a - b).square() / 4.0 + EPSILON).sqrt();
        assert!(close(y.std_dim([1i64].as_slice(), false, false), deviation));
    }
}
