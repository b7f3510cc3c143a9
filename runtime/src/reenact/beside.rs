//! How tall a picture is that a driven one is put beside.

use std::borrow::Cow;

use image::{RgbImage, imageops};

/// Tallest picture of the driver that a driven one is put beside, in pixels: that is a square as tall.
const TALLEST: u32 = 2160;

/// `picture` as it is put beside the driven one.
pub(super) fn no_taller(picture: &RgbImage) -> Cow<'_, RgbImage> {
    let (width, height) = picture.dimensions();
    if height <= TALLEST {
        return Cow::Borrowed(picture);
    }
    let width = (u64::from(width) * u64::from(TALLEST) / u64::from(height)).max(1) as u32;
    Cow::Owned(imageops::resize(picture, width, TALLEST, imageops::FilterType::Triangle))
}
