//! A recording that a kill cut off: its frames are counted, and get the index that they lack.

use std::path::PathBuf;
use std::time::Duration;

use super::write::{AviWriter, MICROSECONDS};
use crate::error::media::{Error, Result};
use crate::media::output::PendingFile;

/// Largest head, in bytes.
const MOST: u64 = 4096;

/// Frames a second of one that ended before its rate was known.
const RATE: u32 = 25;

/// Completes the file of `length` bytes as far as its frames are whole.
///
/// # Errors
/// [`Error::Damaged`]: there are no frames in it; [`Error::Io`].
pub fn take_up(mut file: PendingFile, length: u64) -> Result<PathBuf> {
    let none = |file: &PendingFile| Error::damaged(file.target(), "no frames in it");
    let mut head = vec![0; length.min(MOST) as usize];
    file.read_back(0, &mut head)?;
    let Some(movi) = head.windows(4).position(|word| word == b"movi") else { return Err(none(&file)) };
    let movi = movi as u64;
    let word = |at: usize| head.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b));
    let micros = match word(MICROSECONDS as usize) {
        0 => 1_000_000 / RATE,
        micros => micros,
    };
    let (mut position, mut index) = (movi + 4, Vec::new());
    while length - position >= 8 {
        let mut chunk = [0; 8];
        file.read_back(position, &mut chunk)?;
        let [a, b, c, d, size @ ..] = chunk;
        let size = u32::from_le_bytes(size);
        let next = position + 8 + u64::from(size) + u64::from(size % 2);
        if &[a, b, c, d] != b"00dc" || next > length {
            break;
        }
        index.push(((position - movi) as u32, size));
        position = next;
    }
    if index.is_empty() {
        return Err(none(&file));
    }
    AviWriter::of(file, movi, position, index, Duration::from_micros(micros.into())).finish_cut()
}
