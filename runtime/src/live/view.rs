use std::fmt::Write;

use image::{RgbImage, imageops};
use lkg_bundle::Manifest;

use super::clock::Clock;
use super::viewer::KEYS;
use crate::frame::{DetectedFace, DetectedKeypoint};
use crate::vision::crop::Crop;
use crate::vision::enlarge::Enlarger;
use crate::vision::names::Labels;
use crate::vision::{hud, layers, overlay};

/// What is drawn on a picture.
#[derive(Debug, Default)]
pub(crate) struct Marks<'a> {
    /// A face, and how much of it is seen, 0 to 1.
    pub face: Option<(&'a DetectedFace, f32)>,
    /// Whether lines join its keypoints.
    pub skeleton: bool,
    /// The crop that gives its heat maps their size, if they are drawn.
    pub heat: Option<&'a Crop>,
    /// The crop that the detector saw, if it is drawn.
    pub crop: Option<&'a Crop>,
}

impl<'a> Marks<'a> {
    /// A face alone.
    pub fn face(face: Option<&'a DetectedFace>) -> Self {
        Self { face: face.map(|face| (face, 1.0)), skeleton: true, ..Self::default() }
    }
}

/// Puts faces on pictures; keeps its room, so that frame after frame of one size does not allocate.
#[derive(Debug, Default)]
pub(crate) struct View {
    enlarger: Enlarger,
    labels: Labels,
    placed: Vec<DetectedKeypoint>,
    /// Keypoints of the faces beside the one that stands out: so many of these are of the latest picture.
    others: Vec<Vec<DetectedKeypoint>>,
    drawn: usize,
    /// How the latest picture was put on its canvas: enlarged by, and mirrored.
    factor: u32,
    mirror: bool,
    /// Whether the face is there and not fading: of what fades, names go first.
    is_named: bool,
}

impl View {
    /// Makes `canvas` the picture with the marks on it, enlarged where it is small, mirrored if asked. What `picture` is
    /// then is undefined.
    pub fn compose(
        &mut self,
        picture: &mut RgbImage,
        canvas: &mut RgbImage,
        marks: &Marks<'_>,
        mirror: bool,
        manifest: &Manifest,
    ) {
        let factor = overlay::enlargement(picture.width(), picture.height());
        (self.factor, self.mirror, self.drawn) = (factor, mirror, 0);
        if factor > 1 {
            self.enlarger.enlarge(picture, factor, canvas);
        } else {
            // Most pictures are large enough, and are drawn on as they are.
            std::mem::swap(picture, canvas);
        }
        if mirror {
            imageops::flip_horizontal_in_place(canvas);
        }
        self.is_named = marks.face.is_some_and(|(_, strength)| strength == 1.0);
        if let Some((face, strength)) = marks.face {
            let mirrored = mirror.then_some(canvas.width());
            overlay::place(face, factor, mirrored, &mut self.placed);
            if let Some(crop) = marks.heat {
                layers::draw_heat_maps(canvas, &self.placed, crop.side * factor as f32, manifest);
            }
            overlay::draw_marks(canvas, &self.placed, manifest, marks.skeleton, strength);
        }
        if let Some(crop) = marks.crop {
            layers::draw_square(canvas, crop, factor, mirror);
        }
    }

    /// Draws another face of the latest picture on its canvas.
    pub fn add(
        &mut self,
        canvas: &mut RgbImage,
        face: &DetectedFace,
        strength: f32,
        skeleton: bool,
        manifest: &Manifest,
    ) {
        let mirrored = self.mirror.then_some(canvas.width());
        if self.others.len() == self.drawn {
            self.others.push(Vec::new());
        }
        let other = &mut self.others[self.drawn];
        overlay::place(face, self.factor, mirrored, other);
        overlay::draw_marks(canvas, other, manifest, skeleton, strength);
        self.drawn += 1;
    }

    /// Writes names beside the face of the picture composed last, where there is room for them beside all faces that were drawn;
    /// `canvas` is that picture or a copy. Its first `top` pixels are kept free.
    pub fn name(&mut self, canvas: &mut RgbImage, manifest: &Manifest, top: u32) {
        if self.is_named {
            let others = self.others[..self.drawn].iter().map(Vec::as_slice);
            self.labels.draw(canvas, std::iter::once(self.placed.as_slice()), others, manifest, top);
        }
    }
}

