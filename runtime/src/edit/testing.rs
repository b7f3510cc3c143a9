//! Fixtures of tests.

use lkg_bundle::{BundleDims, Manifest};

use super::FaceLatents;
use crate::vision::testing::manifest;

/// Sizes that fit [`face`].
pub(crate) const DIMS: BundleDims = BundleDims {
    keypoints: 2,
    latent: 4,
    embedding: 3,
    image_size: 8,
    detector_size: 16,
    tables: None,
    states: None,
    portrait_size: None,
};

/// A face whose numbers all differ.
pub(crate) fn face(shift: f32) -> FaceLatents {
    FaceLatents::new(
        vec![[-0.5 + shift, 0.1], [0.5, 0.2 + shift]],
        vec![vec![shift, 1.0, 2.0], vec![3.0, 4.0 + shift, 5.0]],
        vec![6.0 + shift, 7.0, 8.0],
    )
}

/// A manifest with parts of these names.
pub(crate) fn named_manifest(names: &[&str]) -> Manifest {
    let mut m = manifest(names.len());
    for (keypoint, name) in m.keypoints.iter_mut().zip(names) {
        (*name).clone_into(&mut keypoint.name);
    }
    m
}
