//! What keypoints stand for, found without labels: which are each other's mirror image, which to join by lines, what to
//! call them. Nothing here knows what the pictures show, but for the names of [`expressions`].

pub mod align;
pub mod annotated;
pub mod expressions;
pub mod mirror;
pub mod names;
pub mod observed;
pub mod skeleton;

use std::path::Path;

use lkg_bundle::Manifest;
use serde::Serialize;
use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::subject::KeypointDetector;
use align::Aligned;
use annotated::LandmarkDistances;
use mirror::Mirror;
use observed::Observed;

/// The keypoints of one picture, normalised coordinates.
pub type Shape = Vec<[f64; 2]>;

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Semantics {
    /// A name for each keypoint, no two alike.
    pub names: Vec<String>,
    /// Partners and what lies on the axis.
    pub mirror: Mirror,
    /// Keypoints to join by lines.
    pub skeleton: Vec<[usize; 2]>,
    /// The mean shape, laid over each other, normalised coordinates.
    pub layout: Shape,
    /// Pictures that this was found in.
    pub source: String,
    /// How close keypoints keep to landmarks, if pictures with landmarks were given.
    pub landmarks: Option<LandmarkDistances>,
}

impl Semantics {
    /// Finds it in `observed` pictures, names with the help of the annotated `set` if there is one.
    ///
    /// # Errors
    /// Those of reading the set and of the detector.
    pub fn find(
        subject: &mut dyn KeypointDetector,
        observed: &Observed,
        aligned: &Aligned,
        set: Option<&Path>,
    ) -> Result<Self> {
        let layout = aligned.mean.clone();
        let mirror = Mirror::test(&observed.points, &observed.mirrored, &layout);
        let landmarks = set.map(|set| LandmarkDistances::measure(subject, set, &layout)).transpose()?;
        Ok(Self {
            names: names::names(&layout, &mirror, landmarks.as_ref()),
            skeleton: skeleton::edges(aligned, &mirror),
            source: observed.source.clone(),
            mirror,
            layout,
            landmarks,
        })
    }

    /// Takes over names, pairs and lines of a bundle with the same detector.
    ///
    /// # Errors
    /// [`Error::KeypointNames`] if it has another number of keypoints.
    pub fn adopt(&mut self, manifest: &Manifest) -> Result<()> {
        let (theirs, ours) = (manifest.keypoints.len(), self.layout.len());
        if theirs != ours {
            return Err(Error::KeypointNames(format!(
                "{} has {theirs} keypoints, this {ours}",
                manifest.name
            )));
        }
        self.names = manifest.keypoints.iter().map(|k| k.name.clone()).collect();
        self.mirror.pairs.clone_from(&manifest.symmetric_pairs);
        let pairs = &self.mirror.pairs;
        self.mirror.axis.retain(|j| !pairs.as_flattened().contains(j));
        self.skeleton.clone_from(&manifest.skeleton);
        Ok(())
    }

    /// The mean shape as a manifest has it.
    pub fn means(&self) -> Vec<[f32; 2]> {
        self.layout.iter().map(|point| point.map(|v| v as f32)).collect()
    }

    /// The findings in lines; `names` are those that the keypoints bear.
    pub fn lines(&self, names: &[String]) -> Vec<String> {
        let name = |j: usize| names.get(j).or(self.names.get(j)).cloned().unwrap_or_default();
        let join = |pairs: &[[usize; 2]]| {
            pairs.iter().map(|[a, b]| format!("{} - {}", name(*a), name(*b))).collect::<Vec<_>>().join(", ")
        };
        let list = |all: &[usize]| all.iter().map(|j| name(*j)).collect::<Vec<_>>().join(", ");
        let mut lines = vec![];
        if self.mirror.pairs.is_empty() {
            lines.push(format!("symmetric pairs: the mirror test found none ({})", self.source));
        } else {
            lines.push(format!("symmetric pairs: {} ({})", join(&self.mirror.pairs), self.source));
        }
        if !self.mirror.axis.is_empty() {
            lines.push(format!("on the axis: {}", list(&self.mirror.axis)));
        }
        let alone: Vec<usize> = (0..self.layout.len()).filter(|j| self.mirror.image(*j).is_none()).collect();
        if !alone.is_empty() {
            lines.push(format!("without a counterpart: {}", list(&alone)));
        }
        lines.push(format!("skeleton: {}", join(&self.skeleton)));
        lines
    }
}

/// Keypoints `[N, K, 2]` as numbers.
fn shapes(points: &Tensor) -> Result<Vec<Shape>> {
    let k = points.size()[1] as usize;
    let flat = Vec::<f64>::try_from(&points.to_kind(Kind::Double).contiguous().flatten(0, 2))?;
    Ok(flat.as_chunks::<2>().0.chunks(k.max(1)).map(<[[f64; 2]]>::to_vec).collect())
}
