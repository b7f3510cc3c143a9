//! Keypoints found in pictures and in their mirror images.

use std::path::PathBuf;

use tch::{Kind, Tensor};

use super::Shape;
use crate::dataset::batches::{crops, in_batches};
use crate::dataset::pack::Pack;
use crate::dataset::{STORE_FACTOR, Store};
use crate::error::Result;
use crate::subject::{KeypointDetector, Subject, detect, narrow};

/// Most pictures.
const PICTURES: usize = 400;
/// Seed of generated pictures.
const SAMPLE_SEED: i64 = 501;
/// Seed of the crops of real pictures.
const CROP_SEED: u64 = 502;

/// Pictures with the keypoints found in them.
#[derive(Debug)]
pub struct Observed {
    /// `[N, 3, S, S]` in [-1, 1], on the CPU.
    pub images: Tensor,
    /// Keypoints, normalised coordinates.
    pub points: Vec<Shape>,
    /// Keypoints of the mirror images, mirrored back.
    pub mirrored: Vec<Shape>,
    /// Whether the pictures are real ones.
    pub real: bool,
    /// What the pictures are.
    pub source: String,
}

impl Observed {
    /// Finds keypoints in the pictures in `real`, cut as in training: of packs that hold some back those, of everything else
    /// all. Without any, in generated pictures.
    ///
    /// # Errors
    /// Those of reading pictures and of the subject, also that it has no detector; [`crate::Error::Interrupted`].
    pub fn observe(subject: &mut dyn Subject, real: &[PathBuf]) -> Result<Self> {
        if !real.is_empty() {
            return Self::real(subject, real);
        }
        let images = generated(subject)?;
        Self::of(subject, images, false, "generated pictures")
    }

    /// The same in real pictures.
    ///
    /// # Errors
    /// Those of [`Self::observe`].
    pub fn real(detector: &mut dyn KeypointDetector, pictures: &[PathBuf]) -> Result<Self> {
        let (images, source) = cut(detector, pictures)?;
        Self::of(detector, images, true, source)
    }

    fn of(detector: &mut dyn KeypointDetector, images: Tensor, real: bool, source: &str) -> Result<Self> {
        let n = images.size()[0] as usize;
        let mut mirrored = vec![];
        let points = in_batches("keypoints and their mirror images", n, |range| {
            let batch = images.narrow(0, range.start as i64, range.len() as i64);
            mirrored.push(detect(detector, &batch.flip([3]))?);
            detect(detector, &batch)
        })?;
        // x counts from the middle.
        let back = Tensor::from_slice(&[-1f32, 1.0]);
        Ok(Self {
            points: super::shapes(&points)?,
            mirrored: super::shapes(&(Tensor::f_cat(&mirrored, 0)? * back))?,
            images,
            real,
            source: format!("{n} {source}"),
        })
    }

    /// The keypoints of all pictures, `[N, K, 2]`, float32.
    pub fn keypoints(&self) -> Tensor {
        let flat: Vec<f32> = self.points.iter().flatten().flatten().map(|v| *v as f32).collect();
        Tensor::from_slice(&flat).view([self.points.len() as i64, -1, 2])
    }
}

fn generated(subject: &mut dyn Subject) -> Result<Tensor> {
    let latents = subject.sample(PICTURES as i64, SAMPLE_SEED)?;
    in_batches("generated pictures", PICTURES, |range| {
        subject.generate(&narrow(&latents, range.start as i64, range.len() as i64))
    })
}

fn cut(subject: &dyn KeypointDetector, paths: &[PathBuf]) -> Result<(Tensor, &'static str)> {
    let side = (subject.image_size() * STORE_FACTOR) as usize;
    let holds_back = paths.iter().all(|p| {
        Pack::is_at(p) && Pack::open(p).is_ok_and(|pack| pack.pictures().iter().any(|p| p.held_out))
    });
    let (store, source) = if holds_back {
        (Store::held_out(paths, side)?, "held-out pictures")
    } else {
        (Store::load(paths, side)?, "real pictures")
    };
    let n = store.len().min(PICTURES);
    let step = store.len() / n.max(1);
    let crop = subject.crop();
    // As sharp as they are kept: what networks see is made smaller.
    let side = store.side() as i64;
    let one = |i: usize| crops(&store, &crop, CROP_SEED, i * step..i * step + 1, side);
    let images: Vec<Tensor> = (0..n).map(one).collect();
    Ok((Tensor::f_cat(&images, 0)?.to_kind(Kind::Float), source))
}
