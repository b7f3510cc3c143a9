//! Where frames go, whatever the kind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use image::RgbImage;

use super::avi::AviWriter;
use super::error::{Error, Result};
use super::frames::FramesSink;
use super::mark::Origin;
use crate::frame::Face;

/// A processed frame on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The picture with everything drawn on it.
    pub picture: &'a RgbImage,
    /// The frame's position in the source.
    pub index: u64,
    /// The frame's time since the source's start.
    pub time: Duration,
    /// The face in pixels of the source's picture.
    pub face: Option<&'a Face>,
    /// Mean absolute difference of the source's picture from the frame before where the face is, in steps of 255;
    /// `None` for the first frame.
    pub change: Option<f32>,
}

/// Something that takes frames. Dropped before `finish`, it leaves no half-written file.
pub trait Sink {
    /// Told before the first frame that a network drew what is to come: files note it in their metadata.
    fn mark(&mut self, _origin: Origin) {}

    /// Takes a frame.
    ///
    /// # Errors
    /// It cannot be written, e.g. on a full disk.
    fn write(&mut self, shown: &Shown<'_>) -> Result<()>;

    /// Completes what was written and says where it is, with a word on what it is.
    ///
    /// # Errors
    /// It cannot be written.
    fn finish(self: Box<Self>) -> Result<Vec<Written>>;
}

/// A file or folder that a run left behind.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// What it is: `clip`, `pictures`, `contact sheet` or `keypoints`.
    pub what: &'static str,
    /// Where it is.
    pub path: PathBuf,
}

/// Prepares an output by its name: `FILE.avi` is a clip, a name without extension or an existing folder is a folder
/// of single pictures. Nothing is written before the first frame.
///
/// # Errors
/// [`Error::Exists`] (unless `force`), [`Error::UnknownOutput`], or the folder around it is missing.
pub fn open_output(path: &Path, force: bool) -> Result<Box<dyn Sink>> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        _ if path.is_dir() => Ok(Box::new(FramesSink::create(path, force)?)),
        Some("avi") => Ok(Box::new(AviSink::create(path, force)?)),
        None if path.file_name().is_some() => Ok(Box::new(FramesSink::create(path, force)?)),
        _ => Err(Error::UnknownOutput(path.to_owned())),
    }
}

/// Writes a Motion JPEG AVI, and goes on in a further file when one is full.
struct AviSink {
    path: PathBuf,
    force: bool,
    writer: Option<AviWriter>,
    done: Vec<Written>,
    origin: Option<Origin>,
}

impl AviSink {
    fn create(path: &Path, force: bool) -> Result<Self> {
        super::output::check_target(path, force)?;
        Ok(Self { path: path.to_owned(), force, writer: None, done: Vec::new(), origin: None })
    }

    /// `clip.avi`, then `clip-2.avi` and so on.
    fn part_path(&self) -> PathBuf {
        match self.done.len() {
            0 => self.path.clone(),
            n => {
                let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
                self.path.with_file_name(format!("{stem}-{}.avi", n + 1))
            }
        }
    }

    fn close_part(&mut self) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            self.done.push(Written { what: "clip", path: writer.finish()? });
        }
        Ok(())
    }
}

impl Sink for AviSink {
    fn mark(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    fn write(&mut self, shown: &Shown<'_>) -> Result<()> {
        if self.writer.as_ref().is_some_and(AviWriter::is_full) {
            self.close_part()?;
        }
        if self.writer.is_none() {
            let size = shown.picture.dimensions();
            self.writer = Some(AviWriter::create(&self.part_path(), size, self.force, self.origin)?);
        }
        self.writer.as_mut().map_or(Ok(()), |w| w.add(shown.picture, shown.time))
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Written>> {
        self.close_part()?;
        Ok(self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::jpeg::tests::gradient;

    #[test]
    fn the_name_decides_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let picture = gradient(32, 24);
        for (name, what) in [("clip.avi", "clip"), ("folder", "pictures")] {
            let path = dir.path().join(name);
            let mut sink = open_output(&path, false).unwrap();
            assert!(!path.exists(), "nothing before the first frame");
            for index in 0..2 {
                let time = Duration::from_millis(index * 40);
                sink.write(&Shown { picture: &picture, index, time, face: None, change: None }).unwrap();
            }
            assert_eq!(sink.finish().unwrap(), [Written { what, path: path.clone() }]);
            assert!(matches!(open_output(&path, false), Err(Error::Exists(_))), "{name}");
            assert!(open_output(&path, true).is_ok());
        }
        let odd = open_output(&dir.path().join("clip.xyz"), false);
        assert!(matches!(odd, Err(Error::UnknownOutput(_))));
        assert!(open_output(&dir.path().join("none/clip.avi"), false).is_err());
    }
}
