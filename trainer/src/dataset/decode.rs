//! One picture file to RGB bytes, with limits, and the square that is kept of it.

use std::io::Cursor;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, Rgb, RgbImage};
use lkg_bundle::pictures;
use serde::{Deserialize, Serialize};

/// Most pixels on a side of a training picture.
const MAX_SIDE: u32 = 16_384;
/// Most memory that decoding one picture may take, in bytes.
const MAX_DECODED_BYTES: u64 = 512 << 20;

/// A rectangle of a picture in whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "[u32; 4]", from = "[u32; 4]")]
pub struct Area {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width, at least 1.
    pub width: u32,
    /// Height, at least 1.
    pub height: u32,
}

impl Area {
    /// A point in the picture's pixels, in [0, 1] of this area.
    pub fn fractions(&self, x: f64, y: f64) -> (f64, f64) {
        ((x - f64::from(self.x)) / f64::from(self.width), (y - f64::from(self.y)) / f64::from(self.height))
    }
}

impl From<Area> for [u32; 4] {
    fn from(a: Area) -> Self {
        [a.x, a.y, a.width, a.height]
    }
}

impl From<[u32; 4]> for Area {
    fn from([x, y, width, height]: [u32; 4]) -> Self {
        Self { x, y, width, height }
    }
}

/// A box round what a picture shows; it may reach over the edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bounds {
    /// `[x, y, width, height]` in pixels.
    Pixels([f64; 4]),
    /// The same in fractions of the picture's width and height.
    Fractions([f64; 4]),
}

impl Bounds {
    /// `[x, y, width, height]` in pixels of a picture of `width` x `height`.
    pub fn pixels(&self, width: u32, height: u32) -> [f64; 4] {
        match *self {
            Self::Pixels(bounds) => bounds,
            Self::Fractions([x, y, w, h]) => {
                let (width, height) = (f64::from(width), f64::from(height));
                [x * width, y * height, w * width, h * height]
            }
        }
    }
}

/// What of a picture becomes the square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cut {
    /// The largest central square.
    Centre,
    /// All of it, stretched where it is not square.
    Whole,
    /// The square round the centre of a box whose side is `margin` times the box's longer one, moved and shrunk as
    /// far as it takes to lie inside the picture.
    Around {
        /// The box.
        bounds: Bounds,
        /// At least 1 to keep the whole box.
        margin: f64,
    },
}

impl Cut {
    /// The rectangle of a picture of `width` x `height` pixels, both at least 1.
    pub fn area(&self, width: u32, height: u32) -> Area {
        match *self {
            Self::Whole => Area { x: 0, y: 0, width, height },
            Self::Centre => {
                let side = width.min(height);
                Area { x: (width - side) / 2, y: (height - side) / 2, width: side, height: side }
            }
            Self::Around { bounds, margin } => {
                let [x, y, w, h] = bounds.pixels(width, height);
                let most = width.min(height);
                // A conversion from float to integer saturates, so a negative or huge box ends up inside.
                let side = ((w.max(h) * margin).round() as u32).clamp(1, most);
                let place = |centre: f64, length: u32| {
                    ((centre - f64::from(side) / 2.0).round() as u32).min(length - side)
                };
                Area {
                    x: place(x + w / 2.0, width),
                    y: place(y + h / 2.0, height),
                    width: side,
                    height: side,
                }
            }
        }
    }
}

/// Decodes a JPEG, PNG or WebP with limits, upright, laid on white where it is clear.
///
/// # Errors
/// A few words on what is wrong with it.
pub fn decode(content: &[u8]) -> Result<RgbImage, String> {
    if let Some(refusal) = pictures::refusal(content) {
        return Err(refusal);
    }
    if content.starts_with(&[0xff, 0xd8]) && !ends(content) {
        // The decoder would fill the rest with grey.
        return Err("cut short".into());
    }
    pictures::check_palette(content)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    let mut reader = ImageReader::new(Cursor::new(content));
    reader.limits(limits.clone());
    let reader = reader.with_guessed_format().map_err(|e| e.to_string())?;
    let mut decoder = reader.into_decoder().map_err(|e| e.to_string())?;
    // Decoding does not hold the picture itself against the limit, so the header is read first.
    let (w, h) = decoder.dimensions();
    if w == 0 || h == 0 || decoder.total_bytes().max(u64::from(w) * u64::from(h) * 4) > MAX_DECODED_BYTES {
        return Err(format!("{w} x {h} pixels is more than is read"));
    }
    decoder.set_limits(limits).map_err(|e| e.to_string())?;
    // Cameras write pixels as they lie on the sensor, and how to turn them beside them.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?;
    picture.apply_orientation(orientation);
    Ok(if picture.color().has_alpha() { on_white(&picture) } else { picture.into_rgb8() })
}

/// A picture that lets its ground show through, on white: what lies under clear pixels was never meant to be seen.
fn on_white(picture: &DynamicImage) -> RgbImage {
    let clear = picture.to_rgba8();
    RgbImage::from_fn(clear.width(), clear.height(), |x, y| {
        let [r, g, b, alpha] = clear.get_pixel(x, y).0.map(u32::from);
        Rgb([r, g, b].map(|v| ((v * alpha + 255 * (255 - alpha) + 127) / 255) as u8))
    })
}

