//! Loading ONNX Runtime's library, once a process. Where it is sought: [`onnx_runtime`].

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use lkg_bundle::onnx_runtime;
use ort::environment::Environment;

use crate::error::{Error, Result, one_line};

/// The loaded library.
pub struct Library {
    /// What sessions are made in.
    pub(crate) environment: Environment,
    /// The file it came from, or a bare name if the system's loader found it.
    pub path: PathBuf,
    /// Its version, for instance `1.31.1`.
    pub version: String,
}

/// Switches ONNX Runtime's telemetry off. Official builds from 1.29 on collect data as soon as they are loaded, so
/// this must come first in `main`.
#[allow(unsafe_code)]
pub fn disable_telemetry() {
    // SAFETY: called first in `main`, before any thread that could read the environment exists.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
}

/// Where the library is sought before the program's folder.
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Has ONNX Runtime's library sought in `folder` before the program's own, for what is loaded into a program of others, as a
/// Python package is. The variable `ORT_DYLIB_PATH` still wins. Said once, before the first network is loaded: gives back
/// whether this is the folder now.
pub fn seek_library_in(folder: impl Into<PathBuf>) -> bool {
    let folder = folder.into();
    *FOLDER.get_or_init(|| folder.clone()) == folder
}

/// Loads the library on the first call, and returns the same outcome ever after.
///
/// # Errors
/// [`Error::Library`] saying what was tried.
pub fn get() -> Result<&'static Library> {
    static LIBRARY: OnceLock<std::result::Result<Library, String>> = OnceLock::new();
    LIBRARY.get_or_init(load).as_ref().map_err(|reason| Error::Library(reason.clone()))
}

fn load() -> std::result::Result<Library, String> {
    let path =
        onnx_runtime::find_from(FOLDER.get().map(PathBuf::as_path), can_open).map_err(|e| e.to_string())?;
    let failed = |e: &dyn std::fmt::Display| {
        format!("ONNX Runtime does not load from {}: {}", path.display(), one_line(&e.to_string()))
    };
    let environment = ort::init_from(&path)
        .map_err(|e| failed(&e))?
        .with_telemetry(false)
        .build()
        .map_err(|e| failed(&e))?;
    // Failures come back as errors and are reported there; its log would only say them twice.
    environment.set_log_level(ort::logging::LogLevel::Fatal);
    let version = version(&path).ok_or_else(|| failed(&"it does not report its version"))?;
    tracing::info!(path = %path.display(), version, "ONNX Runtime loaded");
    Ok(Library { environment, path, version })
}

/// Asks the library that is loaded from `path` for its version.
#[allow(unsafe_code)]
fn version(path: &Path) -> Option<String> {
    type BaseGetter = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: the library is loaded already, so no initialiser runs here; the symbol's signature and the static,
    // NUL-terminated version string are part of ONNX Runtime's stable C API.
    unsafe {
        let library = libloading::Library::new(path).ok()?;
        let getter: libloading::Symbol<BaseGetter> = library.get(b"OrtGetApiBase").ok()?;
        let base = getter().as_ref()?;
        let text = (base.GetVersionString)();
        if text.is_null() { None } else { Some(CStr::from_ptr(text).to_string_lossy().into_owned()) }
    }
}

/// Whether the system's loader knows a library of this name.
#[allow(unsafe_code)]
fn can_open(name: &str) -> bool {
    // SAFETY: loading ONNX Runtime runs its own initialisers only, and it is about to be loaded for good anyway.
    unsafe { libloading::Library::new(name) }.is_ok()
}
