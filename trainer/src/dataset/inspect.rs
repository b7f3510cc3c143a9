//! What is in a pack, folder or archive: counts, sizes, colours, what is broken or twice there, and a contact sheet.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use image::{Rgb, RgbImage};
use serde::Serialize;

use super::layout::{self, Layout, Options};
use super::pack::{LeftOut, Pack};
use super::scan::{self, Plan, Skip};
use crate::error::{Error, Result};
use crate::support::interrupt;
use crate::support::progress::Progress;

/// Side of a sheet's pictures in pixels, at which colours are measured too.
const TILE: u32 = 128;
/// Pictures a row, and rows, of a sheet.
const COLUMNS: usize = 10;
const ROWS: usize = 8;
/// Frame of pictures that are held out, and its width in pixels.
const HELD_OUT: Rgb<u8> = Rgb([230, 30, 30]);
const FRAME: u32 = 3;

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Inspection {
    /// The pack, folder or archive.
    pub path: String,
    /// `pack` or `files`.
    pub kind: &'static str,
    /// A pack's layout and sides in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pack: Option<PackFacts>,
    /// Sound pictures, the repeated ones among files too.
    pub pictures: usize,
    /// Those that training leaves out.
    pub held_out: usize,
    /// Originals by their shorter side: its greatest power of two, and how many.
    pub sizes: BTreeMap<u32, usize>,
    /// Smallest and greatest shorter side of an original in pixels.
    pub shorter_side: [u32; 2],
    /// Mean red, green and blue, 0 to 255.
    pub mean: [f64; 3],
    /// Standard deviation of red, green and blue over all pixels.
    pub deviation: [f64; 3],
    /// What could not be read.
    pub broken: Vec<LeftOut>,
    /// What has the same pixels as an earlier picture.
    pub duplicates: Vec<LeftOut>,
    /// What was left out of a pack on request.
    pub filtered: Vec<LeftOut>,
    /// Pictures for the sheet, and whether each is held out.
    #[serde(skip)]
    pub tiles: Vec<(RgbImage, bool)>,
}

/// What only packs have.
#[derive(Debug, Serialize)]
pub struct PackFacts {
    /// How the sources were laid out.
    pub layout: String,
    /// The folders and archives it was made of.
    pub sources: Vec<String>,
    /// Sides of its levels in pixels.
    pub sides: Vec<u32>,
    /// Its checksum.
    pub sha256: String,
    /// Whether all checksums were held against the files.
    pub verified: bool,
}

/// Inspects `path`; `verify` holds a pack against its checksums.
///
/// # Errors
/// As [`Pack::open`], [`Pack::verify`] and [`layout::collect`].
pub fn inspect(path: &Path, verify: bool) -> Result<Inspection> {
    let (mut report, colours) =
        if Pack::is_at(path) { of_pack(path, verify)? } else { of_files(path, verify)? };
    report.path = path.display().to_string();
    (report.mean, report.deviation) = colours.finish();
    Ok(report)
}

fn of_pack(path: &Path, verify: bool) -> Result<(Inspection, Colours)> {
    let pack = Pack::open(path)?;
    if verify {
        pack.verify()?;
    }
    let content = &pack.manifest().content;
    let mut report = Inspection {
        kind: "pack",
        pack: Some(PackFacts {
            layout: content.layout.clone(),
            sources: content.sources.clone(),
            sides: content.levels.iter().map(|l| l.side).collect(),
            sha256: pack.manifest().sha256.clone(),
            verified: verify,
        }),
        pictures: content.pictures.len(),
        held_out: content.pictures.iter().filter(|p| p.held_out).count(),
        broken: content.broken.clone(),
        duplicates: content.duplicates.clone(),
        filtered: content.filtered.clone(),
        ..Inspection::default()
    };
    let level = pack.level(TILE);
    let map = pack.map(level)?;
    let mut colours = Colours::default();
    let mut progress = Progress::new("inspecting pictures", content.pictures.len() as u64);
    let bytes = level.side as usize * level.side as usize * 3;
    for (i, (picture, pixels)) in content.pictures.iter().zip(map.chunks_exact(bytes)).enumerate() {
        interrupt::check()?;
        report.count(picture.size);
        colours.add(pixels);
        if on_sheet(i, content.pictures.len())
            && let Some(tile) = RgbImage::from_raw(level.side, level.side, pixels.to_vec())
        {
            report.tiles.push((tile, picture.held_out));
        }
        progress.advance(1, "");
    }
    progress.finish("");
    Ok((report, colours))
}

