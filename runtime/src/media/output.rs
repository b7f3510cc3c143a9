//! Files that appear under their name only when they are whole.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use super::error::{Error, Result};

/// A file being written. Dropped before [`PendingFile::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct PendingFile {
    target: PathBuf,
    temporary: PathBuf,
    file: Option<io::BufWriter<File>>,
}

/// Checks that `path` may be written: its folder is there, and nothing is overwritten unless `force`.
///
/// # Errors
/// [`Error::Exists`] or [`Error::Io`].
pub fn check_target(path: &Path, force: bool) -> Result<()> {
    if path.is_dir() {
        return Err(Error::io(path)(io::ErrorKind::IsADirectory.into()));
    }
    if !force && path.symlink_metadata().is_ok() {
        return Err(Error::Exists(path.to_owned()));
    }
    let parent = parent_of(path);
    if parent.is_dir() { Ok(()) } else { Err(Error::io(parent)(io::ErrorKind::NotFound.into())) }
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl PendingFile {
    /// Starts writing what will be `target`, after [`check_target`].
    ///
    /// # Errors
    /// [`Error::Exists`] or [`Error::Io`].
    pub fn create(target: &Path, force: bool) -> Result<Self> {
        check_target(target, force)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        // The process id keeps two runs with the same target apart.
        let temporary = parent_of(target).join(format!(".{name}.{}.part", std::process::id()));
        let file = File::create(&temporary).map_err(Error::io(target))?;
        Ok(Self { target: target.to_owned(), temporary, file: Some(io::BufWriter::new(file)) })
    }

    /// The name the file will have.
    pub fn target(&self) -> &Path {
        &self.target
    }

    fn writer(&mut self) -> io::Result<&mut io::BufWriter<File>> {
        self.file.as_mut().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Writes `content` at the end of what was written.
    ///
    /// # Errors
    /// [`Error::Io`], e.g. a full disk.
    pub fn write(&mut self, content: &[u8]) -> Result<()> {
        let written = self.writer().and_then(|w| w.write_all(content));
        written.map_err(Error::io(&self.target))
    }

    /// Replaces bytes written before, at `offset` from the start.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn patch(&mut self, offset: u64, content: &[u8]) -> Result<()> {
        let patched = self.writer().and_then(|w| {
            let end = w.stream_position()?;
            w.seek(io::SeekFrom::Start(offset))?;
            w.write_all(content)?;
            w.seek(io::SeekFrom::Start(end)).map(|_| ())
        });
        patched.map_err(Error::io(&self.target))
    }

    /// Puts the file under its name and gives that back.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<PathBuf> {
        let mut close = || -> io::Result<()> {
            let file = self.file.take().ok_or(io::ErrorKind::BrokenPipe)?;
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            fs::rename(&self.temporary, &self.target)
        };
        close().map_err(Error::io(&self.target))?;
        Ok(self.target.clone())
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        // Renamed away when finished; gone is what is wanted otherwise.
        fs::remove_file(&self.temporary).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        let mut pending = PendingFile::create(&path, false).unwrap();
        pending.write(b"0123456789").unwrap();
        pending.patch(2, b"ab").unwrap();
        pending.write(b"!").unwrap();
        assert!(!path.exists());
        assert_eq!(pending.finish().unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), b"01ab456789!");

        let mut abandoned = PendingFile::create(&path, true).unwrap();
        abandoned.write(b"half").unwrap();
        drop(abandoned);
        assert_eq!(fs::read(&path).unwrap(), b"01ab456789!");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_overwritten_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        fs::write(&path, b"old").unwrap();
        assert!(matches!(PendingFile::create(&path, false), Err(Error::Exists(_))));
        assert!(matches!(check_target(&dir.path().join("no/such/a.bin"), true), Err(Error::Io { .. })));
        assert!(matches!(check_target(dir.path(), true), Err(Error::Io { .. })));
    }
}