/// Whether a JPEG holds the marker that ends its picture data. Inside picture data 0xff is always followed by other
/// bytes; before it, a thumbnail may hold a marker of its own.
fn ends(jpeg: &[u8]) -> bool {
    let mut at = 2;
    // Segments up to the first scan: 0xff, kind, length of two bytes that counts itself.
    while let Some(&[0xff, kind, high, low]) = jpeg.get(at..at + 4) {
        if kind == 0xda {
            return jpeg[at..].windows(2).any(|pair| pair == [0xff, 0xd9]);
        }
        if kind == 0xff {
            at += 1;
        } else {
            at += 2 + usize::from(u16::from_be_bytes([high, low]));
        }
    }
    // Not laid out as expected: the decoder will say what is wrong.
    at < jpeg.len()
}

/// The rectangle `area` of `picture` as a square of `side` pixels, antialiased.
pub fn resize(picture: &RgbImage, area: Area, side: u32) -> RgbImage {
    let cut = image::imageops::crop_imm(picture, area.x, area.y, area.width, area.height).to_image();
    if area.width == side && area.height == side {
        return cut;
    }
    image::imageops::resize(&cut, side, side, FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{encode, png, scene};
    use super::*;

    #[test]
    fn a_huge_header_is_refused_without_decoding() {
        let mut bomb = png([0, 0, 0], 1, 1);
        bomb[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        bomb[20..24].copy_from_slice(&60_000u32.to_be_bytes());
        assert!(decode(&bomb).is_err());
        // Within the limit of a side, over that of memory.
        bomb[16..20].copy_from_slice(&16_000u32.to_be_bytes());
        bomb[20..24].copy_from_slice(&16_000u32.to_be_bytes());
        assert!(decode(&bomb).is_err());
    }

    /// A JPEG cut short used to be taken, its lower part grey.
    #[test]
    fn a_file_cut_anywhere_is_refused() {
        for format in [image::ImageFormat::Jpeg, image::ImageFormat::Png] {
            let whole = encode(&scene(1, 64, 64), format);
            assert!(decode(&whole).is_ok());
            for length in [0, 1, 3, whole.len() / 4, whole.len() / 2, whole.len() * 3 / 4, whole.len() - 20] {
                assert!(decode(&whole[..length]).is_err(), "{format:?} {length} of {}", whole.len());
            }
        }
    }

    /// A portrait from a telephone used to lie on its side.
    #[test]
    fn cameras_say_how_to_turn_the_picture() {
        let jpeg = encode(
            &RgbImage::from_fn(16, 8, |x, _| image::Rgb([if x < 8 { 255 } else { 0 }; 3])),
            image::ImageFormat::Jpeg,
        );
        // Exif with one entry: orientation (0x112), a 16-bit number, 6: turn clockwise by a quarter.
        let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let mut turned = jpeg[..2].to_vec();
        turned.extend([0xff, 0xe1, 0, exif.len() as u8 + 2]);
        turned.extend(exif);
        turned.extend(&jpeg[2..]);
        let picture = decode(&turned).unwrap();
        assert_eq!(picture.dimensions(), (8, 16));
        assert!(picture.get_pixel(4, 1)[0] > 200 && picture.get_pixel(4, 14)[0] < 50);
    }

    /// What clear pixels happen to hold was learned from; WebP was not read at all.
    #[test]
    fn clear_pixels_are_white_and_webp_is_read() {
        let clear =
            image::RgbaImage::from_fn(8, 8, |x, _| image::Rgba([200, 30, 40, if x < 4 { 255 } else { 0 }]));
        let mut webp = std::io::Cursor::new(Vec::new());
        clear.write_to(&mut webp, image::ImageFormat::WebP).unwrap();
        let webp = webp.into_inner();
        let picture = decode(&webp).unwrap();
        assert_eq!((picture.get_pixel(1, 1).0, picture.get_pixel(6, 1).0), ([200, 30, 40], [255; 3]));
        assert!(decode(&webp[..webp.len() / 2]).is_err());
        assert!(decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap_err().contains("HEIC"));
    }

    #[test]
    fn cuts_lie_inside() {
        let area = |x, y, width, height| Area { x, y, width, height };
        assert_eq!(Cut::Centre.area(178, 218), area(0, 20, 178, 178));
        assert_eq!(Cut::Whole.area(178, 218), area(0, 0, 178, 218));
        let around = |bounds, margin| Cut::Around { bounds: Bounds::Pixels(bounds), margin }.area(100, 60);
        assert_eq!(around([40.0, 20.0, 20.0, 10.0], 1.0), area(40, 15, 20, 20));
        assert_eq!(around([40.0, 20.0, 20.0, 10.0], 1.5), area(35, 10, 30, 30));
        assert_eq!(around([-10.0, 50.0, 20.0, 20.0], 1.0), area(0, 40, 20, 20));
        assert_eq!(around([-1e9, -1e9, 1e12, 5.0], 2.0).width, 60);
        let half = Bounds::Fractions([0.25, 0.25, 0.5, 0.5]);
        assert_eq!(Cut::Around { bounds: half, margin: 1.0 }.area(100, 60), area(25, 5, 50, 50));
        assert_eq!(around([f64::NAN, 0.0, f64::NAN, 0.0], 2.0).width, 1);
    }
}
