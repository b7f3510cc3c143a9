//! Stage 1: noise to keypoints, embeddings and a background embedding (method: three MLPs, product form).

use std::borrow::Borrow;

use tch::nn::{Init, Path};
use tch::{Device, Kind, Tensor};

use super::layers::{Linear, leaky};
use crate::config::Architecture;

/// The three noise vectors, each `[N, Z]`, standard normal.
#[derive(Debug)]
pub struct Noise {
    /// Where the parts are.
    pub pose: Tensor,
    /// What the parts look like.
    pub appearance: Tensor,
    /// What lies behind them.
    pub background: Tensor,
}

impl Noise {
    /// Draws noise from libtorch's generator.
    pub fn sample(n: i64, latent: i64, device: Device) -> Self {
        let draw = || Tensor::randn([n, latent], (Kind::Float, device));
        Self { pose: draw(), appearance: draw(), background: draw() }
    }
}

/// What stage 1 makes and stage 2 draws.
#[derive(Debug)]
pub struct Latents {
    /// `[N, K, 2]`, normalised coordinates.
    pub keypoints: Tensor,
    /// `[N, K, E]`.
    pub embeddings: Tensor,
    /// `[N, E]`.
    pub background: Tensor,
}

/// Three fully connected layers with LeakyReLU between them.
#[derive(Debug)]
pub struct Mlp {
    /// First to last.
    pub layers: [Linear; 3],
}

impl Mlp {
    fn new<'a>(path: impl Borrow<Path<'a>>, inputs: i64, hidden: i64, outputs: i64) -> Self {
        let p = path.borrow();
        Self {
            layers: [
                Linear::new(p / "0", inputs, hidden),
                Linear::new(p / "1", hidden, hidden),
                Linear::new(p / "2", hidden, outputs),
            ],
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let [a, b, c] = &self.layers;
        c.forward(&leaky(&b.forward(&leaky(&a.forward(x)))))
    }
}

/// The keypoint generator.
#[derive(Debug)]
pub struct KeypointGenerator {
    /// `z_pose -> 2 K` values before tanh.
    pub pose: Mlp,
    /// `z_appearance -> E`, the look shared by all parts.
    pub appearance: Mlp,
    /// `z_background -> E`.
    pub background: Mlp,
    /// `[K, E]`: what of the shared look each part takes; `w_k = w * c_k`.
    pub part_constants: Tensor,
    divisor: f64,
    keypoints: i64,
}

impl KeypointGenerator {
    /// Registers the network under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        let (k, z, e, h) = (arch.keypoints, arch.latent, arch.embedding, arch.mlp_hidden);
        let appearance = Mlp::new(p / "appearance", z, h, e);
        // The shared look starts round 1, so that every part has a look of its own, c_k, from the first step: round 0
        // all parts are alike on average, and learn to be interchangeable.
        let mut start = appearance.layers[2].bias.shallow_clone();
        let _ = tch::no_grad(|| start.fill_(1.0));
        Self {
            pose: Mlp::new(p / "pose", z, h, 2 * k),
            appearance,
            background: Mlp::new(p / "background", z, h, e),
            part_constants: p.var("part_constants", &[k, e], Init::Randn { mean: 0.0, stdev: 1.0 }),
            divisor: arch.keypoint_divisor,
            keypoints: k,
        }
    }

    /// The constant that the pose MLP's output is divided by before tanh, so that points start near the centre.
    pub fn divisor(&self) -> f64 {
        self.divisor
    }

    /// Noise to latents, float32.
    pub fn forward(&self, noise: &Noise) -> Latents {
        let keypoints = (self.pose.forward(&noise.pose) / self.divisor).tanh().view([-1, self.keypoints, 2]);
        let look = self.appearance.forward(&noise.appearance).unsqueeze(1);
        Latents {
            keypoints,
            embeddings: look * self.part_constants.unsqueeze(0),
            background: self.background_embedding(&noise.background),
        }
    }

    /// Background noise `[N, Z]` to embeddings `[N, E]`.
    pub fn background_embedding(&self, noise: &Tensor) -> Tensor {
        self.background.forward(noise)
    }
}
