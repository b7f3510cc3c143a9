//! The files of the checkout, for tests that read them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The content of a file of the checkout.
///
/// # Panics
/// If it can't be read.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every text file that git tracks, or would: its path from the root and its content, in order of the paths.
///
/// # Panics
/// If git does not list them.
pub fn texts() -> Vec<(String, String)> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").arg("-C").arg(root()).args(list).output();
    let output = output.unwrap_or_else(|e| panic!("git does not start: {e}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut paths: Vec<String> =
        output.stdout.split(|b| *b == 0).map(|p| String::from_utf8_lossy(p).into_owned()).collect();
    paths.sort();
    paths.dedup();
    // Pictures and weights are no text; a file that was deleted is still listed until the next commit.
    let texts = paths.into_iter().filter(|p| !p.is_empty());
    texts.filter_map(|p| fs::read_to_string(root().join(&p)).ok().map(|text| (p, text))).collect()
}
