//! The driver's picture beside what it drives.

use image::RgbImage;
use lkg_bundle::Manifest;

use crate::frame::DetectedFace;
use crate::live::{Marks, Scene, View};

/// The driver's picture as it is shown beside the driven one, where it has pictures and not keypoints alone.
#[derive(Default)]
pub(super) struct DriverView {
    has_pictures: bool,
    view: View,
    picture: RgbImage,
}

impl DriverView {
    /// Of a driver that has pictures or not.
    pub fn new(has_pictures: bool) -> Self {
        Self { has_pictures, ..Self::default() }
    }

    /// The scene's picture, with the keypoints of `face`.
    pub fn show(
        &mut self,
        scene: &mut Scene<'_>,
        face: Option<&DetectedFace>,
        manifest: &Manifest,
    ) -> Option<&RgbImage> {
        if !self.has_pictures {
            return None;
        }
        self.view.compose(scene.picture, &mut self.picture, &Marks::face(face), scene.mirror, manifest);
        Some(&self.picture)
    }
}
