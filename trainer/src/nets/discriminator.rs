//! The image discriminator: stride-2 blocks without normalisation, a minibatch-deviation channel, one logit.

use std::borrow::Borrow;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::layers::{Conv, Linear, channels_last, leaky};
use crate::config::Architecture;

/// Side of the feature map that the head flattens.
pub(super) const HEAD_SIZE: i64 = 4;

/// Images over which the minibatch deviation is taken, where the batch has a multiple of them.
const DEVIATION_GROUP: i64 = 8;

#[derive(Debug)]
struct Block {
    down: Conv,
    refine: Option<Conv>,
    /// Side of the incoming feature map.
    size: i64,
}

impl Block {
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = leaky(&self.down.forward(x));
        match &self.refine {
            // Halving the variance keeps the scale of activations through the residual sum.
            Some(conv) => (&x + leaky(&conv.forward(&x))) * std::f64::consts::FRAC_1_SQRT_2,
            None => x,
        }
    }
}

/// From an image of any size trained at to a map of [`HEAD_SIZE`].
#[derive(Debug)]
pub(super) struct Trunk {
    from_image: Vec<(i64, Conv)>,
    blocks: Vec<Block>,
}

impl Trunk {
    /// Registers the blocks for images of `channels` channels; `width` gives the width of the map of each side.
    pub(super) fn new(p: &Path, arch: &Architecture, channels: i64, width: impl Fn(i64) -> i64) -> Self {
        let from_image = arch
            .sizes()
            .into_iter()
            .map(|s| (s, Conv::new(p / format!("from_rgb{s}"), channels, width(s), 3, 1)))
            .collect();
        let mut blocks = Vec::new();
        let mut size = arch.image_size;
        while size > HEAD_SIZE {
            let p = p / format!("block{size}");
            let (inputs, outputs) = (width(size), width(size / 2));
            // Refining at 32 px and above costs as much as all the rest and was not missed.
            let refine = (size <= 32).then(|| Conv::new(&p / "refine", outputs, outputs, 3, 1));
            blocks.push(Block { down: Conv::new(&p / "down", inputs, outputs, 3, 2), refine, size });
            size /= 2;
        }
        Self { from_image, blocks }
    }

    /// The map after each block, the smallest last. `alpha` as in the generator.
    pub(super) fn maps(&self, images: &Tensor, alpha: f64) -> Vec<Tensor> {
        let size = images.size()[2];
        let images = channels_last(images);
        let mut x = self.first(&images, size);
        let mut maps = Vec::new();
        for block in self.blocks.iter().filter(|b| b.size <= size) {
            x = block.forward(&x);
            if block.size == size && alpha < 1.0 {
                let half = images.avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None);
                x = self.first(&half, size / 2) * (1.0 - alpha) + x * alpha;
            }
            maps.push(x.shallow_clone());
        }
        maps
    }

    fn first(&self, images: &Tensor, size: i64) -> Tensor {
        let conv = self.from_image.iter().find(|(s, _)| *s == size).map(|(_, c)| c);
        leaky(&conv.unwrap_or(&self.from_image[self.from_image.len() - 1].1).forward(images))
    }
}

/// What the discriminator thinks of images.
#[derive(Debug)]
pub struct LogitsAndMaps {
    /// `[N]`, float32; positive means real.
    pub logits: Tensor,
    /// `[N, C, H, W]` after each block, the smallest map last.
    pub maps: Vec<Tensor>,
}

/// The discriminator.
#[derive(Debug)]
pub struct Discriminator {
    trunk: Trunk,
    head: Conv,
    hidden: Linear,
    logit: Linear,
    /// The minibatch deviation treats this many consecutive images like a batch of their own (0: the whole batch).
    pub group: i64,
}

