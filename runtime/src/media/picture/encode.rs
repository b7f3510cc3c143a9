//! Pixels to the bytes of JPEG and PNG files, by fast encoders.

use std::borrow::Cow;
use std::io::Write;

use image::{DynamicImage, RgbImage};
use jpeg_encoder::{ColorType, Encoder, EncodingError, PixelDensity, PixelDensityUnit};
use moxcms::{CicpProfile, ColorProfile};

use super::original::{Alpha, Original};
use crate::media::mark::{self, Origin};

/// Length of an inch, in metres.
const INCH: f64 = 0.0254;

/// `picture` as a JPEG of this quality, 1 to 100, after what `out` holds.
///
/// # Errors
/// A side is 0 or above 65535.
pub(crate) fn jpeg(picture: &RgbImage, quality: u8, out: &mut Vec<u8>) -> Result<(), String> {
    let (width, height) = jpeg_size(picture.dimensions())?;
    let encoder = Encoder::new(out, quality);
    encoder.encode(picture.as_raw(), width, height, ColorType::Rgb).map_err(said)
}

fn jpeg_size((width, height): (u32, u32)) -> Result<(u16, u16), String> {
    let side = |v: u32| u16::try_from(v).ok().filter(|v| *v > 0);
    side(width)
        .zip(side(height))
        .ok_or_else(|| format!("{width} x {height} pixels: a JPEG has 1 to 65535 a side"))
}

fn said(error: EncodingError) -> String {
    error.to_string()
}

/// `picture`, in the form of `original`, as a JPEG of this quality: grey if that is grey, with its profile and density. A JPEG
/// has neither alpha nor 16 bits, so that what is clear lies on white.
pub(super) fn jpeg_like(
    picture: &RgbImage,
    original: &Original,
    quality: u8,
    origin: Option<Origin>,
) -> Result<Vec<u8>, String> {
    let (width, height) = jpeg_size(picture.dimensions())?;
    let mut content = Vec::new();
    let mut encoder = Encoder::new(&mut content, quality);
    if let Some([x, y]) = original.per_metre {
        let per_inch = |v: f64| (v * INCH).round().clamp(1.0, 65_535.0) as u16;
        encoder.set_density(PixelDensity {
            density: (per_inch(x), per_inch(y)),
            unit: PixelDensityUnit::Inches,
        });
    }
    if let Some(icc) = profile(original) {
        encoder.add_icc_profile(&icc).map_err(said)?;
    }
    // Alpha and depth are not kept: what is shown is.
    let flat = original.flat(picture);
    let Pixels { colour, bytes, .. } = Pixels::of(flat.as_ref(), picture);
    let kind = if colour.has_color() { ColorType::Rgb } else { ColorType::Luma };
    encoder.encode(bytes, width, height, kind).map_err(said)?;
    if let Some(origin) = origin {
        mark::mark_jpeg(&mut content, origin);
    }
    Ok(content)
}

/// The profile that a JPEG gets: a PNG may say by code points what its colours are.
fn profile(original: &Original) -> Option<Cow<'_, [u8]>> {
    let colours = &original.colours;
    let made = || {
        let [primaries, transfer, _, full] = colours.cicp?;
        let profile = CicpProfile {
            color_primaries: primaries.try_into().ok()?,
            transfer_characteristics: transfer.try_into().ok()?,
            matrix_coefficients: moxcms::MatrixCoefficients::Identity,
            full_range: full != 0,
        };
        ColorProfile::new_from_cicp(profile).encode().ok()
    };
    colours.icc.as_deref().map(Cow::Borrowed).or_else(|| made().map(Cow::Owned))
}

/// Pixels as encoders take them.
struct Pixels<'a> {
    size: (u32, u32),
    colour: image::ColorType,
    bytes: &'a [u8],
}

impl<'a> Pixels<'a> {
    /// Those of what was restored of `picture`, or its own where nothing had to be.
    fn of(restored: Option<&'a DynamicImage>, picture: &'a RgbImage) -> Self {
        let size = picture.dimensions();
        match restored {
            Some(restored) => Self { size, colour: restored.color(), bytes: restored.as_bytes() },
            None => Self { size, colour: image::ColorType::Rgb8, bytes: picture.as_raw() },
        }
    }
}

/// `picture`, in the form of `original` and with this `alpha`, as a PNG with its colours and density.
///
/// # Errors
/// A sentence that says what is wrong.
pub(crate) fn png_like(
    picture: &RgbImage,
    alpha: &Alpha,
    original: &Original,
    origin: Option<Origin>,
) -> Result<Vec<u8>, String> {
    let restored = original.restored(picture, alpha);
    let mut content = Vec::new();
    png(Pixels::of(restored.as_ref(), picture), original, origin, &mut content).map_err(|e| e.to_string())?;
    Ok(content)
}

fn png(
    Pixels { size: (width, height), colour, bytes }: Pixels<'_>,
    original: &Original,
    origin: Option<Origin>,
    out: impl Write,
) -> Result<(), png::EncodingError> {
    let mut info = png::Info::with_size(width, height);
    info.color_type = match (colour.has_color(), colour.has_alpha()) {
        (false, false) => png::ColorType::Grayscale,
        (false, true) => png::ColorType::GrayscaleAlpha,
        (true, false) => png::ColorType::Rgb,
        (true, true) => png::ColorType::Rgba,
    };
    let deep = colour.bytes_per_pixel() > colour.channel_count();
    info.bit_depth = if deep { png::BitDepth::Sixteen } else { png::BitDepth::Eight };
    let colours = &original.colours;
    info.icc_profile = colours.icc.as_deref().map(Into::into);
    info.srgb = colours.srgb;
    info.source_gamma = colours.gamma;
    info.source_chromaticities = colours.chromaticities;
    info.pixel_dims = original.per_metre.map(|[x, y]| png::PixelDimensions {
        xppu: x.round() as u32,
        yppu: y.round() as u32,
        unit: png::Unit::Meter,
    });
    let mut encoder = png::Encoder::with_info(out, info)?;
    // The next better one takes twenty times as long, for a tenth of the bytes.
    encoder.set_compression(png::Compression::Fast);
    if let Some(origin) = origin {
        mark::mark_png(&mut encoder, origin)?;
    }
    let mut writer = encoder.write_header()?;
    if let Some(cicp) = colours.cicp {
        writer.write_chunk(png::chunk::ChunkType(*b"cICP"), &cicp)?;
    }
    if deep {
        let pairs = bytes.as_chunks::<2>().0.iter();
        let bytes: Vec<u8> = pairs.flat_map(|pair| u16::from_ne_bytes(*pair).to_be_bytes()).collect();
        writer.write_image_data(&bytes)?;
    } else {
        writer.write_image_data(bytes)?;
    }
    writer.finish()
}

/// RGB of 8 bits as a PNG, marked if it has an origin.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(crate) fn rgb_png(picture: &RgbImage, origin: Option<Origin>) -> Result<Vec<u8>, String> {
    png_like(picture, &Alpha::Own, &Original::default(), origin)
}
