//! Drawings of a report: how the times of each measurement are spread, and what the steps take. One layout, put on a
//! page as SVG or into a picture.

mod layout;
mod scene;

use super::executor::Series;
use super::export::headline;
use super::report::BenchReport;
use crate::error::{Error, Result};

/// A page with the drawings in it. It fetches nothing.
pub fn html(report: &BenchReport, series: &[Series]) -> String {
    let scene = layout::draw(report, series);
    let lines: String = headline(report).iter().map(|l| format!("<li>{}</li>\n", scene::escape(l))).collect();
    let verdict = if report.verdict.valid { "VALID" } else { "INVALID" };
    let remarks: String = report
        .verdict
        .reasons
        .iter()
        .chain(&report.warnings)
        .map(|l| format!("<li>{}</li>\n", scene::escape(l)))
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>runtime bench</title>\n\
         <style>body{{font-family:sans-serif;max-width:{}px;margin:1em auto;padding:0 1em}}\
         svg{{width:100%;height:auto}}</style></head><body>\n<h1>runtime bench: {verdict}</h1>\n<ul>\n{lines}</ul>\n\
         {}\n<ul>\n{remarks}</ul>\n</body></html>\n",
        scene.width,
        scene.to_svg()
    )
}

/// The drawings as a PNG.
///
/// # Errors
/// [`Error::Engine`] if the picture cannot be encoded.
pub fn png(report: &BenchReport, series: &[Series]) -> Result<Vec<u8>> {
    let picture = layout::draw(report, series).to_picture();
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|e| Error::Engine { what: "the plot".to_owned(), reason: e.to_string() })?;
    Ok(bytes.into_inner())
}
