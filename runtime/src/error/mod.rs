//! What can go wrong, on one line that says how to fix it. Errors of single parts lie here, too, as every part uses this one.

#[cfg(feature = "bench")]
pub(crate) mod bench;
mod edit;
pub(crate) mod media;
pub(crate) mod panic;
mod reenact;
#[cfg(feature = "serve")]
pub(crate) mod serve;

use std::path::PathBuf;

use lkg_bundle::json::steers;

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
    /// ONNX Runtime refuses a bundle's network, or what that computes are no numbers: it is damaged, or made for something else.
    #[error("{path}: {reason}; fetch or export the bundle again")]
    Network {
        /// The network's file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
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
    #[error("{what}: {}", lkg_bundle::files::reason(source))]
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
            Error::Interrupted | Error::Media(media::Error::Interrupted) => 130,
            Error::Io { source, .. } if lkg_bundle::files::is_full(source) => 2,
            Error::Engine { .. } | Error::Io { .. } => 1,
            _ => 2,
        }
    }

    /// Wraps an error of ONNX Runtime, its text joined to one line.
    pub(crate) fn engine<R>(what: impl Into<String>) -> impl FnOnce(ort::Error<R>) -> Self {
        let what = what.into();
        move |e| Error::Engine { what, reason: without_code(&one_line(&e.to_string())) }
    }

    /// Whether this is a reader of our output that went away, as `head` does.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// `text` without the places in ONNX Runtime's code and the signatures of its functions that its messages begin with.
fn without_code(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(at) = rest.find("/onnxruntime_src/") {
        let (before, code) = rest.split_at(at);
        kept.push_str(before);
        let mut depth = 0;
        let end = code.char_indices().find(|(_, c)| {
            depth += i32::from(*c == '(') - i32::from(*c == ')');
            *c == ')' && depth == 0
        });
        let Some((end, _)) = end else {
            rest = code;
            break;
        };
        rest = code[end + 1..].trim_start();
        rest = rest.strip_prefix("const ").unwrap_or(rest);
        if !kept.is_empty() && !kept.ends_with(' ') {
            kept.push(' ');
        }
    }
    kept + rest
}

/// `text` with every run of white space, line breaks too, made one space, [`printable`].
pub(crate) fn one_line(text: &str) -> String {
    printable(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Most letters of a message: what is wrong with a file may repeat all of it.
const MOST: usize = 2000;
/// How many of them are its end, where the reason and the fix stand.
const END: usize = 600;

/// `text` as a terminal may show it: what would steer that, or turn the direction of writing, is written as its number, and of
/// what is very long the middle is left out.
pub(crate) fn printable(text: &str) -> String {
    let length = text.chars().count();
    let mut shown = String::with_capacity(text.len().min(4 * MOST));
    for (i, c) in text.chars().enumerate() {
        if length > MOST && i == MOST - END {
            shown.push_str(" ... ");
        }
        match c {
            _ if length > MOST && (MOST - END..length - END).contains(&i) => {}
            c if steers(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
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
    fn messages_of_the_engine_hold_none_of_its_code() {
        let said = "Load model failed:/onnxruntime_src/onnxruntime/core/graph/model.h:46 void onnxruntime::Check(const \
                    std::map<int, std::function<void(int)>>&, int) const ONNX Runtime supports opset 23 (of ai.onnx).";
        assert_eq!(without_code(said), "Load model failed: ONNX Runtime supports opset 23 (of ai.onnx).");
        for plain in ["a (b) c", "/onnxruntime_src/a.cc:1", ""] {
            assert_eq!(without_code(plain), plain);
        }
    }

    #[test]
    fn texts_become_one_line() {
        assert_eq!(one_line("a\n  b\tc\r\n"), "a b c");
    }

    /// A file's name could clear the screen, and a line of 100 MB was repeated.
    #[test]
    fn what_steers_a_terminal_and_what_is_endless_is_not_repeated() {
        assert_eq!(one_line("a\u{1b}[2J\u{9b}b\u{202e}c"), "a\\u{1b}[2J\\u{9b}b\\u{202e}c");
        let long = one_line(&format!("{}{}", "a".repeat(1 << 20), "b".repeat(600)));
        assert_eq!((long.len(), long.matches('b').count()), (MOST + 5, 600));
        assert_eq!(printable("a  b"), "a  b");
    }

    #[test]
    fn a_full_disk_is_for_the_user_to_fix() {
        let io = |code| Error::Io { what: "x".to_owned(), source: std::io::Error::from_raw_os_error(code) };
        assert_eq!((io(28).exit_code(), io(5).exit_code()), (2, 1));
        assert!(io(28).to_string().contains("make room"));
    }
}
