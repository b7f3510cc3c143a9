//! A pack: pictures decoded, cut and resized once, in files that training maps into memory, so that a set larger than
//! memory trains.
//!
//! A folder with [`MANIFEST`], which says where each picture came from, and for each size a file of RGB bytes, rows top
//! to bottom, one picture after the other. The smaller sizes serve runs at low resolution.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lkg_bundle::files::{read_at_most, sha256_hex};
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::decode::Area;
use crate::error::{Error, Result};
use crate::support::interrupt;
use crate::support::progress::Progress;

/// The file that makes a folder a pack.
pub const MANIFEST: &str = "pack.json";
/// What this program writes and reads.
pub const VERSION: u32 = 1;
/// Sides halve down to this one, in pixels.
pub const SMALLEST: u32 = 64;
/// Largest manifest that is read, in bytes: about 300 for each picture.
const MAX_MANIFEST_BYTES: u64 = 1 << 30;

/// What a pack holds and where it came from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PackManifest {
    /// [`VERSION`].
    pub version: u32,
    /// SHA-256 over all that follows, the checksums of the pixels among it.
    pub sha256: String,
    /// What was packed.
    pub content: PackContent,
}

/// The part of a manifest that its checksum covers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PackContent {
    /// Folders and archives as they were named.
    pub sources: Vec<String>,
    /// How they were laid out.
    pub layout: String,
    /// Files of pixels, the largest first.
    pub levels: Vec<PackLevel>,
    /// The pictures in their order in each of these files.
    pub pictures: Vec<PackedPicture>,
    /// What could not be decoded, and why.
    pub broken: Vec<LeftOut>,
    /// What has the same pixels as an earlier picture, and which.
    pub duplicates: Vec<LeftOut>,
    /// What was left out on request, and why.
    pub filtered: Vec<LeftOut>,
}

/// A file of pixels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PackLevel {
    /// Side of its pictures in pixels.
    pub side: u32,
    /// SHA-256 of the file.
    pub sha256: String,
}

impl PackLevel {
    /// The file's name for pictures of `side` pixels.
    pub fn file(side: u32) -> String {
        format!("pictures-{side}.bin")
    }

    fn bytes_each(&self) -> u64 {
        u64::from(self.side) * u64::from(self.side) * 3
    }
}

/// A picture's origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedPicture {
    /// Path below its source.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Width and height of the original in pixels.
    pub size: [u32; 2],
    /// What was cut out of it.
    pub crop: Area,
    /// Kept from training, for evaluation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held_out: bool,
    /// Number of the person that it shows, where pictures were packed by person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<u32>,
    /// Annotated points in [0, 1] of the cut-out, `null` where one is not visible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<Option<[f64; 2]>>,
}

/// Something that is not in the pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Path below its source.
    pub name: String,
    /// Why, or whose duplicate.
    pub reason: String,
}

impl PackManifest {
    /// Seals `content`.
    ///
    /// # Errors
    /// [`Error::Json`] if it can't be written as JSON.
    pub fn new(content: PackContent) -> Result<Self> {
        Ok(Self { version: VERSION, sha256: Self::checksum(&content)?, content })
    }

    fn checksum(content: &PackContent) -> Result<String> {
        let text = serde_json::to_vec(content).map_err(Error::Json)?;
        Ok(sha256_hex(&text))
    }
}

/// The sides of a pack's levels: `side` and its halves.
pub fn level_sides(side: u32) -> Vec<u32> {
    let smaller = |s: &u32| (s.is_multiple_of(2) && s / 2 >= SMALLEST).then(|| s / 2);
    std::iter::successors(Some(side), smaller).collect()
}

/// A pack whose manifest was read and whose files have the lengths that it asks for.
#[derive(Clone, Debug)]
pub struct Pack {
    dir: PathBuf,
    manifest: PackManifest,
}

impl Pack {
    /// Whether the folder `path` is a pack, sound or not.
    pub fn is_at(path: &Path) -> bool {
        path.join(MANIFEST).is_file()
    }

