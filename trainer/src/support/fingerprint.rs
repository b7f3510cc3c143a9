//! A number that tells whether two processes have the same.

use std::hash::{DefaultHasher, Hasher};

/// A number that differs where `parts` do. For comparisons between processes of one build only.
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    hasher.finish()
}
