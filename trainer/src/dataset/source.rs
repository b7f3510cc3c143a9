//! Where pictures come from: folders (searched through) and zip archives of JPEG, PNG and WebP files. Pictures of
//! other kinds are listed, too, so that whoever reads them says that they are left out.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use lkg_bundle::pictures;

use crate::error::{Error, Result};

/// Largest picture file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// A picture not yet read.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A file.
    File(PathBuf),
    /// A member of a zip archive.
    Member {
        /// The archive.
        archive: PathBuf,
        /// Its position in the archive.
        index: usize,
        /// Its name in the archive.
        name: String,
    },
}

impl Entry {
    /// A name for messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Member { archive, name, .. } => format!("{}:{name}", archive.display()),
        }
    }

    /// The part of its name below the source `root`, the same wherever that lies.
    pub fn name_below(&self, root: &Path) -> String {
        let below = |path: &Path| {
            let below = path.strip_prefix(root).unwrap_or(path);
            let whole = below.as_os_str().is_empty();
            if whole { path.file_name().map(Path::new).unwrap_or(path) } else { below }.display().to_string()
        };
        match self {
            Self::File(path) => below(path),
            Self::Member { archive, name, .. } if archive == root => name.clone(),
            Self::Member { archive, name, .. } => format!("{}:{name}", below(archive)),
        }
    }

    /// The last part of its name.
    pub fn file_name(&self) -> &str {
        let path = match self {
            Self::File(path) => path.as_path(),
            Self::Member { name, .. } => Path::new(name),
        };
        path.file_name().and_then(|n| n.to_str()).unwrap_or_default()
    }
}

/// Pictures below each of `paths` (folder, zip or picture file), in an order that depends on names only.
///
/// # Errors
/// [`Error::Data`] if a path is missing, is no folder, zip or picture, or if there is no picture at all.
pub fn list(paths: &[PathBuf]) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for path in paths {
        let before = entries.len();
        let fail = |reason: &str| Error::Data { path: path.clone(), reason: reason.into() };
        if path.is_dir() {
            list_folder(path, &mut entries)?;
        } else if !path.exists() {
            return Err(fail("no such file or folder"));
        } else if is_archive(path) {
            list_archive(path, &mut entries)?;
        } else if is_picture(path) {
            entries.push(Entry::File(path.clone()));
        } else {
            return Err(fail("neither a folder, a .zip nor a .jpg, .png or .webp picture"));
        }
        if entries.len() == before {
            return Err(fail("no .jpg, .png or .webp pictures in it"));
        }
    }
    if entries.is_empty() {
        return Err(Error::NoPictures);
    }
    Ok(entries)
}

/// Reads pictures, an archive being opened once for all of its members that follow each other.
#[derive(Default)]
pub struct Reader {
    open: Option<(PathBuf, zip::ZipArchive<File>)>,
}

impl Reader {
    /// The bytes of `entry`; a picture that can't be read is an error text inside.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Data`] if its archive can't be opened any more.
    pub fn read(&mut self, entry: &Entry) -> Result<std::result::Result<Vec<u8>, String>> {
        Ok(match entry {
            Entry::File(path) => File::open(path).map_err(|e| e.to_string()).and_then(read_limited),
            Entry::Member { archive, index, .. } => {
                let zip = match &mut self.open {
                    Some((path, zip)) if path == archive => zip,
                    open => &mut open.insert((archive.clone(), open_archive(archive)?)).1,
                };
                zip.by_index(*index).map_err(|e| e.to_string()).and_then(read_limited)
            }
        })
    }
}

fn read_limited(reader: impl Read) -> std::result::Result<Vec<u8>, String> {
    let mut content = Vec::new();
    reader.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).map_err(|e| e.to_string())?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("larger than {} MB", MAX_FILE_BYTES >> 20));
    }
    Ok(content)
}

/// What is in `folder`, in the order of its names.
pub(super) fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|dir| dir.map(|e| e.map(|e| e.path())).collect())
        .map_err(Error::io(folder))?;
    paths.sort();
    Ok(paths)
}

fn list_folder(folder: &Path, entries: &mut Vec<Entry>) -> Result<()> {
    for path in sorted(folder)? {
        // A link to a parent would never end.
        if path.is_dir() && !path.is_symlink() {
            list_folder(&path, entries)?;
        } else if is_archive(&path) {
            list_archive(&path, entries)?;
        } else if is_picture(&path) {
            entries.push(Entry::File(path));
        }
    }
    Ok(())
}

fn list_archive(path: &Path, entries: &mut Vec<Entry>) -> Result<()> {
    let zip = open_archive(path)?;
    let mut members: Vec<(String, usize)> = (0..zip.len())
        .filter_map(|i| zip.name_for_index(i).map(|n| (n.to_owned(), i)))
        .filter(|(name, _)| is_picture(Path::new(name)))
        .collect();
    members.sort();
    entries.extend(members.into_iter().map(|(name, index)| Entry::Member {
        archive: path.to_owned(),
        index,
        name,
    }));
    Ok(())
}

fn open_archive(path: &Path) -> Result<zip::ZipArchive<File>> {
    let file = File::open(path).map_err(Error::io(path))?;
    zip::ZipArchive::new(file)
        .map_err(|e| Error::Data { path: path.to_owned(), reason: format!("not a sound zip archive ({e})") })
}

pub(super) fn is_archive(path: &Path) -> bool {
    has_extension(path, &["zip"])
}

pub(super) fn is_picture(path: &Path) -> bool {
    pictures::is_read(path) || pictures::is_refused(path)
}

/// Whether the name of `path` ends with one of `wanted`, in lower or upper case.
pub fn has_extension(path: &Path, wanted: &[&str]) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| wanted.iter().any(|w| e.eq_ignore_ascii_case(w)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WebP beside two PNGs was passed over without a word, and so were pictures that cannot be read.
    #[test]
    fn every_picture_of_a_folder_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.WEBP", "c.heic", "d.gif", "e.txt"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let names: Vec<String> =
            list(&[dir.path().to_owned()]).unwrap().iter().map(|e| e.file_name().to_owned()).collect();
        assert_eq!(names, ["a.png", "b.WEBP", "c.heic", "d.gif"]);
    }
}
