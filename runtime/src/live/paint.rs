use std::time::Duration;

use image::RgbImage;
use lkg_bundle::Manifest;

use super::control::Command;
use super::view::{Marks, View};
use crate::error::Result;
use crate::frame::DetectedFace;
use crate::vision::meters::draw_meters;
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
    /// What of the detection is to be seen.
    pub layers: Layers,
}

/// What of the detection is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// The keypoints.
    pub keypoints: bool,
    /// The lines between them.
    pub skeleton: bool,
    /// Their heat maps.
    pub heat_maps: bool,
    /// The crop that the detector saw.
    pub crop: bool,
}

impl Default for Layers {
    fn default() -> Self {
        Self { keypoints: true, skeleton: true, heat_maps: false, crop: false }
    }
}

/// Makes what is shown of what was found: the detected keypoints on the picture, or a re-enacted face.
pub trait Painter {
    /// Draws a frame on `canvas`, which has the last frame on it, or one of another size. All canvases of a run have one
    /// size, as long as its pictures have. Gives the time spent in a network that drew, if one did.
    ///
    /// # Errors
    /// A network failed.
    fn paint(&mut self, scene: Scene<'_>, canvas: &mut RgbImage) -> Result<Option<Duration>>;

    /// Writes names beside the faces that were painted last, where there is room for them, on `canvas`: what was painted or a
    /// copy. Its first `top` pixels are kept free.
    fn name(&mut self, _canvas: &mut RgbImage, _top: u32) {}

    /// Draws what was measured of the faces that were painted last, beside the loop's own numbers.
    fn measure(&mut self, _canvas: &mut RgbImage) {}

    /// What those who watch should know or do. It never comes into a file.
    fn message(&self) -> Option<&'static str> {
        None
    }

    /// Does what a user asked for and the loop itself has no use for; gives back what to say about it.
    fn handle(&mut self, _command: Command) -> Option<&'static str> {
        None
    }

    /// What pages offer of that, as the status of a page lists it.
    fn offers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Keys that [`Painter::handle`] knows, for help texts.
    fn keys(&self) -> &'static [&'static str] {
        &[]
    }
}

/// How long a face that was lost stays, fading: what blinks at every doubtful frame cannot be watched.
const FADES: Duration = Duration::from_millis(400);

/// Draws the face on the picture that it was found in.
pub struct Overlay<'a> {
    manifest: &'a Manifest,
    view: View,
    /// The latest face, and when it was seen.
    held: DetectedFace,
    seen: Option<Duration>,
    /// How much of it was drawn last, if it was.
    drawn: Option<f32>,
}

impl<'a> Overlay<'a> {
    /// With the names, colours and skeleton of `manifest`.
    pub fn new(manifest: &'a Manifest) -> Self {
        Self { manifest, view: View::default(), held: DetectedFace::new(Vec::new()), seen: None, drawn: None }
    }

    /// The face that is to be drawn at `time`, and how much of it.
    fn hold(&mut self, face: Option<&DetectedFace>, time: Duration) -> Option<(&DetectedFace, f32)> {
        if let Some(face) = face {
            self.held.keypoints.clear();
            self.held.keypoints.extend_from_slice(&face.keypoints);
            self.held.expressions.clear();
            self.held.expressions.extend_from_slice(&face.expressions);
            self.seen = Some(time);
            return Some((&self.held, 1.0));
        }
        // Time that runs backwards, as in a clip that starts anew, is no time.
        let passed = time.saturating_sub(self.seen?).as_secs_f32() / FADES.as_secs_f32();
        if passed >= 1.0 {
            self.seen = None;
            return None;
        }
        Some((&self.held, (1.0 - passed).min(0.99)))
    }
}

impl Painter for Overlay<'_> {
    fn paint(&mut self, scene: Scene<'_>, canvas: &mut RgbImage) -> Result<Option<Duration>> {
        let Scene { picture, tracked, time, mirror, layers } = scene;
        let mut view = std::mem::take(&mut self.view);
        let manifest = self.manifest;
        let face = self.hold(tracked.face.as_ref(), time);
        let marks = Marks {
            face: face.filter(|_| layers.keypoints),
            skeleton: layers.skeleton,
            heat: layers.heat_maps.then_some(&tracked.crop),
            crop: layers.crop.then_some(&tracked.crop),
        };
        view.compose(picture, canvas, &marks, mirror, manifest);
        self.drawn = face.map(|(_, strength)| strength);
        self.view = view;
        Ok(None)
    }

    fn name(&mut self, canvas: &mut RgbImage, top: u32) {
        self.view.name(canvas, self.manifest, top);
    }

    fn measure(&mut self, canvas: &mut RgbImage) {
        if let Some(strength) = self.drawn {
            draw_meters(canvas, &self.manifest.expressions, &self.held.expressions, strength);
        }
    }

    fn offers(&self) -> &'static [(&'static str, &'static str)] {
        if self.manifest.expressions.is_empty() { &[] } else { &[("calibrate", "Neutral face")] }
    }

    fn keys(&self) -> &'static [&'static str] {
        if self.manifest.expressions.is_empty() { &[] } else { &["c       neutral face"] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::DetectedKeypoint;
    use crate::vision::crop::Crop;
    use crate::vision::testing::manifest;

    /// How much of the picture is drawn on, in sums of its bytes.
    fn painted(overlay: &mut Overlay<'_>, found: bool, ms: u64) -> u64 {
        let at = DetectedKeypoint { x: 300.0, y: 300.0, confidence: 1.0 };
        let face = found.then(|| DetectedFace::new(vec![at]));
        let crop = Crop::inside(600, 600);
        let tracked = Tracked { face, crop, preprocess: Duration::ZERO, network: Duration::ZERO };
        let (mut picture, mut canvas) = (RgbImage::new(600, 600), RgbImage::default());
        let time = Duration::from_millis(ms);
        let layers = Layers::default();
        let scene = Scene { picture: &mut picture, tracked: &tracked, time, mirror: false, layers };
        overlay.paint(scene, &mut canvas).unwrap();
        canvas.iter().map(|v| u64::from(*v)).sum()
    }

    #[test]
    fn a_face_that_is_lost_fades() {
        let manifest = manifest(1);
        let mut overlay = Overlay::new(&manifest);
        assert_eq!(painted(&mut overlay, false, 0), 0);
        let seen = [(true, 33), (false, 66), (false, 300), (false, 440), (false, 470), (true, 500)]
            .map(|(found, ms)| painted(&mut overlay, found, ms));
        assert!(seen[0] > seen[1] && seen[1] > seen[2] && seen[2] > 0, "{seen:?}");
        assert_eq!((seen[3], seen[4], seen[5]), (0, 0, seen[0]), "{seen:?}");
    }
}
