//! The keypoint generator: noise to keypoints, embeddings and a background embedding.

use std::borrow::Borrow;

use tch::nn::Path;
use tch::{Device, Kind, Tensor};

use super::layers::{Linear, Norm, leaky};
use crate::config::{Architecture, KeypointFamily};
use crate::support::share::Share;

mod product;
mod trunk;

pub use product::Product;
pub use trunk::Trunk;

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

    /// A part of the batch's noise.
    pub fn share(&self, share: Share) -> Self {
        let part = |t| share.of(t);
        Self {
            pose: part(&self.pose),
            appearance: part(&self.appearance),
            background: part(&self.background),
        }
    }
}

/// What the keypoint generator makes and the image generator starts from.
#[derive(Debug)]
pub struct Latents {
    /// `[N, K, 2]`, normalised coordinates.
    pub keypoints: Tensor,
    /// `[N, K, E]`.
    pub embeddings: Tensor,
    /// `[N, E]`.
    pub background: Tensor,
}

/// What the part of a keypoint generator that makes keypoints and embeddings does; the background has a network of
/// its own in every family, so that it can change alone.
pub trait Parts {
    /// Values before tanh `[N, 2 K]`, already divided by the constant that makes points start near the centre, and
    /// embeddings `[N, K, E]`, both float32.
    fn forward(&self, noise: &Noise, norm: Norm) -> (Tensor, Tensor);
}

/// A family with its networks.
#[derive(Debug)]
pub enum Family {
    /// See [`Product`].
    Product(Product),
    /// See [`Trunk`].
    Trunk(Trunk),
}

impl Family {
    fn parts(&self) -> &dyn Parts {
        match self {
            Self::Product(net) => net,
            Self::Trunk(net) => net,
        }
    }
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
    /// Noise to keypoints and embeddings.
    pub family: Family,
    /// `z_background -> E`.
    pub background: Mlp,
    keypoints: i64,
}

impl KeypointGenerator {
    /// Registers the network under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        let family = match arch.keypoint_generator {
            KeypointFamily::Product => Family::Product(Product::new(p, arch)),
            KeypointFamily::Trunk => Family::Trunk(Trunk::new(p, arch)),
        };
        let background = Mlp::new(p / "background", arch.latent, arch.mlp_hidden, arch.embedding);
        Self { family, background, keypoints: arch.keypoints }
    }

    /// Noise to latents, float32.
    pub fn forward(&self, noise: &Noise, norm: Norm) -> Latents {
        let (raw, embeddings) = self.family.parts().forward(noise, norm);
        Latents {
            keypoints: raw.tanh().view([-1, self.keypoints, 2]),
            embeddings,
            background: self.background_embedding(&noise.background),
        }
    }

    /// Background noise `[N, Z]` to embeddings `[N, E]`.
    pub fn background_embedding(&self, noise: &Tensor) -> Tensor {
        self.background.forward(noise)
    }
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;

    use super::*;

    fn net(keypoint_generator: KeypointFamily) -> (VarStore, KeypointGenerator) {
        let store = VarStore::new(Device::Cpu);
        let arch = Architecture {
            keypoint_generator,
            keypoints: 4,
            latent: 6,
            embedding: 5,
            mlp_hidden: 7,
            ..Architecture::default()
        };
        let net = KeypointGenerator::new(store.root(), &arch);
        (store, net)
    }

    fn differs(a: &Tensor, b: &Tensor) -> bool {
        (a - b).abs().max().double_value(&[]) > 1e-4
    }

    #[test]
    fn each_noise_reaches_what_it_should_and_nothing_else() {
        let _no_grad = tch::no_grad_guard();
        for (family, entangled) in [(KeypointFamily::Product, false), (KeypointFamily::Trunk, true)] {
            let (_store, net) = net(family);
            let (a, b) = (Noise::sample(3, 6, Device::Cpu), Noise::sample(3, 6, Device::Cpu));
            let mix = |pose: &Tensor, appearance: &Tensor, background: &Tensor| {
                let [pose, appearance, background] =
                    [pose, appearance, background].map(Tensor::shallow_clone);
                net.forward(&Noise { pose, appearance, background }, Norm::Running)
            };
            let first = net.forward(&a, Norm::Running);
            assert_eq!(first.keypoints.size(), [3, 4, 2]);
            assert_eq!(first.embeddings.size(), [3, 4, 5]);
            assert_eq!(first.background.size(), [3, 5]);
            let changed = |other: &Latents| {
                [
                    differs(&first.keypoints, &other.keypoints),
                    differs(&first.embeddings, &other.embeddings),
                    differs(&first.background, &other.background),
                ]
            };
            let pose = mix(&b.pose, &a.appearance, &a.background);
            assert_eq!(changed(&pose), [true, entangled, false], "{family:?}");
            let appearance = mix(&a.pose, &b.appearance, &a.background);
            assert_eq!(changed(&appearance), [entangled, true, false], "{family:?}");
            let background = mix(&a.pose, &a.appearance, &b.background);
            assert_eq!(changed(&background), [false, false, true], "{family:?}");
        }
    }

    #[test]
    fn the_trunk_s_norm_follows_the_batch_only_when_told_to() {
        let (store, net) = net(KeypointFamily::Trunk);
        let noise = Noise::sample(50, 6, Device::Cpu);
        let variables = store.variables();
        let statistic = |name: &str| variables[&format!("norm.{name}")].copy();
        let (mean, var) = (statistic("running_mean"), statistic("running_var"));
        let running = net.forward(&noise, Norm::Running);
        assert_eq!(statistic("running_mean"), mean);
        let batch = net.forward(&noise, Norm::Batch(1.0));
        assert!(differs(&statistic("running_mean"), &mean) && differs(&statistic("running_var"), &var));
        assert!(differs(&running.keypoints, &batch.keypoints));
        // All of the running statistics were just replaced by this batch's; its variance is counted without bias.
        let again = net.forward(&noise, Norm::Running);
        assert!(((again.keypoints - batch.keypoints).abs().max()).double_value(&[]) < 0.02);
    }
}
