//! What people write: names of sources and outputs, and the configuration file.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use lkg_runtime::FaceChoice;
use lkg_runtime::internals::cli;
use lkg_runtime::internals::media::{OutputSpec, SinkSpec};
use lkg_runtime::video::{CommandLine, Pattern, RtspAddress, SourceSpec};

/// A name that is read must be written as one that is read as the same.
pub fn names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // What lies in the file system decides what a name means: nothing lies at such places.
    if text.contains('\0') {
        return;
    }
    same::<SourceSpec>(text);
    same::<OutputSpec>(text);
    same::<SinkSpec>(text);
    same::<CommandLine>(text);
    same::<RtspAddress>(text);
    same::<FaceChoice>(text);
    if let Some(pattern) = Pattern::parse(Path::new(text)) {
        assert_eq!(Pattern::parse(&pattern.to_path()), Some(pattern.clone()));
        let path = pattern.path(7);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        assert_eq!(pattern.number(name), Some(7), "{name}");
    }
}

fn same<T: FromStr + Display + PartialEq + std::fmt::Debug>(text: &str) {
    let Ok(read) = text.parse::<T>() else { return };
    let written = read.to_string();
    assert_eq!(written.parse::<T>().ok(), Some(read), "{text:?} is written as {written:?}");
}

pub fn config(data: &[u8]) {
    thread_local! {
        static PROGRAM: cli::Program = cli::program();
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    PROGRAM.with(|program| cli::check_text(text, program)).ok();
}
