//! A folder of single pictures.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::jpeg;
use super::mark::{self, Origin};
use super::sink::{Shown, Sink, Written};

/// Writes `frame-000000.jpg` and so on, numbered as the source numbers them.
pub(super) struct FramesSink {
    folder: PathBuf,
    /// Pictures of an earlier run, removed when the first new one is there.
    stale: Vec<PathBuf>,
    started: bool,
    origin: Option<Origin>,
}

impl FramesSink {
    pub(super) fn create(folder: &Path, force: bool) -> Result<Self> {
        let mut stale = Vec::new();
        if folder.exists() {
            for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
                let path = entry.map_err(Error::io(folder))?.path();
                if !force {
                    return Err(Error::Exists(folder.to_owned()));
                }
                if is_ours(&path) {
                    stale.push(path);
                }
            }
        } else {
            super::output::check_target(folder, force)?;
        }
        Ok(Self { folder: folder.to_owned(), stale, started: false, origin: None })
    }
}

/// Whether a picture is one that an earlier run wrote: no other file of the folder is touched.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = name.strip_prefix("frame-").and_then(|rest| rest.strip_suffix(".jpg"));
    number.is_some_and(|n| n.len() >= 6 && n.bytes().all(|b| b.is_ascii_digit()))
}

impl Sink for FramesSink {
    fn mark(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    fn write(&mut self, shown: &Shown<'_>) -> Result<()> {
        if !self.started {
            fs::create_dir_all(&self.folder).map_err(Error::io(&self.folder))?;
            for path in self.stale.drain(..) {
                fs::remove_file(&path).map_err(Error::io(&path))?;
            }
            self.started = true;
        }
        let path = self.folder.join(format!("frame-{:06}.jpg", shown.index));
        let mut content = Vec::new();
        jpeg::encode(shown.picture, &mut content).map_err(|e| Error::damaged(&path, e))?;
        if let Some(origin) = self.origin {
            mark::mark_jpeg(&mut content, origin);
        }
        let part = path.with_extension("part");
        fs::write(&part, &content).and_then(|()| fs::rename(&part, &path)).map_err(|e| {
            fs::remove_file(&part).ok();
            Error::io(&path)(e)
        })
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        Ok(if self.started { vec![Written { what: "pictures", path: self.folder }] } else { Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::media::jpeg::tests::gradient;

    #[test]
    fn force_replaces_an_earlier_run_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["frame-000099.jpg", "frame-draft.jpg", "notes.txt"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        assert!(matches!(FramesSink::create(dir.path(), false), Err(Error::Exists(_))));
        let mut sink = FramesSink::create(dir.path(), true).unwrap();
        let picture = gradient(8, 8);
        sink.write(&Shown { picture: &picture, index: 3, time: Duration::ZERO, face: None, change: None })
            .unwrap();
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["frame-000003.jpg", "frame-draft.jpg", "notes.txt"]);
    }
}
