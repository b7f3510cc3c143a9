//! Pictures for tests.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage};

use super::picture::{ReadPicture, decode};

/// A picture whose pixels all differ, smooth enough for JPEG.
pub(crate) fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 128])
    })
}

/// Largest difference between two pictures of one size, in steps of 255.
pub(crate) fn largest_difference(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.iter().zip(b.iter()).map(|(p, q)| p.abs_diff(*q)).max().unwrap_or(0)
}

/// A picture as it is read from a PNG.
#[allow(clippy::unwrap_used, reason = "for tests alone")]
pub(crate) fn read_back(picture: impl Into<DynamicImage>) -> ReadPicture {
    let mut png = Cursor::new(Vec::new());
    picture.into().write_to(&mut png, ImageFormat::Png).unwrap();
    decode(png.get_ref()).unwrap()
}
