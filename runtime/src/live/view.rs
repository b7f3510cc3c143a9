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
    /// Keypoints of a face beside the one that stands out.
    other: Vec<DetectedKeypoint>,
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
        (self.factor, self.mirror) = (factor, mirror);
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
        overlay::place(face, self.factor, mirrored, &mut self.other);
        overlay::draw_marks(canvas, &self.other, manifest, skeleton, strength);
    }

    /// Writes names beside the face of the picture composed last, where there is room for them; `canvas` is that picture or
    /// a copy. Its first `top` pixels are kept free.
    pub fn name(&mut self, canvas: &mut RgbImage, manifest: &Manifest, top: u32) {
        if self.is_named {
            self.labels.draw(canvas, std::iter::once(self.placed.as_slice()), manifest, top);
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
