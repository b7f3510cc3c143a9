//! Annotated pictures seen by a detector: the whole picture, resized to the detector's input.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::RgbImage;
use image::imageops::FilterType;
use lkg_bundle::conventions::colour_to_unit;
use rayon::prelude::*;
use tch::Tensor;

use super::features::in_batches;
use super::landmarks::{self, Outcome, Split};
use super::subject::Subject;
use crate::error::{Error, Result};

/// Pictures with predictions that are shown.
const SHOWN: usize = 24;

/// What a set of annotated pictures gave.
pub struct Set {
    /// The folder's name.
    pub name: String,
    /// Numbers and predictions.
    pub outcome: Outcome,
    /// Some test pictures as the detector saw them, with true and predicted landmarks, [0, 1] of the picture.
    pub shown: Vec<(RgbImage, [f64; 10], [f64; 10])>,
}

/// Regresses the landmarks of the set in the folder `set` (`train/` and `test/`, each with pictures and a
/// `landmarks.csv`) from what the subject's detector sees.
///
/// # Errors
/// [`Error::Data`] or [`Error::Io`] naming the file that is missing or does not parse; those of the detector.
pub fn regress(subject: &mut dyn Subject, set: &Path) -> Result<Set> {
    let name = set.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (train, _) = see(subject, &set.join("train"), &format!("{name}/train"))?;
    let (test, pictures) = see(subject, &set.join("test"), &format!("{name}/test"))?;
    let outcome = landmarks::evaluate(&train, &test)?;
    // Spread over the set, so that not only its first faces are looked at.
    let step = (pictures.len() / SHOWN).max(1);
    let shown = (0..pictures.len())
        .step_by(step)
        .take(SHOWN)
        .map(|i| (pictures[i].clone(), test.landmarks[i], outcome.predictions[i]))
        .collect();
    Ok(Set { name, outcome, shown })
}

/// Keypoints and landmarks of a split in [0, 1] of the picture, with the pictures.
fn see(subject: &mut dyn Subject, split: &Path, label: &str) -> Result<(Split, Vec<RgbImage>)> {
    let side = subject.detector_size().ok_or_else(|| {
        Error::Usage(
            "landmarks need a detector, and the run has none yet: train it with `trainer detector`".into(),
        )
    })?;
    let annotated = landmarks::annotations(split)?;
    if annotated.is_empty() {
        return Err(Error::Data {
            path: split.join(landmarks::ANNOTATIONS),
            reason: "no picture is annotated in it".into(),
        });
    }
    let paths: Vec<PathBuf> = annotated.iter().map(|(name, _)| split.join(name)).collect();
    let pictures: Vec<RgbImage> =
        paths.par_iter().map(|path| load(path, side as u32)).collect::<Result<_>>()?;
    let seen = in_batches(label, pictures.len(), |range| subject.detect(&tensor(&pictures[range], side)))?;
    let each = seen.size()[1] as usize * 2;
    let flat = Vec::<f32>::try_from(&seen.contiguous().flatten(0, 2))?;
    let found: BTreeMap<String, Vec<f64>> = annotated
        .iter()
        .zip(flat.chunks_exact(each))
        .map(|((name, _), row)| (name.clone(), row.iter().map(|v| (f64::from(*v) + 1.0) / 2.0).collect()))
        .collect();
    Ok((Split::join(annotated, &found, split)?, pictures))
}

/// A whole picture, resized with antialiasing.
///
/// # Errors
/// [`Error::Io`] or [`Error::Data`].
pub fn load(path: &Path, side: u32) -> Result<RgbImage> {
    let fail = |reason: String| Error::Data { path: path.to_owned(), reason };
    let content = std::fs::read(path).map_err(Error::io(path))?;
    let picture = image::load_from_memory(&content).map_err(|e| fail(e.to_string()))?.into_rgb8();
    if picture.dimensions() == (side, side) {
        return Ok(picture);
    }
    Ok(image::imageops::resize(&picture, side, side, FilterType::Triangle))
}

/// Pictures as the networks take them, `[N, 3, side, side]` in [-1, 1].
pub fn tensor(pictures: &[RgbImage], side: i64) -> Tensor {
    let data: Vec<f32> =
        pictures.iter().flat_map(|p| p.as_raw().iter().map(|b| colour_to_unit(*b))).collect();
    Tensor::from_slice(&data).view([-1, side, side, 3]).permute([0, 3, 1, 2]).contiguous()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_rows_and_colours_apart() {
        let picture = RgbImage::from_fn(4, 4, |x, y| image::Rgb([(x * 10) as u8, (y * 10) as u8, 255]));
        let t = tensor(&[picture.clone(), picture], 4);
        assert_eq!(t.size(), [2, 3, 4, 4]);
        // Row 1, column 3.
        let at = |c: i64| t.double_value(&[1, c, 1, 3]);
        assert!((at(0) - f64::from(colour_to_unit(30))).abs() < 1e-6);
        assert!((at(1) - f64::from(colour_to_unit(10))).abs() < 1e-6);
        assert!((at(2) - 1.0).abs() < 1e-6);
    }
}
