//! Where a bundle may be written.

use std::fs;
use std::path::Path;

use lkg_bundle::bundle::MANIFEST;

use crate::error::{Error, Result};

/// Checks that `target` is free, or empty, or a bundle that `force` allows to replace.
///
/// # Errors
/// [`Error::Output`] saying what is there; [`Error::Io`].
pub fn check(target: &Path, force: bool) -> Result<()> {
    let fail = |reason: &str| Err(Error::Output { path: target.to_owned(), reason: reason.into() });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::staged::StagedFolder;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_bundle_is_replaced_whole_and_only_by_force() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("b");
        for (content, force) in [("one", false), ("two", true)] {
            check(&target, force).unwrap();
            let staged = StagedFolder::create(&target).unwrap();
            fs::write(staged.dir().join(MANIFEST), content).unwrap();
            fs::write(staged.dir().join(content), "x").unwrap();
            staged.publish().unwrap();
            assert!(check(&target, false).unwrap_err().to_string().contains("--force"));
        }
        assert_eq!(names(&target), [MANIFEST, "two"]);
        assert_eq!(names(dir.path()), ["b"]);
    }

    #[test]
    fn force_replaces_nothing_but_bundles() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter.txt"), "dear").unwrap();
        let refusal = check(dir.path(), true).unwrap_err().to_string();
        assert!(refusal.contains("not a bundle"), "{refusal}");
        assert!(check(&dir.path().join("letter.txt"), true).is_err());
        assert!(check(Path::new("/"), true).is_err());
    }
}
