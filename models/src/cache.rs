//! The folder that `scripts/setup` fills: `LKG_CACHE`, or a `.cache` of the working directory, the program's
//! directory or a directory above one of them.

use std::env;
use std::path::{Path, PathBuf};

/// Folders that may be the cache, the likeliest first; they need not exist.
pub fn folders() -> Vec<PathBuf> {
    let named = env::var_os("LKG_CACHE").filter(|v| !v.is_empty()).map(PathBuf::from);
    folders_from(named, env::current_dir().ok().as_deref(), program_folder().as_deref())
}

/// The first of the folders' files named `relative`.
pub fn find(relative: impl AsRef<Path>) -> Option<PathBuf> {
    folders().into_iter().map(|folder| folder.join(&relative)).find(|path| path.is_file())
}

/// The folder that the running program lies in.
pub(crate) fn program_folder() -> Option<PathBuf> {
    env::current_exe().ok()?.parent().map(Path::to_owned)
}

fn folders_from(named: Option<PathBuf>, working: Option<&Path>, program: Option<&Path>) -> Vec<PathBuf> {
    let above = working.into_iter().chain(program).flat_map(Path::ancestors);
    named.into_iter().chain(above.map(|folder| folder.join(".cache"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_folder_comes_before_those_above_the_working_directory_and_the_program() {
        let found = folders_from(Some("/c".into()), Some(Path::new("/w/x")), Some(Path::new("/a/bin")));
        let wanted = ["/c", "/w/x/.cache", "/w/.cache", "/.cache", "/a/bin/.cache", "/a/.cache", "/.cache"];
        assert_eq!(found, wanted.map(PathBuf::from));
        assert_eq!(folders_from(None, None, None), Vec::<PathBuf>::new());
    }
}
