//! Where TensorRT's engines are kept between runs: one folder a network, machine and version, of this user alone.
//!
//! An engine is a program that the GPU's driver runs unchecked, so nothing is used that this program did not write and
//! seal itself: each folder holds a list of its files with their hashes, written last. What is unsealed, incomplete,
//! changed, a link or another user's is deleted and built anew.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lkg_bundle::files::sha256_hex;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::interrupt;

/// The file that says what an entry holds; an entry without it is no entry.
const SEAL: &str = "sealed.json";
/// The file that a process at work in the cache holds a lock on.
const LOCK: &str = "lock";
/// Pause between checks whether another process is done.
const POLL: Duration = Duration::from_millis(200);

/// What an engine depends on: with anything of it changed, another one is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The network's name, for people.
    pub network: String,
    /// SHA-256 of the ONNX file.
    pub model: String,
    /// Numbers that it computes in.
    pub precision: String,
    /// Shapes of the inputs that it is built for.
    pub shapes: String,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// Version of TensorRT.
    pub tensorrt: String,
    /// GPUs and driver.
    pub device: String,
}

impl Key {
    fn folder(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        format!("{}-{}", self.network, &sha256_hex(text.as_bytes())[..24])
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Seal {
    key: Key,
    /// File name to SHA-256.
    files: BTreeMap<String, String>,
}

/// An engine that is kept.
#[derive(Clone, Debug, Serialize)]
pub struct CachedEngine {
    /// Its folder.
    pub path: PathBuf,
    /// What it was built for; `None` if that is not known, and so it will not be used.
    pub key: Option<Key>,
    /// Bytes on disk.
    pub bytes: u64,
}

/// The folder of all engines.
#[derive(Clone, Debug)]
pub struct EngineCache {
    root: PathBuf,
}

/// An engine's folder, locked until it is sealed or dropped.
#[derive(Debug)]
pub struct Entry {
    dir: PathBuf,
    key: Key,
    ready: bool,
    sealed: bool,
    /// Holds the lock.
    _lock: File,
}

impl EngineCache {
    /// This user's cache: `latentkeypoint/engines` in `$XDG_CACHE_HOME`, or in `.cache` of the home folder. `None` where
    /// there is neither.
    pub fn of_user() -> Option<Self> {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let base = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")))?;
        Some(Self { root: base.join("latentkeypoint/engines") })
    }

    /// A cache in a folder.
    #[cfg(test)]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The entry for `key`, ready for use or empty. While another process is at work it waits, and says so by `waiting`
    /// once.
    ///
    /// # Errors
    /// [`Error::CacheFolder`] if the folder is not this user's alone, [`Error::Io`], [`Error::Interrupted`].
    pub fn entry(&self, key: Key, waiting: &mut dyn FnMut()) -> Result<Entry> {
        make_private(&self.root)?;
        let lock = self.lock(waiting)?;
        let dir = self.root.join(key.folder());
        let ready = sealed_key(&dir).as_ref() == Some(&key);
        if !ready {
            remove(&dir)?;
            make_private(&dir)?;
        }
        Ok(Entry { dir, key, ready, sealed: ready, _lock: lock })
    }

    /// Every engine that is kept.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn list(&self) -> Result<Vec<CachedEngine>> {
        let Ok(entries) = fs::read_dir(&self.root) else { return Ok(Vec::new()) };
        let mut kept = Vec::new();
        for entry in entries {
            let path = entry.map_err(io("reading", &self.root))?.path();
            if path.file_name().is_some_and(|n| n == LOCK) {
                continue;
            }
            let key = sealed_key(&path);
            let bytes = file_sizes(&path);
            kept.push(CachedEngine { path, key, bytes });
        }
        kept.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(kept)
    }

    /// Deletes every engine, waiting for a process at work as [`Self::entry`] does; returns what was deleted.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn clear(&self, waiting: &mut dyn FnMut()) -> Result<Vec<CachedEngine>> {
        if fs::symlink_metadata(&self.root).is_err() {
            return Ok(Vec::new());
        }
        make_private(&self.root)?;
        let _lock = self.lock(waiting)?;
        let kept = self.list()?;
        for entry in &kept {
            remove(&entry.path)?;
        }
        Ok(kept)
    }

