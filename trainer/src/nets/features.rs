//! A frozen, pretrained feature network: what perceptual losses and KID measure distances in.
//!
//! open-nsfw (Mahadeokar and Pesavento, Yahoo, 2016) is a thin ResNet-50 with batch norms folded in. It was trained
//! to classify photos, and it is the one such network that a package registry carries as a plain ONNX file.

use std::ops::Range;
use std::path::{Path, PathBuf};

use lkg_bundle::files::sha256_hex;
use tch::{Device, Kind, Tensor};

use super::interpreter::Interpreter;
use super::resize::resize;
use crate::error::{Error, Result};
use crate::support::cache;

/// Where `scripts/setup features` puts the file inside the cache.
const FILE: &str = "features/open-nsfw.onnx";
/// The file that value names and tests are for.
const SHA256: &str = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa";
/// What to do about a file that can't be used.
const FIX: &str = "run `scripts/setup features`";

/// Side of the network's input for [`FeatureNet::pooled`].
const SIDE: i64 = 224;
/// Side of the network's input for [`FeatureNet::layers`]: maps need no fixed side, and half of it costs a quarter.
const LAYERS_SIDE: i64 = 112;
/// Means of blue, green and red that were taken from the pictures it was trained on, 0 to 255.
const MEANS: [f32; 3] = [104.0, 117.0, 123.0];

/// The stem and the last maps of the first three blocks: strides 2, 4, 8 and 16, widths 64, 128, 256 and 512.
const LAYERS: [&str; 4] = ["Relu:0", "Relu_9:0", "Relu_21:0", "Relu_39:0"];
/// The inputs of the last, fully connected layer.
const POOLED: &str = "Reshape:0";

/// The network, on one device. Its weights have no gradients; gradients pass through to the images.
#[derive(Debug)]
pub struct FeatureNet {
    graph: Interpreter,
}

impl FeatureNet {
    /// The network's name, to be reported with every number that it made.
    pub const NAME: &str = "open-nsfw";
    /// All depths that [`FeatureNet::layers`] knows.
    pub const DEPTHS: Range<usize> = 0..LAYERS.len();

    /// The file in the cache.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the command that fetches it.
    pub fn find() -> Result<PathBuf> {
        cache::find(FILE)
            .ok_or_else(|| Error::Usage(format!("the feature network {} is not there: {FIX}", Self::NAME)))
    }

    /// The network of the cache, if it is `needed`.
    ///
    /// # Errors
    /// Those of [`FeatureNet::find`] and [`FeatureNet::load`].
    pub fn load_if(needed: bool, device: Device) -> Result<Option<Self>> {
        needed.then(|| Self::load(&Self::find()?, device)).transpose()
    }

    /// Reads the network from `path`, which must be the very file that is pinned.
    ///
    /// # Errors
    /// [`Error::Data`] naming the command that fetches the right file.
    pub fn load(path: &Path, device: Device) -> Result<Self> {
        let fail = |reason: String| Error::Data { path: path.to_owned(), reason };
        let content = std::fs::read(path).map_err(|e| fail(format!("{e}; {FIX}")))?;
        if sha256_hex(&content) != SHA256 {
            return Err(fail(format!("not the {} that is pinned (another SHA-256): {FIX}", Self::NAME)));
        }
        let wanted: Vec<&str> = LAYERS.into_iter().chain([POOLED]).collect();
        Ok(Self { graph: Interpreter::read(&content, &wanted, device).map_err(fail)? })
    }

    /// Maps at four depths of `images` `[N, 3, S, S]` in [-1, 1], RGB: `[N, 64, 56, 56]` to `[N, 512, 7, 7]`, each
    /// pixel's channels scaled to length 1 as LPIPS does (Zhang et al., "The Unreasonable Effectiveness of Deep
    /// Features as a Perceptual Metric", 2018), so that no depth outweighs the others.
    pub fn layers(&self, images: &Tensor) -> Vec<Tensor> {
        self.layers_at(images, Self::DEPTHS, LAYERS_SIDE, Kind::Float)
    }

    /// The same at `depths` of the four alone, with images brought to `side`, computed in `kind`.
    pub fn layers_at(&self, images: &Tensor, depths: Range<usize>, side: i64, kind: Kind) -> Vec<Tensor> {
        let maps = self.graph.run(&prepared(images, side).to_kind(kind), &LAYERS[depths]);
        maps.iter().map(|map| unit_channels(&map.to_kind(Kind::Float))).collect()
    }

