//! Files that appear under their name only when they are whole.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lkg_bundle::files::{check_replaceable, part_file, recording_file};
use lkg_bundle::leftovers::{Leftover, sweep};
use lkg_bundle::publish::{System, publish};

use crate::error::media::{Error, Result};

/// A file being written. Dropped before [`PendingFile::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct PendingFile {
    target: PathBuf,
    temporary: PathBuf,
    file: Option<io::BufWriter<File>>,
    /// Whether a file of that name is replaced.
    replace: bool,
    /// Whether it stays if it is not finished.
    kept: bool,
}

/// Names that are tried where another run wrote the one that was asked for.
const TRIED: u32 = 1000;

/// Checks that `path` may be written: its folder is there, and nothing is overwritten unless `force`.
///
/// # Errors
/// [`Error::Exists`], [`Error::NoFolder`], [`Error::NotReplaced`] or [`Error::Io`].
pub fn check_target(path: &Path, force: bool) -> Result<()> {
    if path.is_dir() {
        return Err(Error::io(path)(io::ErrorKind::IsADirectory.into()));
    }
    check_replaceable(path).map_err(|_| Error::NotReplaced(path.to_owned()))?;
    if !force && path.symlink_metadata().is_ok() {
        return Err(Error::Exists(path.to_owned()));
    }
    check_replaceable(path).map_err(Error::io(path))?;
    let parent = parent_of(path);
    if parent.is_dir() { Ok(()) } else { Err(Error::NoFolder(parent.to_owned())) }
}

pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl PendingFile {
    /// Starts writing what will be `target`, after [`check_target`].
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::NoFolder`] or [`Error::Io`].
    pub fn create(target: &Path, force: bool) -> Result<Self> {
        Self::start(target, force, part_file)
    }

    /// The same for a recording. Of one that is cut off by a kill there stays a hidden file, which the next run takes up:
    /// `super::recover`.
    ///
    /// # Errors
    /// Those of [`PendingFile::create`].
    pub fn record(target: &Path, force: bool) -> Result<Self> {
        Self::start(target, force, recording_file)
    }

    fn start(
        target: &Path,
        replace: bool,
        make: impl FnOnce(&Path) -> io::Result<(File, PathBuf)>,
    ) -> Result<Self> {
        check_target(target, replace)?;
        sweep(parent_of(target));
        let (file, temporary) = make(target).map_err(Error::io(target))?;
        Ok(Self {
            target: target.to_owned(),
            temporary,
            file: Some(io::BufWriter::new(file)),
            replace,
            kept: false,
        })
    }

    /// Goes on with what a killed process left, to be called `target`, which nothing is.
    pub fn take_up(left: Leftover, target: PathBuf) -> Self {
        let file = Some(io::BufWriter::new(left.file));
        Self { target, temporary: left.path, file, replace: false, kept: true }
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

    /// Writes what is still buffered.
    ///
    /// # Errors
    /// [`Error::Io`], e.g. a full disk.
    pub fn flush(&mut self) -> Result<()> {
        let flushed = self.writer().and_then(|w| w.flush());
        flushed.map_err(Error::io(&self.target))
    }

    /// Reads bytes written before, at `offset` from the start.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read_back(&mut self, offset: u64, content: &mut [u8]) -> Result<()> {
        let read = self.writer().and_then(|w| {
            let end = w.stream_position()?;
            w.seek(io::SeekFrom::Start(offset))?;
            w.get_mut().read_exact(content)?;
            w.seek(io::SeekFrom::Start(end)).map(|_| ())
        });
        read.map_err(Error::io(&self.target))
    }

    /// Throws away everything from `length` on, what is still buffered too: for going on after a write failed halfway.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn cut(&mut self, length: u64) -> Result<()> {
        let file =
            self.file.take().ok_or_else(|| Error::io(&self.target)(io::ErrorKind::BrokenPipe.into()))?;
        let (mut file, buffered) = file.into_parts();
        let cut = || -> io::Result<()> {
            // Of what is buffered only what lies before the cut may be written.
            let kept = length.saturating_sub(file.stream_position()?);
            let buffered = buffered.unwrap_or_default();
            file.write_all(buffered.get(..kept as usize).unwrap_or(&buffered))?;
            file.set_len(length)?;
            file.seek(io::SeekFrom::Start(length)).map(|_| ())
        };
        cut().map_err(Error::io(&self.target))?;
        self.file = Some(io::BufWriter::new(file));
        Ok(())
    }

    /// Finishes after a write failed, on a full disk say, with what reached the disk up to the last place where `mark` stands
    /// and `tail` still has room: `kept` bytes of the mark stay, then comes `tail`.
    ///
    /// # Errors
    /// [`Error::Io`], or there is no such place.
    pub fn salvage(mut self, (mark, kept): (&[u8], usize), tail: &[u8]) -> Result<PathBuf> {
        let nothing = || Error::damaged(&self.target, "nothing could be saved");
        let (mut file, _) = self.file.take().ok_or_else(nothing)?.into_parts();
        let mut cut = || -> io::Result<bool> {
            let mut end = file.seek(io::SeekFrom::End(0))?.saturating_sub(tail.len() as u64);
            let mut block = vec![0; 1 << 16];
            while end >= mark.len() as u64 {
                let start = end.saturating_sub(block.len() as u64);
                let block = &mut block[..(end - start) as usize];
                file.seek(io::SeekFrom::Start(start))?;
                file.read_exact(block)?;
                if let Some(at) = block.windows(mark.len()).rposition(|window| window == mark) {
                    file.set_len(start + (at + kept) as u64)?;
                    file.seek(io::SeekFrom::End(0))?;
                    return file.write_all(tail).map(|()| true);
                }
                // A mark may lie across two blocks.
                end = if start == 0 { 0 } else { start + mark.len() as u64 - 1 };
            }
            Ok(false)
        };
        if !cut().map_err(Error::io(&self.target))? {
            return Err(nothing());
        }
        self.file = Some(io::BufWriter::new(file));
        self.finish()
    }

    /// The same as [`PendingFile::finish`], but where the rest has no room, what fits is kept as [`PendingFile::salvage`] does.
    ///
    /// # Errors
    /// [`Error::Io`]: the rest has no room.
    pub fn finish_or_salvage(mut self, mark: (&[u8], usize), tail: &[u8]) -> Result<PathBuf> {
        match self.flush() {
            Ok(()) => self.finish(),
            Err(e) => {
                self.salvage(mark, tail).ok();
                Err(e)
            }
        }
    }

    /// Puts the file under its name and gives that back. Where another run took the name meanwhile, and nothing may be
    /// overwritten, it is that name with a number.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<PathBuf> {
        let mut close = || -> io::Result<PathBuf> {
            let file = self.file.take().ok_or(io::ErrorKind::BrokenPipe)?;
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            self.place(&file)
        };
        close().map_err(Error::io(&self.target))
    }

    /// Where another run was faster the name gets a number.
    fn place(&self, file: &File) -> io::Result<PathBuf> {
        if self.replace {
            return publish(&System, file, &self.temporary, &self.target, true).map(|()| self.target.clone());
        }
        let taken = io::Error::from(io::ErrorKind::AlreadyExists);
        (1..TRIED)
            .try_fold(taken, |_, n| {
                let path = if n == 1 { self.target.clone() } else { numbered(&self.target, n) };
                match publish(&System, file, &self.temporary, &path, false) {
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(e),
                    other => Err(other.map(|()| path)),
                }
            })
            .map_or_else(|done| done, Err)
    }
}

/// `clip.avi` as `clip-2.avi`.
pub(super) fn numbered(path: &Path, n: u32) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
    path.with_file_name(format!("{stem}-{n}{ending}"))
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        // Renamed away when finished; gone is what is wanted otherwise.
        if !self.kept {
            fs::remove_file(&self.temporary).ok();
        }
    }
}

/// A point in time for file names, `YYYYMMDD-HHMMSS`, UTC.
pub fn stamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that the leap day is a year's last; 400 years have 146097 days.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + carry;
    let (h, m, s) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}-{h:02}{m:02}{s:02}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    #[test]
    fn points_in_time_have_dates() {
        let at = |seconds| stamp(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "19700101-000000");
        assert_eq!(at(951_782_400), "20000229-000000");
        assert_eq!(at(1_767_225_599), "20251231-235959");
        assert_eq!(at(1_767_225_600), "20260101-000000");
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        let mut pending = PendingFile::create(&path, false).unwrap();
        pending.write(b"0123456789").unwrap();
        pending.patch(2, b"ab").unwrap();
        pending.write(b"!?").unwrap();
        let mut back = [0; 3];
        pending.read_back(1, &mut back).unwrap();
        assert_eq!(&back, b"1ab");
        pending.cut(11).unwrap();
        assert!(!path.exists());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&pending.temporary), 0o600, "others could read what is being recorded");
        assert_eq!(pending.finish().unwrap(), path);
        let usual = dir.path().join("usual");
        File::create(&usual).unwrap();
        assert_eq!(mode(&path), mode(&usual));
        fs::remove_file(usual).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"01ab456789!");

        let mut abandoned = PendingFile::create(&path, true).unwrap();
        abandoned.write(b"half").unwrap();
        drop(abandoned);
        assert_eq!(fs::read(&path).unwrap(), b"01ab456789!");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    /// Of two runs with one output the recording of the first was gone.
    #[test]
    fn a_name_that_was_taken_meanwhile_gets_a_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        let mut runs = [0, 1, 2].map(|_| PendingFile::create(&path, false).unwrap());
        for (i, run) in runs.iter_mut().enumerate() {
            run.write(&[i as u8]).unwrap();
        }
        let written = runs.map(|run| run.finish().unwrap());
        assert_eq!(written, ["a.bin", "a-2.bin", "a-3.bin"].map(|name| dir.path().join(name)));
        assert_eq!(written.map(|path| fs::read(path).unwrap()), [[0], [1], [2]]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn what_reached_the_disk_is_saved_up_to_a_mark() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        let salvage = |content: &[u8], mark: (&[u8], usize), tail: &[u8]| {
            let mut pending = PendingFile::create(&path, true).unwrap();
            pending.write(content).unwrap();
            pending.flush().unwrap();
            pending.write(b"only in memory").unwrap();
            pending.salvage(mark, tail).map(|path| fs::read(path).unwrap())
        };
        assert_eq!(salvage(b"one\ntwo\nthr", (b"\n", 1), b"").unwrap(), b"one\ntwo\n");
        assert_eq!(salvage(b"[1,{2},{3},{4", (b",{", 0), b"]").unwrap(), b"[1,{2},{3}]");
        let long = [&b"x\n"[..], &[b'y'; 200_000]].concat();
        assert_eq!(salvage(&long, (b"\n", 1), b"").unwrap(), b"x\n");
        assert!(salvage(b"nothing whole", (b"\n", 1), b"").is_err());
    }

    /// The node was replaced by a file.
    #[test]
    fn no_file_is_put_in_the_place_of_a_device() {
        for force in [false, true] {
            let refused = PendingFile::create(Path::new("/dev/null"), force).unwrap_err();
            assert!(matches!(refused, Error::NotReplaced(_)), "{refused}");
        }
    }

    #[test]
    fn nothing_is_overwritten_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        fs::write(&path, b"old").unwrap();
        assert!(matches!(PendingFile::create(&path, false), Err(Error::Exists(_))));
        let missing = check_target(&dir.path().join("no/such/a.bin"), true);
        assert!(matches!(missing, Err(Error::NoFolder(folder)) if folder.ends_with("no/such")));
        assert!(matches!(check_target(dir.path(), true), Err(Error::Io { .. })));
    }
}
