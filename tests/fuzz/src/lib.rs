//! Every parser of foreign bytes as a target: something that takes any bytes at all and must come back. What it finds wrong by
//! itself (what was parsed is written and parsed again as something else, say) it panics on.
//!
//! `scripts/fuzz` feeds them by libFuzzer; `tests/corpora.rs` feeds them their corpora with every run of the tests.

mod bounded;
mod bundles;
mod edits;
mod media;
mod names;
mod pages;
#[cfg(feature = "trainer")]
mod training;

use std::path::{Path, PathBuf};

pub use bounded::Bounded;

/// A parser with a name.
pub struct Target {
    /// The name of its corpus, too.
    pub name: &'static str,
    /// Feeds it.
    pub run: fn(&[u8]),
}

/// All targets.
pub fn targets() -> Vec<Target> {
    let of = |name, run| Target { name, run };
    #[allow(unused_mut)]
    let mut targets = vec![
        of("manifest", bundles::manifest),
        of("bundle", bundles::folder),
        of("onnx", bundles::network),
        of("golden", bundles::golden),
        of("edits", edits::script),
        of("session", edits::session),
        of("motion", edits::motion),
        of("config", names::config),
        of("names", names::names),
        of("http", pages::http),
        of("api", pages::api),
        of("camera", media::camera),
        of("stream", media::stream),
        of("picture", media::picture),
        of("mp4", media::mp4),
        of("avi", media::avi),
    ];
    #[cfg(feature = "trainer")]
    targets.extend([
        of("checkpoint", training::checkpoint as fn(&[u8])),
        of("pack", training::pack),
        of("table", training::table),
        of("training", training::config),
    ]);
    targets
}

/// Where the committed corpus of a target lies.
pub fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

/// A folder of this process, in memory where the system has such a place.
///
/// # Panics
/// If there is no room for it.
#[allow(clippy::expect_used)]
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
}

/// Puts `content` into a file of its own in `dir` and gives its path.
#[allow(clippy::expect_used)]
fn file(dir: &tempfile::TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, content).expect("a file in a temporary folder");
    path
}
