//! What processes that were killed left behind: hidden files that were to become others.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Ending of a hidden file that is worth nothing until it is whole.
pub const PART: &str = ".part";
/// Ending of one that is worth something as far as it got.
pub const RECORDING: &str = ".recording";
/// Characters that tell files of one process and name apart.
const RANDOM: usize = 6;

/// A hidden file whose process is gone. While this is held, nobody else takes it for one.
#[derive(Debug)]
pub struct Leftover {
    /// The file, for reading and writing.
    pub file: File,
    /// Where it lies.
    pub path: PathBuf,
    /// The name that it was to have, or the beginning of a long one.
    pub name: String,
}

/// The leftovers in `folder` with this ending, [`PART`] or [`RECORDING`]. A folder that cannot be read has none.
pub fn leftovers(folder: &Path, ending: &str) -> Vec<Leftover> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| {
        let hidden = entry.file_name();
        let (name, process) = taken_apart(hidden.to_str()?, ending)?;
        // No link is followed, and nobody who still runs is disturbed.
        if !entry.file_type().is_ok_and(|t| t.is_file()) || is_running(process) {
            return None;
        }
        let path = entry.path();
        let file = File::options().read(true).write(true).open(&path).ok()?;
        // A process of another container has a number that means nothing here.
        file.try_lock().ok()?;
        Some(Leftover { file, path, name: name.to_owned() })
    };
    entries.filter_map(of).collect()
}

/// The name of the file that `.NAME.PROCESS-RANDOM.ending` was to become, and the process's number.
fn taken_apart<'a>(hidden: &'a str, ending: &str) -> Option<(&'a str, u32)> {
    let (name, tag) = hidden.strip_prefix('.')?.strip_suffix(ending)?.rsplit_once('.')?;
    let (process, random) = tag.split_once('-')?;
    let plain = random.len() == RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric());
    let numeric = !process.is_empty() && process.bytes().all(|b| b.is_ascii_digit());
    (plain && numeric && !name.is_empty()).then(|| Some((name, process.parse().ok()?)))?
}

fn is_running(process: u32) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}

/// Removes leftovers that are worth nothing from `folder`. It is looked at once: later ones are of later processes.
pub fn sweep(folder: &Path) {
    if is_first(folder) {
        for leftover in leftovers(folder, PART) {
            fs::remove_file(&leftover.path).ok();
        }
    }
}

/// Whether this process asks for the first time.
fn is_first(folder: &Path) -> bool {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let Ok(folder) = folder.canonicalize() else { return false };
    SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{part_file, recording_file, write_atomically};

    /// A process number that nobody has: numbers end at 4194304.
    const GONE: u32 = 4_294_967_295;

    #[test]
    fn what_killed_processes_left_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let ours = part_file(&at("a.png")).unwrap();
        let stale = format!(".a.png.{GONE}-aB3dE6.part");
        let recording = format!(".clip.v2.mp4.{GONE}-aB3dE6.recording");
        let others = [".b.part", ".b.12.part", ".b.x-aaaaaa.part", "b.4294967295-aaaaaa.part", "notes"];
        for name in others.iter().copied().chain([stale.as_str(), recording.as_str()]) {
            fs::write(at(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(at("notes"), at(&format!(".l.{GONE}-aaaaaa.part"))).unwrap();
        write_atomically(&at("new"), b"new").unwrap();
        assert!(!at(&stale).exists() && ours.1.exists() && at(&recording).exists() && at("notes").exists());
        assert!(others.iter().all(|name| at(name).exists()));
        let mut found = leftovers(dir.path(), RECORDING);
        assert_eq!(found.len(), 1);
        assert_eq!(found.remove(0).name, "clip.v2.mp4");
        let own = recording_file(&at("own.mp4")).unwrap();
        assert!(
            own.1.exists() && leftovers(dir.path(), RECORDING).len() == 1,
            "that of a running process is no leftover"
        );
    }

    #[test]
    fn one_that_is_held_is_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(format!(".a.{GONE}-aaaaaa.part")), "x").unwrap();
        let held = leftovers(dir.path(), PART);
        assert_eq!((held.len(), leftovers(dir.path(), PART).len()), (1, 0));
    }
}
