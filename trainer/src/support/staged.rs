//! Folders written whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::error::{Error, Result};

/// A hidden folder beside its final place; removed with its content unless it gets there.
#[derive(Debug)]
pub struct StagedFolder {
    dir: PathBuf,
    target: PathBuf,
    /// Tells a folder that is being filled from one that a killed process left.
    _lock: File,
}

impl StagedFolder {
    /// Makes it for `target`, in place of one that a killed process left, and the folders above it.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Data`] if `target` has no name, or another process is writing it.
    pub fn create(target: &Path) -> Result<Self> {
        let target = std::path::absolute(target).map_err(Error::io(target))?;
        let dir = sibling(&target, "part")?;
        if dir.exists() {
            let _stale = lock(&dir, &target)?;
            fs::remove_dir_all(&dir).map_err(Error::io(&dir))?;
        }
        fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
        let _lock = lock(&dir, &target)?;
        Ok(Self { dir, target, _lock })
    }

    /// Where to write.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Moves it to its place, and what was there away: at once, or, where the disk can't exchange names, aside first.
    ///
    /// # Errors
    /// [`Error::Io`]; the place then holds what it held.
    pub fn publish(self) -> Result<()> {
        let Self { dir, target, .. } = &self;
        if !target.exists() {
            return fs::rename(dir, target).map_err(Error::io(target));
        }
        // What was there now bears the hidden name, and goes when this is dropped.
        if renameat_with(CWD, dir, CWD, target, RenameFlags::EXCHANGE).is_ok() {
            return Ok(());
        }
        self.replace()
    }

    fn replace(&self) -> Result<()> {
        let Self { dir, target, .. } = self;
        let old = sibling(target, "old")?;
        fs::rename(target, &old).map_err(Error::io(target))?;
        if let Err(e) = fs::rename(dir, target) {
            fs::rename(&old, target).map_err(Error::io(&old))?;
            return Err(Error::io(target)(e));
        }
        fs::remove_dir_all(&old).map_err(Error::io(&old))
    }
}

impl Drop for StagedFolder {
    fn drop(&mut self) {
        // The unfinished folder, or the one that was replaced, or nothing; there is nobody left to report to.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A hidden name beside `target`.
fn sibling(target: &Path, ending: &str) -> Result<PathBuf> {
    let fail = || Error::Data { path: target.to_owned(), reason: "does not name a folder to write".into() };
    let name = target.file_name().ok_or_else(fail)?;
    Ok(target.with_file_name(format!(".{}.{ending}", name.to_string_lossy())))
}

fn lock(dir: &Path, target: &Path) -> Result<File> {
    let file = File::open(dir).map_err(Error::io(dir))?;
    file.try_lock().map_err(|_| Error::Data {
        path: target.to_owned(),
        reason: "another process is writing it: wait for it, or name another place".into(),
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills a folder for `out` with one file.
    fn filled(out: &Path, content: &str) -> StagedFolder {
        let staged = StagedFolder::create(out).unwrap();
        fs::write(staged.dir().join("file"), content).unwrap();
        staged
    }

    #[test]
    fn a_folder_is_replaced_whole_and_filled_by_one_process_only() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        for content in ["one", "two"] {
            let staged = filled(&out, content);
            let second = StagedFolder::create(&out).err().unwrap().to_string();
            assert!(second.contains("another process is writing it"), "{second}");
            staged.publish().unwrap();
            assert_eq!(fs::read_to_string(out.join("file")).unwrap(), content);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
        drop(StagedFolder::create(&out).unwrap());
        assert_eq!(fs::read_to_string(out.join("file")).unwrap(), "two");
        assert!(StagedFolder::create(Path::new("/")).is_err());
    }

    #[test]
    fn what_is_not_published_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        drop(filled(&dir.path().join("b"), "half"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn where_names_can_not_be_exchanged_the_old_folder_goes_aside_first() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        filled(&out, "one").publish().unwrap();
        filled(&out, "two").replace().unwrap();
        assert_eq!(fs::read_to_string(out.join("file")).unwrap(), "two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // A move that fails puts the old one back.
        let staged = filled(&out, "three");
        fs::remove_dir_all(staged.dir()).unwrap();
        assert!(staged.replace().is_err());
        assert_eq!(fs::read_to_string(out.join("file")).unwrap(), "two");
    }
}
