//! The folder that `scripts/setup` fills: `LKG_CACHE`, or a `.cache` of the working directory, the program's
//! directory or a directory above one of them.

use std::env;
use std::path::{Path, PathBuf};

/// Folders that may be the cache, the likeliest first; they need not exist.
pub fn folders() -> Vec<PathBuf> {
    let named = env::var_os("LKG_CACHE").filter(|v| !v.is_empty()).map(PathBuf::from);
    let mut folders: Vec<PathBuf> = named.into_iter().collect();
    for start in [env::current_dir().ok(), env::current_exe().ok()].into_iter().flatten() {
        folders.extend(start.ancestors().map(|dir| dir.join(".cache")));
    }
    folders
}

/// The first of the folders' files named `relative`.
pub fn find(relative: impl AsRef<Path>) -> Option<PathBuf> {
    folders().into_iter().map(|folder| folder.join(&relative)).find(|path| path.is_file())
}
