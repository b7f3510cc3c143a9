//! A discriminator that sees images through the pretrained [`FeatureNet`], which stays as it is: beside the one that learns
//! to see from the training pictures alone, it knows from the start what sets pictures apart (Kumari et al., "Ensembling
//! Off-the-shelf Models for GAN Training", 2022; heads at several depths as in Sauer et al., "Projected GANs Converge
//! Faster", 2021).

use std::borrow::Borrow;
use std::ops::Range;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::discriminator::minibatch_deviation;
use super::features::FeatureNet;
use super::layers::{Conv, channels_last, leaky};

/// Side that images are brought to: a quarter of it and less is the side of the maps.
const SIDE: i64 = 128;
/// Depths of [`FeatureNet::layers`] that are seen. The first, the stem's, is large and knows little.
const LOOKED_AT: Range<usize> = 1..4;
/// Width and stride of their maps.
const DEPTHS: [(i64, i64); 3] = [(128, 4), (256, 8), (512, 16)];
/// Channels within the heads.
const WIDTH: i64 = 64;
/// Side of each head's map of logits.
const PATCHES: i64 = 4;

/// From the maps of one depth to [`PATCHES`] x [`PATCHES`] logits.
#[derive(Debug)]
struct Head {
    enter: Conv,
    down: Vec<Conv>,
    logit: Conv,
}

impl Head {
    fn new(p: &Path, channels: i64, stride: i64) -> Self {
        let halvings = (SIDE / stride / PATCHES).trailing_zeros();
        Self {
            enter: Conv::new(p / "enter", channels, WIDTH, 1, 1),
            down: (0..halvings).map(|i| Conv::new(p / format!("down{i}"), WIDTH, WIDTH, 3, 2)).collect(),
            logit: Conv::new(p / "logit", WIDTH + 1, 1, 3, 1),
        }
    }

    /// Maps `[N, C, H, H]` to logits `[N, 16]`, float32.
    fn forward(&self, map: &Tensor, group: i64) -> Tensor {
        let x = leaky(&self.enter.forward(&channels_last(map)));
        let x = self.down.iter().fold(x, |x, conv| leaky(&conv.forward(&x)));
        let x = Tensor::cat(&[&x, &minibatch_deviation(&x, group)], 1);
        self.logit.forward(&x).to_kind(Kind::Float).contiguous().flatten(1, 3)
    }
}

/// The heads. The network whose maps they see is given to [`FeatureDiscriminator::maps`], and is not part of them.
#[derive(Debug)]
pub struct FeatureDiscriminator {
    heads: Vec<Head>,
    /// As in [`super::Discriminator`].
    pub group: i64,
}

impl FeatureDiscriminator {
    /// Registers the heads under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>) -> Self {
        let p = path.borrow();
        let head = |(i, (channels, stride)): (usize, (i64, i64))| Head::new(&(p / i), channels, stride);
        Self { heads: DEPTHS.into_iter().enumerate().map(head).collect(), group: 0 }
    }

    /// What `net` sees in `images` `[N, 3, S, S]` in [-1, 1]: maps `[N, 128, 32, 32]` to `[N, 512, 8, 8]`, float32, each
    /// pixel's channels scaled to a mean square of 1.
    pub fn maps(net: &FeatureNet, images: &Tensor, kind: Kind) -> Vec<Tensor> {
        Self::scaled(&net.layers_at(images, LOOKED_AT, SIDE, kind))
    }

    /// The same from maps of [`FeatureNet::layers_at`] 128 px, at all depths or at those looked at.
    pub fn scaled(maps: &[Tensor]) -> Vec<Tensor> {
        let looked_at = &maps[maps.len().saturating_sub(DEPTHS.len())..];
        looked_at.iter().zip(DEPTHS).map(|(map, (channels, _))| map * (channels as f64).sqrt()).collect()
    }

    /// [`FeatureDiscriminator::maps`]'s maps to logits `[N, P]`, float32, one for each of 16 patches at each depth; positive
    /// means real.
    pub fn forward(&self, maps: &[Tensor], kind: Kind) -> Tensor {
        let logits: Vec<Tensor> = self
            .heads
            .iter()
            .zip(maps)
            .map(|(head, map)| head.forward(&map.to_kind(kind), self.group))
            .collect();
        Tensor::cat(&logits, 1)
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use tch::nn::VarStore;

    use super::*;

    /// Maps of four images as [`FeatureDiscriminator::maps`] shapes them.
    fn maps() -> Vec<Tensor> {
        let map = |(c, stride): &(i64, i64)| {
            Tensor::randn([4, *c, SIDE / stride, SIDE / stride], (Kind::Float, Device::Cpu))
        };
        DEPTHS.iter().map(map).collect()
    }

    #[test]
    fn every_depth_has_a_say_on_each_patch_and_every_weight_learns() {
        tch::manual_seed(5);
        let store = VarStore::new(Device::Cpu);
        let net = FeatureDiscriminator::new(store.root());
        let maps = maps();
        let logits = net.forward(&maps, Kind::Float);
        assert_eq!(logits.size(), [4, 16 * DEPTHS.len() as i64]);
        for depth in 0..DEPTHS.len() {
            let mut other = maps.iter().map(Tensor::shallow_clone).collect::<Vec<_>>();
            other[depth] = &other[depth] * 0.5;
            let changed = (net.forward(&other, Kind::Float) - &logits).abs().amax([0i64], false);
            let changed = changed.view([DEPTHS.len() as i64, 16]).amax([1i64], false);
            for d in 0..DEPTHS.len() {
                assert_eq!(changed.double_value(&[d as i64]) > 1e-3, d == depth, "{depth} {d}");
            }
        }
        (&logits * &logits).sum(Kind::Float).backward();
        for (name, parameter) in store.variables() {
            assert!(parameter.grad().abs().sum(Kind::Float).double_value(&[]) > 0.0, "{name}");
        }
    }

    #[test]
    fn maps_at_all_depths_are_scaled_as_those_looked_at() {
        let stem = Tensor::ones([1, 64, 64, 64], (Kind::Float, Device::Cpu));
        let looked_at = maps();
        let all: Vec<Tensor> =
            std::iter::once(stem).chain(looked_at.iter().map(Tensor::shallow_clone)).collect();
        let [of_all, of_those] = [&all, &looked_at].map(|maps| FeatureDiscriminator::scaled(maps));
        assert_eq!(of_all.len(), DEPTHS.len());
        assert_eq!(of_all, of_those);
        assert_eq!(&of_all[1], &(&looked_at[1] * 16.0));
    }

    #[test]
    fn it_sees_the_variety_of_a_group() {
        tch::manual_seed(6);
        let store = VarStore::new(Device::Cpu);
        let net = FeatureDiscriminator::new(store.root());
        let maps = maps();
        // The first image among others, and among copies of itself.
        let copies: Vec<Tensor> =
            maps.iter().map(|m| m.narrow(0, 0, 1).expand([4, -1, -1, -1], false)).collect();
        let [among_others, among_copies] =
            [&maps, &copies].map(|m| net.forward(m, Kind::Float).narrow(0, 0, 1));
        assert!((among_others - among_copies).abs().max().double_value(&[]) > 1e-3);
    }
}
