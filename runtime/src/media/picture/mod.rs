//! Reading single pictures (JPEG, PNG, WebP) and writing them (JPEG, PNG), within limits that a hostile file cannot get past.

mod encode;
mod head;
mod original;
mod read;

use std::fs;
use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};
use lkg_bundle::conventions::colour_to_byte;
use lkg_bundle::files::{check_replaceable, read_at_most, reason, write_atomically};
use lkg_bundle::pictures;
use ndarray::ArrayView3;

use super::mark::Origin;
use crate::error::{Error, Result, one_line};

pub(crate) use self::encode::{jpeg, png_like, rgb_png};
pub use self::original::{Alpha, Original};
pub use self::read::ReadPicture;

/// Largest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// Longest side of a picture that is decoded.
pub const MAX_SIDE: u32 = 16_384;
/// Most pixels of a picture that is decoded.
pub const MAX_PIXELS: u64 = 100_000_000;
/// Most bytes that a picture may decode to (16-bit channels need twice as many).
const MAX_DECODED_BYTES: u64 = 512 << 20;
/// Most memory that decoding one may take, for its file and its pixels, in bytes.
const MAX_MEMORY: u64 = 384 << 20;
/// Most of a picture's metadata, such as its colour profile, in bytes: of what a PNG's unfold to, and of a JPEG's as they are.
const MAX_METADATA: u64 = 32 << 20;
/// Endings of what is written, for messages.
const WRITTEN: &str = ".png, .jpg or .jpeg";
/// JPEG quality of written pictures, of 100.
const JPEG_QUALITY: u8 = 92;

/// Whether a file's name says that it is a picture of a kind this program reads.
pub fn has_picture_name(path: &Path) -> bool {
    pictures::is_read(path)
}

/// Whether a picture can be written under this name.
pub fn has_written_name(path: &Path) -> bool {
    format_of_name(path).is_some()
}

/// The kind of picture that is written under this name.
fn format_of_name(path: &Path) -> Option<ImageFormat> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => Some(ImageFormat::Jpeg),
        "png" => Some(ImageFormat::Png),
        _ => None,
    }
}

fn failure(path: &Path, reason: impl Into<String>) -> Error {
    Error::Picture { path: path.to_owned(), reason: reason.into() }
}

/// Reads the picture at `path` as RGB, turned upright as its EXIF orientation asks, laid on white where it is clear. The
/// kind is read from the file's content, its name does not matter.
///
/// # Errors
/// [`Error::Picture`] if the file is missing, empty, truncated, not a JPEG, PNG or WebP picture or beyond the limits,
/// which are held against the header before anything is decoded.
pub fn read_picture(path: &Path) -> Result<RgbImage> {
    read_whole(path).map(|read| read.pixels)
}

/// The same with what else the file holds, for [`write_like`].
///
/// # Errors
/// Those of [`read_picture`].
pub fn read_whole(path: &Path) -> Result<ReadPicture> {
    let fail = |reason: String| failure(path, reason);
    let about = fs::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => fail("no such file".to_owned()),
        _ => fail(e.to_string()),
    })?;
    if about.is_dir() {
        return Err(fail("a folder, not a picture".to_owned()));
    }
    if !about.is_file() {
        return Err(fail("not a regular file".to_owned()));
    }
    if about.len() == 0 {
        return Err(fail("the file is empty".to_owned()));
    }
    if about.len() > MAX_FILE_BYTES {
        return Err(fail(format!("larger than {} MiB", MAX_FILE_BYTES >> 20)));
    }
    let content = read_at_most(path, MAX_FILE_BYTES).map_err(|e| fail(e.to_string()))?;
    decode(&content).map_err(fail)
}

/// The same of a picture in memory.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn decode(content: &[u8]) -> std::result::Result<ReadPicture, String> {
    read::decode(content)
}

/// Checks that a picture could be written to `path`: a name ending in .png, .jpg or .jpeg, in a folder that exists,
/// and no file there yet unless `force`. To be called before any work is done.
///
/// # Errors
/// [`Error::Picture`] with the fix.
pub fn check_target(path: &Path, force: bool) -> Result<()> {
    if format_of_name(path).is_none() {
        return Err(failure(path, format!("the name must end in {WRITTEN}")));
    }
    if path.is_dir() {
        return Err(failure(path, "a folder of that name is in the way"));
    }
    check_replaceable(path).map_err(|e| failure(path, e.to_string()))?;
    if !force && path.exists() {
        return Err(failure(path, "exists already; use --force to overwrite it"));
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if parent.is_dir() { Ok(()) } else { Err(failure(path, "its folder does not exist")) }
}

/// Writes `picture` to `path` whole or not at all, as JPEG or PNG by the name.
///
/// # Errors
/// [`Error::Picture`].
pub fn write_picture(path: &Path, picture: &RgbImage) -> Result<()> {
    write_marked(path, picture, None)
}

/// The same with a mark that says how the picture came about, if it has an origin.
///
/// # Errors
/// [`Error::Picture`].
pub fn write_marked(path: &Path, picture: &RgbImage, origin: Option<Origin>) -> Result<()> {
    write_like(path, picture, &Alpha::Own, &Original::default(), origin)
}

/// Writes what was made of a picture as that picture was: with its colours' profile and density, grey if it was grey, and in a
/// PNG with its depth and with this `alpha`. A pixel that was not changed stays what it was to the bit (a JPEG's are compressed
/// anew). A JPEG has neither alpha nor 16 bits: clear pixels lie on white. EXIF is not taken along: its preview shows the
/// picture before, and pixels are upright already.
///
/// # Errors
/// [`Error::Picture`].
pub fn write_like(
    path: &Path,
    picture: &RgbImage,
    alpha: &Alpha,
    original: &Original,
    origin: Option<Origin>,
) -> Result<()> {
    let content = encode_like(path, picture, alpha, original, origin)
        .map_err(|reason| failure(path, one_line(&reason)))?;
    write_atomically(path, &content).map_err(|e| match e {
        lkg_bundle::Error::Io { source, .. } => failure(path, reason(&source)),
        other => Error::Bundle(other),
    })
}

/// The bytes of the same, a JPEG or PNG by its name.
///
/// # Errors
/// A sentence that says what is wrong.
pub(crate) fn encode_like(
    path: &Path,
    picture: &RgbImage,
    alpha: &Alpha,
    original: &Original,
    origin: Option<Origin>,
) -> std::result::Result<Vec<u8>, String> {
    match format_of_name(path) {
        Some(ImageFormat::Png) => png_like(picture, alpha, original, origin),
        Some(_) => encode::jpeg_like(picture, original, JPEG_QUALITY, origin),
        None => Err(format!("the name must end in {WRITTEN}")),
    }
}

/// A picture from a network's output, `[3, H, W]` in [-1, 1].
pub fn from_network(image: ArrayView3<'_, f32>) -> RgbImage {
    let (_, height, width) = image.dim();
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        Rgb(std::array::from_fn(|c| colour_to_byte(image[[c, y as usize, x as usize]])))
    })
}

#[cfg(test)]
mod tests;
