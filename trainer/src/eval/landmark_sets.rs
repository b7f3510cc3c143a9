//! Annotated pictures seen by a detector: the whole picture, resized to the detector's input.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::RgbImage;
use rayon::prelude::*;

use super::landmarks::{self, Outcome, Split};
use crate::dataset::annotations::{ANNOTATIONS, Landmarks, annotations};
use crate::dataset::batches::in_batches;
use crate::dataset::tensors::{load, tensor};
use crate::error::{Error, Result};
use crate::subject::Subject;

/// Pictures with predictions that are shown.
const SHOWN: usize = 24;

/// What a set of annotated pictures gave.
pub struct EvaluatedSet {
    /// The folder's name.
    pub name: String,
    /// Numbers and predictions.
    pub outcome: Outcome,
    /// Some test pictures as the detector saw them, with true and predicted landmarks, [0, 1] of the picture.
    pub shown: Vec<(RgbImage, Landmarks, Landmarks)>,
}

/// Regresses the landmarks of the set in the folder `set` (`train/` and `test/`, each with pictures and a
/// `landmarks.csv`) from what the subject's detector sees.
///
/// # Errors
/// [`Error::Data`] or [`Error::Io`] naming the file that is missing or does not parse; those of the detector.
pub fn regress(subject: &mut dyn Subject, set: &Path) -> Result<EvaluatedSet> {
    let name = set.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (train, _) = see(subject, &set.join("train"), &format!("{name}/train"))?;
    let (test, pictures) = see(subject, &set.join("test"), &format!("{name}/test"))?;
    let outcome = landmarks::evaluate(&train, &test)?;
    // Spread over the set, so that not only its first faces are shown.
    let step = (pictures.len() / SHOWN).max(1);
    let shown = (0..pictures.len())
        .step_by(step)
        .take(SHOWN)
        .map(|i| (pictures[i].clone(), test.landmarks[i], outcome.predictions[i]))
        .collect();
    Ok(EvaluatedSet { name, outcome, shown })
}

/// Keypoints and landmarks of a split in [0, 1] of the picture, with the pictures.
fn see(subject: &mut dyn Subject, split: &Path, label: &str) -> Result<(Split, Vec<RgbImage>)> {
    let side = subject.detector_size().ok_or(Error::NoDetector)?;
    let annotated = annotations(split)?;
    if annotated.is_empty() {
        return Err(Error::Data {
            path: split.join(ANNOTATIONS),
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
