//! What can go wrong, on one line that says how to fix it. Errors of single parts lie here, too, as every part uses this one.

#[cfg(feature = "bench")]
pub(crate) mod bench;
mod edit;
pub(crate) mod media;
mod reenact;
#[cfg(feature = "serve")]
pub(crate) mod serve;

use std::path::PathBuf;

pub use edit::EditError;
pub use reenact::ReenactError;

/// An error of this crate. Its text is one line without a final full stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A bundle or one of its files is missing, damaged or breaks the contract.
    #[error(transparent)]
    Bundle(#[from] lkg_bundle::Error),
    /// ONNX Runtime's library was not found or does not load.
    #[error("{0}; {how}", how = lkg_bundle::onnx_runtime::how_to_get())]
    Library(String),
    /// A compute provider that was asked for by name cannot be used.
    #[error("provider {provider} cannot be used: {reason}; try --provider auto or --provider cpu")]
    Provider {
        /// The provider's name.
        provider: &'static str,
        /// The reason ONNX Runtime gave.
        reason: String,
    },
    /// The bundle has no encoder, which photos need.
    #[error(
        "bundle {bundle} has no encoder, so photos cannot be edited or re-enacted with it; start from seed:N, or name \
         another bundle with --bundle"
    )]
    NoEncoder {
        /// The bundle's name.
        bundle: String,
    },
    /// The bundle has no generator, which drawn faces and their edits need.
    #[error("bundle {bundle} draws no faces; name one that does, such as --bundle models/faces128")]
    NoGenerator {
        /// The bundle's name.
        bundle: String,
    },
    /// The bundle has no portrait networks, which carry a photo along.
    #[error(
        "bundle {bundle} carries no photos along; name one that does, such as --bundle models/portrait128"
    )]
    NoPortrait {
        /// The bundle's name.
        bundle: String,
    },
    /// Another provider than the one asked for computes in the precision asked for.
    #[error(
        "{precision} is {of}'s, not {provider}'s: take --provider {of}, or leave out --precision {precision}"
    )]
    Precision {
        /// What was asked for.
        precision: &'static str,
        /// Who computes in it.
        of: &'static str,
        /// Who was to.
        provider: &'static str,
    },
    /// The folder of TensorRT's engines is not this user's alone.
    #[error("{path}: {reason}")]
    CacheFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A face cannot be opened or edited as asked.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// A face cannot be re-enacted as asked.
    #[error(transparent)]
    Reenact(#[from] ReenactError),
    /// ONNX Runtime failed at something that should have worked.
    #[error("{what}: {reason}")]
    Engine {
        /// What was being done.
        what: String,
        /// The reason ONNX Runtime gave.
        reason: String,
    },
    /// A picture cannot be read or written.
    #[error("{path}: {reason}")]
    Picture {
        /// The picture's file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The command line or a setting asks for something that makes no sense or is not there.
    #[error("{0}")]
    Usage(String),
    /// The operating system refused something that has nothing to do with a bundle or a picture.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The reason the operating system gave.
        source: std::io::Error,
    },
    /// A source or sink of frames failed.
    #[error(transparent)]
    Media(#[from] media::Error),
    /// The page for browsers cannot be served.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Serve(#[from] serve::Error),
    /// What is measured on, or a file of measurements, is wrong.
    #[cfg(feature = "bench")]
    #[error(transparent)]
    Bench(#[from] bench::Error),
    /// The user stopped the program.
    #[error("interrupted")]
    Interrupted,
}

/// A result whose error is this crate's [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The process's exit code: 2 for what the user can fix, 130 for an interruption, 1 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Engine { .. } | Error::Io { .. } => 1,
            Error::Interrupted => 130,
            _ => 2,
        }
    }

    /// Wraps an error of ONNX Runtime, its text joined to one line.
    pub(crate) fn engine<R>(what: impl Into<String>) -> impl FnOnce(ort::Error<R>) -> Self {
        let what = what.into();
        move |e| Error::Engine { what, reason: one_line(&e.to_string()) }
    }

    /// Whether this is a reader of our output that went away, as `head` does.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// `text` with every run of white space, line breaks too, made one space.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_user_errors_from_failures() {
        assert_eq!(Error::Usage("x".to_owned()).exit_code(), 2);
        assert_eq!(Error::Interrupted.exit_code(), 130);
        assert_eq!(Error::Engine { what: String::new(), reason: String::new() }.exit_code(), 1);
    }

    #[test]
    fn texts_become_one_line() {
        assert_eq!(one_line("a\n  b\tc\r\n"), "a b c");
    }
}
