//! Fixtures of tests.

use std::collections::BTreeMap;

use lkg_bundle::manifest::{Expression, KEYPOINT_COLOURS, Keypoint, Provenance, SCHEMA_VERSION};
use lkg_bundle::{BundleDims, Manifest};

/// Expressions of these names, each read off a state of its own of one part and at rest in the range's lower end.
pub(crate) fn expressions(names: &[&str]) -> Vec<Expression> {
    let weights = |i: usize| (0..names.len()).map(|k| f32::from(u8::from(k == i))).collect::<Vec<_>>();
    let one = |(i, name): (usize, &&str)| Expression {
        name: (*name).to_owned(),
        range: [0.0, 1.0],
        rest: 0.0,
        bias: 0.0,
        weights: vec![weights(i)],
        states: vec![weights(i)],
        keypoints: vec![[0.0; 2]],
    };
    names.iter().enumerate().map(one).collect()
}

/// A manifest that names `keypoints` points and joins the first two.
pub(crate) fn manifest(keypoints: usize) -> Manifest {
    let described = |i: usize| Keypoint {
        name: format!("point {i}"),
        aliases: vec![],
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
