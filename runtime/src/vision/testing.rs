//! Fixtures of tests.

use std::collections::BTreeMap;

use lkg_bundle::manifest::{KEYPOINT_COLOURS, Keypoint, Provenance, SCHEMA_VERSION};
use lkg_bundle::{BundleDims, Manifest};

/// A manifest that names `keypoints` points and joins the first two.
pub(crate) fn manifest(keypoints: usize) -> Manifest {
    let described = |i: usize| Keypoint {
        name: format!("point {i}"),
        colour: KEYPOINT_COLOURS[i % KEYPOINT_COLOURS.len()],
        mean: [0.0; 2],
    };
    Manifest {
        schema_version: SCHEMA_VERSION,
        name: "test".to_owned(),
        description: String::new(),
        dims: BundleDims {
            keypoints,
            latent: 1,
            embedding: 1,
            image_size: 8,
            detector_size: 8,
            tables: None,
            states: None,
            portrait_size: None,
        },
        tau: 0.01,
        keypoints: (0..keypoints).map(described).collect(),
        symmetric_pairs: vec![],
        skeleton: if keypoints > 1 { vec![[0, 1]] } else { vec![] },
        expressions: vec![],
        files: BTreeMap::new(),
        networks: BTreeMap::new(),
        tolerance: 1e-4,
        metrics: vec![],
        provenance: Provenance::default(),
        licence: String::new(),
    }
}