/// The numbers of a run in the corner of its pictures.
#[derive(Debug, Default)]
pub(crate) struct Hud {
    /// Whether the keys are listed.
    pub help: bool,
    engine: String,
    line: String,
}

/// How long a line may become before it takes more room: longer than any but that of a long name.
const LINE: usize = 120;

impl Hud {
    /// `engine` says what computes.
    pub fn new(engine: String) -> Self {
        Self { engine, ..Self::default() }
    }

    /// What computes.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// Writes the numbers of the run so far; with the painter's `keys` what they are about, too, the loop's keys and these.
    pub fn draw(
        &mut self,
        canvas: &mut RgbImage,
        clock: &Clock,
        source: &str,
        dropped: u64,
        face: bool,
        keys: Option<&[&str]>,
    ) {
        let line = &mut self.line;
        line.clear();
        line.reserve(LINE);
        // Writing to a string does not fail.
        match clock.fps() {
            Some(fps) => write!(line, "{fps:.1} fps").ok(),
            None => write!(line, "-- fps").ok(),
        };
        if let Some((p50, p90)) = clock.recent_latency() {
            let ms = |d: std::time::Duration| d.as_secs_f64() * 1e3;
            write!(line, " · latency {:.1} ms (p90 {:.1})", ms(p50), ms(p90)).ok();
        }
        if dropped > 0 {
            write!(line, " · {dropped} dropped").ok();
        }
        if !face {
            line.push_str(" · no face");
        }
        let Some(keys) = keys else {
            return hud::draw_hud(canvas, &[line.as_str()]);
        };
        // Help stands still for as long as somebody reads it: it may allocate.
        let about = [self.line.as_str(), source, self.engine.as_str()].into_iter().filter(|l| !l.is_empty());
        let all: Vec<&str> = about.chain(KEYS).chain(keys.iter().copied()).collect();
        hud::draw_hud(canvas, &all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::testing::manifest;

    /// A face of four points about a place.
    fn face(x: f32, y: f32) -> DetectedFace {
        let at = |(dx, dy): (f32, f32)| DetectedKeypoint { x: x + dx, y: y + dy, confidence: 1.0 };
        DetectedFace::new([(-50.0, -60.0), (50.0, -60.0), (-50.0, 60.0), (50.0, 60.0)].map(at).to_vec())
    }

    /// Names kept off the face that they belong to, and lay over the one beside it.
    #[test]
    fn names_keep_off_every_face_that_is_drawn() {
        let manifest = manifest(4);
        let (first, second) = (face(200.0, 240.0), face(330.0, 240.0));
        let mut view = View::default();
        // What the names change, from the first face's right edge to the second one's, and anywhere.
        let mut named = |others: &[&DetectedFace], mirror: bool| {
            let (mut picture, mut canvas) = (RgbImage::new(640, 480), RgbImage::default());
            view.compose(&mut picture, &mut canvas, &Marks::face(Some(&first)), mirror, &manifest);
            others.iter().for_each(|other| view.add(&mut canvas, other, 0.75, true, &manifest));
            let before = canvas.clone();
            view.name(&mut canvas, &manifest, 0);
            let changed = |x: u32, y: u32| canvas.get_pixel(x, y) != before.get_pixel(x, y);
            let x = |x: u32| if mirror { 639 - x } else { x };
            let on_second = (280..380).any(|px| (180..300).any(|y| changed(x(px), y)));
            (on_second, (0..640).any(|x| (0..480).any(|y| changed(x, y))))
        };
        for mirror in [false, true] {
            assert_eq!(named(&[], mirror), (true, true), "there is room where nobody is");
            assert_eq!(named(&[&second], mirror), (false, true), "all on the other side");
            assert_eq!(named(&[&second, &face(70.0, 240.0)], mirror), (false, false), "no room");
            assert_eq!(named(&[], mirror), (true, true), "whoever was there before is gone");
        }
    }
}
