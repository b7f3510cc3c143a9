use image::RgbImage;

use super::choose::PixelFormat;
use crate::media::jpeg;

/// A camera's buffer to RGB on `picture`, whose room is used again where it has the right size. Drivers hand out whole pages, so what follows the picture is ignored.
///
/// # Errors
/// The buffer is too short, or no sound JPEG.
pub(in crate::media) fn to_rgb(
    format: PixelFormat,
    size: (u32, u32),
    data: &[u8],
    picture: &mut RgbImage,
) -> Result<(), String> {
    let (width, height) = (size.0 as usize, size.1 as usize);
    let bytes = match format {
        PixelFormat::Mjpg => return jpeg::decode_into(data, picture),
        PixelFormat::Yuyv => width * height * 2,
        PixelFormat::Nv12 => width * height * 3 / 2,
    };
    let data = data.get(..bytes).ok_or_else(|| format!("{} bytes of {bytes}", data.len()))?;
    if picture.dimensions() != size {
        *picture = RgbImage::new(size.0, size.1);
    }
    match format {
        PixelFormat::Yuyv => {
            for (pair, out) in data.chunks_exact(4).zip(picture.chunks_exact_mut(6)) {
                let chroma = Chroma::new(pair[1], pair[3]);
                out[..3].copy_from_slice(&chroma.pixel(pair[0]));
                out[3..].copy_from_slice(&chroma.pixel(pair[2]));
            }
        }
        _ => {
            let (luma, chroma) = data.split_at(width * height);
            for (y, out) in picture.chunks_exact_mut((width * 3).max(1)).enumerate() {
                let luma = &luma[y * width..(y + 1) * width];
                let chroma = &chroma[y / 2 * width..];
                for ((pair, luma), out) in chroma.chunks_exact(2).zip(luma.chunks(2)).zip(out.chunks_mut(6)) {
                    let chroma = Chroma::new(pair[0], pair[1]);
                    for (luma, out) in luma.iter().zip(out.chunks_exact_mut(3)) {
                        out.copy_from_slice(&chroma.pixel(*luma));
                    }
                }
            }
        }
    }
    Ok(())
}

/// What a pair of chroma values adds to its pixels: BT.601, limited range, 16 fractional bits.
struct Chroma {
    red: i32,
    green: i32,
    blue: i32,
}

impl Chroma {
    fn new(cb: u8, cr: u8) -> Self {
        let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
        Self { red: 104_597 * cr, green: -25_675 * cb - 53_279 * cr, blue: 132_201 * cb }
    }

    fn pixel(&self, luma: u8) -> [u8; 3] {
        let luma = (i32::from(luma) - 16) * 76_309 + (1 << 15);
        [self.red, self.green, self.blue].map(|c| ((luma + c) >> 16).clamp(0, 255) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Black, white and BT.601 red as (Y, Cb, Cr).
    const COLOURS: [([u8; 3], [u8; 3]); 3] =
        [([16, 128, 128], [0; 3]), ([235, 128, 128], [255; 3]), ([81, 90, 240], [254, 0, 0])];

    #[test]
    fn known_colours_come_out_of_both_raw_formats() {
        for ([y, cb, cr], rgb) in COLOURS {
            let yuyv: Vec<u8> = [y, cb, y, cr].repeat(4);
            let nv12: Vec<u8> = [vec![y; 8], [cb, cr].repeat(2)].concat();
            for (format, mut data) in [(PixelFormat::Yuyv, yuyv), (PixelFormat::Nv12, nv12)] {
                let size = (4, 2);
                data.extend_from_slice(&[77; 4096]);
                let mut picture = RgbImage::default();
                to_rgb(format, size, &data, &mut picture).unwrap();
                for pixel in picture.pixels() {
                    for (a, b) in pixel.0.iter().zip(rgb) {
                        assert!(a.abs_diff(b) <= 1, "{format:?}: {pixel:?}, not {rgb:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn short_buffers_are_errors() {
        for format in PixelFormat::ALL {
            assert!(to_rgb(format, (4, 4), &[0; 20], &mut RgbImage::default()).is_err());
        }
    }
}
