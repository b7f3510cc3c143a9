//! Whether the pictures of a recording are those that the camera sent.

use std::fs;
use std::path::Path;

use crate::{Result, code};

/// A picture of a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    /// The number in its file's name: the frame's position in the source.
    frame: u64,
    /// The number that the picture carries.
    code: u16,
}

/// How many numbers may be missing between a picture and the next beyond those that the file names leave out, summed
/// over the recording: a driver drops a frame where nobody gave it a buffer in time.
const MOST_LOST: u64 = 5;

/// Checks a folder that `runtime webcam --out FOLDER` wrote: at least `least` pictures, each carries a number, and both
/// kinds of numbers rise together.
pub fn check(folder: &Path, least: usize) -> Result<()> {
    let mut seen = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Some(frame) = stem.strip_prefix("frame-") else { continue };
        let picture = image::open(&path)?.to_luma8();
        let code = code::read(&picture).ok_or_else(|| format!("{}: carries no number", path.display()))?;
        seen.push(Seen { frame: frame.parse()?, code });
    }
    seen.sort_by_key(|s| s.frame);
    let (count, lost) = (seen.len(), lost(&seen)?);
    if count < least {
        return Err(format!("{count} pictures, {least} were to come").into());
    }
    let ends = seen.first().zip(seen.last()).map(|(a, b)| format!("{} to {}", a.code, b.code));
    println!("{count} pictures, numbers {}, {lost} lost by the driver", ends.unwrap_or_default());
    Ok(())
}

/// How many numbers are missing that no gap in the frames accounts for.
fn lost(seen: &[Seen]) -> Result<u64> {
    let mut lost = 0;
    for pair in seen.windows(2) {
        let [a, b] = [pair[0], pair[1]];
        let frames = b.frame - a.frame;
        let codes = u64::from(b.code.checked_sub(a.code).filter(|d| *d > 0).ok_or_else(|| {
            format!("after frame {} with number {} came frame {} with {}", a.frame, a.code, b.frame, b.code)
        })?);
        lost += codes.checked_sub(frames).ok_or_else(|| {
            format!("from frame {} to {} the number rose by {codes} only", a.frame, b.frame)
        })?;
    }
    if lost > MOST_LOST {
        return Err(format!("{lost} numbers are missing that no gap between frames accounts for").into());
    }
    Ok(lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(pairs: &[(u64, u16)]) -> std::result::Result<u64, String> {
        let seen: Vec<_> = pairs.iter().map(|(frame, code)| Seen { frame: *frame, code: *code }).collect();
        lost(&seen).map_err(|e| e.to_string())
    }

    #[test]
    fn the_wrong_frame_is_noticed() {
        assert_eq!(judged(&[(0, 7), (1, 8), (4, 11)]), Ok(0));
        assert_eq!(judged(&[(0, 7), (1, 9)]), Ok(1));
        for wrong in [&[(0, 7), (1, 7)][..], &[(0, 7), (1, 6)], &[(0, 7), (3, 8)], &[(0, 7), (1, 40)]] {
            assert!(judged(wrong).is_err(), "{wrong:?}");
        }
    }
}
