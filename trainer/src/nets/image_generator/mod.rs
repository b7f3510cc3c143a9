//! Block 2: keypoints and embeddings to an image. What a size adds depends on the family; growing from size to size,
//! the heads to RGB and blending a new size in are the same for all.

use std::borrow::Borrow;

use tch::nn::Path;
use tch::{Device, Kind, Tensor};

use super::heatmap::Pose;
use super::layers::{Conv, Norm, leaky, upsample};
use crate::config::{Architecture, ImageFamily};

pub mod modulation;
pub mod sampling;
pub mod spade;
pub mod warp;

pub use spade::Spade;
pub use warp::Warp;

/// Side of the smallest feature map.
pub const START_SIZE: i64 = 4;

/// How an image is generated.
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

/// What an image is generated from.
#[derive(Clone, Copy, Debug)]
pub struct Conditioning<'a> {
    /// Where the parts are.
    pub pose: &'a Pose,
    /// `[N, K, E]`, float32.
    pub embeddings: &'a Tensor,
    /// `[N, E]`, float32.
    pub background: &'a Tensor,
}

/// A family of image generators: feature maps from [`START_SIZE`] up, `[N, C, size, size]` in channels-last order.
pub trait Blocks {
    /// What of the conditioning the blocks up to a size need, made once for an image.
    type Scene;

    /// Prepares for drawing.
    fn scene(&self, latent: Conditioning, mode: Mode) -> Self::Scene;

    /// The feature map of side [`START_SIZE`].
    fn start(&self, scene: &Self::Scene) -> Tensor;

    /// The feature map of side [`START_SIZE`] `* 2^(i + 1)` from that of half the side.
    fn grow(&self, i: usize, x: &Tensor, scene: &Self::Scene) -> Tensor;
}

/// A family with its networks.
#[derive(Debug)]
pub enum Family {
    /// See [`Spade`].
    Spade(Spade),
    /// See [`Warp`].
    Warp(Warp),
}

/// The image generator.
#[derive(Debug)]
pub struct ImageGenerator {
    /// Latents to feature maps.
    pub family: Family,
    /// One for each size that training passes through: `(size, conv to RGB)`.
    pub to_rgb: Vec<(i64, Conv)>,
}

impl ImageGenerator {
    /// Registers the network under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        let family = match arch.image_generator {
            ImageFamily::Spade => Family::Spade(Spade::new(p, arch)),
            ImageFamily::Warp => Family::Warp(Warp::new(p, arch)),
        };
        let to_rgb = arch
            .sizes()
            .into_iter()
            .map(|s| (s, Conv::new(p / format!("to_rgb{s}"), arch.generator_width(s), 3, 3, 1)))
            .collect();
        Self { family, to_rgb }
    }

    /// Where the weights are.
    pub fn device(&self) -> Device {
        self.to_rgb[0].1.weight.device()
    }

    /// The image `[N, 3, size, size]` in [-1, 1], float32.
    pub fn forward(&self, pose: &Pose, embeddings: &Tensor, background: &Tensor, mode: Mode) -> Tensor {
        let conditioning = Conditioning { pose, embeddings, background };
        match &self.family {
            Family::Spade(net) => self.generate(net, conditioning, mode),
            Family::Warp(net) => self.generate(net, conditioning, mode),
        }
    }

    fn generate<F: Blocks>(&self, family: &F, conditioning: Conditioning, mode: Mode) -> Tensor {
        let scene = family.scene(conditioning, mode);
        let mut x = family.start(&scene);
        let mut smaller = None;
        let steps = doublings(mode.size);
        for i in 0..steps {
            if i + 1 == steps && mode.alpha < 1.0 {
                smaller = Some(upsample(&self.rgb(&x, mode.size / 2)));
            }
            x = family.grow(i, &x, &scene);
        }
        let image = self.rgb(&x, mode.size);
        match smaller {
            Some(small) => small * (1.0 - mode.alpha) + image * mode.alpha,
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

/// Number of doublings from [`START_SIZE`] to `size`.
pub fn doublings(size: i64) -> usize {
    (size / START_SIZE).trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;

    use super::*;

    #[test]
    fn a_new_size_is_blended_in_from_the_one_below() {
        let _no_grad = tch::no_grad_guard();
        for image_generator in [ImageFamily::Spade, ImageFamily::Warp] {
            let arch = Architecture {
                keypoints: 3,
                embedding: 5,
                image_size: 16,
                first_size: 8,
                generator_channels: vec![6, 7, 8],
                image_generator,
                ..Architecture::default()
            };
            let store = VarStore::new(Device::Cpu);
            let net = ImageGenerator::new(store.root(), &arch);
            let randn = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
            let pose = Pose::natural(randn(&[2, 3, 2]).tanh());
            let (embeddings, background) = (randn(&[2, 3, 5]), randn(&[2, 5]));
            let generate = |size: i64, alpha: f64| {
                let mode = Mode { size, alpha, ..Mode::exported(&arch) };
                net.forward(&pose, &embeddings, &background, mode)
            };
            let (small, large) = (upsample(&generate(8, 1.0)), generate(16, 1.0));
            assert_eq!(large.size(), [2, 3, 16, 16]);
            assert!((&small - &large).abs().max().double_value(&[]) > 0.1);
            let want = small * 0.75 + large * 0.25;
            assert!((generate(16, 0.25) - want).abs().max().double_value(&[]) < 1e-5, "{image_generator:?}");
        }
    }

    #[test]
    fn drawing_reaches_every_weight_with_a_gradient() {
        for image_generator in [ImageFamily::Spade, ImageFamily::Warp] {
            let arch = Architecture {
                keypoints: 3,
                embedding: 5,
                image_size: 8,
                first_size: 8,
                generator_channels: vec![6, 7],
                image_generator,
                ..Architecture::default()
            };
            let store = VarStore::new(Device::Cpu);
            let net = ImageGenerator::new(store.root(), &arch);
            let leaf =
                |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let (keypoints, embeddings, background) = (leaf(&[4, 3, 2]), leaf(&[4, 3, 5]), leaf(&[4, 5]));
            let pose = Pose::natural(keypoints.tanh());
            let mode = Mode { norm: Norm::TRAINING, kind: Kind::BFloat16, ..Mode::exported(&arch) };
            let image = net.forward(&pose, &embeddings, &background, mode);
            // Any weighting would do that treats no two pixels alike.
            (&image * image.detach().rand_like()).sum(Kind::Float).backward();
            let reached = |t: &Tensor| t.grad().defined() && t.grad().abs().max().double_value(&[]) > 0.0;
            assert!([&keypoints, &embeddings, &background].into_iter().all(reached), "{image_generator:?}");
            for (name, tensor) in store.variables() {
                // The norm that follows takes this one out again.
                if name.ends_with("conv_in.bias") {
                    continue;
                }
                assert!(!tensor.requires_grad() || reached(&tensor), "{image_generator:?} {name}");
            }
        }
    }
}
