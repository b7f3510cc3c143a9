use lkg_bundle::BundleDims;
use ndarray::{Array2, ArrayView1, Axis};
use serde::{Deserialize, Serialize};

use super::EditError;
use crate::engine::Latents;
use crate::error::{Error, Result};

/// How far from the picture's middle a keypoint may lie, in normalised coordinates (1 is the edge). The generator has
/// seen none beyond 1; a little further out a part only fades, which poses near the edge need.
pub const REACH: f32 = 1.2;
/// Least and most width of a part, relative to that of training.
pub const SCALES: [f32; 2] = [0.25, 4.0];

/// A face as the image generator takes it: what is edited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceLatents {
    /// K keypoints (x, y), normalised coordinates, -1.2 to 1.2.
    pub keypoints: Vec<[f32; 2]>,
    /// Width of each part's heat map relative to training, K numbers from 0.25 to 4.
    pub scales: Vec<f32>,
    /// Height of each part's heat map, K numbers from 0 (removed) to 1.
    pub visible: Vec<f32>,
    /// Embedding of each part, K x E.
    pub embeddings: Vec<Vec<f32>>,
    /// Embedding of the background, E.
    pub background: Vec<f32>,
}

impl FaceLatents {
    /// A face of natural parts.
    pub fn new(keypoints: Vec<[f32; 2]>, embeddings: Vec<Vec<f32>>, background: Vec<f32>) -> Self {
        let n = keypoints.len();
        Self { keypoints, scales: vec![1.0; n], visible: vec![1.0; n], embeddings, background }
    }

    /// The face in `row` of the keypoint generator's output.
    pub fn from_latents(latents: &Latents, row: usize) -> Self {
        let list = |v: ArrayView1<'_, f32>| v.to_vec();
        let points = latents.keypoints.index_axis(Axis(0), row);
        Self::new(
            points.rows().into_iter().map(|p| [p[0], p[1]]).collect(),
            latents.embeddings.index_axis(Axis(0), row).rows().into_iter().map(list).collect(),
            list(latents.background.row(row)),
        )
    }

    /// How many parts it has.
    pub fn parts(&self) -> usize {
        self.keypoints.len()
    }

    /// Checks numbers that come from a file against a bundle; the message names the field.
    ///
    /// # Errors
    /// [`EditError::Face`].
    pub fn check(&self, dims: &BundleDims) -> std::result::Result<(), EditError> {
        let (k, e) = (dims.keypoints, dims.embedding);
        let refuse = |field: &str, reason: String| Err(EditError::Face { field: field.to_owned(), reason });
        for (field, have, want) in [
            ("keypoints", self.keypoints.len(), k),
            ("scales", self.scales.len(), k),
            ("visible", self.visible.len(), k),
            ("embeddings", self.embeddings.len(), k),
            ("background", self.background.len(), e),
        ] {
            if have != want {
                return refuse(field, format!("{have} entries, the bundle has {want}"));
            }
        }
        for (i, embedding) in self.embeddings.iter().enumerate() {
            if embedding.len() != e {
                return refuse(&format!("embeddings[{i}]"), format!("{} numbers, not {e}", embedding.len()));
            }
        }
        let within = |v: f32, least: f32, most: f32| v >= least && v <= most;
        for (i, [x, y]) in self.keypoints.iter().enumerate() {
            if !(within(*x, -REACH, REACH) && within(*y, -REACH, REACH)) {
                return refuse(
                    &format!("keypoints[{i}]"),
                    format!("({x}, {y}) is outside -{REACH} to {REACH}"),
                );
            }
        }
        for i in 0..k {
            if !within(self.scales[i], SCALES[0], SCALES[1]) {
                return refuse(&format!("scales[{i}]"), "not from 0.25 to 4".to_owned());
            }
            if !within(self.visible[i], 0.0, 1.0) {
                return refuse(&format!("visible[{i}]"), "not from 0 to 1".to_owned());
            }
        }
        if !self.embeddings.iter().flatten().chain(&self.background).all(|v| v.is_finite()) {
            return refuse("embeddings", "not numbers".to_owned());
        }
        Ok(())
    }

    /// The face as a batch of one for the image generator: latents, scales and visible.
    ///
    /// # Errors
    /// [`Error::Engine`] if its lists have unequal lengths.
    pub fn to_batch(&self) -> Result<(Latents, Array2<f32>, Array2<f32>)> {
        let (k, e) = (self.parts(), self.background.len());
        let uneven = |source: ndarray::ShapeError| Error::Engine {
            what: "a face's tensors".to_owned(),
            reason: source.to_string(),
        };
        let latents = Latents {
            keypoints: ndarray::Array::from_iter(self.keypoints.iter().flatten().copied())
                .into_shape_with_order((1, k, 2))
                .map_err(uneven)?,
            embeddings: ndarray::Array::from_iter(self.embeddings.iter().flatten().copied())
                .into_shape_with_order((1, k, e))
                .map_err(uneven)?,
            background: Array2::from_shape_vec((1, e), self.background.clone()).map_err(uneven)?,
        };
        let scales = Array2::from_shape_vec((1, k), self.scales.clone()).map_err(uneven)?;
        let visible = Array2::from_shape_vec((1, k), self.visible.clone()).map_err(uneven)?;
        Ok((latents, scales, visible))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::testing::{DIMS, face};

    #[test]
    fn what_a_file_may_hold_wrongly_is_named() {
        face(0.1).check(&DIMS).unwrap();
        let refused = |change: &dyn Fn(&mut FaceLatents), field: &str| {
            let mut f = face(0.0);
            change(&mut f);
            let message = f.check(&DIMS).unwrap_err().to_string();
            assert!(message.starts_with(field), "{message}");
        };
        refused(&|f| f.keypoints[1][0] = 1.3, "keypoints[1]: (1.3, 0.2)");
        refused(&|f| f.keypoints[1][0] = f32::NAN, "keypoints[1]");
        refused(&|f| f.scales[0] = 0.0, "scales[0]");
        refused(&|f| f.visible[1] = 2.0, "visible[1]");
        refused(&|f| f.embeddings[1] = vec![0.0; 4], "embeddings[1]: 4 numbers");
        refused(&|f| f.background[2] = f32::INFINITY, "embeddings");
        refused(&|f| f.visible.truncate(1), "visible: 1 entries");
    }

    #[test]
    fn a_batch_of_one_is_in_the_generators_order() {
        let (latents, scales, _) = face(0.0).to_batch().unwrap();
        assert_eq!(latents.embeddings[[0, 1, 2]], 5.0);
        assert_eq!((latents.keypoints[[0, 1, 1]], scales.dim()), (0.2, (1, 2)));
        assert_eq!(FaceLatents::from_latents(&latents, 0), face(0.0));
    }
}