impl Discriminator {
    /// Registers the network under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        let trunk = Trunk::new(p, arch, 3, |size| arch.discriminator_width(size));
        let c = arch.discriminator_width(HEAD_SIZE);
        Self {
            trunk,
            head: Conv::new(p / "head", c + 1, c, 3, 1),
            hidden: Linear::new(p / "hidden", c * HEAD_SIZE * HEAD_SIZE, c),
            logit: Linear::new(p / "logit", c, 1),
            group: 0,
        }
    }

    /// Images `[N, 3, size, size]` to logits `[N]`, float32; positive means real. `alpha` as in the generator.
    pub fn forward(&self, images: &Tensor, alpha: f64, kind: Kind) -> Tensor {
        self.logits_and_maps(images, alpha, kind).logits
    }

    /// The same, with the maps on the way.
    pub fn logits_and_maps(&self, images: &Tensor, alpha: f64, kind: Kind) -> LogitsAndMaps {
        let maps = self.maps(images, alpha, kind);
        let x = &maps[maps.len() - 1];
        let x = Tensor::cat(&[x, &minibatch_deviation(x, self.group)], 1);
        let x = leaky(&self.head.forward(&x)).to_kind(Kind::Float).contiguous().flatten(1, 3);
        let logits = self.logit.forward(&leaky(&self.hidden.forward(&x))).squeeze_dim(1);
        LogitsAndMaps { logits, maps }
    }

    /// The maps on the way alone.
    pub fn maps(&self, images: &Tensor, alpha: f64, kind: Kind) -> Vec<Tensor> {
        self.trunk.maps(&images.to_kind(kind), alpha)
    }
}

/// Mean standard deviation over groups of consecutive images as one more channel, so that lack of variety shows
/// (Karras et al., "Progressive Growing of GANs", 2018). No group reaches over a multiple of `within` images.
pub(super) fn minibatch_deviation(x: &Tensor, within: i64) -> Tensor {
    let size = x.size();
    let (n, c, h, w) = (size[0], size[1], size[2], size[3]);
    let batch = if within > 0 && n % within == 0 { within } else { n };
    let group = if batch % DEVIATION_GROUP == 0 { DEVIATION_GROUP } else { batch };
    let y = x.to_kind(Kind::Float).reshape([n / group, group, c, h, w]);
    let centred = &y - y.mean_dim([1i64].as_slice(), true, Kind::Float);
    let deviation = ((&centred * &centred).mean_dim([1i64].as_slice(), false, Kind::Float) + 1e-8).sqrt();
    let value = deviation.mean_dim([1i64, 2, 3].as_slice(), false, Kind::Float);
    value
        .repeat_interleave_self_int(group, 0, n)
        .view([n, 1, 1, 1])
        .expand([n, 1, h, w], false)
        .to_kind(x.kind())
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn the_deviation_of_a_group_is_what_it_would_have_as_a_batch() {
        tch::manual_seed(9);
        let x = Tensor::randn([24, 3, 2, 2], (Kind::Float, Device::Cpu));
        let part = |first: i64, n: i64, within: i64| minibatch_deviation(&x.narrow(0, first, n), within);
        let whole = part(0, 24, 0);
        assert_eq!(whole.size(), [24, 1, 2, 2]);
        assert_eq!(whole, Tensor::cat(&[part(0, 8, 0), part(8, 16, 0)], 0));
        assert_eq!(part(0, 24, 12), Tensor::cat(&[part(0, 12, 0), part(12, 12, 0)], 0));
        // The first group by hand, one channel and place after the other.
        let first: Vec<f32> = Vec::try_from(x.narrow(0, 0, 8).flatten(0, -1)).unwrap();
        let mut sum = 0.0;
        for cell in 0..12 {
            let values: Vec<f64> = (0..8).map(|i| f64::from(first[i * 12 + cell])).collect();
            let mean = values.iter().sum::<f64>() / 8.0;
            sum += (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 8.0).sqrt();
        }
        assert!((whole.double_value(&[5, 0, 1, 1]) - sum / 12.0).abs() < 1e-5);
    }
}
