//! The form of detections before schema 2, for one release: the first face alone, its keypoints without names.

use std::io::{self, Write};

use lkg_bundle::manifest::Expression;
use serde::Serialize;

use super::{Found, confidence, triple};
use crate::media::keypoints::{NamedValues, line};
use crate::vision::track::LIVE_CONFIDENCE;

/// A picture's line.
#[derive(Serialize)]
struct Picture<'a> {
    file: &'a str,
    width: u32,
    height: u32,
    faces: Vec<Face<'a>>,
}

/// A face: x and y in pixels of the picture, then the confidence.
#[derive(Serialize)]
struct Face<'a> {
    confidence: f64,
    /// Whether that is enough for a live picture's face.
    live: bool,
    keypoints: Vec<[f64; 3]>,
    #[serde(skip_serializing_if = "NamedValues::is_empty")]
    expressions: NamedValues<'a>,
}

/// A picture's or a frame's object.
pub(super) fn write(out: &mut impl Write, found: &Found<'_>, expressions: &[Expression]) -> io::Result<()> {
    if let (Some(frame), Some(time)) = (found.frame, found.time) {
        let line = line(frame, time, found.change, found.faces.first()).with_expressions(expressions);
        return Ok(lkg_bundle::json::to_writer(out, &line)?);
    }
    let faces = found.faces.first().map(|face| Face {
        confidence: confidence(face.confidence()),
        live: face.confidence() >= LIVE_CONFIDENCE,
        keypoints: face.keypoints.iter().map(triple).collect(),
        expressions: NamedValues { expressions, values: &face.expressions },
    });
    let Found { file, size: (width, height), .. } = *found;
    Ok(lkg_bundle::json::to_writer(
        out,
        &Picture { file, width, height, faces: faces.into_iter().collect() },
    )?)
}
