//! Recordings of runs that were killed, taken up by the next run: the hidden file becomes a whole one as far as it got.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use lkg_bundle::leftovers::{Leftover, RECORDING, leftovers};

use super::output::PendingFile;
use super::{avi, mp4};
use crate::error::media::{Error, Result};

/// Bytes that are read at once.
const BLOCK: usize = 64 << 10;

/// Whom to tell of what was found.
static NOTICE: OnceLock<fn(&str)> = OnceLock::new();

/// Has `notice` told, in a line each, of every recording that is taken up from now on.
pub fn tell(notice: fn(&str)) {
    NOTICE.set(notice).ok();
}

/// Takes up every recording that a killed run left in `folder`, under its own name or, where that is taken, as
/// `NAME-recovered`. Gives their paths.
pub fn recover(folder: &Path) -> Vec<PathBuf> {
    let taken_up = |left: Leftover| {
        let (hidden, name) = (left.path.clone(), left.name.clone());
        let (line, path) = match take_up(folder, left) {
            Ok(path) => (
                format!(
                    "{}: recovered from a run that was killed; its last second may be missing",
                    path.display()
                ),
                Some(path),
            ),
            Err(Error::Damaged { reason, .. }) => {
                // There is nothing in it that anybody could play.
                fs::remove_file(&hidden).ok();
                (format!("{name}: nothing of it was kept by the run that was killed ({reason})"), None)
            }
            // Whatever it is, a full disk say, the next run tries again.
            Err(e) => (format!("{name}, of a run that was killed, is not recovered yet: {e}"), None),
        };
        if let Some(notice) = NOTICE.get() {
            notice(&line);
        }
        path
    };
    leftovers(folder, RECORDING).into_iter().filter_map(taken_up).collect()
}

fn take_up(folder: &Path, mut left: Leftover) -> Result<PathBuf> {
    let path = left.path.clone();
    let length = left.file.metadata().map_err(Error::io(&path))?.len();
    let mut head = Vec::new();
    (&mut left.file).take(8).read_to_end(&mut head).map_err(Error::io(&path))?;
    let ending = match head.get(4..).unwrap_or_default() {
        b"ftyp" => "mp4",
        _ if head.starts_with(b"RIFF") => "avi",
        _ => "jsonl",
    };
    let target = free(folder, &left.name, ending);
    let file = PendingFile::take_up(left, target);
    match ending {
        "mp4" => mp4::take_up(file, length),
        "avi" => avi::take_up(file, length),
        _ => whole_lines(file, length),
    }
}

/// The name that a file was to have, or the next one like it that is free.
fn free(folder: &Path, name: &str, ending: &str) -> PathBuf {
    let named = folder.join(name);
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    let stem = match Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case(ending)) {
        true if is_free(&named) => return named,
        true => &name[..name.len() - ending.len() - 1],
        // Of a long name only the beginning is known.
        false => name,
    };
    let numbered = |n: u32| match n {
        1 => folder.join(format!("{stem}-recovered.{ending}")),
        n => folder.join(format!("{stem}-recovered-{n}.{ending}")),
    };
    (1..).map(numbered).find(is_free).unwrap_or(named)
}

/// Lines as far as they are whole.
fn whole_lines(mut file: PendingFile, length: u64) -> Result<PathBuf> {
    let (mut end, mut block) = (length, vec![0; BLOCK]);
    while end > 0 {
        let begin = end.saturating_sub(BLOCK as u64);
        let bytes = &mut block[..(end - begin) as usize];
        file.read_back(begin, bytes)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            file.cut(begin + at as u64 + 1)?;
            return file.finish();
        }
        end = begin;
    }
    Err(Error::damaged(file.target(), "no whole line in it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_as_far_as_they_are_whole() {
        let dir = tempfile::tempdir().unwrap();
        let long = "x".repeat(40);
        let hidden = |name: &str| dir.path().join(format!(".{name}.4294967295-aaaaaa.recording"));
        fs::write(hidden("k.jsonl"), format!("{{}}\n{{\"a\":1}}\n{}", "y".repeat(100_000))).unwrap();
        fs::write(hidden(&long), "{}\n{").unwrap();
        fs::write(hidden("none.jsonl"), "{").unwrap();
        fs::write(hidden("empty.mp4"), "").unwrap();
        let mut found = recover(dir.path());
        found.sort();
        assert_eq!(found, [dir.path().join("k.jsonl"), dir.path().join(format!("{long}-recovered.jsonl"))]);
        assert_eq!(fs::read_to_string(&found[0]).unwrap(), "{}\n{\"a\":1}\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
