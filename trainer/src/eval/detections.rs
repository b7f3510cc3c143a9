//! What `runtime detect --json` writes, as far as measurements read it.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};

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
    /// Faces found, the best first.
    pub faces: Vec<DetectedFace>,
}

/// A face of a picture.
#[derive(Debug, Deserialize)]
pub struct DetectedFace {
    /// x, y in pixels and confidence of each keypoint.
    #[serde(default)]
    pub keypoints: Vec<[f64; 3]>,
    /// Whether a live picture would keep it; older versions did not say.
    pub live: Option<bool>,
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
