use std::time::Duration;

use image::RgbImage;
use models::Manifest;

use super::view::View;
use crate::error::Result;
use crate::media::control::Wish;
use crate::vision::track::Tracked;

/// A frame that is to be drawn.
pub struct Scene<'a> {
    /// The source's picture.
    pub picture: RgbImage,
    /// What was found in it.
    pub tracked: &'a Tracked,
    /// The frame's time since the source's start.
    pub time: Duration,
    /// Whether to swap left and right.
    pub mirror: bool,
    /// Whether to leave out what tells of the detection.
    pub bare: bool,
}

/// A drawn frame.
pub struct Painted {
    /// What is shown and written.
    pub canvas: RgbImage,
    /// Time spent in a network that drew it, if one did.
    pub generate: Option<Duration>,
}

/// Makes what is shown of what was found: the detected keypoints on the picture, or another face that moves like it.
pub trait Painter {
    /// Draws a frame. All canvases of a run have one size, as long as its pictures have.
    ///
    /// # Errors
    /// A network failed.
    fn paint(&mut self, scene: Scene<'_>) -> Result<Painted>;

    /// Takes a wish of the user that the loop itself has no use for; gives back what to tell about it.
    fn obey(&mut self, _wish: Wish) -> Option<&'static str> {
        None
    }

    /// What pages offer of that, as [`Standing::offers`](crate::media::control::Standing::offers).
    fn offers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Keys that [`Painter::obey`] knows, for help texts.
    fn keys(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Draws the face on the picture that it was found in.
pub struct Overlay<'a>(pub &'a Manifest);

impl Painter for Overlay<'_> {
    fn paint(&mut self, scene: Scene<'_>) -> Result<Painted> {
        let view = View { mirror: scene.mirror, ..View::default() };
        let canvas = view.compose(scene.picture, scene.tracked.face.as_ref().filter(|_| !scene.bare), self.0);
        Ok(Painted { canvas, generate: None })
    }
}
