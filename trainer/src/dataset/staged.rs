//! Folders written whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::error::{Error, Result};

/// A folder beside its final place, deleted unless it gets there.
pub struct Staged {
    /// Where it is filled.
    pub dir: PathBuf,
    /// Tells a folder that is being filled from one that a killed process left.
    _lock: File,
}

impl Staged {
    /// Makes it for `out`, in place of one that a killed process left.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Data`] if another process is at it.
    pub fn create(out: &Path) -> Result<Self> {
        let fail = |reason: &str| Error::Data { path: out.to_owned(), reason: reason.into() };
        let name = out.file_name().ok_or_else(|| fail("does not name a folder to write"))?;
        let dir = out.with_file_name(format!(".{}.part", name.to_string_lossy()));
        let lock = || {
            let file = File::open(&dir).map_err(Error::io(&dir))?;
            file.try_lock()
                .map_err(|_| fail("another process is writing it: wait for it, or name another place"))?;
            Ok::<_, Error>(file)
        };
        if dir.exists() {
            let _stale = lock()?;
            fs::remove_dir_all(&dir).map_err(Error::io(&dir))?;
        }
        fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
        let _lock = lock()?;
        Ok(Self { dir, _lock })
    }

    /// Moves it to `out`, and what was there away.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn publish(self, out: &Path) -> Result<()> {
        if out.exists() {
            // At once, so that there is always a whole one; not every disk can.
            if renameat_with(CWD, &self.dir, CWD, out, RenameFlags::EXCHANGE).is_ok() {
                return Ok(());
            }
            fs::remove_dir_all(out).map_err(Error::io(out))?;
        }
        fs::rename(&self.dir, out).map_err(Error::io(out))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // The unfinished folder, or the one that was replaced, or nothing; there is nobody left to tell.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_replaced_whole_and_filled_by_one_process_only() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        for content in ["one", "two"] {
            let staged = Staged::create(&out).unwrap();
            fs::write(staged.dir.join("file"), content).unwrap();
            let second = Staged::create(&out).err().unwrap().to_string();
            assert!(second.contains("another process is writing it"), "{second}");
            staged.publish(&out).unwrap();
            assert_eq!(fs::read_to_string(out.join("file")).unwrap(), content);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
        drop(Staged::create(&out).unwrap());
        assert_eq!(fs::read_to_string(out.join("file")).unwrap(), "two");
        assert!(Staged::create(Path::new("/")).is_err());
    }
}
