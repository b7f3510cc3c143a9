//! Finding and loading ONNX Runtime's library, once a process.

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;

use crate::error::{Error, Result, one_line};

/// Name of the variable that names the library's file and wins over every search.
pub const PATH_VARIABLE: &str = "ORT_DYLIB_PATH";

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

/// Loads the library on the first call, and returns the same outcome ever after.
///
/// # Errors
/// [`Error::Library`] saying what was tried.
pub fn get() -> Result<&'static Library> {
    static LIBRARY: OnceLock<std::result::Result<Library, String>> = OnceLock::new();
    LIBRARY.get_or_init(load).as_ref().map_err(|reason| Error::Library(reason.clone()))
}

fn load() -> std::result::Result<Library, String> {
    let path = find()?;
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

/// The library's file by the documented order, else the bare name for the system's loader.
fn find() -> std::result::Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(PATH_VARIABLE).filter(|v| !v.is_empty()) {
        let path = PathBuf::from(named);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(format!("{PATH_VARIABLE} names {}, which is not a file", path.display()))
        };
    }
    let executable = std::env::current_exe().ok().and_then(|p| p.parent().map(Path::to_owned));
    let folders = folders(
        executable.as_deref(),
        std::env::current_dir().ok().as_deref(),
        std::env::var_os("LKG_CACHE").filter(|v| !v.is_empty()).map(PathBuf::from).as_deref(),
    );
    folders.iter().find_map(|f| library_in(f)).or_else(system_library).ok_or_else(|| {
        "ONNX Runtime's library, libonnxruntime.so, was found neither beside the program nor in .cache/onnxruntime/lib \
         nor by the system"
            .to_owned()
    })
}

/// Folders in which the library may lie, best first.
fn folders(executable: Option<&Path>, working: Option<&Path>, cache: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(dir) = executable {
        folders.push(dir.to_owned());
        folders.push(dir.join("../lib"));
    }
    folders.extend(cache.map(|c| c.join("onnxruntime/lib")));
    let ancestors = working.into_iter().chain(executable).flat_map(Path::ancestors);
    folders.extend(ancestors.map(|a| a.join(".cache/onnxruntime/lib")));
    folders
}

/// The library's file in `folder`: the plain name if it is there, else the highest version.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let mut versions: Vec<(Vec<u32>, PathBuf)> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let rest = path.file_name()?.to_str()?.strip_prefix("libonnxruntime.so")?.to_owned();
            let numbers = rest.split('.').skip(1).map(|n| n.parse().ok()).collect::<Option<Vec<u32>>>()?;
            let plain = rest.is_empty() || rest.starts_with('.');
            (plain && path.is_file()).then_some((numbers, path))
        })
        .collect();
    versions.sort();
    match versions.first() {
        Some((numbers, _)) if numbers.is_empty() => Some(versions.swap_remove(0).1),
        _ => versions.pop().map(|(_, path)| path),
    }
}

/// The name under which the system's loader knows the library.
fn system_library() -> Option<PathBuf> {
    // The unversioned name comes with development packages only, the versioned one with every installation.
    ["libonnxruntime.so", "libonnxruntime.so.1"].into_iter().find(|name| can_open(name)).map(PathBuf::from)
}

#[allow(unsafe_code)]
fn can_open(name: &str) -> bool {
    // SAFETY: loading ONNX Runtime runs its own initialisers only, and it is about to be loaded for good anyway.
    unsafe { libloading::Library::new(name) }.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_name_wins_then_the_highest_version() {
        let dir = tempfile::tempdir().unwrap();
        let touch = |name: &str| std::fs::write(dir.path().join(name), "").unwrap();
        assert_eq!(library_in(dir.path()), None);
        touch("libonnxruntime.so.bak");
        touch("libonnxruntime.sore");
        assert_eq!(library_in(dir.path()), None);
        touch("libonnxruntime.so.1.9.0");
        touch("libonnxruntime.so.1.31.1");
        assert_eq!(library_in(dir.path()), Some(dir.path().join("libonnxruntime.so.1.31.1")));
        touch("libonnxruntime.so");
        assert_eq!(library_in(dir.path()), Some(dir.path().join("libonnxruntime.so")));
    }

    #[test]
    fn the_executable_comes_before_the_cache_before_the_ancestors() {
        let found = folders(Some(Path::new("/a/bin")), Some(Path::new("/w")), Some(Path::new("/c")));
        let text: Vec<_> = found.iter().map(|p| p.to_string_lossy()).collect();
        assert_eq!(
            text[..5],
            [
                "/a/bin",
                "/a/bin/../lib",
                "/c/onnxruntime/lib",
                "/w/.cache/onnxruntime/lib",
                "/.cache/onnxruntime/lib"
            ]
        );
        assert!(text.contains(&"/a/.cache/onnxruntime/lib".into()));
    }
}
