//! Keypoints as JSON Lines, one object a frame.

use std::path::Path;
use std::time::{Duration, Instant};

use lkg_bundle::manifest::Expression;
use serde::{Serialize, Serializer};

use super::output::PendingFile;
use super::sink::{Shown, Sink, Written};
use crate::error::media::{Error, Result};
use crate::frame::{DetectedFace, DetectedKeypoint};

/// Writes `{"frame": 0, "time": 0.0, "change": 1.5, "faces": [{"keypoints": [[x, y, confidence], …]}]}` a line: frame
/// numbers and seconds as the source counts them, [`Shown::change`], pixels of the source's picture. No face is an empty
/// list. Where the bundle reads states a face has those, too: `"states": [s, …]`, each part's one after the other.
pub struct KeypointsSink {
    file: PendingFile,
    /// The latest line.
    text: Vec<u8>,
    /// When lines last went to the system, which keeps them if this process is killed.
    flushed: Instant,
}

/// Longest time that lines wait.
const WAIT: Duration = Duration::from_secs(1);

impl KeypointsSink {
    /// Starts the file.
    ///
    /// # Errors
    /// [`Error::Exists`](super::Error::Exists) (unless `force`) or [`Error::Io`](super::Error::Io).
    pub fn create(path: &Path, force: bool) -> Result<Self> {
        Ok(Self { file: PendingFile::record(path, force)?, text: Vec::new(), flushed: Instant::now() })
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

/// A frame's line, see [`KeypointsSink`]; where somebody read them, a face may have its `"expressions": {"mouth-open": 0.1, …}`.
/// Its fields are in the order of their names.
#[derive(Serialize)]
pub struct Line<'a> {
    change: Option<f64>,
    faces: Faces<'a>,
    frame: u64,
    time: f64,
}

impl<'a> Line<'a> {
    /// The same with the values that the face has of `expressions`, by their names.
    pub fn with_expressions(mut self, expressions: &'a [Expression]) -> Self {
        self.faces.1 = expressions;
        self
    }
}

/// A list of one face or none, and the expressions that it may have values of.
struct Faces<'a>(Option<&'a DetectedFace>, &'a [Expression]);

/// `[x, y, confidence]` of every keypoint.
struct Triples<'a>(&'a [DetectedKeypoint]);

#[derive(Serialize)]
struct OneFace<'a> {
    keypoints: Triples<'a>,
    #[serde(skip_serializing_if = "States::is_empty")]
    states: States<'a>,
    #[serde(skip_serializing_if = "NamedValues::is_empty")]
    expressions: NamedValues<'a>,
}

/// Values of expressions, as an object with their names.
pub struct NamedValues<'a> {
    /// The expressions.
    pub expressions: &'a [Expression],
    /// Their values; none where nobody read them.
    pub values: &'a [f32],
}

impl NamedValues<'_> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.expressions.is_empty() || self.values.is_empty()
    }
}

impl Serialize for NamedValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let named = self.expressions.iter().zip(self.values);
        serializer.collect_map(named.map(|(e, value)| (&e.name, rounded(f64::from(*value), 3))))
    }
}

/// Numbers that tell the states of parts.
pub(super) struct States<'a>(pub(super) &'a [f32]);

impl States<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for States<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|s| rounded(f64::from(*s), 4)))
    }
}

impl Serialize for Faces<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let one = self.0.map(|f| OneFace {
            keypoints: Triples(&f.keypoints),
            states: States(&f.states),
            expressions: NamedValues { expressions: self.1, values: &f.expressions },
        });
        serializer.collect_seq(one)
    }
}

impl Serialize for Triples<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let at = |v: f32| rounded(f64::from(v), 2);
        serializer.collect_seq(self.0.iter().map(|k| [at(k.x), at(k.y), rounded(f64::from(k.confidence), 3)]))
    }
}

/// The line of a frame.
pub fn line(index: u64, time: Duration, change: Option<f32>, face: Option<&DetectedFace>) -> Line<'_> {
    Line {
        change: change.map(|c| rounded(f64::from(c), 3)),
        faces: Faces(face, &[]),
        frame: index,
        time: rounded(time.as_secs_f64(), 6),
    }
}

