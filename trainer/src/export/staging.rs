//! A directory that appears whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use lkg_bundle::bundle::MANIFEST;

use crate::error::{Error, Result};

/// A temporary directory beside the one it will become; removed with its content unless published.
#[derive(Debug)]
pub struct Staging {
    dir: PathBuf,
    target: PathBuf,
    force: bool,
    published: bool,
}

impl Staging {
    /// Makes the temporary directory for `target`, and the directories above it.
    ///
    /// # Errors
    /// [`Error::Usage`] if `target` holds anything that may not be replaced: without `force` anything, with it
    /// anything but a bundle. [`Error::Io`] if the directory can't be made.
    pub fn beside(target: &Path, force: bool) -> Result<Self> {
        let target = std::path::absolute(target).map_err(Error::io(target))?;
        refuse(&target, force)?;
        let dir = sibling(&target, "part")?;
        fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
        Ok(Self { dir, target, force, published: false })
    }

    /// Where to write.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Renames the directory into place. What was there is put aside first and removed last.
    ///
    /// # Errors
    /// Those of [`Staging::beside`]; the target then holds what it held.
    pub fn publish(mut self) -> Result<()> {
        // The export took a while: look again.
        refuse(&self.target, self.force)?;
        let old = sibling(&self.target, "old")?;
        let replaces = self.target.exists();
        if replaces {
            fs::rename(&self.target, &old).map_err(Error::io(&self.target))?;
        }
        if let Err(e) = fs::rename(&self.dir, &self.target) {
            if replaces {
                fs::rename(&old, &self.target).map_err(Error::io(&old))?;
            }
            return Err(Error::io(&self.target)(e));
        }
        self.published = true;
        if replaces {
            fs::remove_dir_all(&old).map_err(Error::io(&old))?;
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // Nothing better can be done about a failure here than to leave the directory.
            fs::remove_dir_all(&self.dir).ok();
        }
    }
}

/// Checks that `target` is free, or empty, or a bundle that `force` allows to replace.
fn refuse(target: &Path, force: bool) -> Result<()> {
    let fail = |reason: &str| Err(Error::Usage(format!("{}: {reason}", target.display())));
    if !target.exists() {
        return Ok(());
    }
    if !target.is_dir() {
        return fail("exists and is not a directory; name another one");
    }
    let empty = fs::read_dir(target).map_err(Error::io(target))?.next().is_none();
    if empty {
        Ok(())
    } else if !force {
        fail("exists already; name another directory, or give --force to replace a bundle")
    } else if !target.join(MANIFEST).is_file() {
        fail("not empty and not a bundle, so it is not replaced; name another directory")
    } else {
        Ok(())
    }
}

/// A hidden name beside `target` that no other process uses.
fn sibling(target: &Path, ending: &str) -> Result<PathBuf> {
    let name = target
        .file_name()
        .ok_or_else(|| Error::Usage(format!("{}: not a name for a bundle", target.display())))?;
    Ok(target.with_file_name(format!(".{}.{}.{ending}", name.to_string_lossy(), std::process::id())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_not_published_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let staging = Staging::beside(&dir.path().join("b"), false).unwrap();
        fs::write(staging.dir().join("half"), "x").unwrap();
        drop(staging);
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn a_bundle_is_replaced_whole_and_only_by_force() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("b");
        for (content, force) in [("one", false), ("two", true)] {
            let staging = Staging::beside(&target, force).unwrap();
            fs::write(staging.dir().join(MANIFEST), content).unwrap();
            fs::write(staging.dir().join(content), "x").unwrap();
            staging.publish().unwrap();
            assert!(Staging::beside(&target, false).unwrap_err().to_string().contains("--force"));
        }
        assert_eq!(names(&target), [MANIFEST, "two"]);
        assert_eq!(names(dir.path()), ["b"]);
    }

    #[test]
    fn force_replaces_nothing_but_bundles() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter.txt"), "dear").unwrap();
        let refusal = Staging::beside(dir.path(), true).unwrap_err().to_string();
        assert!(refusal.contains("not a bundle"), "{refusal}");
        assert!(Staging::beside(&dir.path().join("letter.txt"), true).is_err());
        assert!(Staging::beside(Path::new("/"), true).is_err());
    }
}
