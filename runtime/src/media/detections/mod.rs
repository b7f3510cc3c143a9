//! The faces of a picture or frame as every command, page and file writes them: one object, documented in
//! `docs/reference/json.md` and `docs/reference/detections.schema.json`.

mod coco;
mod csv;
mod format;
mod sink;
mod v1;

use std::time::Duration;

use lkg_bundle::Manifest;
use lkg_bundle::manifest::Expression;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::keypoints::{NamedValues, States, rounded};
use super::sink::Shown;
use crate::frame::{DetectedFace, DetectedKeypoint, Faces};
use crate::vision::face_layout::FaceLayout;

pub use format::{DetectionFormat, DetectionWriter};
pub use sink::DetectionsSink;

/// The version of the object.
pub const SCHEMA: u32 = 2;

/// What was found in a picture or frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found<'a> {
    /// The picture, clip or camera as it was named.
    pub file: &'a str,
    /// Width and height of the picture as it is shown upright, in pixels.
    pub size: (u32, u32),
    /// A frame's time since the source's start; none for a picture.
    pub time: Option<Duration>,
    /// A frame's number as the source counts, from 0; gaps are frames that were dropped. None for a picture.
    pub frame: Option<u64>,
    /// How much the picture differs from the frame before where the face is: mean absolute difference, 0 to 255; written in
    /// the form of schema 1 only.
    pub change: Option<f32>,
    /// The faces.
    pub faces: Faces<'a>,
}

impl<'a> Found<'a> {
    /// What was found in a frame of `file`.
    pub(crate) fn of(file: &'a str, shown: &Shown<'a>) -> Self {
        let Shown { index, time, faces, size, change, .. } = *shown;
        Self { file, size, time: Some(time), frame: Some(index), change, faces }
    }
}

/// Knows the names of a bundle's keypoints and expressions, and the square that frames a face.
#[derive(Clone, Debug)]
pub struct Describer {
    names: Vec<String>,
    skeleton: Vec<[usize; 2]>,
    expressions: Vec<Expression>,
    layout: FaceLayout,
}

impl Describer {
    /// Of the faces that the bundle with `manifest` finds.
    pub fn new(manifest: &Manifest) -> Self {
        Self {
            names: manifest.keypoints.iter().map(|k| k.name.clone()).collect(),
            skeleton: manifest.skeleton.clone(),
            expressions: manifest.expressions.clone(),
            layout: FaceLayout::new(manifest),
        }
    }

    /// What was found, to be written as JSON by serde.
    pub fn describe<'a>(&'a self, found: Found<'a>) -> Detections<'a> {
        Detections { found, describer: self }
    }

    /// `[x, y, width, height]` in pixels of a picture of `size`: the square that frames a face as the bundle's training
    /// pictures do, upright, as far as it lies in the picture.
    pub fn bounds(&self, face: &DetectedFace, size: (u32, u32)) -> [f64; 4] {
        let frame = self.layout.frame(&face.keypoints);
        let span = |centre: f32, most: u32| {
            let edge = |v: f32| rounded(f64::from(v.clamp(0.0, most as f32)), 2);
            (edge(centre - frame.side / 2.0), edge(centre + frame.side / 2.0))
        };
        let ((left, right), (top, bottom)) = (span(frame.cx, size.0), span(frame.cy, size.1));
        [left, top, rounded(right - left, 2), rounded(bottom - top, 2)]
    }
}

/// The object of a picture or frame: `{"schema": 2, "file", "width", "height", "time", "faces": [{"id", "box",
/// "confidence", "keypoints": {NAME: [x, y, confidence]}, ...}]}`, of a frame with `"frame"` at the end. Writing it
/// allocates nothing.
#[derive(Clone, Copy, Debug)]
pub struct Detections<'a> {
    found: Found<'a>,
    describer: &'a Describer,
}

impl Serialize for Detections<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Found { file, size, time, frame, faces, .. } = self.found;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", &SCHEMA)?;
        map.serialize_entry("file", file)?;
        map.serialize_entry("width", &size.0)?;
        map.serialize_entry("height", &size.1)?;
        map.serialize_entry("time", &time.map(seconds))?;
        map.serialize_entry("faces", &FaceList { faces, size, describer: self.describer })?;
        if let Some(frame) = frame {
            map.serialize_entry("frame", &frame)?;
        }
        map.end()
    }
}

fn seconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64(), 6)
}

struct FaceList<'a> {
    faces: Faces<'a>,
    size: (u32, u32),
    describer: &'a Describer,
}

impl Serialize for FaceList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { faces, size, describer } = *self;
        serializer.collect_seq(faces.iter().map(|face| OneFace {
            id: face.id,
            bounds: describer.bounds(face, size),
            confidence: confidence(face.confidence()),
            keypoints: Keypoints { names: &describer.names, keypoints: &face.keypoints },
            states: States(&face.states),
            expressions: NamedValues { expressions: &describer.expressions, values: &face.expressions },
        }))
    }
}

#[derive(Serialize)]
struct OneFace<'a> {
    id: u32,
    #[serde(rename = "box")]
    bounds: [f64; 4],
    confidence: f64,
    keypoints: Keypoints<'a>,
    #[serde(skip_serializing_if = "States::is_empty")]
    states: States<'a>,
    #[serde(skip_serializing_if = "NamedValues::is_empty")]
    expressions: NamedValues<'a>,
}

/// `[x, y, confidence]` by name.
struct Keypoints<'a> {
    names: &'a [String],
    keypoints: &'a [DetectedKeypoint],
}

impl Serialize for Keypoints<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.names.iter().zip(self.keypoints).map(|(name, k)| (name, triple(k))))
    }
}

/// A hundredth of a pixel is finer than anything a detector sees.
fn triple(k: &DetectedKeypoint) -> [f64; 3] {
    [rounded(f64::from(k.x), 2), rounded(f64::from(k.y), 2), confidence(k.confidence)]
}

fn confidence(value: f32) -> f64 {
    rounded(f64::from(value), 4)
}

#[cfg(test)]
mod tests;
