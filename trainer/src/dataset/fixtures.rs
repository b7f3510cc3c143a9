//! Pictures for tests.

use std::io::Cursor;

use image::RgbImage;

/// A plain PNG.
pub fn png(colour: [u8; 3], w: u32, h: u32) -> Vec<u8> {
    encode(&RgbImage::from_pixel(w, h, image::Rgb(colour)), image::ImageFormat::Png)
}

/// A picture with something to see, different for each `seed`.
pub fn scene(seed: u32, w: u32, h: u32) -> RgbImage {
    RgbImage::from_fn(w, h, |x, y| {
        let wave = ((x * (3 + seed % 5) + y * 7 + seed * 31) % 256) as u8;
        image::Rgb([wave, (x * 255 / w) as u8, (y * 255 / h) as u8 ^ (seed as u8)])
    })
}

/// The picture as a file.
pub fn encode(picture: &RgbImage, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}
