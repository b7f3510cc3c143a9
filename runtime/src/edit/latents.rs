use std::collections::BTreeMap;

use lkg_bundle::BundleDims;
use ndarray::{Array2, ArrayView1, Axis};
use serde::{Deserialize, Serialize};

use super::EditError;
use crate::engine::Latents;
use crate::error::{Error, Result};

/// Furthest that a number of an embedding may lie from 0: those of encoders and generators are below 100, and far greater ones
/// overflow in the networks.
const FAR: f32 = 1e4;

/// How far from the picture's middle a keypoint may lie, in normalised coordinates (1 is the edge). The generator has
/// seen none beyond 1; a little further out a part only fades, which poses near the edge need.
pub const REACH: f32 = 1.2;
/// Least and most width of a part, relative to that of training.
pub const SCALES: [f32; 2] = [0.25, 4.0];
/// Furthest that a state lies from 0: detectors read them within 1, and expressions move them.
pub const STATES: f32 = 3.0;

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
    /// Of a photo that portrait networks carry, which has no embeddings: states of the parts, K S numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<f32>,
    /// How far the square is turned in its photo, in radians from right towards down.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tilt: f32,
    /// Parts of a carried photo that show another person's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub taken: BTreeMap<usize, Taken>,
}

/// Another person's part in a carried photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// Whose: a photo or `seed:N`.
    pub from: String,
    /// How much of it, 0 to 1.
    pub weight: f32,
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

impl FaceLatents {
    /// A face of natural parts.
    pub fn new(keypoints: Vec<[f32; 2]>, embeddings: Vec<Vec<f32>>, background: Vec<f32>) -> Self {
        let n = keypoints.len();
        Self {
            keypoints,
            scales: vec![1.0; n],
            visible: vec![1.0; n],
            embeddings,
            background,
            states: Vec::new(),
            tilt: 0.0,
            taken: BTreeMap::new(),
        }
    }

    /// The face of a photo that portrait networks carry: `states` are K S numbers, and `tilt` radians its square's turn.
    pub fn carried(keypoints: Vec<[f32; 2]>, states: Vec<f32>, tilt: f32) -> Self {
        let keypoints: Vec<_> =
            keypoints.into_iter().map(|k| k.map(|v: f32| v.clamp(-REACH, REACH))).collect();
        let embeddings = vec![Vec::new(); keypoints.len()];
        Self { states, tilt, ..Self::new(keypoints, embeddings, Vec::new()) }
    }

    /// Whether this is a photo's face that portrait networks carry along; else a generator draws it.
    pub fn is_carried(&self) -> bool {
        !self.states.is_empty()
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

    /// The states of one part; none of a generated face.
    pub fn states_of(&self, part: usize) -> &[f32] {
        let each = self.states.len() / self.parts().max(1);
        self.states.get(part * each..(part + 1) * each).unwrap_or_default()
    }

    /// The same, to be changed.
    pub(super) fn states_of_mut(&mut self, part: usize) -> &mut [f32] {
        let each = self.states.len() / self.parts().max(1);
        self.states.get_mut(part * each..(part + 1) * each).unwrap_or_default()
    }

    /// Whether a part is as it is in `other`: its place, width, presence and appearance.
    pub(crate) fn same_part(&self, other: &FaceLatents, part: usize) -> bool {
        self.keypoints[part] == other.keypoints[part]
            && self.scales[part] == other.scales[part]
            && self.visible[part] == other.visible[part]
            && self.embeddings[part] == other.embeddings[part]
            && self.states_of(part) == other.states_of(part)
            && self.taken.get(&part) == other.taken.get(&part)
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
        let (k, carried) = (dims.keypoints, self.is_carried());
        let e = if carried { 0 } else { dims.embedding };
        let refuse = |field: &str, reason: String| Err(EditError::Face { field: field.to_owned(), reason });
        for (field, have, want) in [
            ("keypoints", self.keypoints.len(), k),
            ("scales", self.scales.len(), k),
            ("visible", self.visible.len(), k),
            ("embeddings", self.embeddings.len(), k),
            ("background", self.background.len(), e),
            ("states", self.states.len(), if carried { k * dims.states.unwrap_or_default() } else { 0 }),
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
        if !self.states.iter().all(|v| within(*v, -STATES, STATES)) {
            return refuse("states", format!("not from -{STATES} to {STATES}"));
        }
        if !within(self.tilt, -1.0, 1.0) {
            return refuse("tilt", "not from -1 to 1".to_owned());
        }
        for (part, taken) in &self.taken {
            if !(carried && *part < k && within(taken.weight, 0.0, 1.0)) {
                return refuse(
                    &format!("taken.{part}"),
                    "no part of a photo, or a weight not from 0 to 1".to_owned(),
                );
            }
        }
        let beyond = |v: &&f32| !within(**v, -FAR, FAR);
        for (i, embedding) in self.embeddings.iter().enumerate() {
            if let Some(v) = embedding.iter().find(beyond) {
                return refuse(&format!("embeddings[{i}]"), format!("{v} is not from -{FAR} to {FAR}"));
            }
        }
        match self.background.iter().find(beyond) {
            Some(v) => refuse("background", format!("{v} is not from -{FAR} to {FAR}")),
            None => Ok(()),
        }
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
        refused(&|f| f.background[2] = f32::INFINITY, "background: inf");
        refused(&|f| f.visible.truncate(1), "visible: 1 entries");
        refused(&|f| f.tilt = 2.0, "tilt");
        refused(&|f| drop(f.taken.insert(0, Taken { from: "a.jpg".to_owned(), weight: 1.0 })), "taken.0");
    }

    #[test]
    fn a_carried_photo_has_states_and_no_embeddings() {
        let dims = BundleDims { states: Some(2), portrait_size: Some(64), ..DIMS };
        let face = FaceLatents::carried(vec![[0.1, 0.2], [9.0, 0.0]], vec![0.5; 4], 0.2);
        face.check(&dims).unwrap();
        assert!(face.is_carried() && face.keypoints[1][0] == REACH);
        for wrong in [
            FaceLatents { states: vec![0.5; 3], ..face.clone() },
            FaceLatents { states: vec![9.0; 4], ..face.clone() },
            FaceLatents { background: vec![1.0; 3], ..face.clone() },
        ] {
            wrong.check(&dims).unwrap_err();
        }
        assert!(face.check(&DIMS).unwrap_err().to_string().starts_with("states: 4 entries"));
        // A face of an earlier version's file has none of it.
        let text = serde_json::to_string(&crate::edit::testing::face(0.0)).unwrap();
        assert!(!text.contains("states") && !text.contains("tilt") && !text.contains("taken"));
    }

    #[test]
    fn a_batch_of_one_is_in_the_generators_order() {
        let (latents, scales, _) = face(0.0).to_batch().unwrap();
        assert_eq!(latents.embeddings[[0, 1, 2]], 5.0);
        assert_eq!((latents.keypoints[[0, 1, 1]], scales.dim()), (0.2, (1, 2)));
        assert_eq!(FaceLatents::from_latents(&latents, 0), face(0.0));
    }
}
