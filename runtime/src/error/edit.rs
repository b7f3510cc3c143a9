//! What can go wrong with editing.

use std::path::PathBuf;

/// Why a face cannot be opened or edited as asked. Each message is one line that says how to fix it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// A value of an operation cannot be.
    #[error("{place}{field}: {reason}")]
    Operation {
        /// Where the operation stands, as in `edits[3].`; may be empty.
        place: String,
        /// The operation's field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A number of a face is out of its range, or a list is not as long as the bundle asks.
    #[error("{field}: {reason}")]
    Face {
        /// The field of [`FaceLatents`](crate::edit::FaceLatents), with its index.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A saved face cannot be read.
    #[error("{path}: {reason}")]
    SavedFace {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A saved face belongs to another bundle.
    #[error(
        "{path}: made with another bundle ({theirs}), whose embeddings mean nothing to this one ({ours}); name it with --bundle"
    )]
    OtherBundle {
        /// The file.
        path: PathBuf,
        /// The bundle that made it: its name, and the beginning of its networks' hash.
        theirs: String,
        /// The same of the one in use.
        ours: String,
    },
    /// The name of a generated face is no seed.
    #[error("{0}: give a seed as seed:N or seed:N:I, two whole numbers")]
    Seed(String),
    /// A donor's name is none of the faces that may be taken from.
    #[error("{0}: no such face on the strip")]
    NotOnStrip(String),
}
