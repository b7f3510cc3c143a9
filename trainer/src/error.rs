use std::path::{Path, PathBuf};

/// What can go wrong in training and export. Each message is one line and names the fix where there is one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused to read or write a file.
    #[error("{path}: {}", lkg_bundle::files::reason(source))]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// The reason the operating system gave.
        source: std::io::Error,
    },
    /// The configuration is wrong.
    #[error("configuration: {0}")]
    Config(String),
    /// The training pictures can't be used.
    #[error("{path}: {reason}")]
    Data {
        /// The folder, archive or picture concerned.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint can't be used.
    #[error("{path}: {reason}")]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Something would be overwritten, or a request makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Training went wrong numerically.
    #[error("{0}")]
    Diverged(String),
    /// The exported graph and libtorch disagree, or a graph could not be built.
    #[error("export: {0}")]
    Export(String),
    /// A bundle is wrong.
    #[error(transparent)]
    Bundle(#[from] lkg_bundle::Error),
    /// libtorch failed.
    #[error("libtorch: {}", first_line(.0))]
    Torch(#[from] tch::TchError),
    /// ONNX Runtime failed.
    #[error("ONNX Runtime: {0}")]
    Ort(String),
    /// A chart could not be drawn.
    #[error("plot: {0}")]
    Plot(String),
    /// OpenVINO failed.
    #[error("OpenVINO: {0}")]
    OpenVino(String),
    /// The time that the user gave is over; what was trained is saved.
    #[error("time is up")]
    TimeUp,
    /// Something went wrong on one of several processes that train together, and all of them know it.
    #[error("{reason}")]
    Shared {
        /// What went wrong, and on which.
        reason: String,
        /// The exit code of all.
        code: u8,
    },
    /// An error that another process reports, with the exit code.
    #[error("reported by rank 0")]
    Reported(u8),
    /// Ctrl-C; what was trained is saved.
    #[error("interrupted")]
    Interrupted,
}

/// A result whose error is this crate's [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What the program ends with: 2 for a wrong request or input, 1 for other failures, 130 after Ctrl-C, 0 when the
    /// time given is over.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Diverged(_) | Self::Torch(_) | Self::Ort(_) | Self::OpenVino(_) => 1,
            Self::TimeUp => 0,
            Self::Interrupted => 130,
            Self::Shared { code, .. } | Self::Reported(code) => *code,
            _ => 2,
        }
    }

    /// Wraps an operating-system error with the path it concerns.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }
}

/// libtorch adds a stack trace to its messages; people want the first line.
fn first_line(error: &tch::TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
