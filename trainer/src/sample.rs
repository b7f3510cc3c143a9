//! Sheets of pictures with their keypoints drawn on them.

use std::path::Path;

use image::{Rgb, RgbImage};
use lkg_bundle::conventions::{colour_to_byte, to_pixels};
use lkg_bundle::manifest::KEYPOINT_COLOURS;
use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::plot;

/// Pictures are enlarged to at least this many pixels.
const TILE: u32 = 128;

/// Lays images `[N, 3, S, S]` in [-1, 1] out in rows; with keypoints `[N, K, 2]` each row is followed by the same
/// row with them drawn.
///
/// # Errors
/// [`Error::Torch`] if the tensors can't be read.
pub fn compose(images: &Tensor, keypoints: Option<&Tensor>, columns: i64) -> Result<RgbImage> {
    let (n, size) = (images.size()[0], images.size()[2] as u32);
    let factor = TILE.div_ceil(size);
    let tile = size * factor;
    let repeats = 1 + u32::from(keypoints.is_some());
    let mut sheet = RgbImage::new(tile * columns as u32, tile * n.div_euclid(columns) as u32 * repeats);
    for i in 0..n {
        let small = to_picture(&images.get(i))?;
        let mut picture = image::imageops::resize(&small, tile, tile, image::imageops::FilterType::Triangle);
        let x = i % columns * i64::from(tile);
        let y = (i / columns) * i64::from(tile * repeats);
        image::imageops::replace(&mut sheet, &picture, x, y);
        if let Some(keypoints) = keypoints {
            draw_keypoints(&mut picture, &Vec::<f32>::try_from(&keypoints.get(i).flatten(0, 1))?);
            image::imageops::replace(&mut sheet, &picture, x, y + i64::from(tile));
        }
    }
    Ok(sheet)
}

/// An image `[3, S, S]` in [-1, 1] as bytes.
///
/// # Errors
/// [`Error::Torch`] if the tensor can't be read.
pub fn to_picture(image: &Tensor) -> Result<RgbImage> {
    let size = image.size()[2] as u32;
    let rows: Vec<f32> =
        Vec::try_from(&image.permute([1, 2, 0]).to_kind(Kind::Float).contiguous().flatten(0, 2))?;
    Ok(RgbImage::from_fn(size, size, |x, y| {
        let at = ((y * size + x) * 3) as usize;
        Rgb([colour_to_byte(rows[at]), colour_to_byte(rows[at + 1]), colour_to_byte(rows[at + 2])])
    }))
}

/// Draws a dot for each `(x, y)` of `keypoints`, normalised coordinates.
fn draw_keypoints(picture: &mut RgbImage, keypoints: &[f32]) {
    let side = picture.width() as f32;
    let radius = side / 32.0;
    for (k, point) in keypoints.chunks_exact(2).enumerate() {
        let (cx, cy) = (to_pixels(point[0], side), to_pixels(point[1], side));
        let colour = KEYPOINT_COLOURS[k % KEYPOINT_COLOURS.len()];
        plot::disc(picture, (cx, cy), radius, colour);
    }
}

/// Writes a PNG atomically.
///
/// # Errors
/// [`Error::Io`] or [`Error::Data`].
pub fn write_png(path: &Path, picture: &RgbImage) -> Result<()> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|e| Error::Data { path: path.to_owned(), reason: e.to_string() })?;
    Ok(lkg_bundle::files::write_atomically(path, &bytes.into_inner())?)
}
