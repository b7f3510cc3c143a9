use std::time::Duration;

use image::RgbImage;
use models::Manifest;

use super::view::View;
use crate::error::Result;
use crate::media::control::Wish;
use crate::vision::track::Tracked;

/// A frame that is to be drawn.
pub struct Scene<'a> {
    /// The source's picture. It may be taken: what is left there goes back to the source for its room.
    pub picture: &'a mut RgbImage,
    /// What was found in it.
    pub tracked: &'a Tracked,
    /// The frame's time since the source's start.
    pub time: Duration,
    /// Whether to swap left and right.
    pub mirror: bool,
    /// Whether to leave out what tells of the detection.
    pub bare: bool,
}

/// Makes what is shown of what was found: the detected keypoints on the picture, or another face that moves like it.
pub trait Painter {
    /// Draws a frame on `canvas`, which has the last frame on it, or one of another size. All canvases of a run have one
    /// size, as long as its pictures have. Gives the time spent in a network that drew, if one did.
    ///
    /// # Errors
    /// A network failed.
    fn paint(&mut self, scene: Scene<'_>, canvas: &mut RgbImage) -> Result<Option<Duration>>;

    /// Takes a wish of the user that the loop itself has no use for; gives back what to tell about it.
    fn obey(&mut self, _wish: Wish) -> Option<&'static str> {
        None
    }

    /// Keys that [`Painter::obey`] knows, for help texts.
    fn keys(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Draws the face on the picture that it was found in.
pub struct Overlay<'a> {
    manifest: &'a Manifest,
    view: View,
}

impl<'a> Overlay<'a> {
    /// With the names, colours and skeleton of `manifest`.
    pub fn new(manifest: &'a Manifest) -> Self {
        Self { manifest, view: View::default() }
    }
}

impl Painter for Overlay<'_> {
    fn paint(&mut self, scene: Scene<'_>, canvas: &mut RgbImage) -> Result<Option<Duration>> {
        let face = scene.tracked.face.as_ref().filter(|_| !scene.bare);
        self.view.compose(scene.picture, canvas, face, scene.mirror, self.manifest);
        Ok(None)
    }
}
