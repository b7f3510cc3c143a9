//! Writing a report down. Every file is made before anything is measured, so that a bad path fails first.

mod csv;
mod text;

use std::path::{Path, PathBuf};

use super::executor::Series;
use super::plot;
use super::report::BenchReport;
use crate::bench;
use crate::error::{Error, Result};
use crate::media::output::PendingFile;

pub use self::csv::{Time, read_times};
pub use self::text::{STEPS, headline, tables};

/// Turns a report into the content of a file.
pub trait Exporter {
    /// The content. `series` are the single times behind the report.
    ///
    /// # Errors
    /// The report cannot be put that way.
    fn export(&self, report: &BenchReport, series: &[Series]) -> Result<Vec<u8>>;
}

/// JSON as [`BenchReport`] is.
pub struct Json;

impl Exporter for Json {
    fn export(&self, report: &BenchReport, _series: &[Series]) -> Result<Vec<u8>> {
        let failed =
            |e: serde_json::Error| Error::Engine { what: "the report".to_owned(), reason: e.to_string() };
        let mut text = serde_json::to_vec_pretty(report).map_err(failed)?;
        text.push(b'\n');
        Ok(text)
    }
}

/// A line for every measurement and step.
pub struct Csv;

impl Exporter for Csv {
    fn export(&self, report: &BenchReport, _series: &[Series]) -> Result<Vec<u8>> {
        Ok(csv::summaries(report).into_bytes())
    }
}

/// A line for every single time.
pub struct Times;

impl Exporter for Times {
    fn export(&self, _report: &BenchReport, series: &[Series]) -> Result<Vec<u8>> {
        Ok(csv::times(series).into_bytes())
    }
}

/// Tables for a document.
pub struct Markdown;

impl Exporter for Markdown {
    fn export(&self, report: &BenchReport, _series: &[Series]) -> Result<Vec<u8>> {
        Ok(text::markdown(report).into_bytes())
    }
}

/// Tables for a screen.
pub struct Text;

impl Exporter for Text {
    fn export(&self, report: &BenchReport, _series: &[Series]) -> Result<Vec<u8>> {
        Ok(text::screen(report).into_bytes())
    }
}

/// Distribution and step bars.
pub enum Plot {
    /// A page with drawings in it, nothing fetched.
    Html,
    /// A picture.
    Png,
}

impl Exporter for Plot {
    fn export(&self, report: &BenchReport, series: &[Series]) -> Result<Vec<u8>> {
        match self {
            Self::Html => Ok(plot::html(report, series).into_bytes()),
            Self::Png => plot::png(report, series),
        }
    }
}

/// Files that will hold a report.
#[derive(Default)]
pub struct Outputs {
    files: Vec<(PendingFile, Box<dyn Exporter>)>,
}

impl Outputs {
    /// Makes a file for `exporter`.
    ///
    /// # Errors
    /// It is there already (unless `force`), its folder is not, or another output has its name.
    pub fn add(&mut self, path: &Path, exporter: impl Exporter + 'static, force: bool) -> Result<()> {
        if self.files.iter().any(|(file, _)| file.target() == path) {
            return Err(bench::Error::NamedTwice(path.to_owned()).into());
        }
        self.files.push((PendingFile::create(path, force)?, Box::new(exporter)));
        Ok(())
    }

    /// Writes the files and gives their names.
    ///
    /// # Errors
    /// One cannot be written.
    pub fn write(self, report: &BenchReport, series: &[Series]) -> Result<Vec<PathBuf>> {
        self.files
            .into_iter()
            .map(|(mut file, exporter)| {
                file.write(&exporter.export(report, series)?)?;
                Ok(file.finish()?)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{report, series};
    use super::*;

    #[test]
    fn a_bad_path_fails_before_anything_is_measured_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let taken = dir.path().join("taken.json");
        std::fs::write(&taken, "old").unwrap();
        let mut outputs = Outputs::default();
        outputs.add(&dir.path().join("a.csv"), Csv, false).unwrap();
        assert!(outputs.add(&taken, Json, false).unwrap_err().to_string().contains("--force"));
        assert!(outputs.add(&dir.path().join("none/a.md"), Markdown, false).is_err());
        assert!(outputs.add(&dir.path().join("a.csv"), Json, true).is_err(), "two outputs, one name");
        drop(outputs);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn every_file_is_written_whole() {
        let dir = tempfile::tempdir().unwrap();
        let series = series(&[("a", &[1000, 1100, 900])]);
        let report = report(&series);
        let mut outputs = Outputs::default();
        let path = |name: &str| dir.path().join(name);
        outputs.add(&path("a.json"), Json, false).unwrap();
        outputs.add(&path("a.csv"), Csv, false).unwrap();
        outputs.add(&path("a.md"), Markdown, false).unwrap();
        outputs.add(&path("a.html"), Plot::Html, false).unwrap();
        outputs.add(&path("a.png"), Plot::Png, false).unwrap();
        let written = outputs.write(&report, &series).unwrap();
        assert_eq!(written.len(), 5);
        let text = |name: &str| std::fs::read_to_string(path(name)).unwrap();
        assert_eq!(BenchReport::read(&path("a.json")).unwrap().measurements, report.measurements);
        assert!(text("a.md").contains("| a | end to end |"), "{}", text("a.md"));
        assert!(text("a.html").starts_with("<!doctype html>"));
        assert!(image::open(path("a.png")).unwrap().width() > 300);
    }
}