    /// Pooled features `[N, 1024]` of `images` `[N, 3, S, S]` in [-1, 1], RGB: the inputs of the last layer.
    pub fn pooled(&self, images: &Tensor) -> Tensor {
        self.graph.run(&prepared(images, SIDE), &[POOLED]).swap_remove(0)
    }
}

/// Images as the network wants them: `[N, side, side, 3]`, BGR from 0 to 255 less the means.
fn prepared(images: &Tensor, side: i64) -> Tensor {
    let x = resize(&images.to_kind(Kind::Float), side);
    let means = Tensor::from_slice(&MEANS).to_device(x.device());
    (x.flip([1]).permute([0, 2, 3, 1]) + 1.0) * 127.5 - means
}

/// Scales the channels of each pixel of `[N, C, H, W]` to length 1.
pub fn unit_channels(x: &Tensor) -> Tensor {
    let square = (x * x).sum_dim_intlist([1i64].as_slice(), true, x.kind());
    // Inside the root: the length's gradient must stay finite where all channels are 0.
    x / (square + 1e-10).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of ramps and waves, `[1, 3, side, side]` in [-1, 1].
    fn pictures(side: i64) -> Tensor {
        let along = Tensor::arange(side, (Kind::Float, Device::Cpu)) / side as f64;
        let (y, x) = (along.view([side, 1]), along.view([1, side]));
        let red = (&x * 2.0 - 1.0) * Tensor::ones([side, 1], (Kind::Float, Device::Cpu));
        let green = ((&x * 12.0).sin() * (&y * 7.0).cos()) * 0.9;
        let blue = (&y * 2.0 - 1.0) * (&x * 3.0).cos();
        Tensor::stack(&[red, green, blue], 0).unsqueeze(0)
    }

    fn net() -> FeatureNet {
        FeatureNet::load(&FeatureNet::find().unwrap(), Device::Cpu).unwrap()
    }

    fn close(found: &Tensor, want: &[f32], scale: f64) {
        let off = (found - Tensor::from_slice(want)).abs().max().double_value(&[]);
        assert!(off < 1e-3 * scale, "{found:?} {want:?}");
    }

    #[test]
    fn features_are_those_of_onnxruntime() {
        let net = net();
        // By onnxruntime 1.32.0 in Python; no resizing is in play, the picture is made at the network's own side.
        let pooled = net.pooled(&pictures(SIDE));
        assert_eq!(pooled.size(), [1, 1024]);
        let want = [0.0273047, 0.1525583, 0.0817398, 0.8373627, 1.3919231, 0.2037949, 0.2124157, 0.304141];
        close(&pooled.get(0).narrow(0, 0, 8), &want, 1.0);
        assert_eq!(pooled.argmax(None, false).int64_value(&[]), 527);
        close(&pooled.mean(Kind::Float).view(1), &[0.5453857], 1.0);

        let layers = net.layers(&pictures(LAYERS_SIDE));
        let first = |i: usize| layers[i].get(0).narrow(0, 0, 4).select(1, 1).select(1, 2);
        close(&first(0), &[0.0224709, 0.0443913, 0.0, 0.0326874], 0.1);
        close(&first(1), &[0.0035035, 0.1428434, 0.0003747, 0.0415529], 0.1);
        close(&first(2), &[0.046072, 0.0170157, 0.0058413, 0.0866521], 0.1);
        close(&first(3), &[0.0081005, 0.0, 0.020907, 0.0097364], 0.1);
        assert_eq!(layers[3].size(), [1, 512, 7, 7]);
    }

    #[test]
    fn any_side_is_taken_and_gradients_reach_the_images() {
        let net = net();
        let images = pictures(32).set_requires_grad(true);
        net.layers(&images)[3].select(1, 5).sum(Kind::Float).backward();
        assert!(images.grad().abs().sum(Kind::Float).double_value(&[]) > 0.0);
        // The same picture at another side is much the same to it, another one is not.
        let _no_grad = tch::no_grad_guard();
        let [small, large] = [64, 256].map(|side| net.pooled(&pictures(side)));
        let other = net.pooled(&pictures(64).flip([2]).flip([1]));
        let distance = |a: &Tensor, b: &Tensor| (a - b).square().mean(Kind::Float).double_value(&[]);
        assert!(distance(&small, &large) < 0.5 * distance(&small, &other));
    }

    #[test]
    fn another_file_is_refused_with_the_command_that_fetches_the_right_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.onnx");
        let reason = || FeatureNet::load(&path, Device::Cpu).unwrap_err().to_string();
        assert!(reason().contains("scripts/setup features"), "{}", reason());
        std::fs::write(&path, "<html>").unwrap();
        assert!(reason().contains("SHA-256") && reason().contains("scripts/setup features"), "{}", reason());
    }
}
