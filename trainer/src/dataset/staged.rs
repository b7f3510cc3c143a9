//! Folders written whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A folder beside its final place, deleted unless it gets there.
pub struct Staged {
    /// Where it is filled.
    pub dir: PathBuf,
}

impl Staged {
    /// Makes it for `out`, in place of one that a killed process left.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(out: &Path) -> Result<Self> {
        let name = out.file_name().ok_or_else(|| Error::Data {
            path: out.to_owned(),
            reason: "does not name a folder to write".into(),
        })?;
        let dir = out.with_file_name(format!(".{}.part", name.to_string_lossy()));
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(Error::io(&dir))?;
        }
        fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
        Ok(Self { dir })
    }

    /// Renames it to `out`, away with what was there.
    ///
    /// # Errors
    /// [`Error::Io`], after which `out` is as it was.
    pub fn publish(&mut self, out: &Path) -> Result<()> {
        let old = self.dir.with_extension("old");
        if out.exists() {
            if old.exists() {
                fs::remove_dir_all(&old).map_err(Error::io(&old))?;
            }
            fs::rename(out, &old).map_err(Error::io(out))?;
        }
        if let Err(e) = fs::rename(&self.dir, out) {
            // The first error is the one to tell.
            let _ = fs::rename(&old, out);
            return Err(Error::io(out)(e));
        }
        if old.exists() {
            fs::remove_dir_all(&old).map_err(Error::io(&old))?;
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After `publish` it is gone; after a failure there is nobody left to tell.
        let _ = fs::remove_dir_all(&self.dir);
    }
}