    /// Reads the manifest of the pack `dir` and checks version and lengths, not the checksums of the pixels.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Data`].
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(MANIFEST);
        let fail = |reason: String| Error::Data { path: path.clone(), reason };
        let text = read_at_most(&path, MAX_MANIFEST_BYTES)?;
        let again = "import the pictures again";
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_slice(&text)
            .map_err(|e| fail(format!("not the manifest of a pack ({e}): {again}")))?;
        if head.version != VERSION {
            let v = head.version;
            return Err(fail(format!(
                "a pack of version {v}; this program reads version {VERSION}: {again}"
            )));
        }
        let manifest: PackManifest = serde_json::from_slice(&text)
            .map_err(|e| fail(format!("not the manifest of a pack ({e}): {again}")))?;
        if manifest.content.levels.is_empty() || manifest.content.pictures.is_empty() {
            return Err(fail(format!("a pack without pictures: {again}")));
        }
        let pack = Self { dir: dir.to_owned(), manifest };
        for level in &pack.manifest.content.levels {
            let path = pack.path(level);
            let found = path.metadata().map_err(Error::io(&path))?.len();
            let wanted = level.bytes_each().checked_mul(pack.manifest.content.pictures.len() as u64);
            if level.side == 0 || wanted != Some(found) {
                let reason = format!("{found} bytes do not hold {} pictures: {again}", pack.pictures().len());
                return Err(Error::Data { path, reason });
            }
        }
        Ok(pack)
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its manifest.
    pub fn manifest(&self) -> &PackManifest {
        &self.manifest
    }

    /// Its pictures.
    pub fn pictures(&self) -> &[PackedPicture] {
        &self.manifest.content.pictures
    }

    /// The smallest level whose pictures have at least `side` pixels, or the largest one.
    pub fn level(&self, side: u32) -> &PackLevel {
        let levels = &self.manifest.content.levels;
        levels.iter().filter(|l| l.side >= side).min_by_key(|l| l.side).unwrap_or(&levels[0])
    }

    /// Maps a level's file. Its pages are read when they are touched, and dropped where memory is short.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn map(&self, level: &PackLevel) -> Result<Mmap> {
        let path = self.path(level);
        let file = File::open(&path).map_err(Error::io(&path))?;
        #[allow(unsafe_code)]
        // SAFETY: the bytes are plain data, valid whatever they are. A pack is never written in place: import makes a
        // new file and renames its folder, which leaves the mapped one as it was until it is unmapped.
        let map = unsafe { Mmap::map(&file) };
        map.map_err(Error::io(&path))
    }

    /// Holds manifest and pixels against their checksums.
    ///
    /// # Errors
    /// [`Error::Data`] on the first that differs; [`Error::Interrupted`].
    pub fn verify(&self) -> Result<()> {
        let damaged = |path: PathBuf| Error::Data {
            path,
            reason: "does not have the checksum it was written with: import the pictures again".into(),
        };
        if PackManifest::checksum(&self.manifest.content)? != self.manifest.sha256 {
            return Err(damaged(self.dir.join(MANIFEST)));
        }
        let levels = &self.manifest.content.levels;
        let bytes: u64 = levels.iter().map(PackLevel::bytes_each).sum::<u64>() * self.pictures().len() as u64;
        let mut progress = Progress::new("verifying MB", bytes >> 20);
        for level in levels {
            let path = self.path(level);
            let mut file = File::open(&path).map_err(Error::io(&path))?;
            let mut hash = Sha256::new();
            let mut buffer = vec![0; 1 << 20];
            loop {
                interrupt::check()?;
                let n = file.read(&mut buffer).map_err(Error::io(&path))?;
                if n == 0 {
                    break;
                }
                hash.update(&buffer[..n]);
                progress.advance(1, "");
            }
            if hex(&hash.finalize()) != level.sha256 {
                return Err(damaged(path));
            }
        }
        progress.finish("");
        Ok(())
    }

    fn path(&self, level: &PackLevel) -> PathBuf {
        self.dir.join(PackLevel::file(level.side))
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_halve_down_to_the_smallest() {
        assert_eq!(level_sides(256), [256, 128, 64]);
        assert_eq!(level_sides(200), [200, 100]);
        assert_eq!(level_sides(100), [100]);
        assert_eq!(level_sides(16), [16]);
    }
}
