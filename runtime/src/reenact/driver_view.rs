//! The driver's picture beside what it drives.

use std::borrow::Cow;

use image::RgbImage;
use lkg_bundle::Manifest;

use super::beside::no_taller;
use super::options::View;
use crate::live::{self, Marks, Scene};

/// The driver's picture as it is shown beside the driven one, where it has pictures and not keypoints alone.
#[derive(Default)]
pub(super) struct DriverView {
    has_pictures: bool,
    view: live::View,
    picture: RgbImage,
    /// Width and height of the canvas that was painted last.
    pub canvas: (u32, u32),
}

impl DriverView {
    /// Of a driver that has pictures or not.
    pub fn new(has_pictures: bool) -> Self {
        Self { has_pictures, ..Self::default() }
    }

    /// Whether the driver has pictures.
    pub fn has_pictures(&self) -> bool {
        self.has_pictures
    }

    /// The scene's picture, with what of the driver's face is to be seen.
    pub fn show(&mut self, scene: &mut Scene<'_>, manifest: &Manifest) -> Option<&RgbImage> {
        if !self.has_pictures {
            return None;
        }
        let (tracked, layers) = (scene.tracked, scene.layers);
        let marks = Marks {
            face: tracked.face.as_ref().filter(|_| layers.keypoints).map(|face| (face, 1.0)),
            skeleton: layers.skeleton,
            heat: layers.heat_maps.then_some(&tracked.crop),
            crop: layers.crop.then_some(&tracked.crop),
        };
        self.view.compose(scene.picture, &mut self.picture, &marks, scene.mirror, manifest);
        if let Cow::Owned(small) = no_taller(&self.picture) {
            self.picture = small;
        }
        Some(&self.picture)
    }

    /// Which point of the driver's picture is at a point of the canvas that was painted last in this `view`: shares of width and
    /// height. None where something else is shown.
    pub fn at(&self, point: [f32; 2], view: View) -> Option<[f32; 2]> {
        match view {
            View::Driver => Some(point),
            View::Beside => self.on_the_left(point),
            View::Source | View::Face => None,
        }
    }

    fn on_the_left(&self, [x, y]: [f32; 2]) -> Option<[f32; 2]> {
        let (width, height) = self.canvas;
        let (own_width, own_height) = self.picture.dimensions();
        let at = [x * width as f32 / own_width as f32, y * height as f32 / own_height as f32];
        at.iter().all(|share| (0.0..1.0).contains(share)).then_some(at)
    }
}
