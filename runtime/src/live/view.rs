use std::fmt::Write;

use image::{RgbImage, imageops};
use lkg_bundle::Manifest;

use super::clock::Clock;
use super::viewer::KEYS;
use crate::frame::{DetectedFace, DetectedKeypoint};
use crate::vision::crop::Crop;
use crate::vision::enlarge::Enlarger;
use crate::vision::layers;
use crate::vision::overlay::{self, Pen};

/// What is drawn on a picture.
#[derive(Debug, Default)]
pub(crate) struct Marks<'a> {
    /// A face, and how much of it is seen, 0 to 1.
    pub face: Option<(&'a DetectedFace, f32)>,
    /// The crop that gives its heat maps their size, if they are drawn.
    pub heat: Option<&'a Crop>,
    /// The crop that the detector saw, if it is drawn.
    pub crop: Option<&'a Crop>,
}

impl<'a> Marks<'a> {
    /// A face alone.
    pub fn face(face: Option<&'a DetectedFace>) -> Self {
        Self { face: face.map(|face| (face, 1.0)), ..Self::default() }
    }
}

/// Puts faces on pictures; keeps its room, so that frame after frame of one size does not allocate.
#[derive(Debug, Default)]
pub(crate) struct View {
    enlarger: Enlarger,
    pen: Pen,
    placed: Vec<DetectedKeypoint>,
    /// How the latest picture was put on its canvas: enlarged by, and mirrored.
    factor: u32,
    mirror: bool,
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
        if let Some((face, strength)) = marks.face {
            let mirrored = mirror.then_some(canvas.width());
            overlay::place(face, factor, mirrored, &mut self.placed);
            if let Some(crop) = marks.heat {
                layers::draw_heat_maps(canvas, &self.placed, crop.side * factor as f32, manifest);
            }
            self.pen.draw(canvas, &self.placed, manifest, strength);
        }
        if let Some(crop) = marks.crop {
            layers::draw_square(canvas, crop, factor, mirror);
        }
    }

    /// Draws another face of the latest picture on its canvas.
    pub fn add(&mut self, canvas: &mut RgbImage, face: &DetectedFace, strength: f32, manifest: &Manifest) {
        let mirrored = self.mirror.then_some(canvas.width());
        overlay::place(face, self.factor, mirrored, &mut self.placed);
        self.pen.draw(canvas, &self.placed, manifest, strength);
    }
}

/// The numbers of a run in the corner of its pictures.
#[derive(Debug, Default)]
pub(crate) struct Hud {
    /// Whether the keys are listed.
    pub help: bool,
    engine: String,
    lines: Vec<String>,
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

    /// Writes the numbers of the run so far, and the keys (the painter's `keys` after the loop's own) if they are asked
    /// for.
    pub fn draw(
        &mut self,
        canvas: &mut RgbImage,
        clock: &Clock,
        source: &str,
        dropped: u64,
        face: bool,
        keys: &[&str],
    ) {
        while self.lines.len() < 3 {
            self.lines.push(String::with_capacity(LINE));
        }
        self.lines.iter_mut().for_each(String::clear);
        // Writing to a string does not fail.
        match clock.fps() {
            Some(fps) => write!(self.lines[0], "{fps:.1} fps").ok(),
            None => write!(self.lines[0], "-- fps").ok(),
        };
        if let Some((p50, p90)) = clock.recent_latency() {
            let ms = |d: std::time::Duration| d.as_secs_f64() * 1e3;
            write!(self.lines[0], "  latency p50 {:.1} p90 {:.1} ms", ms(p50), ms(p90)).ok();
        }
        self.lines[1].push_str(source);
        if dropped > 0 {
            write!(self.lines[1], "  dropped {dropped}").ok();
        }
        self.lines[2].push_str(&self.engine);
        if !face {
            self.lines[2].push_str("  no face");
        }
        if !self.help {
            return overlay::draw_hud(canvas, &self.lines[..3]);
        }
        // Help stands still for as long as somebody reads it: it may allocate.
        let numbers = self.lines.iter().take(3).map(String::as_str);
        let all: Vec<&str> = numbers.chain(KEYS).chain(keys.iter().copied()).collect();
        overlay::draw_hud(canvas, &all);
    }
}
