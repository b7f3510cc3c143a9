//! Keypoints as JSON Lines, one object a frame.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::error::Result;
use super::output::PendingFile;
use super::sink::{Shown, Sink, Written};
use crate::frame::{DetectedKeypoint, Face};

/// Writes `{"frame": 0, "time": 0.0, "change": 1.5, "faces": [{"keypoints": [[x, y, confidence], …]}]}` a line: frame
/// numbers and seconds as the source counts them, [`Shown::change`], pixels of the source's picture. No face is an empty
/// list.
pub struct KeypointsSink {
    file: PendingFile,
}

impl KeypointsSink {
    /// Starts the file.
    ///
    /// # Errors
    /// [`Error::Exists`](super::Error::Exists) (unless `force`) or [`Error::Io`](super::Error::Io).
    pub fn create(path: &Path, force: bool) -> Result<Self> {
        Ok(Self { file: PendingFile::create(path, force)? })
    }

    /// Starts the file with a line of its own, `head`.
    ///
    /// # Errors
    /// Those of [`KeypointsSink::create`].
    pub fn with_head(path: &Path, head: &serde_json::Value, force: bool) -> Result<Self> {
        let mut sink = Self::create(path, force)?;
        sink.file.write(format!("{head}\n").as_bytes())?;
        Ok(sink)
    }
}

/// A frame's line, see [`KeypointsSink`].
pub fn line(index: u64, time: Duration, change: Option<f32>, face: Option<&Face>) -> Value {
    let triple = |k: &DetectedKeypoint| {
        let at = |v: f32| rounded(f64::from(v), 2);
        [at(k.x), at(k.y), rounded(f64::from(k.confidence), 3)]
    };
    let faces: Vec<_> = face
        .iter()
        .map(|face| json!({ "keypoints": face.keypoints.iter().map(triple).collect::<Vec<_>>() }))
        .collect();
    let change = change.map(|c| rounded(f64::from(c), 3));
    let time = rounded(time.as_secs_f64(), 6);
    json!({ "frame": index, "time": time, "change": change, "faces": faces })
}

/// A number with no more digits than it is worth.
fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

impl Sink for KeypointsSink {
    fn name(&self) -> String {
        self.file.target().display().to_string()
    }

    fn wants_change(&self) -> bool {
        true
    }

    fn write(&mut self, shown: &Shown<'_>) -> Result<()> {
        let line = line(shown.index, shown.time, shown.change, shown.face);
        self.file.write(format!("{line}\n").as_bytes())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        Ok(vec![Written { what: "keypoints", path: self.file.finish()? }])
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;

    #[test]
    fn every_frame_is_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.jsonl");
        let mut sink = KeypointsSink::create(&path, false).unwrap();
        let face = Face { keypoints: vec![DetectedKeypoint { x: 1.5, y: 2.25, confidence: 0.5 }] };
        let picture = RgbImage::new(1, 1);
        for (index, face, change) in [(0, Some(&face), None), (2, None, Some(1.25))] {
            let time = Duration::from_millis(40 * index);
            sink.write(&Shown { picture: &picture, index, time, face, change }).unwrap();
        }
        Box::new(sink).finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let first = json!({ "frame": 0, "time": 0.0, "change": null, "faces": [{ "keypoints": [[1.5, 2.25, 0.5]] }] });
        assert_eq!(lines, [first, json!({ "frame": 2, "time": 0.08, "change": 1.25, "faces": [] })]);
    }
}