fn of_files(path: &Path, verify: bool) -> Result<(Inspection, Colours)> {
    if verify {
        let reason = "is no pack, so there are no checksums to verify: leave out --verify";
        return Err(Error::Data { path: path.to_owned(), reason: reason.into() });
    }
    let plain = Options { layout: Some(Layout::Plain), ..Options::default() };
    let items = layout::collect(&[path.to_owned()], &plain)?.items;
    let mut report = Inspection { kind: "files", ..Inspection::default() };
    let mut colours = Colours::default();
    let mut seen: HashMap<[u8; 32], usize> = HashMap::new();
    let plan = Plan { sides: vec![TILE], least_cover: 0.0 };
    scan::scan("inspecting pictures", &items, &plan, |i, scanned| {
        let leave = |reason: String| LeftOut { name: items[i].name.clone(), reason };
        match scanned {
            Err(Skip::Broken(reason) | Skip::Filtered(reason)) => report.broken.push(leave(reason)),
            Ok(mut scanned) => {
                if let Some(first) = seen.get(&scanned.pixels) {
                    report.duplicates.push(leave(format!("same pixels as {}", items[*first].name)));
                }
                seen.entry(scanned.pixels).or_insert(i);
                report.pictures += 1;
                report.count(scanned.size);
                if let Some(square) = scanned.squares.pop() {
                    colours.add(square.as_raw());
                    if on_sheet(i, items.len()) {
                        report.tiles.push((square, false));
                    }
                }
            }
        }
        Ok(())
    })?;
    Ok((report, colours))
}

/// Whether picture `i` of `n` is one of those, evenly spread, that go on the sheet.
fn on_sheet(i: usize, n: usize) -> bool {
    let places = (COLUMNS * ROWS).min(n);
    i * places / n != (i + 1) * places / n
}

impl Inspection {
    fn count(&mut self, [w, h]: [u32; 2]) {
        let shorter = w.min(h).max(1);
        *self.sizes.entry(1 << shorter.ilog2()).or_default() += 1;
        let [low, high] = self.shorter_side;
        self.shorter_side = [if low == 0 { shorter } else { low.min(shorter) }, high.max(shorter)];
    }
}

/// Sums of bytes by channel.
#[derive(Default)]
struct Colours {
    count: u64,
    sum: [u64; 3],
    squares: [u64; 3],
}

impl Colours {
    fn add(&mut self, pixels: &[u8]) {
        for pixel in pixels.chunks_exact(3) {
            for (c, v) in pixel.iter().enumerate() {
                let v = u64::from(*v);
                self.sum[c] += v;
                self.squares[c] += v * v;
            }
        }
        self.count += pixels.len() as u64 / 3;
    }

    /// Mean and standard deviation.
    fn finish(&self) -> ([f64; 3], [f64; 3]) {
        let n = self.count.max(1) as f64;
        let mean = self.sum.map(|s| s as f64 / n);
        let of = |c: usize| (self.squares[c] as f64 / n - mean[c] * mean[c]).max(0.0).sqrt();
        (mean, std::array::from_fn(of))
    }
}

