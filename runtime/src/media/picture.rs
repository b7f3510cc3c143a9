//! Reading and writing single pictures, JPEG and PNG, within limits that a hostile file cannot get past.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Rgb, RgbImage};
use lkg_bundle::conventions::colour_to_byte;
use lkg_bundle::files::{read_at_most, write_atomically};
use ndarray::ArrayView3;

use super::mark::{self, Origin};
use crate::error::{Error, Result, one_line};

/// Largest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// Longest side of a picture that is decoded.
pub const MAX_SIDE: u32 = 16_384;
/// Most pixels of a picture that is decoded.
pub const MAX_PIXELS: u64 = 100_000_000;
/// Most bytes that a picture may decode to (16-bit channels need twice as many).
const MAX_DECODED_BYTES: u64 = 512 << 20;
/// JPEG quality of written pictures, of 100.
const JPEG_QUALITY: u8 = 92;

/// Whether a file's name says that it is a picture of a kind this program reads.
pub fn has_picture_name(path: &Path) -> bool {
    format_of_name(path).is_some()
}

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
/// [`Error::Picture`] if the file is missing, empty, truncated, not a JPEG or PNG picture or beyond the limits, which
/// are held against the header before anything is decoded.
pub fn read_picture(path: &Path) -> Result<RgbImage> {
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

/// Decodes a picture in memory; errors are the reason alone.
fn decode(content: &[u8]) -> std::result::Result<RgbImage, String> {
    let format = match image::guess_format(content) {
        Ok(f @ (ImageFormat::Jpeg | ImageFormat::Png)) => f,
        Ok(other) => {
            let name = other.extensions_str().first().copied().unwrap_or("unknown");
            return Err(format!("a picture of kind {name}; JPEG and PNG can be read"));
        }
        Err(_) => return Err("not a picture; JPEG and PNG can be read".to_owned()),
    };
    let broken = |e: image::ImageError| format!("damaged or cut short: {}", one_line(&e.to_string()));
    let mut reader = ImageReader::with_format(Cursor::new(content), format);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
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
    if format == ImageFormat::Jpeg && !jpeg_is_whole(content) {
        return Err("damaged or cut short: the JPEG data has no end".to_owned());
    }
    // A broken EXIF block is no reason to refuse the picture.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
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

/// Whether an end marker follows the first scan. The decoder fills what is missing with grey and says nothing.
fn jpeg_is_whole(content: &[u8]) -> bool {
    let mut at = 2;
    // Segments before the scan may hold whole thumbnails, so they are stepped over by their lengths.
    while let Some(&[marker, kind]) = content.get(at..at + 2).and_then(|b| b.first_chunk::<2>()) {
        if marker != 0xff {
            return false;
        }
        match kind {
            0xff => at += 1,
            0xda => return content[at..].windows(2).any(|pair| pair == [0xff, 0xd9]),
            0x01 | 0xd0..=0xd8 => at += 2,
            _ => {
                let Some(&[high, low]) = content.get(at + 2..at + 4).and_then(|b| b.first_chunk::<2>())
                else {
                    return false;
                };
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
    false
}

/// Checks that a picture could be written to `path`: a name ending in .png, .jpg or .jpeg, in a folder that exists,
/// and no file there yet unless `force`. To be called before any work is done.
///
/// # Errors
/// [`Error::Picture`] with the fix.
pub fn check_target(path: &Path, force: bool) -> Result<()> {
    if format_of_name(path).is_none() {
        return Err(failure(path, "the name must end in .png, .jpg or .jpeg"));
    }
    if path.is_dir() {
        return Err(failure(path, "a folder of that name is in the way"));
    }
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
    let fail = |reason: String| failure(path, one_line(&reason));
    let content = match format_of_name(path) {
        Some(ImageFormat::Png) => mark::png(picture, origin).map_err(fail)?,
        Some(_) => {
            let mut content = Vec::new();
            let mut encoder = JpegEncoder::new_with_quality(&mut content, JPEG_QUALITY);
            encoder.encode_image(picture).map_err(|e| fail(e.to_string()))?;
            if let Some(origin) = origin {
                mark::mark_jpeg(&mut content, origin);
            }
            content
        }
        None => return Err(failure(path, "the name must end in .png, .jpg or .jpeg")),
    };
    write_atomically(path, &content).map_err(|e| match e {
        lkg_bundle::Error::Io { source, .. } => failure(path, source.to_string()),
        other => Error::Bundle(other),
    })
}

/// A picture from a network's output, `[3, H, W]` in [-1, 1].
pub fn from_network(image: ArrayView3<'_, f32>) -> RgbImage {
    let (_, height, width) = image.dim();
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        Rgb(std::array::from_fn(|c| colour_to_byte(image[[c, y as usize, x as usize]])))
    })
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn picture() -> RgbImage {
        RgbImage::from_fn(40, 24, |x, y| Rgb([(x * 6) as u8, (y * 10) as u8, 77]))
    }

    fn trouble(path: &Path) -> String {
        let text = read_picture(path).unwrap_err().to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    }

    /// A PNG header that promises `width` x `height` RGB pixels, with its right checksum.
    fn png_header(width: u32, height: u32) -> Vec<u8> {
        let mut body = b"IHDR".to_vec();
        body.extend(width.to_be_bytes());
        body.extend(height.to_be_bytes());
        body.extend([8, 2, 0, 0, 0]);
        let crc = !body.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |c, _| (c >> 1) ^ if c & 1 == 1 { 0xedb8_8320 } else { 0 })
        });
        let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
        file.extend(body);
        file.extend(crc.to_be_bytes());
        file.extend(b"\0\0\0\x10IDAT");
        file
    }

    #[test]
    fn what_is_written_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        for (name, tolerance) in [("a.png", 0), ("b.JPG", 12), ("c.jpeg", 12)] {
            let path = dir.path().join(name);
            write_picture(&path, &picture()).unwrap();
            let back = read_picture(&path).unwrap();
            assert_eq!(back.dimensions(), (40, 24));
            let worst = back.iter().zip(picture().iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(worst <= tolerance, "{name}: {worst}");
        }
    }

    #[test]
    fn what_is_not_a_picture_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        assert!(trouble(&dir.path().join("none.png")).contains("no such file"));
        assert!(trouble(dir.path()).contains("a folder"));
        assert!(trouble(&write("e.png", b"")).contains("empty"));
        assert!(trouble(&write("t.jpg", b"hello there")).contains("JPEG and PNG"));
        assert!(trouble(&write("g.png", b"GIF89a\x01\0\x01\0\0\0\0;")).contains("kind gif"));
    }

    #[test]
    fn truncated_pictures_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.png", "a.jpg"] {
            let path = dir.path().join(name);
            write_picture(&path, &picture()).unwrap();
            let content = fs::read(&path).unwrap();
            for keep in [content.len() / 2, content.len() - 20, 30] {
                fs::write(&path, &content[..keep]).unwrap();
                assert!(trouble(&path).contains("damaged or cut short"), "{name} {keep}");
            }
        }
    }

    #[test]
    fn bombs_are_refused_by_their_header() {
        let dir = tempfile::tempdir().unwrap();
        for (width, height) in [(60_000, 60_000), (16_385, 1), (12_000, 12_000)] {
            let path = dir.path().join("bomb.png");
            fs::write(&path, png_header(width, height)).unwrap();
            assert!(trouble(&path).contains(&format!("{width} x {height} pixels")), "{}", trouble(&path));
        }
    }

    #[test]
    fn exif_orientation_is_applied() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("turned.jpg");
        write_picture(&path, &picture()).unwrap();
        let content = fs::read(&path).unwrap();
        // APP1 with a one-entry TIFF directory: orientation 6, to be turned a quarter to the right.
        let mut exif =
            b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
                .to_vec();
        exif.splice(0..0, content[..2].iter().copied());
        exif.extend(&content[2..]);
        fs::write(&path, exif).unwrap();
        assert_eq!(read_picture(&path).unwrap().dimensions(), (24, 40));
    }

    /// Alpha was dropped, and what clear pixels happen to hold was seen.
    #[test]
    fn clear_pixels_show_white() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clear.png");
        let shades = [[200, 0, 0, 255], [200, 0, 0, 128], [200, 0, 0, 0]];
        image::RgbaImage::from_fn(3, 1, |x, _| image::Rgba(shades[x as usize])).save(&path).unwrap();
        let seen = read_picture(&path).unwrap();
        assert_eq!(seen.as_raw(), &[200, 0, 0, 227, 127, 127, 255, 255, 255]);
        let deep = image::ImageBuffer::<image::LumaA<u16>, _>::from_raw(2, 1, vec![0, 65535, 0, 0]).unwrap();
        deep.save(&path).unwrap();
        assert_eq!(read_picture(&path).unwrap().as_raw(), &[0, 0, 0, 255, 255, 255]);
    }

    #[test]
    fn inks_and_sixteen_bits_become_rgb() {
        let near = |path: &Path, at: [u32; 2], wanted: [u8; 3]| {
            let pixel = read_picture(path).unwrap().get_pixel(at[0], at[1]).0;
            assert!(pixel.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 12), "{pixel:?}, not {wanted:?}");
        };
        // Four inks as Adobe writes them, reversed: left red, right green.
        let inks = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/media/test-data/cmyk.jpg");
        near(&inks, [2, 8], [200, 30, 40]);
        near(&inks, [13, 8], [40, 160, 60]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep.png");
        let deep = |v: u16| v * 257;
        image::ImageBuffer::from_pixel(2, 2, image::Rgb([200, 30, 40].map(deep))).save(&path).unwrap();
        near(&path, [1, 1], [200, 30, 40]);
    }

    #[test]
    fn targets_are_checked_before_work() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("a.png");
        check_target(&there, false).unwrap();
        fs::write(&there, b"x").unwrap();
        assert!(check_target(&there, false).unwrap_err().to_string().contains("--force"));
        check_target(&there, true).unwrap();
        assert!(check_target(&dir.path().join("a.gif"), true).is_err());
        assert!(check_target(&dir.path().join("no/a.png"), true).unwrap_err().to_string().contains("folder"));
    }
}
