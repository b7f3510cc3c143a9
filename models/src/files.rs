//! Files written whole or not at all, and checksums.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Writes `content` to a temporary file beside `path`, flushes it to the disk, then renames it over `path`:
/// whatever ends the process, `path` holds either what it held before or all of `content`.
///
/// # Errors
/// [`Error::Io`] with the operating system's reason.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let written = (|| {
        // Nobody else's until it is done.
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        // A file system without modes has nothing to give.
        file.set_permissions(usual_mode()).ok();
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The rename itself must reach the disk too; a directory can't be opened for this on every system.
        if let Some(parent) = path.parent()
            && let Ok(dir) = File::open(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
        {
            dir.sync_all().ok();
        }
        Ok(())
    })();
    if written.is_err() {
        fs::remove_file(&temporary).ok();
    }
    written.map_err(Error::io(path))
}

/// The mode that a new file of this process has: what its mask leaves for others.
pub fn usual_mode() -> Permissions {
    // Asking for the mask by setting it would change what other threads make meanwhile.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    let mask = mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o077);
    Permissions::from_mode(0o666 & !mask)
}

/// Whether a write failed for want of room.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// The operating system's reason, with the fix where there is one.
pub fn reason(error: &io::Error) -> String {
    if is_full(error) { format!("{error}; make room on its disk and try again") } else { error.to_string() }
}

/// Lower-case hexadecimal SHA-256 of `content`.
pub fn sha256_hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// [`Error::Io`], also when the file is larger.
pub fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io(path))?;
    let mut content = Vec::new();
    file.take(most + 1).read_to_end(&mut content).map_err(Error::io(path))?;
    if content.len() as u64 > most {
        let reason = std::io::Error::other(format!("larger than {most} bytes"));
        return Err(Error::io(path)(reason));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_the_file_and_leaves_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        let usual = tempfile::tempdir().unwrap();
        File::create(usual.path().join("b")).unwrap();
        assert_eq!(mode(&path), mode(&usual.path().join("b")));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_keeps_the_old_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), b"x").unwrap();
        assert!(write_atomically(&path, b"new").is_err());
        assert_eq!(fs::read(path.join("inside")).unwrap(), b"x");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_disk_names_the_fix() {
        for code in [28, 122, 27] {
            let full = io::Error::from_raw_os_error(code);
            assert!(is_full(&full) && reason(&full).contains("make room"), "{}", reason(&full));
        }
        let other = io::Error::from_raw_os_error(13);
        assert_eq!(reason(&other), other.to_string());
    }

    #[test]
    fn sha256_is_the_published_one_of_the_empty_string() {
        assert!(sha256_hex(b"").starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
    }

    #[test]
    fn reading_stops_at_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, [0; 9]).unwrap();
        assert_eq!(read_at_most(&path, 9).unwrap().len(), 9);
        assert!(read_at_most(&path, 8).is_err());
    }
}
