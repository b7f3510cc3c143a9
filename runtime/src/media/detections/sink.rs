use std::path::Path;

use lkg_bundle::Manifest;

use super::coco::NEXT_FACE;
use super::{DetectionFormat, DetectionWriter, Found};
use crate::error::media::{Error, Result};
use crate::media::keypoints::LINES;
use crate::media::output::PendingFile;
use crate::media::sink::{Shown, Sink, Written};

/// Writes the faces of every frame into a file.
pub struct DetectionsSink {
    file: PendingFile,
    writer: DetectionWriter,
    /// What the frames come from, as it was named.
    source: String,
}

impl DetectionsSink {
    /// Starts the file for frames of `source`, with the names of `manifest`.
    ///
    /// # Errors
    /// [`Error::Exists`] (unless `force`) or [`Error::Io`].
    pub fn create(
        path: &Path,
        force: bool,
        format: DetectionFormat,
        manifest: &Manifest,
        source: String,
    ) -> Result<Self> {
        let file = PendingFile::create(path, force)?;
        Ok(Self { file, writer: DetectionWriter::new(format, manifest), source })
    }
}

impl DetectionsSink {
    /// Where the file may be cut, and how much of that stays.
    fn mark(&self) -> (&'static [u8], usize) {
        if self.writer.format() == DetectionFormat::Coco { NEXT_FACE } else { LINES }
    }
}

impl Sink for DetectionsSink {
    fn name(&self) -> String {
        self.file.target().display().to_string()
    }

    fn write(&mut self, shown: &Shown<'_>) -> Result<()> {
        let text = self.writer.add(&Found::of(&self.source, shown)).map_err(Error::io(self.file.target()))?;
        self.file.write(text)
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Written>> {
        let end = self.writer.finish().map_err(Error::io(self.file.target()))?.to_vec();
        let mark = self.mark();
        let whole = self.file.write(&end).and_then(|()| self.file.flush());
        match whole {
            Ok(()) => Ok(vec![Written { what: "keypoints", path: self.file.finish()? }]),
            Err(e) => {
                self.file.salvage(mark, &end).ok();
                Err(e)
            }
        }
    }

    fn abandon(mut self: Box<Self>) -> Vec<Written> {
        let mark = self.mark();
        let end = self.writer.finish().map(<[u8]>::to_vec).unwrap_or_default();
        let saved = self.file.salvage(mark, &end).ok();
        saved.map(|path| Written { what: "keypoints", path }).into_iter().collect()
    }
}
