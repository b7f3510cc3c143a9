use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use lkg_bundle::Manifest;

use super::coco::Coco;
use super::{Describer, Found, csv, v1};

/// How detections are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DetectionFormat {
    /// One object a line, see the schema of detections.
    #[default]
    Json,
    /// A table with a row a face.
    Csv,
    /// One object in the form of COCO's keypoints.
    Coco,
    /// The lines of schema 1: the first face alone, its keypoints without names.
    V1,
}

impl DetectionFormat {
    /// Whether [`Found::change`] is written.
    pub fn has_change(self) -> bool {
        self == Self::V1
    }
}

impl FromStr for DetectionFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "coco" => Ok(Self::Coco),
            "v1" => Ok(Self::V1),
            // What --format of the live commands was for.
            "mjpg" | "mjpeg" | "yuyv" | "nv12" => {
                Err(format!("{text} is a camera's pixel format: write --pixel-format {text}"))
            }
            _ => Err("must be json, csv, coco or v1".to_owned()),
        }
    }
}

impl fmt::Display for DetectionFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Coco => "coco",
            Self::V1 => "v1",
        })
    }
}

/// Turns what is found in picture after picture into text; keeps its room.
pub struct DetectionWriter {
    format: DetectionFormat,
    describer: Describer,
    text: Vec<u8>,
    coco: Coco,
    begun: bool,
}

impl DetectionWriter {
    /// Of what the bundle with `manifest` finds.
    pub fn new(format: DetectionFormat, manifest: &Manifest) -> Self {
        let describer = Describer::new(manifest);
        Self { format, describer, text: Vec::new(), coco: Coco::default(), begun: false }
    }

    /// The form that it writes.
    pub fn format(&self) -> DetectionFormat {
        self.format
    }

    /// The text of a picture or frame.
    ///
    /// # Errors
    /// A number that JSON has not.
    pub fn add(&mut self, found: &Found<'_>) -> io::Result<&[u8]> {
        self.text.clear();
        self.begin()?;
        let Self { describer, text, coco, .. } = self;
        match self.format {
            DetectionFormat::Json => lkg_bundle::json::to_writer(&mut *text, &describer.describe(*found))?,
            DetectionFormat::V1 => v1::write(&mut *text, found, &describer.expressions)?,
            DetectionFormat::Csv => csv::rows(&mut *text, found, describer)?,
            DetectionFormat::Coco => coco.add(&mut *text, found, describer)?,
        }
        if matches!(self.format, DetectionFormat::Json | DetectionFormat::V1) {
            self.text.write_all(b"\n")?;
        }
        Ok(&self.text)
    }

    /// What stands after the last picture.
    ///
    /// # Errors
    /// Those of [`DetectionWriter::add`].
    pub fn finish(&mut self) -> io::Result<&[u8]> {
        self.text.clear();
        self.begin()?;
        if self.format == DetectionFormat::Coco {
            self.coco.finish(&mut self.text)?;
        }
        Ok(&self.text)
    }

    /// What stands before the first picture.
    fn begin(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            match self.format {
                DetectionFormat::Csv => csv::head(&mut self.text, &self.describer)?,
                DetectionFormat::Coco => self.coco.begin(&mut self.text, &self.describer)?,
                DetectionFormat::Json | DetectionFormat::V1 => {}
            }
        }
        Ok(())
    }
}
