//! How large a frame of a clip or stream may be.

/// Longest side of a frame, in pixels.
pub(super) const MAX_SIDE: u32 = 8192;

/// Most pixels of a frame: those of 8K in the cinema's form. More would be a picture of 100 MB that is held several times.
const MAX_PIXELS: u64 = 8192 * 4320;

/// Whether frames of this size are read.
pub(super) fn fits((width, height): (u32, u32)) -> bool {
    width.max(height) <= MAX_SIDE && u64::from(width) * u64::from(height) <= MAX_PIXELS
}

/// Lets only frames pass that are read, and that have pixels.
///
/// # Errors
/// A sentence that says how large they are and may be.
pub(super) fn check(size: (u32, u32)) -> Result<(), String> {
    let (width, height) = size;
    if width > 0 && height > 0 && fits(size) {
        return Ok(());
    }
    Err(format!(
        "{width}x{height} pixels, at most {MAX_SIDE} a side and {} million in all are read",
        MAX_PIXELS / 1_000_000
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_up_to_8k_are_read() {
        for size in [(1, 1), (7680, 4320), (8192, 4320), (4320, 8192)] {
            assert!(check(size).is_ok() && fits(size), "{size:?}");
        }
        for size in [(0, 5), (5, 0), (8193, 1), (8192, 4321), (u32::MAX, u32::MAX)] {
            assert!(check(size).is_err(), "{size:?}");
        }
    }
}
