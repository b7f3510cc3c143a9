//! What can go wrong with measuring.

use std::path::PathBuf;

/// What can be wrong with what is measured on, and with files of measurements.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file concerned.
        path: PathBuf,
        /// The reason the operating system gave.
        source: std::io::Error,
    },
    /// The file is no report.
    #[error("{path}: not a report of runtime bench --json{}", .reason.as_ref().map(|e| format!(": {e}")).unwrap_or_default())]
    NotReport {
        /// The file concerned.
        path: PathBuf,
        /// Why it is no JSON, if it is none.
        reason: Option<serde_json::Error>,
    },
    /// A report lacks something, or something in it is of another kind.
    #[error("{path}: not a whole report: {source}")]
    Incomplete {
        /// The file concerned.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A report of another version of the program.
    #[error("{path}: its schema is {theirs}, this program reads {ours}; measure again")]
    Schema {
        /// The file concerned.
        path: PathBuf,
        /// The schema of the report.
        theirs: String,
        /// The schema that can be read.
        ours: &'static str,
    },
    /// The file holds no single times.
    #[error("{0}: not a file of single times from runtime bench")]
    NotTimes(PathBuf),
    /// A line of single times is none.
    #[error("{path}: line {line}: cannot be read")]
    TimesLine {
        /// The file concerned.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The single times of a report cannot be had.
    #[error("{source}; keep the file of single times beside {report}")]
    TimesOf {
        /// The report.
        report: PathBuf,
        /// What is wrong with them.
        source: Box<Error>,
    },
    /// Two reports have nothing to compare.
    #[error("{a} and {b} measured nothing of the same name")]
    NothingInCommon {
        /// One report.
        a: PathBuf,
        /// The other.
        b: PathBuf,
    },
    /// No frames can be made, as the bundle has no generator.
    #[error("bundle {0} draws no faces to measure on; name a clip with --source FILE")]
    NoGenerator(String),
    /// Two outputs have one name.
    #[error("{0}: named for two outputs")]
    NamedTwice(PathBuf),
    /// A key of `--scan` is there twice, and one would be lost.
    #[error("a key may be given once: threads=1,2 rather than threads=1 threads=2")]
    RepeatedAxis,
    /// A source that comes at its own pace.
    #[error(
        "{0}: not a file; a camera's own pace would be measured, so record it first: runtime webcam --out"
    )]
    NotFile(String),
    /// A source without frames.
    #[error("{0}: it has no frames")]
    NoFrames(String),
    /// A folder without frames.
    #[error("{0}: no .jpg in this folder")]
    NoJpegs(PathBuf),
}

impl Error {
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Read { path, source }
    }
}

/// A result whose error is [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;
