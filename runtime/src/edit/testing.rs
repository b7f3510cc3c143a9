//! Fixtures of tests.

use image::{Rgb, RgbImage};
use lkg_bundle::testing::write_tiny_portrait_bundle;
use lkg_bundle::{Bundle, BundleDims, Manifest};

use super::{Blend, FaceLatents, FaceModel, Workspace};
use crate::engine::{EngineOptions, Provider};
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

/// A dull photo with a pattern that shows what moves.
pub(crate) fn photo() -> RgbImage {
    RgbImage::from_fn(160, 120, |x, y| {
        let lit = 60 * ((x / 2 + y / 2) % 2) as u8;
        Rgb([40 + x as u8 / 2 + lit, 60 + y as u8 / 2 + lit, 100])
    })
}

/// A model of the tiny bundle that carries photos, in a folder of its own.
pub(crate) fn carrying_model() -> (tempfile::TempDir, FaceModel) {
    let dir = tempfile::tempdir().unwrap();
    write_tiny_portrait_bundle(dir.path()).unwrap();
    let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
    let mut model = FaceModel::new(Bundle::open(dir.path()).unwrap(), options);
    model.anyway = true;
    (dir, model)
}

/// A workspace of [`photo`] with photos of these names (any will do) on its strip.
pub(crate) fn carried_workspace(donors: &[&str]) -> (tempfile::TempDir, Workspace) {
    let (dir, mut model) = carrying_model();
    let opened = model.open_image(photo(), "photo").unwrap();
    let given: Vec<String> = donors
        .iter()
        .map(|name| {
            let path = dir.path().join(name);
            image::imageops::flip_horizontal(&photo()).save(&path).unwrap();
            path.to_string_lossy().into_owned()
        })
        .collect();
    let workspace = Workspace::new(model, opened, Blend::Warp, &given, 32).unwrap();
    (dir, workspace)
}
