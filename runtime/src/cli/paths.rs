//! Whether what is written would take the place of what is read, however the two are spelled.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::media::{Pattern, SinkSpec};

/// Whether both are names of one file, which need not be there yet.
pub(super) fn are_same(a: &Path, b: &Path) -> bool {
    a == b || place(a).is_some_and(|place_of_a| place(b) == Some(place_of_a))
}

/// Where a file is or would be, without links and dots.
fn place(path: &Path) -> Option<PathBuf> {
    let parent = || path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    path.canonicalize().ok().or_else(|| Some(parent().canonicalize().ok()?.join(path.file_name()?)))
}

/// Whether writing `output` could take the place of the file, the folder of pictures or the numbered pictures `input`.
pub(super) fn replaces(output: &SinkSpec, input: &Path) -> bool {
    let numbered = match output {
        SinkSpec::Numbered(pattern) => Some(pattern.clone()),
        SinkSpec::Folder(folder) => Pattern::parse(&folder.join("frame-%06d.jpg")),
        _ => None,
    };
    let Some(pattern) = numbered else {
        return output.path().is_some_and(|path| are_same(&path, input));
    };
    if input.is_dir() {
        return are_same(pattern.folder(), input);
    }
    let (folder, name) = (input.parent().unwrap_or(Path::new("")), input.file_name().unwrap_or_default());
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let is_made = |name: &OsStr| name.to_str().is_some_and(|name| pattern.number(name).is_some());
    let is_any_made = |input: Pattern| {
        let files = input.files().unwrap_or_default();
        files.iter().filter_map(|path| path.file_name()).any(is_made)
    };
    are_same(pattern.folder(), folder) && Pattern::parse(input).map_or_else(|| is_made(name), is_any_made)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source was overwritten by an output of another spelling.
    #[test]
    fn one_file_is_known_by_any_spelling() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("sub")).unwrap();
        std::fs::write(path("p.png"), "x").unwrap();
        std::fs::write(path("sub/00001.png"), "x").unwrap();
        std::os::unix::fs::symlink(path("p.png"), path("link.png")).unwrap();
        for (a, b, same) in [
            ("p.png", "sub/../p.png", true),
            ("p.png", "link.png", true),
            ("new.png", "sub/../new.png", true),
            ("p.png", "sub/p.png", false),
        ] {
            assert_eq!(are_same(&path(a), &path(b)), same, "{a} {b}");
        }
        let replaced = |output: &str, input: &str| {
            let output: SinkSpec = path(output).to_str().unwrap().parse().unwrap();
            replaces(&output, &path(input))
        };
        assert!(replaced("sub/%05d.png", "sub/00001.png") && replaced("sub/../sub/%05d.png", "sub"));
        // Numbered pictures beside those that are read are none of them.
        assert!(!replaced("sub/out%05d.png", "sub/%05d.png") && !replaced("sub/%05d.jpg", "sub/%05d.png"));
        assert!(replaced("sub/%05d.png", "sub/../sub/%05d.png") && replaced("a.avi", "sub/../a.avi"));
        assert!(replaced("sub", "sub") && !replaced("sub", "p.png") && !replaced("%05d.png", "sub"));
        assert!(!replaced("sub/%05d.png", "sub/1.png") && !replaced("a.avi", "a.mp4"));
    }
}
