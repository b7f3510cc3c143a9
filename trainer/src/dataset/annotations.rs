//! Pictures with five landmarks: the table beside the pictures of a split.

use std::path::Path;

use crate::error::{Error, Result};
use crate::support::rows::{self, Row};

/// Landmarks a picture: left and right eye, nose, left and right mouth corner, sides as seen.
pub const LANDMARKS: usize = 5;

/// The file beside the pictures of a split: `file`, then x, y of each landmark in [0, 1].
pub const ANNOTATIONS: &str = "landmarks.csv";

/// First line of that file.
pub const HEADING: &str =
    "file,eye_l_x,eye_l_y,eye_r_x,eye_r_y,nose_x,nose_y,mouth_l_x,mouth_l_y,mouth_r_x,mouth_r_y\n";

/// x, y of each landmark in [0, 1] of the picture.
pub type Landmarks = [f64; 2 * LANDMARKS];

/// Names and landmarks of the pictures in the folder `split`.
///
/// # Errors
/// [`Error::Io`] or [`Error::Data`] naming the line that does not parse.
pub fn annotations(split: &Path) -> Result<Vec<(String, Landmarks)>> {
    let path = split.join(ANNOTATIONS);
    let parse = |Row { line, mut fields }: Row| {
        let numbers: Vec<f64> = fields.iter().skip(1).map_while(|f| f.parse().ok()).collect();
        let landmarks = Landmarks::try_from(numbers).map_err(|_| Error::Data {
            path: path.clone(),
            reason: format!("line {line}: not a name and ten numbers"),
        })?;
        Ok((std::mem::take(&mut fields[0]), landmarks))
    };
    rows::read(&path)?.into_iter().skip(1).map(parse).collect()
}
