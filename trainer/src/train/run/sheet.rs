//! Sample sheets of a generator.

use std::path::Path;

use tch::Kind;

use crate::error::Result;
use crate::sample::{compose, write_png};
use crate::train::run::generator::Generator;

/// Passes that calibrate the norms for a sheet during training.
pub const CALIBRATION: u64 = 16;

/// What goes on a sheet.
#[derive(Clone, Copy, Debug)]
pub struct Sheet {
    /// Pictures a row.
    pub columns: i64,
    /// Rows.
    pub rows: i64,
    /// Seed of the noise.
    pub seed: u64,
    /// Whether each row is repeated with its keypoints drawn.
    pub keypoints: bool,
}

/// Generates a sheet of samples and writes it as PNG.
///
/// # Errors
/// [`crate::Error::Io`] or [`crate::Error::Data`] if the picture can't be written.
pub fn write(path: &Path, generator: &Generator, sheet: &Sheet, size: i64, alpha: f64) -> Result<()> {
    let (images, keypoints) = tch::no_grad(|| {
        tch::manual_seed(sheet.seed as i64);
        let latents = generator.sample_latents(sheet.columns * sheet.rows);
        (generator.render(&latents, size, alpha, Kind::Float), latents.keypoints)
    });
    write_png(path, &compose(&images, sheet.keypoints.then_some(&keypoints), sheet.columns)?)
}