    fn lock(&self, waiting: &mut dyn FnMut()) -> Result<File> {
        let path = self.root.join(LOCK);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        // Not through a link: the folder is private, but it may not always have been.
        let flags = rustix::fs::OFlags::NOFOLLOW.bits();
        let file = options.custom_flags(flags as i32).open(&path).map_err(io("opening", &path))?;
        let mut said = false;
        while let Err(e) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if e != rustix::io::Errno::WOULDBLOCK {
                return Err(io("locking", &path)(e.into()));
            }
            if !std::mem::replace(&mut said, true) {
                waiting();
            }
            interrupt::check()?;
            std::thread::sleep(POLL);
        }
        Ok(file)
    }
}

impl Entry {
    /// The folder for TensorRT to read from and write into.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Whether an engine is there, so that none needs building.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Makes what was written valid, and lets other processes in.
    ///
    /// # Errors
    /// [`Error::Io`]; then the entry is deleted.
    pub fn seal(mut self) -> Result<()> {
        let files = hashes(&self.dir).map_err(io("reading", &self.dir))?;
        if files.is_empty() {
            return Ok(());
        }
        let seal = Seal { key: self.key.clone(), files };
        if read_seal(&self.dir).is_some_and(|old| old == seal) {
            return Ok(());
        }
        self.sealed = false;
        let path = self.dir.join(SEAL);
        let mut file = tempfile::NamedTempFile::new_in(&self.dir).map_err(io("writing", &path))?;
        let text = serde_json::to_vec_pretty(&seal).unwrap_or_default();
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(io("writing", &path))?;
        file.persist(&path).map_err(|e| io("writing", &path)(e.error))?;
        self.sealed = true;
        Ok(())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // Half an engine must not stay.
        if !self.sealed {
            remove(&self.dir).ok();
        }
    }
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let what = format!("{what} {}", path.display());
    move |source| Error::Io { what, source }
}

/// Makes a folder that is this user's alone, or checks that it is.
fn make_private(dir: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    let found = fs::symlink_metadata(dir).or_else(|e| made.and(Err(e))).map_err(io("making", dir))?;
    match trouble(&found) {
        Some(reason) => Err(Error::CacheFolder { path: dir.to_owned(), reason }),
        None => Ok(()),
    }
}

fn is_own(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw()
}

/// Why what was found is no folder of this user alone, if it is not.
fn trouble(found: &Metadata) -> Option<String> {
    if !found.is_dir() {
        return Some("is a link or a file, and must be a folder: delete it".to_owned());
    }
    if !is_own(found) {
        return Some(format!("belongs to user {}: engines of others are not run; delete it", found.uid()));
    }
    (found.mode() & 0o077 != 0).then(|| "others may read or write it: chmod 700 it".to_owned())
}

/// Deletes a folder, or whatever else has its name, following no link.
fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    removed.map_err(io("deleting", path))
}

fn read_seal(dir: &Path) -> Option<Seal> {
    serde_json::from_slice(&fs::read(dir.join(SEAL)).ok()?).ok()
}

/// What `dir` was sealed for, if it holds what this program sealed and nothing else.
fn sealed_key(dir: &Path) -> Option<Key> {
    let found = fs::symlink_metadata(dir).ok().filter(|found| trouble(found).is_none());
    let seal = found.and_then(|_| read_seal(dir))?;
    let whole = !seal.files.is_empty() && hashes(dir).is_ok_and(|found| found == seal.files);
    whole.then_some(seal.key)
}

/// Names and SHA-256 of the files in `dir` other than the seal. Links and folders are errors, as are others' files.
fn hashes(dir: &Path) -> std::io::Result<BTreeMap<String, String>> {
    let mut hashes = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let found = fs::symlink_metadata(entry.path())?;
        if !found.is_file() || !is_own(&found) {
            return Err(std::io::Error::other("not a file of this user"));
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != SEAL {
            hashes.insert(name, sha256_hex(&fs::read(entry.path())?));
        }
    }
    Ok(hashes)
}

fn file_sizes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries.flatten().filter_map(|e| fs::symlink_metadata(e.path()).ok()).map(|m| m.len()).sum()
}

#[cfg(test)]
mod tests;
