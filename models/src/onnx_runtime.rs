//! Where ONNX Runtime's library lies. Both programs load it at run time and search for it in this order:
//!
//! 1. the file that the variable `ORT_DYLIB_PATH` names; one that is not there is an error, not a reason to go on;
//! 2. the program's own folder, then `../lib` beside that, as packages install it (before these the folder that a program
//!    says itself, as a Python package does, whose program is Python);
//! 3. `onnxruntime/lib` in each of the [cache folders](crate::cache::folders): `LKG_CACHE` first, then every `.cache`
//!    of the working directory, the program's folder and the folders above them;
//! 4. what the system's loader finds by name.
//!
//! In a folder the plain name `libonnxruntime.so` wins, else the highest version.

use std::path::{Path, PathBuf};

use crate::{cache, elf};

/// Name of the variable that names the library's file and wins over every search.
pub const PATH_VARIABLE: &str = "ORT_DYLIB_PATH";

/// Names under which a system's loader may know the library. The unversioned one comes with development packages
/// only, the versioned one with every installation.
const SYSTEM_NAMES: [&str; 2] = ["libonnxruntime.so", "libonnxruntime.so.1"];

/// Why no library was found.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// The variable names something else than a file.
    #[error("{PATH_VARIABLE} names {}, which is not a file", .0.display())]
    Named(PathBuf),
    /// The file is there, and not whole.
    #[error("{}: {reason}", .path.display())]
    Cut {
        /// The library's file.
        path: PathBuf,
        /// How much of it is there.
        reason: String,
    },
    /// None of the places has it.
    #[error(
        "ONNX Runtime's library, libonnxruntime.so, was found neither beside the program nor in \
         .cache/onnxruntime/lib nor by the system"
    )]
    Nowhere,
}

/// The library's file by the order above, or a bare name that the system's loader knows: `system_has` says whether
/// it can load one of that name.
///
/// # Errors
/// [`NotFound`], whose text says where it was sought.
pub fn find(system_has: impl Fn(&str) -> bool) -> Result<PathBuf, NotFound> {
    find_from(None, system_has)
}

/// The same; the folder `first`, if one is said, comes before the program's own.
///
/// # Errors
/// Those of [`find`].
pub fn find_from(first: Option<&Path>, system_has: impl Fn(&str) -> bool) -> Result<PathBuf, NotFound> {
    if let Some(named) = std::env::var_os(PATH_VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from) {
        return if named.is_file() { whole(named) } else { Err(NotFound::Named(named)) };
    }
    let others = folders(cache::program_folder().as_deref(), cache::folders());
    let found = first.into_iter().chain(others.iter().map(PathBuf::as_path)).find_map(library_in);
    if let Some(path) = found {
        return whole(path);
    }
    SYSTEM_NAMES.into_iter().find(|name| system_has(name)).map(PathBuf::from).ok_or(NotFound::Nowhere)
}

/// The library's file if all of it is there.
fn whole(path: PathBuf) -> Result<PathBuf, NotFound> {
    match elf::check_whole(&path) {
        Ok(()) => Ok(path),
        Err(reason) => Err(NotFound::Cut { path, reason }),
    }
}

/// Folders in which the library may lie, best first.
fn folders(program: Option<&Path>, caches: Vec<PathBuf>) -> Vec<PathBuf> {
    let beside = program.into_iter().flat_map(|dir| [dir.to_owned(), dir.join("../lib")]);
    beside.chain(caches.into_iter().map(|cache| cache.join("onnxruntime/lib"))).collect()
}

/// The library's file in `folder`: the plain name if it is there, else the highest version.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let versioned = std::fs::read_dir(folder).ok()?.filter_map(|entry| {
        let path = entry.ok()?.path();
        let version = version(path.file_name()?.to_str()?)?;
        path.is_file().then_some((version, path))
    });
    let mut versions: Vec<(Vec<u32>, PathBuf)> = versioned.collect();
    versions.sort();
    match versions.first() {
        Some((numbers, _)) if numbers.is_empty() => Some(versions.swap_remove(0).1),
        _ => versions.pop().map(|(_, path)| path),
    }
}

/// The numbers after `libonnxruntime.so`, none for the plain name; `None` for files that are not the library.
fn version(name: &str) -> Option<Vec<u32>> {
    match name.strip_prefix("libonnxruntime.so")? {
        "" => Some(Vec::new()),
        rest => rest.strip_prefix('.')?.split('.').map(|n| n.parse().ok()).collect(),
    }
}

/// How ONNX Runtime is got by who runs this program: from a checkout, or as a package or a lone file.
pub fn how_to_get() -> &'static str {
    if in_checkout() {
        "run scripts/setup runtime, or name the library file in ORT_DYLIB_PATH"
    } else {
        "install the package latentkeypoint-runtime again, which brings it along, or put libonnxruntime.so of \
         https://github.com/microsoft/onnxruntime/releases beside the program, or name it in ORT_DYLIB_PATH"
    }
}

/// Whether the program was built in a checkout that is still there, whose scripts can be named.
pub fn in_checkout() -> bool {
    let program = std::env::current_exe().and_then(|path| path.canonicalize());
    program.is_ok_and(|path| path.ancestors().any(|folder| folder.join("scripts/setup").is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_name_wins_then_the_highest_version() {
        let dir = tempfile::tempdir().unwrap();
        let touch = |name: &str| std::fs::write(dir.path().join(name), "").unwrap();
        assert_eq!(library_in(&dir.path().join("absent")), None);
        assert_eq!(library_in(dir.path()), None);
        for companion in
            ["libonnxruntime.so.bak", "libonnxruntime.sore", "libonnxruntime_providers_shared.so"]
        {
            touch(companion);
        }
        assert_eq!(library_in(dir.path()), None);
        touch("libonnxruntime.so.1.9.0");
        touch("libonnxruntime.so.1.31.1");
        assert_eq!(library_in(dir.path()), Some(dir.path().join("libonnxruntime.so.1.31.1")));
        touch("libonnxruntime.so");
        assert_eq!(library_in(dir.path()), Some(dir.path().join("libonnxruntime.so")));
    }

    #[test]
    fn the_programs_folder_comes_before_the_caches() {
        let found = folders(Some(Path::new("/a/bin")), vec!["/c".into(), "/w/.cache".into()]);
        let wanted = ["/a/bin", "/a/bin/../lib", "/c/onnxruntime/lib", "/w/.cache/onnxruntime/lib"];
        assert_eq!(found, wanted.map(PathBuf::from));
    }

    /// Scripts were named to who has only the package.
    #[test]
    fn who_runs_in_a_checkout_is_told_of_its_script() {
        assert!(in_checkout() && how_to_get().contains("scripts/setup runtime"));
    }
}
