//! Room on the disk, asked for before anything is written.

use std::path::Path;

use crate::error::{Error, Result};

/// Room left over for others, in bytes.
const SPARE: u64 = 64 << 20;

/// Bytes that this user may still write on the disk of `folder`.
///
/// # Errors
/// [`Error::Io`].
pub fn free(folder: &Path) -> Result<u64> {
    let disk = rustix::fs::statvfs(folder).map_err(|e| Error::io(folder)(e.into()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Checks that `needed` bytes fit into the `free` ones; `instead` names what else the user may do.
///
/// # Errors
/// [`Error::Data`].
pub fn check_room(path: &Path, needed: u64, free: u64, instead: &str) -> Result<()> {
    if needed.saturating_add(SPARE) <= free {
        return Ok(());
    }
    Err(full(path, &format!("{} are needed and {} are free", size(needed), size(free)), instead))
}

/// The error for a full disk, found beforehand or while writing.
fn full(path: &Path, found: &str, instead: &str) -> Error {
    let reason = format!("the disk is full ({found}): make room, name another disk{instead}");
    Error::Data { path: path.to_owned(), reason }
}

/// Wraps an error of writing below `path`, so that a disk that filled up meanwhile is reported as such.
pub fn writing<'a>(path: &'a Path, instead: &'a str) -> impl Fn(std::io::Error) -> Error + 'a {
    move |e| match e.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            full(path, &e.to_string(), instead)
        }
        _ => Error::io(path)(e),
    }
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    if bytes >= 1_000_000_000 {
        format!("{:.1} GB", bytes as f64 / 1e9)
    } else {
        format!("{:.1} MB", bytes as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_one_line_that_names_the_mend() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free(dir.path()).unwrap() > 0);
        assert!(check_room(dir.path(), 1 << 20, 1 << 30, "").is_ok());
        let error = check_room(Path::new("p"), 3_000_000_000, 12_000_000, ", or take a smaller --size");
        let text = error.unwrap_err().to_string();
        assert_eq!(
            text,
            "p: the disk is full (3.0 GB are needed and 12.0 MB are free): make room, name another disk, or take a smaller --size"
        );
        let meanwhile = writing(Path::new("p"), "")(std::io::ErrorKind::StorageFull.into());
        assert!(meanwhile.to_string().starts_with("p: the disk is full"));
    }
}
