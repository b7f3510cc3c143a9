//! Whole pictures as the networks take them.

use std::path::Path;

use image::RgbImage;
use image::imageops::FilterType;
use lkg_bundle::conventions::colour_to_unit;
use tch::Tensor;

use crate::error::{Error, Result};

/// A whole picture, resized with antialiasing.
///
/// # Errors
/// [`Error::Io`] or [`Error::Data`].
pub fn load(path: &Path, side: u32) -> Result<RgbImage> {
    let fail = |reason: String| Error::Data { path: path.to_owned(), reason };
    let content = std::fs::read(path).map_err(Error::io(path))?;
    let picture = image::load_from_memory(&content).map_err(|e| fail(e.to_string()))?.into_rgb8();
    if picture.dimensions() == (side, side) {
        return Ok(picture);
    }
    Ok(image::imageops::resize(&picture, side, side, FilterType::Triangle))
}

/// Pictures as the networks take them, `[N, 3, side, side]` in [-1, 1].
pub fn tensor(pictures: &[RgbImage], side: i64) -> Tensor {
    let data: Vec<f32> =
        pictures.iter().flat_map(|p| p.as_raw().iter().map(|b| colour_to_unit(*b))).collect();
    Tensor::from_slice(&data).view([-1, side, side, 3]).permute([0, 3, 1, 2]).contiguous()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_rows_and_colours_apart() {
        let picture = RgbImage::from_fn(4, 4, |x, y| image::Rgb([(x * 10) as u8, (y * 10) as u8, 255]));
        let t = tensor(&[picture.clone(), picture], 4);
        assert_eq!(t.size(), [2, 3, 4, 4]);
        // Row 1, column 3.
        let at = |c: i64| t.double_value(&[1, c, 1, 3]);
        assert!((at(0) - f64::from(colour_to_unit(30))).abs() < 1e-6);
        assert!((at(1) - f64::from(colour_to_unit(10))).abs() < 1e-6);
        assert!((at(2) - 1.0).abs() < 1e-6);
    }
}
