//! Whether a shared library is whole: the system's loader maps what one that was cut short only promises, and touching that
//! ends the process (SIGBUS).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of the head of a 64-bit ELF file, and of one entry of its program header table.
const HEAD: usize = 64;
const ENTRY: usize = 56;

/// Checks that every segment of the library at `path` lies within the file (ELF-64, little-endian, as on every machine that
/// is built for). What is no ELF file is left to the loader, which refuses it.
///
/// # Errors
/// A sentence that says how much is missing, or what the operating system said.
pub(crate) fn check_whole(path: &Path) -> Result<(), String> {
    let io = |e: io::Error| e.to_string();
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut head = [0; HEAD];
    if file.read_exact(&mut head).is_err() || !head.starts_with(b"\x7fELF\x02\x01") {
        return Ok(());
    }
    let (table, size, count) = (word(&head, 32), half(&head, 54), half(&head, 56));
    let mut needed = table.saturating_add(size.saturating_mul(count));
    if needed <= length && size as usize == ENTRY {
        file.seek(SeekFrom::Start(table)).map_err(io)?;
        for _ in 0..count {
            let mut entry = [0; ENTRY];
            file.read_exact(&mut entry).map_err(io)?;
            needed = needed.max(word(&entry, 8).saturating_add(word(&entry, 32)));
        }
    }
    if needed <= length { Ok(()) } else { Err(format!("cut short: {length} bytes of {needed} at least")) }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(u64::MAX, |b| u64::from_le_bytes(*b))
}

fn half(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(u64::MAX, |b| u16::from_le_bytes(*b).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A library that was cut short was loaded, and ended the process.
    #[test]
    fn a_file_that_was_cut_short_is_told_from_a_whole_one() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lib.so");
        let check = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            check_whole(&path)
        };
        check(&whole).unwrap();
        for length in [100, 4096, whole.len() / 2] {
            let reason = check(&whole[..length]).unwrap_err();
            assert!(reason.contains("cut short"), "{length}: {reason}");
        }
        // The loader says what is wrong with these.
        check(b"").unwrap();
        check(b"no library").unwrap();
    }
}
