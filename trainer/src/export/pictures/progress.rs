//! How training went: what it measured, and what the generator drew on the way.

use image::RgbImage;
use image::imageops::{self, FilterType};

use super::{CardPicture, Table};
use crate::error::{Error, Result};
use crate::train::run::Run;
use crate::train::stages::gan::{SHEET, STAGE};
use crate::train::stages::portrait;

/// Sheets that are shown.
const TIMES: usize = 7;
/// Samples of each.
const ROWS: u32 = 4;
/// Side of a sample, in pixels.
const SIDE: u32 = 128;

/// What `run` recorded of its generator's training: curves, and the same samples as they came to be; none that it has no records
/// of.
///
/// # Errors
/// [`Error::Plot`]; [`Error::Io`], [`Error::Data`] of a sheet.
pub fn progress(run: &Run) -> Result<Vec<CardPicture>> {
    let mut pictures = vec![];
    let sheets = run.samples(STAGE)?;
    if sheets.len() > 1 {
        let shown: Vec<_> = places(sheets.len()).map(|i| &sheets[i]).collect();
        let headings: Vec<String> = shown.iter().map(|(images, _)| format!("{images} images")).collect();
        let mut table =
            Table::new(&headings.iter().map(String::as_str).collect::<Vec<_>>(), ROWS as usize, SIDE)?;
        for (column, (_, path)) in shown.iter().enumerate() {
            let sheet = image::open(path)
                .map_err(|e| Error::Data { path: path.clone(), reason: e.to_string() })?
                .into_rgb8();
            for row in 0..ROWS {
                table.put(column, row as usize, &sample(&sheet, row));
            }
        }
        let caption = format!(
            "The first {ROWS} of the samples that training drew on its way, the same noise each time, after as many real \
             images as stand above."
        );
        pictures.push(CardPicture::photo("progress", caption, table.sheet)?);
    }
    if let Some(curves) = run.recorder(STAGE).picture()? {
        let caption = "What the generator's training measured, by real images seen: losses before their weights, and keypoints.";
        pictures.push(CardPicture::lossless("curves", caption.to_owned(), curves)?);
    }
    Ok(pictures)
}

/// What `run` recorded of its portrait networks' training: curves; none that it has no records of.
///
/// # Errors
/// [`Error::Plot`].
pub fn portrait_curves(run: &Run) -> Result<Option<CardPicture>> {
    let caption = "What the training measured, by pairs of pictures seen: losses before their weights.";
    let curves = run.recorder(portrait::STAGE).picture()?;
    curves.map(|curves| CardPicture::lossless("curves", caption.to_owned(), curves)).transpose()
}

/// Which of `n` sheets are shown: the first, the last, and some between them.
fn places(n: usize) -> impl Iterator<Item = usize> {
    let shown = n.min(TIMES);
    (0..shown).map(move |i| i * (n - 1) / (shown - 1).max(1))
}

/// Sample number `i` of a sheet's first row.
fn sample(sheet: &RgbImage, i: u32) -> RgbImage {
    let side = sheet.width() / SHEET.columns as u32;
    let tile = imageops::crop_imm(sheet, i * side, 0, side, side).to_image();
    imageops::resize(&tile, SIDE, SIDE, FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheets_are_spread_from_the_first_to_the_last() {
        assert_eq!(places(2).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(places(7).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
        let many: Vec<_> = places(40).collect();
        assert_eq!((many[0], many[6], many.len()), (0, 39, TIMES));
    }

    #[test]
    fn samples_are_cut_out_of_the_first_row() {
        let columns = SHEET.columns as u32;
        let sheet = RgbImage::from_fn(columns * 8, 16, |x, y| image::Rgb([(x / 8) as u8, (y / 8) as u8, 7]));
        let third = sample(&sheet, 2);
        assert_eq!(third.dimensions(), (SIDE, SIDE));
        assert!(third.pixels().all(|p| p.0 == [2, 0, 7]));
    }
}