/// Lays tiles out in rows, the held-out ones framed; `None` if there are none.
pub fn sheet(tiles: &[(RgbImage, bool)]) -> Option<RgbImage> {
    let columns = COLUMNS.min(tiles.len()) as u32;
    let rows =
        (tiles.len() as u32).checked_div(columns)? + u32::from(!(tiles.len() as u32).is_multiple_of(columns));
    let mut sheet = RgbImage::new(columns * TILE, rows * TILE);
    for (i, (tile, held_out)) in (0..).zip(tiles) {
        let mut tile = image::imageops::resize(tile, TILE, TILE, image::imageops::FilterType::Triangle);
        if *held_out {
            for (x, y, pixel) in tile.enumerate_pixels_mut() {
                if x.min(y).min(TILE - 1 - x).min(TILE - 1 - y) < FRAME {
                    *pixel = HELD_OUT;
                }
            }
        }
        let (x, y) = (i % columns * TILE, i / columns * TILE);
        image::imageops::replace(&mut sheet, &tile, i64::from(x), i64::from(y));
    }
    Some(sheet)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::ImageFormat;

    use super::super::fixtures::{encode, png, scene};
    use super::super::import::{HoldOut, Import, import};
    use super::*;

    #[test]
    fn files_and_their_pack_are_counted_alike() {
        let dir = tempfile::tempdir().unwrap();
        let pictures = dir.path().join("pictures");
        fs::create_dir(&pictures).unwrap();
        fs::write(pictures.join("a.png"), png([200, 100, 0], 300, 200)).unwrap();
        fs::write(pictures.join("b.png"), png([100, 100, 0], 128, 128)).unwrap();
        fs::write(pictures.join("b2.png"), png([100, 100, 0], 128, 128)).unwrap();
        fs::write(pictures.join("c.png"), "nothing").unwrap();
        let files = inspect(&pictures, false).unwrap();
        assert_eq!((files.kind, files.pictures, files.held_out), ("files", 3, 0));
        assert_eq!((files.broken[0].name.as_str(), files.duplicates[0].name.as_str()), ("c.png", "b2.png"));
        assert_eq!(files.sizes, BTreeMap::from([(128, 3)]));
        assert_eq!(files.shorter_side, [128, 200]);
        assert!(inspect(&pictures, true).unwrap_err().to_string().contains("is no pack"));

        let out = dir.path().join("pack");
        import(&Import { side: 128, ..Import::new(vec![pictures], out.clone()) }).unwrap();
        let pack = inspect(&out, true).unwrap();
        assert_eq!((pack.kind, pack.pictures), ("pack", 2));
        assert_eq!((&pack.broken, &pack.duplicates), (&files.broken, &files.duplicates));
        assert_eq!(pack.mean, [150.0, 100.0, 0.0]);
        assert_eq!(pack.deviation, [50.0, 0.0, 0.0]);
        assert!(pack.pack.unwrap().verified);
    }

    #[test]
    fn a_sheet_spreads_over_the_set_and_frames_what_is_held_out() {
        let dir = tempfile::tempdir().unwrap();
        let pictures = dir.path().join("pictures");
        fs::create_dir(&pictures).unwrap();
        for i in 0..90 {
            fs::write(pictures.join(format!("{i:02}.png")), encode(&scene(i, 16, 16), ImageFormat::Png))
                .unwrap();
        }
        let out = dir.path().join("pack");
        let hold_out = HoldOut::Count(45);
        import(&Import { side: 16, hold_out, ..Import::new(vec![pictures], out.clone()) }).unwrap();
        let report = inspect(&out, false).unwrap();
        assert_eq!((report.pictures, report.tiles.len()), (90, 80));
        let drawn = sheet(&report.tiles).unwrap();
        assert_eq!(drawn.dimensions(), (1280, 1024));
        let framed = (0..80).filter(|i| *drawn.get_pixel(i % 10 * TILE, i / 10 * TILE) == HELD_OUT).count();
        assert_eq!(framed, report.tiles.iter().filter(|t| t.1).count());
        assert!(framed > 20);
        assert_eq!(sheet(&report.tiles[..3]).unwrap().dimensions(), (384, 128));
        assert_eq!(sheet(&[]), None);
    }
}
