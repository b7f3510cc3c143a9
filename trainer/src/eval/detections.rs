//! What `runtime detect --json` writes, as far as measurements read it: the present form and the one before.

use std::fmt;
use std::path::Path;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result};

/// Mean confidence from which on a live picture would keep a face, as the runtime has it.
const LIVE_CONFIDENCE: f64 = 0.65;

/// One line: a picture.
#[derive(Debug, Deserialize)]
pub struct Detection {
    file: String,
    /// Width in pixels.
    #[serde(default)]
    pub width: f64,
    /// Height in pixels.
    #[serde(default)]
    pub height: f64,
    /// Faces found, the largest first.
    pub faces: Vec<DetectedFace>,
}

/// A face of a picture.
#[derive(Debug, Deserialize)]
pub struct DetectedFace {
    /// x, y in pixels and confidence of each keypoint, in the order of the manifest.
    #[serde(default, deserialize_with = "keypoints")]
    pub keypoints: Vec<[f64; 3]>,
    /// Whether a live picture would keep it, before schema 2; still older versions did not say.
    live: Option<bool>,
    /// Number of the face, since schema 2.
    id: Option<u32>,
    confidence: Option<f64>,
}

impl DetectedFace {
    /// Whether a live picture would keep it; none where the version that wrote it did not say.
    pub fn is_live(&self) -> Option<bool> {
        let confidence = self.id.and(self.confidence);
        self.live.or(confidence.map(|confidence| confidence >= LIVE_CONFIDENCE))
    }
}

/// Keypoints by name, or in a list as before schema 2.
fn keypoints<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<[f64; 3]>, D::Error> {
    struct Either;

    impl<'de> Visitor<'de> for Either {
        type Value = Vec<[f64; 3]>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("keypoints by name, or a list of them")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Self::Value, A::Error> {
            let mut points = Vec::new();
            while let Some(point) = list.next_element()? {
                points.push(point);
            }
            Ok(points)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut named: A) -> std::result::Result<Self::Value, A::Error> {
            let mut points = Vec::new();
            while let Some((_, point)) = named.next_entry::<String, [f64; 3]>()? {
                points.push(point);
            }
            Ok(points)
        }
    }

    deserializer.deserialize_any(Either)
}

impl Detection {
    /// The picture's file without folders.
    pub fn name(&self) -> String {
        Path::new(&self.file).file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Reads JSON Lines.
///
/// # Errors
/// [`Error::Io`] or [`Error::Data`] naming the line that does not parse.
pub fn read(path: &Path) -> Result<Vec<Detection>> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let parse = |(i, line): (usize, &str)| {
        let fail = |e| Error::Data { path: path.to_owned(), reason: format!("line {}: {e}", i + 1) };
        serde_json::from_str(line).map_err(fail)
    };
    text.lines().enumerate().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let read = |face: &str| serde_json::from_str::<DetectedFace>(face).unwrap();
        let old = read(r#"{"confidence": 0.5, "live": true, "keypoints": [[1, 2, 0.5], [3, 4, 0.5]]}"#);
        let now = read(r#"{"id": 1, "confidence": 0.5, "keypoints": {"z": [1, 2, 0.5], "a": [3, 4, 0.5]}}"#);
        assert_eq!((&old.keypoints, old.is_live()), (&vec![[1.0, 2.0, 0.5], [3.0, 4.0, 0.5]], Some(true)));
        assert_eq!((&now.keypoints, now.is_live()), (&old.keypoints, Some(false)));
        assert_eq!(read(r#"{"confidence": 0.9, "keypoints": []}"#).is_live(), None);
    }
}
