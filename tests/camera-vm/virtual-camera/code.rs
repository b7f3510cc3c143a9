//! Pictures that carry a number in blocks too big to be lost: eight columns, four rows. The first row is a pattern that
//! is always the same, two rows are the number's high and low byte, the last one is the low byte inverted.

use std::fs;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, Luma, RgbImage};

use crate::Result;

const COLUMNS: u32 = 8;
const ROWS: u32 = 4;
/// Not the same from both sides, so that a mirrored picture is noticed.
const PATTERN: u8 = 0b1011_0001;
/// Luma of dark and bright blocks, inside what limited-range formats can say.
const LUMA: [u8; 2] = [40, 215];

/// Draws a number.
pub fn draw(number: u16, (width, height): (u32, u32)) -> GrayImage {
    let [high, low] = number.to_be_bytes();
    let rows = [PATTERN, high, low, !low];
    GrayImage::from_fn(width, height, |x, y| {
        let row = rows[(y * ROWS / height) as usize];
        let bit = row >> (COLUMNS - 1 - x * COLUMNS / width) & 1;
        Luma([LUMA[usize::from(bit)]])
    })
}

/// The number in a picture of any size; none if it carries none that can be trusted.
pub fn read(picture: &GrayImage) -> Option<u16> {
    let (width, height) = picture.dimensions();
    let row = |row: u32| {
        (0..COLUMNS).try_fold(0u8, |bits, column| {
            let (x, y) = ((2 * column + 1) * width / (2 * COLUMNS), (2 * row + 1) * height / (2 * ROWS));
            let bit = match picture.get_pixel(x, y).0[0] {
                0..=90 => 0,
                165..=255 => 1,
                _ => return None,
            };
            Some(bits << 1 | bit)
        })
    };
    let (high, low) = (row(1)?, row(2)?);
    (row(0)? == PATTERN && row(3)? == !low).then(|| u16::from_be_bytes([high, low]))
}

/// As YUYV, without colour.
pub fn yuyv(picture: &GrayImage) -> Vec<u8> {
    picture.as_raw().iter().flat_map(|luma| [*luma, 128]).collect()
}

/// A clip in memory.
pub struct Clip {
    /// Pixels.
    pub size: (u32, u32),
    /// The frames as JPEG; frame N carries N.
    pub jpegs: Vec<Vec<u8>>,
}

fn path(folder: &Path, number: u16) -> PathBuf {
    folder.join(format!("{number:05}.jpg"))
}

/// Writes a clip of `frames` pictures as the files of a folder.
pub fn write_clip(folder: &Path, frames: u16, size: (u32, u32)) -> Result<()> {
    fs::create_dir_all(folder)?;
    for number in 0..frames {
        let grey = draw(number, size);
        // Webcams send colour, so these have three components, too.
        let colour = RgbImage::from_fn(size.0, size.1, |x, y| image::Rgb([grey.get_pixel(x, y).0[0]; 3]));
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, 85).encode_image(&colour)?;
        fs::write(path(folder, number), jpeg)?;
    }
    Ok(())
}

/// Reads what [`write_clip`] wrote.
pub fn read_clip(folder: &Path) -> Result<Clip> {
    let mut jpegs = Vec::new();
    while let Ok(jpeg) = fs::read(path(folder, u16::try_from(jpegs.len())?)) {
        jpegs.push(jpeg);
    }
    let first = jpegs.first().ok_or_else(|| format!("{}: no clip", folder.display()))?;
    let picture = image::load_from_memory(first)?;
    Ok(Clip { size: (picture.width(), picture.height()), jpegs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_any_size_and_not_a_mirror() {
        for (number, size) in [(0, (160, 120)), (77, (640, 480)), (65_535, (320, 240)), (299, (704, 576))] {
            let mut picture = draw(number, size);
            assert_eq!(read(&picture), Some(number));
            image::imageops::flip_horizontal_in_place(&mut picture);
            assert_eq!(read(&picture), None);
        }
        assert_eq!(read(&GrayImage::new(640, 480)), None);
    }
}
