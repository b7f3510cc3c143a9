//! Files written whole or not at all, and checksums.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::leftovers::{PART, RECORDING, sweep};
use crate::publish::{Disk, System, publish};

/// Writes `content` to a hidden file beside `path`, flushes it to the disk, then renames it over `path`:
/// whatever ends the process, `path` holds either what it held before or all of `content`. What killed processes left in the
/// folder goes.
///
/// # Errors
/// [`Error::Io`] with the operating system's reason.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    sweep(parent_of(path));
    write_on(&System, path, content).map_err(Error::io(path))
}

fn write_on(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    check_replaceable(path)?;
    let (mut file, part) = part_file(path)?;
    let written = disk.write(&mut file, content).and_then(|()| publish(disk, &file, &part, path, true));
    if written.is_err() {
        fs::remove_file(&part).ok();
    }
    written
}

/// The folder that `path` lies in.
pub(crate) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Most letters of a file's own name in that of its part: the system takes 255 bytes.
const LETTERS: usize = 40;

/// A new file beside `target` that is to become it, open for reading and writing, and its path. Its name says which process
/// writes it; nobody can guess it, so that no link lies in wait there.
///
/// # Errors
/// It cannot be made.
pub fn part_file(target: &Path) -> io::Result<(File, PathBuf)> {
    hidden_file(target, PART)
}

/// The same for a recording, which is worth something as far as it got: it is not swept up.
///
/// # Errors
/// It cannot be made.
pub fn recording_file(target: &Path) -> io::Result<(File, PathBuf)> {
    hidden_file(target, RECORDING)
}

fn hidden_file(target: &Path, ending: &str) -> io::Result<(File, PathBuf)> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().take(LETTERS).collect();
    let prefix = format!(".{name}.{}-", std::process::id());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(ending);
    let (file, path) = builder.tempfile_in(parent_of(target))?.keep()?;
    // Held for as long as the file is open; where the disk knows no locks, the process's number tells enough.
    file.try_lock().ok();
    Ok((file, path))
}

/// Refuses to put a file in the place of what is none: a device, a pipe, a socket, or what the system shows in a folder of its
/// own, such as the link `/dev/stdout`.
///
/// # Errors
/// It is none.
pub fn check_replaceable(path: &Path) -> io::Result<()> {
    let special = path.metadata().is_ok_and(|about| !about.is_file() && !about.is_dir());
    let is_systems = |folder: PathBuf| {
        SYSTEMS.iter().any(|system| folder.starts_with(system)) && !folder.starts_with("/dev/shm")
    };
    if special || (path.is_absolute() && parent_of(path).canonicalize().is_ok_and(is_systems)) {
        return Err(io::Error::other(NOT_REPLACED));
    }
    Ok(())
}

/// Folders in which the system shows devices and itself.
const SYSTEMS: [&str; 3] = ["/dev", "/proc", "/sys"];

/// What is said of one that is not replaced.
const NOT_REPLACED: &str =
    "a device, pipe or socket, or in a folder of the system's own: no file is put there; name another";

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
/// [`Error::Io`], also when the file is larger, or is none: reading a pipe or a device may never end.
pub fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>> {
    let about = fs::metadata(path).map_err(Error::io(path))?;
    if !about.is_file() {
        return Err(Error::io(path)(io::Error::other("not a regular file")));
    }
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

    /// A device node was replaced by a file, and a link with the name of the part was followed.
    #[test]
    fn no_device_is_replaced_and_no_link_is_followed() {
        for path in ["/dev/null", "/dev/stdout", "/dev/none", "/proc/self/none"] {
            let device = write_atomically(Path::new(path), b"x").unwrap_err().to_string();
            assert!(device.contains("a device, pipe or socket"), "{device}");
        }
        assert!(
            read_at_most(Path::new("/dev/zero"), 9).unwrap_err().to_string().contains("not a regular file")
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a".repeat(255));
        let (first, second) = (part_file(&path).unwrap().1, part_file(&path).unwrap().1);
        assert!(first != second && first.parent() == second.parent(), "{first:?} {second:?}");
        write_atomically(&path, b"x").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
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
