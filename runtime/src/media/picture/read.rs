//! A picture's file to its pixels, and to what else it holds.

use std::io::Cursor;
use std::sync::Arc;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Rgb, RgbImage, Rgba};
use lkg_bundle::pictures;

use super::head::{JpegHead, exif_resolution};
use super::original::{Colours, Original, Samples, shown};
use super::{MAX_DECODED_BYTES, MAX_MEMORY, MAX_METADATA, MAX_PIXELS, MAX_SIDE};
use crate::error::one_line;
use crate::error::panic::guard;

/// A picture that was read from a file.
#[derive(Clone, Debug)]
pub struct ReadPicture {
    /// The pixels as RGB, upright, on white where they are clear.
    pub pixels: RgbImage,
    /// What else its file holds.
    pub original: Original,
    /// What the user should know about how it was read.
    pub notes: Vec<String>,
}

/// Decodes a picture in memory; errors are the reason alone.
pub(super) fn decode(content: &[u8]) -> Result<ReadPicture, String> {
    guard(|| read(content)).and_then(|read| read)
}

fn read(content: &[u8]) -> Result<ReadPicture, String> {
    let format = match image::guess_format(content) {
        Ok(f @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => f,
        _ => {
            let unknown = || format!("not a picture; {} can be read", pictures::READ_KINDS);
            return Err(pictures::refusal(content).unwrap_or_else(unknown));
        }
    };
    pictures::check_palette(content).map_err(|e| format!("damaged or cut short: {e}; {AGAIN}"))?;
    let mut reader = ImageReader::with_format(Cursor::new(content), format);
    let mut limits = image::Limits::default();
    // Of a PNG only what lies beside the pixels is held against it, which has no other bound.
    limits.max_alloc = Some(if format == ImageFormat::Png { MAX_METADATA } else { MAX_DECODED_BYTES });
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(format!(
            "{width} x {height} pixels, the most are {MAX_SIDE} a side and {} million in all",
            MAX_PIXELS / 1_000_000
        ));
    }
    if decoder.total_bytes() > MAX_DECODED_BYTES {
        return Err(format!("decodes to more than {} MiB", MAX_DECODED_BYTES >> 20));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let lies_on_its_side = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let head = (format == ImageFormat::Jpeg).then(|| JpegHead::read(content));
    if let Some(head) = head.as_ref().filter(|head| head.metadata_bytes > MAX_METADATA) {
        let (has, most) = (head.metadata_bytes >> 20, MAX_METADATA >> 20);
        return Err(format!("{has} MiB of metadata, the most are {most}: save it without them"));
    }
    let beside = match &head {
        Some(head) => head.coefficient_bytes,
        // The decoder keeps the colours of each pixel while it decodes them.
        None if format == ImageFormat::WebP => 4 * u64::from(width) * u64::from(height),
        None => 0,
    };
    let needed = content.len() as u64 + needed(&decoder, lies_on_its_side, beside);
    check_room(needed, u64::from(width) * u64::from(height))?;
    let mut original = Original::default();
    let mut notes = Vec::new();
    // Broken metadata are no reason to refuse the picture.
    original.colours.icc = decoder.icc_profile().ok().flatten();
    let exif = decoder.exif_metadata().ok().flatten();
    match head {
        Some(head) => {
            if !head.whole {
                return Err(format!("damaged or cut short: the JPEG data has no end; {AGAIN}"));
            }
            original.per_metre = head.per_metre;
            if head.channels == Some(4) {
                // A profile of inks says nothing about RGB.
                original.colours.icc = None;
                notes.push(
                    "printing inks (CMYK), read as RGB without their profile: its colours are near, not the same; where \
                     they matter, save it as RGB first"
                        .to_owned(),
                );
            }
        }
        None if format == ImageFormat::Png => png_head(content, &mut original, &mut notes),
        None => {}
    }
    original.per_metre = original.per_metre.or_else(|| exif_resolution(&exif?));
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    picture.apply_orientation(orientation);
    if lies_on_its_side {
        original.per_metre = original.per_metre.map(|[x, y]| [y, x]);
    }
    let colour = picture.color();
    original.clear = colour.has_alpha();
    original.deep = !matches!(colour, ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8);
    original.grey_file = !colour.has_color();
    let pixels = if original.clear || original.deep {
        let samples = match picture {
            DynamicImage::ImageRgba16(samples) => samples,
            other => each_sample(&other),
        };
        let pixels = RgbImage::from_fn(samples.width(), samples.height(), |x, y| {
            Rgb(shown(samples.get_pixel(x, y).0))
        });
        original.samples = Some(Arc::new(samples));
        pixels
    } else {
        picture.into_rgb8()
    };
    original.grey = original.grey_file || pixels.pixels().all(|Rgb([r, g, b])| r == g && g == b);
    Ok(ReadPicture { pixels, original, notes })
}

/// What to do about a picture's file that is broken.
const AGAIN: &str = "fetch it again, or save it anew";

/// What is wrong with a picture's file, and what to do.
fn broken(error: image::ImageError) -> String {
    let said = one_line(&error.to_string());
    let reason = match &error {
        image::ImageError::IoError(_) => "it ends too soon",
        image::ImageError::Limits(_) => {
            return format!(
                "larger than can be read ({MAX_SIDE} pixels a side, {} million in all)",
                MAX_PIXELS / 1_000_000
            );
        }
        _ if said.contains("CRC") => "a checksum in it is wrong",
        _ if said.contains("Not enough bytes") || said.contains("unexpected end") => "it ends too soon",
        _ => said.rsplit(": ").next().unwrap_or(&said),
    };
    format!("damaged or cut short: {reason}; {AGAIN}")
}

/// Most bytes that decoding takes at a time beside the file: the pixels as the file has them, and with those in turn what its
/// format's decoder keeps (`kept`, bytes), a copy that is turned, samples of 16 bits or RGB of 8.
fn needed(decoder: &impl ImageDecoder, lies_on_its_side: bool, kept: u64) -> u64 {
    let (width, height) = decoder.dimensions();
    let (decoded, pixels) = (decoder.total_bytes(), u64::from(width) * u64::from(height));
    let colour = decoder.color_type();
    let keeps_samples = colour.has_alpha() || colour.bytes_per_pixel() > colour.channel_count();
    let beside = match colour {
        ColorType::Rgb8 => 0,
        // Those are its samples.
        ColorType::Rgba16 => 3 * pixels,
        _ if keeps_samples => 8 * pixels,
        _ => 3 * pixels,
    };
    let turned = if lies_on_its_side { decoded } else { 0 };
    decoded + beside.max(turned).max(kept)
}

/// Refuses a picture that `needed` bytes are too many for, whose lack would end the process.
fn check_room(needed: u64, pixels: u64) -> Result<(), String> {
    if needed > MAX_MEMORY {
        return Err(format!(
            "decoding its {pixels} pixels takes {} MiB, the most are {}: save it smaller, or as a plain JPEG (not progressive, \
             not turned by EXIF)",
            needed >> 20,
            MAX_MEMORY >> 20
        ));
    }
    let room = usize::try_from(needed).ok().map(|needed| Vec::<u8>::new().try_reserve_exact(needed));
    match room {
        Some(Ok(())) => Ok(()),
        _ => Err(format!("there is no memory for its {pixels} pixels ({} MiB)", needed >> 20)),
    }
}

/// Whether a chunk of a PNG before its pixels is called a colour profile.
fn has_profile(png: &[u8]) -> bool {
    let pixels = png.windows(4).position(|kind| kind == b"IDAT");
    png[..pixels.unwrap_or(png.len())].windows(4).any(|kind| kind == b"iCCP")
}

fn each_sample(picture: &DynamicImage) -> Samples {
    let wide = |v: u8| u16::from(v) * 257;
    match picture {
        DynamicImage::ImageRgba8(p) => {
            Samples::from_fn(p.width(), p.height(), |x, y| Rgba(p.get_pixel(x, y).0.map(wide)))
        }
        DynamicImage::ImageLumaA8(p) => Samples::from_fn(p.width(), p.height(), |x, y| {
            let [l, a] = p.get_pixel(x, y).0.map(wide);
            Rgba([l, l, l, a])
        }),
        other => other.to_rgba16(),
    }
}

/// Adds what the chunks before a PNG's pixels say.
fn png_head(content: &[u8], original: &mut Original, notes: &mut Vec<String>) {
    let limits = png::Limits { bytes: MAX_METADATA as usize };
    let Ok(reader) = png::Decoder::new_with_limits(Cursor::new(content), limits).read_info() else { return };
    if original.colours.icc.is_none() && has_profile(content) {
        notes.push(format!(
            "its colour profile is damaged, or more than {} MiB, and is left out: colours are read as sRGB",
            MAX_METADATA >> 20
        ));
    }
    let info = reader.info();
    let colours = &mut original.colours;
    if let Some(c) = info.coding_independent_code_points {
        let full = u8::from(c.is_video_full_range_image);
        colours.cicp = Some([c.color_primaries, c.transfer_function, c.matrix_coefficients, full]);
    }
    let Colours { icc, srgb, gamma, chromaticities, .. } = colours;
    *srgb = info.srgb.filter(|_| icc.is_none());
    if srgb.is_none() {
        (*gamma, *chromaticities) = (info.gama_chunk, info.chrm_chunk);
    }
    original.per_metre = info
        .pixel_dims
        .filter(|d| d.unit == png::Unit::Meter && d.xppu > 0 && d.yppu > 0)
        .map(|d| [f64::from(d.xppu), f64::from(d.yppu)]);
}
