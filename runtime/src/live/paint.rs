use std::time::Duration;

use image::{GrayImage, RgbImage};
use lkg_bundle::Manifest;

use super::control::Command;
use super::offered::NewSource;
use super::view::{Marks, View};
use crate::error::{Error, Result};
use crate::frame::{DetectedFace, Faces};
use crate::media::SentPhoto;
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

    /// How much of each pixel of the picture that was painted last shows, where it is made of one that has alpha, which moves
    /// with it.
    fn alpha(&self) -> Option<GrayImage> {
        None
    }

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

    /// Whether it drives a photo or face, so that another can be sent.
    fn takes_source(&self) -> bool {
        false
    }

    /// Drives this photo in the place of the one shown.
    ///
    /// # Errors
    /// It drives none, there is no face in it to be confident of, or a network failed.
    fn take_source(&mut self, _photo: SentPhoto) -> Result<NewSource> {
        Err(Error::Usage("nothing is re-enacted here: start runtime reenact".to_owned()))
    }

    /// Which point of the source's picture is shown at a point of what was painted last, so that faces can be pointed at: shares
    /// of width and height, 0 to 1. None where something else is shown.
    fn source_at(&self, _at: [f32; 2]) -> Option<[f32; 2]> {
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

/// How much is seen of those who do not stand out; their names are not.
const OTHERS: f32 = 0.75;

/// Draws faces on the picture that they were found in.
pub struct Overlay<'a> {
    manifest: &'a Manifest,
    view: View,
    /// The latest faces.
    held: Vec<Held>,
    /// Who stood out last.
    main: u32,
}

/// A face as it was seen last.
#[derive(Default)]
struct Held {
    face: DetectedFace,
    seen: Duration,
    /// How much of it is left, 1 to 0.
    strength: f32,
}

impl Held {
    /// Fades by `time`, for good once nothing is left.
    fn fade(&mut self, time: Duration) {
        if self.strength > 0.0 {
            // Time that runs backwards, as in a clip that starts anew, is no time.
            let passed = time.saturating_sub(self.seen).as_secs_f32() / FADES.as_secs_f32();
            self.strength = if passed > 0.0 { (1.0 - passed).clamp(0.0, 0.99) } else { 1.0 };
        }
    }
}

impl<'a> Overlay<'a> {
    /// With the names, colours and skeleton of `manifest`.
    pub fn new(manifest: &'a Manifest) -> Self {
        Self { manifest, view: View::default(), held: Vec::new(), main: 0 }
    }

    /// Takes the faces of the frame at `time`.
    fn hold(&mut self, faces: Faces<'_>, time: Duration) {
        self.held.iter_mut().for_each(|held| held.fade(time));
        for face in faces.iter() {
            let own = self.held.iter().position(|held| held.strength > 0.0 && held.face.id == face.id);
            let free = || self.held.iter().position(|held| held.strength == 0.0);
            let at = own.or_else(free).unwrap_or(self.held.len());
            if at == self.held.len() {
                self.held.push(Held::default());
            }
            let held = &mut self.held[at];
            held.face.id = face.id;
            held.face.keypoints.clear();
            held.face.keypoints.extend_from_slice(&face.keypoints);
            held.face.expressions.clear();
            held.face.expressions.extend_from_slice(&face.expressions);
            (held.seen, held.strength) = (time, 1.0);
        }
        self.main = faces.first().map_or(self.main, |face| face.id);
    }
}

impl Painter for Overlay<'_> {
    fn paint(&mut self, scene: Scene<'_>, canvas: &mut RgbImage) -> Result<Option<Duration>> {
        let Scene { picture, tracked, time, mirror, layers } = scene;
        self.hold(tracked.faces(), time);
        let Self { manifest, view, held, main } = self;
        let shown = held.iter().filter(|held| held.strength > 0.0);
        let first = shown.clone().find(|held| held.face.id == *main);
        let marks = Marks {
            face: first.filter(|_| layers.keypoints).map(|held| (&held.face, held.strength)),
            skeleton: layers.skeleton,
            heat: layers.heat_maps.then_some(&tracked.crop),
            crop: layers.crop.then_some(&tracked.crop),
        };
        view.compose(picture, canvas, &marks, mirror, manifest);
        for other in shown.filter(|held| held.face.id != *main && layers.keypoints) {
            view.add(canvas, &other.face, OTHERS * other.strength, layers.skeleton, manifest);
        }
        Ok(None)
    }

    fn source_at(&self, at: [f32; 2]) -> Option<[f32; 2]> {
        Some(at)
    }

    fn name(&mut self, canvas: &mut RgbImage, top: u32) {
        self.view.name(canvas, self.manifest, top);
    }

    fn measure(&mut self, canvas: &mut RgbImage) {
        let first = self.held.iter().find(|held| held.strength > 0.0 && held.face.id == self.main);
        if let Some(Held { face, strength, .. }) = first {
            draw_meters(canvas, &self.manifest.expressions, &face.expressions, *strength);
        }
    }

    fn offers(&self) -> &'static [(&'static str, &'static str)] {
        const OFFERS: [(&str, &str); 2] = [("next_face", "Next face"), ("calibrate", "Neutral face")];
        if self.manifest.expressions.is_empty() { &OFFERS[..1] } else { &OFFERS }
    }

    fn keys(&self) -> &'static [&'static str] {
        const KEYS: [&str; 2] = ["f       next face", "c       neutral face"];
        if self.manifest.expressions.is_empty() { &KEYS[..1] } else { &KEYS }
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
        let tracked = Tracked::of(face, Crop::inside(600, 600));
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
