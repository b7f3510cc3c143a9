use std::path::PathBuf;

use crate::files;

/// What can be wrong with a bundle. Every message names the file and, where there is one, the fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused to read or write a file.
    #[error("{path}: {}", files::reason(source))]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// The reason the operating system gave.
        source: std::io::Error,
    },
    /// The directory is not a bundle.
    #[error("{0}: not a model bundle (no manifest.json in it)")]
    NotABundle(PathBuf),
    /// A file that the manifest or the contract names is absent.
    #[error("{dir}: the bundle lacks {file}; fetch or export the bundle again")]
    MissingFile {
        /// The bundle's directory.
        dir: PathBuf,
        /// The file's name inside it.
        file: String,
    },
    /// A file's content is not what the manifest says.
    #[error(
        "{path}: damaged or altered (sha256 {found}, the manifest says {expected}); fetch or export the bundle again"
    )]
    WrongHash {
        /// The file concerned.
        path: PathBuf,
        /// SHA-256 of the manifest, in hexadecimal.
        expected: String,
        /// SHA-256 of the file, in hexadecimal.
        found: String,
    },
    /// A file is not as long as the manifest says.
    #[error(
        "{path}: damaged or altered ({found} bytes, the manifest says {expected}); fetch or export the bundle again"
    )]
    WrongLength {
        /// The file concerned.
        path: PathBuf,
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The manifest does not parse or contradicts itself.
    #[error("{path}: {reason}")]
    Manifest {
        /// The manifest's path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An ONNX file breaks the contract.
    #[error("{file}: {reason}")]
    Onnx {
        /// The ONNX file's name.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The golden tensors do not parse or do not fit the contract.
    #[error("{path}: {reason}")]
    Golden {
        /// The golden file's path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// A result whose error is this crate's [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Wraps an operating-system error with the path it concerns.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
