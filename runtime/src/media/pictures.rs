//! A folder of pictures as a clip.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use lkg_bundle::pictures;

use super::pattern::Pattern;
use super::picture;
use super::source::{Captured, Next, Source, short_name};
use crate::error::media::{Error, Result};
use crate::frame::Frame;

/// Shows pictures one after the other.
#[derive(Debug)]
pub struct PicturesSource {
    name: String,
    files: Vec<PathBuf>,
    fps: f32,
    position: usize,
}

impl PicturesSource {
    /// The pictures of a folder, sorted by name.
    ///
    /// # Errors
    /// [`Error::NoPictures`] or [`Error::Io`].
    pub fn open(folder: &Path, fps: f32) -> Result<Self> {
        let (mut files, mut refused) = list(folder).map_err(Error::io(folder))?;
        files.retain(|path| !is_hidden(path));
        if files.is_empty() {
            return Err(match refused.pop() {
                // Reading it says what to do.
                Some(path) => read_picture(&path).err().unwrap_or(Error::NoPictures(path)),
                None => Error::NoPictures(folder.to_owned()),
            });
        }
        files.sort_by_key(|path| natural_key(path));
        let name = short_name(folder);
        Ok(Self { name, ..Self::from_files(files, fps) })
    }

    /// The pictures whose names `pattern` makes.
    ///
    /// # Errors
    /// [`Error::NoPictures`] or [`Error::Io`].
    pub(super) fn numbered(pattern: &Pattern, fps: f32) -> Result<Self> {
        let files = pattern.files()?;
        if files.is_empty() {
            return Err(Error::NoPictures(pattern.to_path()));
        }
        Ok(Self { name: short_name(&pattern.to_path()), ..Self::from_files(files, fps) })
    }

    /// These pictures in this order.
    pub fn from_files(files: Vec<PathBuf>, fps: f32) -> Self {
        let name = files.first().map_or_else(String::new, |f| short_name(f));
        Self { name, files, fps, position: 0 }
    }
}

impl Source for PicturesSource {
    fn describe(&self) -> String {
        match self.files.len() {
            1 => self.name.clone(),
            n => format!("{} ({n} pictures, {} fps)", self.name, self.fps),
        }
    }

    fn frames(&self) -> Option<u64> {
        Some(self.files.len() as u64)
    }

    fn next(&mut self, _timeout: Duration) -> Result<Next> {
        let taken = Instant::now();
        let Some(path) = self.files.get(self.position) else { return Ok(Next::End) };
        let picture = read_picture(path)?;
        let index = self.position as u64;
        self.position += 1;
        let time = Duration::from_secs_f64(index as f64 / f64::from(self.fps));
        Ok(Next::Frame(Captured { frame: Frame { picture, index, time }, taken, decode: taken.elapsed() }))
    }
}

fn read_picture(path: &Path) -> Result<image::RgbImage> {
    picture::read_picture(path).map_err(|e| match e {
        crate::Error::Picture { path, reason } => Error::Picture { path, reason },
        other => Error::damaged(path, other),
    })
}

/// The pictures in a folder, and the files of kinds that are not read, in no order.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn list(folder: &Path) -> io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut files, mut refused) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if picture::has_picture_name(&path) && path.is_file() {
            files.push(path);
        } else if pictures::is_refused(&path) {
            refused.push(path);
        }
    }
    Ok((files, refused))
}

/// Hidden files are what other programs left there.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'))
}

/// Sorts `f2.png` before `f10.png`: runs of digits compare by their value.
fn natural_key(path: &Path) -> (Vec<(u64, String)>, PathBuf) {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let mut parts = Vec::new();
    let mut rest = name.as_str();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let text = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |n| digits + n);
        parts.push((rest[..digits].parse().unwrap_or(u64::MAX), rest[digits..text].to_owned()));
        rest = &rest[text..];
    }
    (parts, path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::testing::gradient;

    #[test]
    fn pictures_come_in_the_order_of_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        for (name, width) in [("f10.png", 10), ("f2.PNG", 2), ("f1.jpg", 1)] {
            gradient(width, 4).save(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("notes.txt"), "no picture").unwrap();
        let mut source = PicturesSource::open(dir.path(), 10.0).unwrap();
        let mut widths = Vec::new();
        while let Next::Frame(captured) = source.next(Duration::ZERO).unwrap() {
            assert_eq!(captured.frame.time, Duration::from_millis(100 * captured.frame.index));
            widths.push(captured.frame.picture.width());
        }
        assert_eq!(widths, [1, 2, 10]);
    }

    #[test]
    fn a_folder_without_pictures_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("notes.txt"), "no picture").unwrap();
        assert!(matches!(PicturesSource::open(dir.path(), 10.0), Err(Error::NoPictures(_))));
    }
}
