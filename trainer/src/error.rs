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
    /// Something would be overwritten.
    #[error("{path} exists: {fix}")]
    Exists {
        /// What is there.
        path: PathBuf,
        /// What to do.
        fix: &'static str,
    },
    /// No pictures were named.
    #[error("no pictures named")]
    NoPictures,
    /// There are too few pictures to train on.
    #[error("{pictures} pictures are fewer than a batch of {batch}: name more{}", smaller_batch(*.pictures))]
    FewerThanBatch {
        /// How many there are.
        pictures: usize,
        /// Images of a step.
        batch: i64,
    },
    /// Packs serve pictures of different sizes.
    #[error("{} serves pictures of {first_side} px and {} of {second_side} px: import both with the same --size", .first.display(), .second.display())]
    PackSizes {
        /// A pack.
        first: PathBuf,
        /// Side of its pictures in pixels.
        first_side: usize,
        /// Another.
        second: PathBuf,
        /// Side of that one's.
        second_side: usize,
    },
    /// The thread that makes batches has died.
    #[error("the picture loader has stopped")]
    LoaderStopped,
    /// Something is needed that `scripts/setup` fetches.
    #[error("{what} has not been fetched: run `scripts/setup {part}`")]
    NotFetched {
        /// What it is.
        what: &'static str,
        /// What to ask the script for.
        part: &'static str,
    },
    /// A detector is needed, and the run has none.
    #[error("this needs a detector, and the run has none yet: train it with `trainer detector`")]
    NoDetector,
    /// What is to be compared does not go together.
    #[error("{0}")]
    Incomparable(String),
    /// A bundle is of other sizes than the networks.
    #[error("{path}: the bundle has other sizes than the networks; it was exported from others")]
    OtherSizes {
        /// The bundle.
        path: PathBuf,
    },
    /// Names of keypoints that are not one for each.
    #[error("{0}")]
    KeypointNames(String),
    /// A folder can't be written.
    #[error("{path}: {reason}")]
    Output {
        /// The folder.
        path: PathBuf,
        /// What is in the way, and what to do.
        reason: String,
    },
    /// JSON could not be written.
    #[error("JSON: {0}")]
    Json(serde_json::Error),
    /// A request makes no sense.
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

    /// [`Error::Exists`] at `path`.
    pub fn exists(path: &Path, fix: &'static str) -> Self {
        Self::Exists { path: path.to_owned(), fix }
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

/// What else helps where `pictures` are fewer than a batch: one of one picture has no statistics to normalise by.
fn smaller_batch(pictures: usize) -> String {
    if pictures < 2 {
        String::new()
    } else {
        format!(", or set batch = {pictures} or less in the configuration")
    }
}
