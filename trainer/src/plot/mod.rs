//! Charts as pictures: lines, histograms, tables in colour, and text on pictures. Drawn by `plotters` with a font that
//! comes with the program, so that nothing of the system is needed.

mod charts;
mod figure;
mod marks;

use std::sync::OnceLock;

use image::RgbImage;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

pub use charts::{Panel, Series, histogram, matrix, panels};
pub use figure::{figure, names};
pub use marks::{arrow, caption, dashed, disc, ellipse, label, line, magnify, ring};

use crate::error::{Error, Result};

/// The font's name among plotters' fonts.
const FONT: &str = "sans-serif";

/// Colours of series, told apart also by most of the colour-blind (Okabe and Ito, 2008).
pub const COLOURS: [[u8; 3]; 7] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [230, 159, 0],
    [86, 180, 233],
    [60, 60, 60],
];

/// Whether the font could be registered, tried once.
static FONT_REGISTERED: OnceLock<bool> = OnceLock::new();

fn fail(reason: impl std::fmt::Display) -> Error {
    Error::Plot(reason.to_string())
}

fn use_font() -> Result<()> {
    let registered =
        FONT_REGISTERED.get_or_init(|| register_font(FONT, FontStyle::Normal, notosans::REGULAR_TTF).is_ok());
    if *registered { Ok(()) } else { Err(fail("the built-in font does not parse")) }
}

/// Draws on `picture` with plotters.
fn paint(
    picture: &mut RgbImage,
    draw: impl FnOnce(&DrawingArea<BitMapBackend<'_>, Shift>) -> Result<()>,
) -> Result<()> {
    use_font()?;
    let size = picture.dimensions();
    if size.0 == 0 || size.1 == 0 {
        return Ok(());
    }
    let area = BitMapBackend::with_buffer(picture, size).into_drawing_area();
    draw(&area)?;
    area.present().map_err(fail)
}

/// A white picture.
pub fn blank(width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, image::Rgb([255; 3]))
}

fn colour([r, g, b]: [u8; 3]) -> RGBColor {
    RGBColor(r, g, b)
}
