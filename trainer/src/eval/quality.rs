//! How close generated pictures come to real ones that training never saw.

use std::ops::Range;
use std::path::PathBuf;

use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::distance::{Distance, compare};
use super::features::pooled;
use super::overfitting::{self, Overfitting};
use crate::dataset::batches::crops;
use crate::dataset::{STORE_FACTOR, Store};
use crate::error::Result;
use crate::nets::features::FeatureNet;
use crate::subject::{Subject, narrow};

/// Seed of the generated pictures.
const SAMPLE_SEED: i64 = 301;
/// Seed of the crops of held-out pictures.
pub const HELD_OUT_SEED: u64 = 302;
/// Seed of the crops of training pictures.
const TRAINING_SEED: u64 = 303;
/// The blur that stands for a bad generator is a box of a side of 1 / this.
const BLUR: i64 = 8;

/// Distances from held-out pictures, each cropped once as training crops.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Generated pictures.
    pub generated: Distance,
    /// Training pictures, cropped alike: what a perfect generator would get.
    pub floor: Option<Distance>,
    /// The held-out crops themselves, blurred by a box of an eighth of their side (32 of 256 px).
    pub ceiling: Distance,
    /// Whether the generator was trained against a discriminator that sees the same features: then they flatter it.
    pub taught: bool,
    /// Whether the discriminator knows its training pictures by heart; none without these or without a discriminator.
    pub overfitting: Option<Overfitting>,
}

/// Compares `samples` generated pictures with those in `held_out`, and beside them those in `training`.
///
/// # Errors
/// Those of reading pictures and of the networks; [`crate::Error::Interrupted`].
pub fn measure(
    subject: &mut dyn Subject,
    net: &FeatureNet,
    held_out: &Store,
    training: &[PathBuf],
    samples: usize,
) -> Result<Quality> {
    let (size, crop, discriminator) = (subject.image_size(), subject.crop(), subject.discriminator()?);
    let cut = |range| Ok(crops(held_out, &crop, HELD_OUT_SEED, range, size));
    let real = pooled(net, "features of held-out pictures", held_out.len(), cut)?;
    let blurred = pooled(net, "features of blurred pictures", held_out.len(), |r| Ok(blur(&cut(r)?)))?;
    let ceiling = compare(FeatureNet::NAME, &blurred, &real)?;
    let latents = subject.sample(samples as i64, SAMPLE_SEED)?;
    let mut generate =
        |range: Range<usize>| subject.generate(&narrow(&latents, range.start as i64, range.len() as i64));
    let (mut floor, mut overfitting) = (None, None);
    if !training.is_empty() {
        let store = Store::load(training, (size * STORE_FACTOR) as usize)?;
        let n = store.len().min(samples);
        let trained = |range| Ok(crops(&store, &crop, TRAINING_SEED, range, size));
        floor = Some(compare(
            FeatureNet::NAME,
            &pooled(net, "features of training pictures", n, trained)?,
            &real,
        )?);
        if let Some(discriminator) = discriminator {
            overfitting = Some(overfitting::measure(
                &discriminator,
                n.min(held_out.len()),
                trained,
                cut,
                &mut generate,
            )?);
        }
    }
    let generated = pooled(net, "features of generated pictures", samples, generate)?;
    let taught = subject.gan().feature_discriminator.weight > 0.0;
    Ok(Quality {
        generated: compare(FeatureNet::NAME, &generated, &real)?,
        floor,
        ceiling,
        taught,
        overfitting,
    })
}

/// Images `[N, 3, S, S]` blurred by a box of side `S / BLUR`, borders repeated.
pub fn blur(images: &Tensor) -> Tensor {
    let side = (images.size()[2] / BLUR).max(2);
    let before = side / 2;
    let padded = images.replication_pad2d([before, side - 1 - before, before, side - 1 - before]);
    let weight = Tensor::full([3, 1, side, side], 1.0 / (side * side) as f64, (Kind::Float, Device::Cpu));
    padded.conv2d(&weight, None::<Tensor>, [1, 1], [0, 0], [1, 1], 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_keeps_size_and_mean_and_takes_detail() {
        let row: Vec<f32> = (0..32).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let images = Tensor::from_slice(&row).view([1, 1, 1, 32]).expand([2, 3, 32, 32], false).contiguous();
        let out = blur(&images);
        assert_eq!(out.size(), images.size());
        // Away from the border, a box of 4 over +1, -1, … is 0.
        assert!(out.narrow(3, 4, 20).abs().max().double_value(&[]) < 1e-6);
        let flat = Tensor::full([1, 3, 32, 32], 0.5, (Kind::Float, Device::Cpu));
        assert!((blur(&flat) - 0.5).abs().max().double_value(&[]) < 1e-6);
    }
}
