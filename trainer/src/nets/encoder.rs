//! The encoder: a photo to the embeddings that would generate it. Stride-2 convolutions down to 4 px, then two fully
//! connected layers. No norms: it is averaged and exported as it is, with nothing to re-estimate or fold.

use std::borrow::Borrow;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::layers::{Conv, Linear, channels_last, leaky};
use super::resize::resize;
use crate::config::Architecture;

/// Side of the map that the fully connected layers flatten: where things are matters to what they look like.
const HEAD_SIZE: i64 = 4;

/// What an image's parts and background look like.
#[derive(Debug)]
pub struct Appearance {
    /// `[N, K, E]`.
    pub embeddings: Tensor,
    /// `[N, E]`.
    pub background: Tensor,
}

/// The encoder.
#[derive(Debug)]
pub struct Encoder {
    /// 3x3, stride 2, each followed by a LeakyReLU: from the image down to 4 px.
    pub downs: Vec<Conv>,
    /// `16 C -> H`, followed by a LeakyReLU.
    pub hidden: Linear,
    /// `H -> (K + 1) E`: the parts' embeddings, then the background's.
    pub appearance: Linear,
    /// S, the side that images are brought to.
    pub size: i64,
    keypoints: i64,
    embedding: i64,
}

impl Encoder {
    /// Registers the network under `path`. It is as wide as the detector at the same sides.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        let widths = &arch.detector_channels;
        let mut inputs = 3;
        let mut size = arch.image_size;
        let mut downs = Vec::new();
        while size > HEAD_SIZE {
            let outputs = widths[downs.len().min(widths.len() - 1)];
            downs.push(Conv::new(p / format!("down{size}"), inputs, outputs, 3, 2));
            inputs = outputs;
            size /= 2;
        }
        let (k, e, h) = (arch.keypoints, arch.embedding, arch.mlp_hidden);
        Self {
            downs,
            hidden: Linear::new(p / "hidden", inputs * HEAD_SIZE * HEAD_SIZE, h),
            appearance: Linear::new(p / "looks", h, (k + 1) * e),
            size: arch.image_size,
            keypoints: k,
            embedding: e,
        }
    }

    /// Images `[N, 3, s, s]` of any side, in [-1, 1], to embeddings, float32; `kind` is the convolutions' arithmetic.
    pub fn forward(&self, images: &Tensor, kind: Kind) -> Appearance {
        let mut x = channels_last(&resize(images, self.size).to_kind(kind));
        for conv in &self.downs {
            x = leaky(&conv.forward(&x));
        }
        let x = x.to_kind(Kind::Float).contiguous().flatten(1, 3);
        let values = self.appearance.forward(&leaky(&self.hidden.forward(&x)));
        let values = values.view([-1, self.keypoints + 1, self.embedding]);
        Appearance {
            embeddings: values.narrow(1, 0, self.keypoints),
            background: values.select(1, self.keypoints),
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, nn::VarStore};

    use super::*;

    #[test]
    fn looks_have_the_contracts_shapes_at_every_side() {
        for image_size in [8i64, 64] {
            let levels = image_size.ilog2() as usize - 1;
            let arch = Architecture {
                keypoints: 3,
                embedding: 5,
                image_size,
                first_size: 8,
                generator_channels: vec![8; levels],
                discriminator_channels: vec![8; levels],
                detector_channels: vec![4, 6],
                ..Architecture::default()
            };
            arch.check().unwrap();
            let store = VarStore::new(Device::Cpu);
            let net = Encoder::new(store.root(), &arch);
            for (side, kind) in [(8, Kind::Float), (64, Kind::Float), (128, Kind::BFloat16)] {
                let images = Tensor::rand([2, 3, side, side], (Kind::Float, Device::Cpu));
                let found = net.forward(&images, kind);
                assert_eq!((found.embeddings.size(), found.background.size()), (vec![2, 3, 5], vec![2, 5]));
                assert_eq!(found.embeddings.kind(), Kind::Float);
            }
        }
    }
}
