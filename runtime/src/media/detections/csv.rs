//! Detections as a table: a row a face.

use std::io::{self, Write};

use csv::Writer;

use super::{Describer, Found, confidence, seconds, triple};
use crate::media::keypoints::rounded;

/// Columns before those of keypoints.
const COLUMNS: [&str; 11] =
    ["file", "width", "height", "time", "frame", "id", "x", "y", "box_width", "box_height", "confidence"];

/// The names of the columns; a keypoint has three, an expression one.
pub(super) fn head(out: &mut impl Write, describer: &Describer) -> io::Result<()> {
    let mut table = Writer::from_writer(out);
    let keypoints =
        describer.names.iter().flat_map(|name| ["x", "y", "confidence"].map(|what| format!("{name}_{what}")));
    let expressions = describer.expressions.iter().map(|e| e.name.clone());
    table.write_record(COLUMNS.map(str::to_owned).into_iter().chain(keypoints).chain(expressions))?;
    table.flush()
}

/// A row a face; a picture without one has none.
pub(super) fn rows(out: &mut impl Write, found: &Found<'_>, describer: &Describer) -> io::Result<()> {
    let mut table = Writer::from_writer(out);
    for face in found.faces.iter() {
        table.write_field(found.file)?;
        for number in [found.size.0, found.size.1] {
            table.write_field(number.to_string())?;
        }
        table.write_field(found.time.map(|time| seconds(time).to_string()).unwrap_or_default())?;
        table.write_field(found.frame.map(|frame| frame.to_string()).unwrap_or_default())?;
        table.write_field(face.id.to_string())?;
        let bounds = describer.bounds(face, found.size);
        let sure = confidence(face.confidence());
        let keypoints = face.keypoints.iter().take(describer.names.len()).flat_map(triple);
        for number in bounds.into_iter().chain([sure]).chain(keypoints) {
            table.write_field(number.to_string())?;
        }
        for i in 0..describer.expressions.len() {
            let value = face.expressions.get(i).map(|v| rounded(f64::from(*v), 3).to_string());
            table.write_field(value.unwrap_or_default())?;
        }
        table.write_record(None::<&[u8]>)?;
    }
    table.flush()
}
