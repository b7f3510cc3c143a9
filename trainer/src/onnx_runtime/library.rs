//! ONNX Runtime's library: found, loaded once.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;

use crate::error::{Error, Result};
use crate::support::cache;

/// Where `scripts/setup` puts the library inside the cache.
const LIBRARY_DIR: &str = "onnxruntime/lib";

/// One process has one environment, made at the first use; a failure is kept, since a second try can't end better.
static ENVIRONMENT: OnceLock<std::result::Result<Environment, String>> = OnceLock::new();

/// The environment, loading the library at the first call.
pub(super) fn environment() -> Result<&'static Environment> {
    let loaded = ENVIRONMENT.get_or_init(|| {
        let library = find_library()?;
        disable_telemetry();
        ort::init_from(&library)
            .map_err(|e| e.to_string())?
            .with_telemetry(false)
            .build()
            .map_err(|e| e.to_string())
    });
    loaded.as_ref().map_err(|e| Error::Ort(e.clone()))
}

/// Official builds collect usage data by default and read the switch while they are being loaded.
#[expect(unsafe_code, reason = "the library has no other switch that comes early enough")]
fn disable_telemetry() {
    const SWITCH: &str = "ORT_DISABLE_TELEMETRY";
    if env::var_os(SWITCH).is_none() {
        // SAFETY: called once. Rust's own readers take a lock, and glibc keeps the environment that a reader in C
        // may be walking through when a first variable is added to it.
        unsafe { env::set_var(SWITCH, "1") };
    }
}

/// The library: `ORT_DYLIB_PATH`, or the one in the cache.
fn find_library() -> std::result::Result<PathBuf, String> {
    if let Some(path) = env::var_os("ORT_DYLIB_PATH").filter(|v| !v.is_empty()) {
        return Ok(path.into());
    }
    let mut caches = cache::folders().into_iter();
    caches.find_map(|cache| library_in(&cache.join(LIBRARY_DIR))).ok_or_else(|| {
        "libonnxruntime not found; run `scripts/setup runtime`, or name the library in ORT_DYLIB_PATH"
            .to_owned()
    })
}

/// The newest library in `dir`, by name.
fn library_in(dir: &Path) -> Option<PathBuf> {
    let is_library = |name: &str| name.starts_with("libonnxruntime.") || name == "onnxruntime.dll";
    std::fs::read_dir(dir)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(is_library))
        .max()
        .and_then(|path| std::path::absolute(path).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_told_from_its_companions() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(library_in(dir.path()), None);
        assert_eq!(library_in(&dir.path().join("absent")), None);
        for name in ["libonnxruntime.so.1.31.1", "libonnxruntime_providers_shared.so", "notes.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(library_in(dir.path()), Some(dir.path().join("libonnxruntime.so.1.31.1")));
    }
}
