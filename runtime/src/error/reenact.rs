//! What can go wrong with re-enactment.

use std::path::PathBuf;

/// Why a face cannot be re-enacted as asked. Each message is one line that says how to fix it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReenactError {
    /// There is no source.
    #[error("--source names no face")]
    NoSource,
    /// The view is the source's photo, and it has none.
    #[error("--view source edits the source's photo, and {0} has none")]
    NoPhoto(String),
    /// The bundle has no part of the group that is to be driven.
    #[error("--drive: no part of this bundle is of that group")]
    NothingDriven,
    /// A gain is for no part of the bundle.
    #[error("--gain-of: {0}")]
    Gain(String),
    /// A recording of motion cannot be read.
    #[error("{path}: {reason}")]
    Recording {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and in which line.
        reason: String,
    },
    /// A recording belongs to another bundle.
    #[error("{path}: recorded with another bundle ({theirs}), whose keypoints mean nothing to {ours}")]
    OtherBundle {
        /// The file.
        path: PathBuf,
        /// Name of the bundle that it was recorded with.
        theirs: String,
        /// Name of the bundle in use.
        ours: String,
    },
}
