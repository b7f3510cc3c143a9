//! A contact sheet: evenly spaced frames of a run in one picture, each with its number and time below.

use std::path::{Path, PathBuf};
use std::time::Duration;

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::mark::{self, Origin};
use super::output::{PendingFile, check_target};
use super::sink::{Shown, Sink, Written};
use crate::error::media::{Error, Result};
use crate::vision::text;

/// Frames side by side.
const COLUMNS: u32 = 4;

/// Most frames on a sheet.
const CELLS: usize = 20;

/// Frames held to choose from.
const HELD: usize = 4 * CELLS;

/// Width of a frame on the sheet, in pixels.
const CELL_WIDTH: u32 = 320;

/// Greatest height of a frame on the sheet, in pixels.
const CELL_HEIGHT: u32 = 2 * CELL_WIDTH;

/// Size of captions, in pixels.
const CAPTION: u32 = 15;

/// A frame on the sheet.
struct Cell {
    picture: RgbImage,
    index: u64,
    time: Duration,
}

/// Collects frames for the sheet. How long a run is shows only at its end, so whenever the store is full every other
/// frame is thrown out and the step doubled: a bounded number is held, fine enough to choose evenly spaced ones from.
pub struct SheetSink {
    path: PathBuf,
    force: bool,
    kept: Vec<Cell>,
    step: u64,
    seen: u64,
    origin: Option<Origin>,
}

impl SheetSink {
    /// Prepares the sheet `path`, a PNG.
    ///
    /// # Errors
    /// [`Error::Exists`] (unless `force`) or the folder around it is missing.
    pub fn create(path: &Path, force: bool) -> Result<Self> {
        check_target(path, force)?;
        Ok(Self { path: path.to_owned(), force, kept: Vec::new(), step: 1, seen: 0, origin: None })
    }
}

impl Sink for SheetSink {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn mark(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    fn write(&mut self, shown: &Shown<'_>) -> Result<()> {
        if self.seen.is_multiple_of(self.step) {
            let (width, height) = cell_size(shown.picture.dimensions());
            let cell = imageops::resize(shown.picture, width, height, FilterType::Triangle);
            self.kept.push(Cell { picture: cell, index: shown.index, time: shown.time });
            if self.kept.len() == HELD {
                let mut even = false;
                self.kept.retain(|_| {
                    even = !even;
                    even
                });
                self.step *= 2;
            }
        }
        self.seen += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        if self.kept.is_empty() {
            return Ok(Vec::new());
        }
        let cells: Vec<_> = spread(self.kept.len(), CELLS).map(|i| &self.kept[i]).collect();
        let sheet = compose(&cells);
        let png = mark::png(&sheet, self.origin).map_err(|e| Error::damaged(&self.path, e))?;
        let mut file = PendingFile::create(&self.path, self.force)?;
        file.write(&png)?;
        Ok(vec![Written { what: "contact sheet", path: file.finish()? }])
    }
}

/// Width and height of a picture's cell: a strip that stands is made narrower.
fn cell_size((width, height): (u32, u32)) -> (u32, u32) {
    let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
    let (most_wide, most_high) = (u64::from(CELL_WIDTH), u64::from(CELL_HEIGHT));
    let high = (height * most_wide / width).max(1);
    if high <= most_high {
        return (CELL_WIDTH, high as u32);
    }
    ((width * most_high / height).max(1) as u32, CELL_HEIGHT)
}

/// At most `most` evenly spaced indices below `n`, the first and the last among them.
fn spread(n: usize, most: usize) -> impl Iterator<Item = usize> {
    let cells = n.min(most);
    (0..cells).map(move |i| if cells > 1 { i * (n - 1) / (cells - 1) } else { 0 })
}

fn compose(cells: &[&Cell]) -> RgbImage {
    const GAP: u32 = 4;
    let columns = COLUMNS.min(cells.len() as u32);
    let rows = (cells.len() as u32).div_ceil(columns);
    let height = cells.iter().map(|cell| cell.picture.height()).max().unwrap_or(1);
    let below = height + text::line(CAPTION);
    let size = (GAP + columns * (CELL_WIDTH + GAP), GAP + rows * (below + GAP));
    let mut sheet = RgbImage::from_pixel(size.0, size.1, Rgb([24; 3]));
    for (i, Cell { picture, index, time }) in cells.iter().enumerate() {
        let x = GAP + i as u32 % columns * (CELL_WIDTH + GAP);
        let y = GAP + i as u32 / columns * (below + GAP);
        imageops::replace(&mut sheet, picture, x.into(), y.into());
        let caption = format!("frame {index}, {:.2} s", time.as_secs_f64());
        text::draw_plain(&mut sheet, &caption, (x as i32 + 2, (y + height) as i32), CAPTION, [225, 230, 235]);
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet_of(frames: u64) -> RgbImage {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sheet.png");
        let mut sink = SheetSink::create(&path, false).unwrap();
        for index in 0..frames {
            let picture = RgbImage::from_pixel(64, 48, Rgb([(index * 255 / frames) as u8, 90, 90]));
            sink.write(&Shown::new(&picture, index, Duration::ZERO)).unwrap();
            assert!(sink.kept.len() < HELD);
        }
        assert_eq!(Box::new(sink).finish().unwrap()[0].path, path);
        image::open(&path).unwrap().into_rgb8()
    }

    #[test]
    fn a_long_run_fills_twenty_cells_from_start_to_end() {
        let sheet = sheet_of(1000);
        let row = 244 + text::line(CAPTION);
        assert_eq!(sheet.dimensions(), (4 + 4 * 324, 4 + 5 * row));
        assert_eq!(sheet.get_pixel(8, 8).0, [0, 90, 90]);
        assert!(sheet.get_pixel(4 + 3 * 324 + 8, 4 + 4 * row + 8).0[0] > 235, "the end of the run");
    }

    /// Numbers stood on the pictures.
    #[test]
    fn captions_stand_below_frames_and_not_on_them() {
        let sheet = sheet_of(3);
        let frame = |x: u32, y: u32| (4..324).contains(&x) && (4..244).contains(&y);
        let pixels = || sheet.enumerate_pixels().filter(|(x, ..)| *x < 326);
        assert!(pixels().filter(|(x, y, _)| frame(*x, *y)).all(|(.., p)| p.0 == [0, 90, 90]));
        assert!(pixels().filter(|(x, y, p)| !frame(*x, *y) && p.0[0] > 150).count() > 50, "a caption");
    }

    /// Cells of a picture of 1 x 16384 took 5 GB.
    #[test]
    fn cells_of_any_picture_are_small() {
        assert_eq!(cell_size((640, 480)), (320, 240));
        assert_eq!(cell_size((480, 640)), (320, 426));
        assert_eq!(cell_size((1, 16384)), (1, 640));
        assert_eq!(cell_size((16384, 1)), (320, 1));
    }

    #[test]
    fn a_short_run_fills_what_it_can() {
        assert_eq!(sheet_of(3).dimensions(), (4 + 3 * 324, 4 + 244 + text::line(CAPTION)));
        assert_eq!(spread(20, 20).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        assert_eq!(spread(39, 20).last(), Some(38));
    }
}
