//! Single pictures.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use lkg_bundle::files::{check_replaceable, part_file, usual_mode};
use lkg_bundle::leftovers::sweep;

use super::mark::Origin;
use super::pattern::Pattern;
use super::picture::{self, Original};
use super::sink::{Shown, Sink, Written};
use crate::error::media::{Error, Result};

/// Writes a picture for every frame, numbered as the source numbers them.
pub(super) struct FramesSink {
    /// What was asked for: a folder or a pattern.
    asked: PathBuf,
    pattern: Pattern,
    /// Pictures of an earlier run, removed when the first new one is there.
    stale: Vec<PathBuf>,
    started: bool,
    origin: Option<Origin>,
    original: Original,
}

impl FramesSink {
    /// `frame-000000.jpg` and so on in a folder that is new or empty.
    pub(super) fn folder(folder: &Path, force: bool) -> Result<Self> {
        let pattern = Pattern::parse(&folder.join("frame-%06d.jpg"))
            .ok_or_else(|| Error::UnknownOutput(folder.to_owned()))?;
        if !folder.exists() {
            super::output::check_target(folder, force)?;
        } else if !force && fs::read_dir(folder).map_err(Error::io(folder))?.next().is_some() {
            return Err(Error::Exists(folder.to_owned()));
        }
        Self::start(folder, pattern, force)
    }

    /// Pictures named by a pattern, PNG or JPEG, beside whatever else is in their folder, which is made where it is not there.
    pub(super) fn numbered(pattern: Pattern, force: bool) -> Result<Self> {
        let folder = pattern.folder();
        let target = if folder.exists() { pattern.path(0) } else { folder.to_owned() };
        super::output::check_target(&target, true)?;
        Self::start(&pattern.to_path(), pattern, force)
    }

    /// No other file of the folder is touched than those an earlier run may have written.
    fn start(asked: &Path, pattern: Pattern, force: bool) -> Result<Self> {
        let stale = if pattern.folder().exists() { pattern.files()? } else { Vec::new() };
        if !force && !stale.is_empty() {
            return Err(Error::Exists(asked.to_owned()));
        }
        let original = Original::default();
        Ok(Self { asked: asked.to_owned(), pattern, stale, started: false, origin: None, original })
    }

    fn done(self) -> Vec<Written> {
        if self.started { vec![Written { what: "pictures", path: self.asked }] } else { Vec::new() }
    }
}

impl Sink for FramesSink {
    fn name(&self) -> String {
        self.asked.display().to_string()
    }

    fn mark(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    fn like(&mut self, original: &Original) {
        self.original = original.clone();
    }

    fn wants_alpha(&self) -> bool {
        self.original.has_alpha()
    }

    fn write(&mut self, shown: &Shown<'_>) -> Result<()> {
        if !self.started {
            fs::create_dir_all(self.pattern.folder()).map_err(Error::io(self.pattern.folder()))?;
            sweep(self.pattern.folder());
            for path in self.stale.drain(..) {
                fs::remove_file(&path).map_err(Error::io(&path))?;
            }
            self.started = true;
        }
        let path = self.pattern.path(shown.index);
        let content = picture::encode_like(&path, shown.picture, shown.alpha, &self.original, self.origin)
            .map_err(|e| Error::damaged(&path, e))?;
        check_replaceable(&path).map_err(|_| Error::NotReplaced(path.clone()))?;
        let (mut file, part) = part_file(&path).map_err(Error::io(&path))?;
        // Nobody else's until it has its name; a file system without modes has nothing to give.
        file.set_permissions(usual_mode()).ok();
        // Not waited for until it is on the disk, which takes longer than a frame.
        file.write_all(&content).and_then(|()| fs::rename(&part, &path)).map_err(|e| {
            fs::remove_file(&part).ok();
            Error::io(&path)(e)
        })
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        Ok(self.done())
    }

    fn abandon(self: Box<Self>) -> Vec<Written> {
        self.done()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::media::testing::gradient;

    #[test]
    fn force_replaces_an_earlier_run_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["frame-000099.jpg", "frame-draft.jpg", "notes.txt"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        assert!(matches!(FramesSink::folder(dir.path(), false), Err(Error::Exists(_))));
        let mut sink = FramesSink::folder(dir.path(), true).unwrap();
        let picture = gradient(8, 8);
        sink.write(&Shown::new(&picture, 3, Duration::ZERO)).unwrap();
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["frame-000003.jpg", "frame-draft.jpg", "notes.txt"]);
        // Pictures stayed their maker's alone.
        let [new, other] = ["frame-000003.jpg", "notes.txt"].map(|name| dir.path().join(name));
        assert_eq!(fs::metadata(new).unwrap().permissions(), fs::metadata(other).unwrap().permissions());
    }
    /// It was refused as "entity not found", where a folder of frames was made.
    #[test]
    fn a_folder_is_made_for_numbered_pictures_but_not_the_one_above() {
        let dir = tempfile::tempdir().unwrap();
        let numbered =
            |path: &str| FramesSink::numbered(Pattern::parse(&dir.path().join(path)).unwrap(), false);
        let mut sink = numbered("new/%03d.png").unwrap();
        sink.write(&Shown::new(&gradient(8, 8), 3, Duration::ZERO)).unwrap();
        assert!(dir.path().join("new/003.png").exists());
        let refused = numbered("none/new/%03d.png").map(|_| ()).unwrap_err();
        assert!(matches!(&refused, Error::NoFolder(folder) if folder.ends_with("none")));
        assert!(refused.to_string().contains("make it first"), "{refused}");
    }
}