/// A number with no more digits than it is worth.
pub(super) fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

impl Sink for KeypointsSink {
    fn name(&self) -> String {
        self.file.target().display().to_string()
    }

    fn write(&mut self, shown: &Shown<'_>) -> Result<()> {
        let line = line(shown.index, shown.time, shown.change, shown.faces.first());
        self.text.clear();
        lkg_bundle::json::to_writer(&mut self.text, &line)
            .map_err(|e| Error::io(self.file.target())(e.into()))?;
        self.text.push(b'\n');
        self.file.write(&self.text)?;
        if self.flushed.elapsed() >= WAIT {
            self.flushed = Instant::now();
            self.file.flush()?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        Ok(vec![Written { what: "keypoints", path: self.file.finish_or_salvage(LINES, b"")? }])
    }

    fn abandon(self: Box<Self>) -> Vec<Written> {
        let saved = self.file.salvage(LINES, b"").ok();
        saved.map(|path| Written { what: "keypoints", path }).into_iter().collect()
    }
}

/// Where a file of lines may be cut: after a line's end.
pub(super) const LINES: (&[u8], usize) = (b"\n", 1);

#[cfg(test)]
mod tests {
    use image::RgbImage;
    use serde_json::json;

    use super::*;
    use crate::frame::Faces;

    #[test]
    fn every_frame_is_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.jsonl");
        let mut sink = KeypointsSink::create(&path, false).unwrap();
        let face = DetectedFace::new(vec![DetectedKeypoint { x: 1.5, y: 2.25, confidence: 0.5 }]);
        let picture = RgbImage::new(1, 1);
        for (index, face, change) in [(0, Some(&face), None), (2, None, Some(1.25))] {
            let time = Duration::from_millis(40 * index);
            sink.write(&Shown { faces: Faces::new(face, &[]), change, ..Shown::new(&picture, index, time) })
                .unwrap();
        }
        Box::new(sink).finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        // A bundle without states writes what was always written.
        let first = json!({ "frame": 0, "time": 0.0, "change": null, "faces": [{ "keypoints": [[1.5, 2.25, 0.5]] }] });
        assert_eq!(lines, [first, json!({ "frame": 2, "time": 0.08, "change": 1.25, "faces": [] })]);
    }

    /// On a full disk all of the file was deleted.
    #[test]
    fn lines_that_are_whole_stay_when_a_write_fails() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.jsonl");
        let mut sink = Box::new(KeypointsSink::create(&path, false).unwrap());
        let picture = RgbImage::new(1, 1);
        for index in 0..500 {
            sink.write(&Shown::new(&picture, index, Duration::ZERO)).unwrap();
        }
        assert_eq!(sink.abandon(), [Written { what: "keypoints", path: path.clone() }]);
        let text = std::fs::read_to_string(&path).unwrap();
        // What was still in memory may have had no room.
        assert!(
            text.ends_with('\n') && (100..500).contains(&text.lines().count()),
            "{}",
            text.lines().count()
        );
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    }

    #[test]
    fn states_follow_the_keypoints() {
        let mut face = DetectedFace::new(vec![DetectedKeypoint { x: 1.5, y: 2.25, confidence: 0.5 }]);
        face.states = vec![0.25, -0.5];
        let text = serde_json::to_value(line(0, Duration::ZERO, None, Some(&face))).unwrap();
        assert_eq!(text["faces"], json!([{ "keypoints": [[1.5, 2.25, 0.5]], "states": [0.25, -0.5] }]));
    }

    #[test]
    fn expressions_have_names_where_somebody_read_them() {
        let named = crate::vision::testing::expressions(&["mouth-open", "brows"]);
        let mut face = DetectedFace::new(Vec::new());
        let text = |face: &DetectedFace| {
            let line = line(0, Duration::ZERO, None, Some(face)).with_expressions(&named);
            serde_json::to_value(line).unwrap()["faces"].clone()
        };
        assert_eq!(text(&face), json!([{ "keypoints": [] }]));
        face.expressions = vec![0.25, -0.12345];
        assert_eq!(text(&face)[0]["expressions"], json!({ "mouth-open": 0.25, "brows": -0.123 }));
    }
}
