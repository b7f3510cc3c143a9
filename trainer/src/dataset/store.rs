//! All pictures in memory as square 8-bit RGB, decoded and resized once.

use std::io::Cursor;
use std::path::PathBuf;

use image::imageops::FilterType;
use image::{ImageReader, Limits, RgbImage};
use rayon::prelude::*;

use super::source::{self, Entry};
use crate::error::{Error, Result};
use crate::train::progress::Progress;

/// Most pixels on a side of a training picture.
const MAX_SIDE: u32 = 16_384;
/// Most memory that decoding one picture may take, in bytes.
const MAX_DECODED_BYTES: u64 = 512 << 20;
/// Pictures read before they are decoded together: bounds the memory held by compressed files.
const CHUNK: usize = 256;
/// Broken pictures named one by one before the rest is only counted.
const NAMED_FAILURES: usize = 10;

/// Square pictures of one size.
pub struct Store {
    side: usize,
    pixels: Vec<u8>,
    /// Pictures that could not be used, with the reason.
    pub broken: Vec<(String, String)>,
}

impl Store {
    /// Decodes every picture below `paths`, cuts the largest central square and resizes it to `side` pixels.
    /// Broken pictures are left out and listed.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no usable picture; [`Error::Interrupted`].
    pub fn load(paths: &[PathBuf], side: usize) -> Result<Self> {
        let entries = source::list(paths)?;
        let mut progress = Progress::new("reading pictures", entries.len() as u64);
        let mut store =
            Self { side, pixels: Vec::with_capacity(entries.len() * side * side * 3), broken: vec![] };
        for chunk in entries.chunks(CHUNK) {
            crate::train::interrupt::check()?;
            store.add(chunk)?;
            progress.advance(chunk.len() as u64, "");
        }
        progress.finish("");
        for (name, reason) in store.broken.iter().take(NAMED_FAILURES) {
            eprintln!("warning: {name}: {reason}; left out");
        }
        if store.broken.len() > NAMED_FAILURES {
            eprintln!("warning: {} more pictures left out", store.broken.len() - NAMED_FAILURES);
        }
        if store.is_empty() {
            let path = paths.first().cloned().unwrap_or_default();
            return Err(Error::Data { path, reason: "none of the pictures could be read".into() });
        }
        Ok(store)
    }

    fn add(&mut self, entries: &[Entry]) -> Result<()> {
        let mut read = Vec::with_capacity(entries.len());
        source::read_each(entries, |i, content| {
            read.push((i, content));
            Ok(())
        })?;
        let side = self.side as u32;
        let decoded: Vec<_> = read
            .into_par_iter()
            .map(|(i, content)| (i, content.and_then(|c| decode_square(&c, side))))
            .collect();
        for (i, picture) in decoded {
            match picture {
                Ok(picture) => self.pixels.extend_from_slice(picture.as_raw()),
                Err(reason) => self.broken.push((entries[i].name(), reason)),
            }
        }
        Ok(())
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.pixels.len() / (self.side * self.side * 3)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Side of the pictures in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// RGB bytes of a picture, rows top to bottom.
    pub fn picture(&self, index: usize) -> &[u8] {
        let bytes = self.side * self.side * 3;
        &self.pixels[index * bytes..(index + 1) * bytes]
    }
}

/// Decodes a JPEG or PNG with limits and resizes its largest central square, antialiased.
fn decode_square(content: &[u8], side: u32) -> std::result::Result<RgbImage, String> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    let open = || {
        let mut reader = ImageReader::new(Cursor::new(content));
        reader.limits(limits.clone());
        reader.with_guessed_format().map_err(|e| e.to_string())
    };
    // `decode` does not hold the picture itself against the limit, so the header is looked at first.
    let (w, h) = open()?.into_dimensions().map_err(|e| e.to_string())?;
    if w == 0 || h == 0 || u64::from(w) * u64::from(h) * 4 > MAX_DECODED_BYTES {
        return Err(format!("{w} x {h} pixels is more than is read"));
    }
    let picture = open()?.decode().map_err(|e| e.to_string())?.into_rgb8();
    let square = w.min(h);
    let cut = image::imageops::crop_imm(&picture, (w - square) / 2, (h - square) / 2, square, square);
    if square == side {
        return Ok(cut.to_image());
    }
    Ok(image::imageops::resize(&cut.to_image(), side, side, FilterType::Triangle))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn png(colour: [u8; 3], w: u32, h: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::from_pixel(w, h, image::Rgb(colour)).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn folders_and_zips_are_read_and_broken_files_listed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/b.png"), png([0, 255, 0], 20, 10)).unwrap();
        fs::write(dir.path().join("broken.png"), &png([1, 2, 3], 9, 9)[..40]).unwrap();
        fs::write(dir.path().join("notes.txt"), "x").unwrap();
        let mut zip = zip::ZipWriter::new(fs::File::create(dir.path().join("a.zip")).unwrap());
        zip.start_file("x/1.png", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&png([255, 0, 0], 8, 8)).unwrap();
        zip.finish().unwrap();

        let store = Store::load(&[dir.path().to_owned()], 8).unwrap();
        assert_eq!((store.len(), store.side(), store.broken.len()), (2, 8, 1));
        assert!(store.broken[0].0.ends_with("broken.png"));
        assert_eq!(&store.picture(0)[..3], [255, 0, 0]);
        assert_eq!(&store.picture(1)[..3], [0, 255, 0]);
    }

    #[test]
    fn useless_paths_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let load = |p: PathBuf| Store::load(&[p], 8).err().unwrap().to_string();
        assert!(load(dir.path().join("gone")).contains("no such file"));
        assert!(load(dir.path().to_owned()).contains("no .jpg or .png pictures"));
        fs::write(dir.path().join("a.zip"), "not a zip").unwrap();
        assert!(load(dir.path().join("a.zip")).contains("not a sound zip"));
        fs::write(dir.path().join("b.png"), "").unwrap();
        assert!(load(dir.path().join("b.png")).contains("none of the pictures"));
    }

    #[test]
    fn a_huge_header_is_refused_without_decoding() {
        let mut bomb = png([0, 0, 0], 1, 1);
        bomb[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        bomb[20..24].copy_from_slice(&60_000u32.to_be_bytes());
        assert!(decode_square(&bomb, 8).is_err());
    }
}
