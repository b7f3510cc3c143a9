//! Corrupted versions of a set with landmarks: what a detector is worth away from the pictures it was made for.
//!
//! Each corruption gets a set of its own. Its test pictures are changed, its training pictures are those of the set, so
//! that the landmark regression is the same for all.

mod kind;

use std::fmt::Write as _;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ImageFormat, RgbImage};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use kind::Corruption;

use super::annotations::{ANNOTATIONS, HEADING, annotations};
use super::{decode, disk};
use crate::error::{Error, Result};
use crate::support::interrupt;
use crate::support::progress::Progress;
use crate::support::staged::StagedFolder;

/// What to write.
#[derive(Clone, Debug)]
pub struct CorruptedSets {
    /// Folder with train/ and test/, each with pictures and a landmarks.csv.
    pub set: PathBuf,
    /// The folder to write, one set a corruption in it.
    pub out: PathBuf,
    /// Seed: the same one gives the same pictures.
    pub seed: u64,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenSets {
    /// Training pictures of each set.
    pub train: usize,
    /// Test pictures of each set.
    pub test: usize,
}

/// Writes the sets.
///
/// # Errors
/// [`Error::Data`], [`Error::Io`] or [`Error::Interrupted`], after which nothing is left.
pub fn corrupt(request: &CorruptedSets) -> Result<WrittenSets> {
    let CorruptedSets { set, out, seed } = request;
    if out.exists() {
        return Err(Error::Data { path: out.clone(), reason: "exists: name another place".into() });
    }
    let (train, test) = (set.join("train"), set.join("test"));
    let fitted = annotations(&train)?;
    let tested = annotations(&test)?;
    if fitted.is_empty() || tested.is_empty() {
        let reason =
            format!("{} pictures to fit on, {} to test on: both are needed", fitted.len(), tested.len());
        return Err(Error::Data { path: set.clone(), reason });
    }
    let first = test.join(&tested[0].0);
    let pixels = image::image_dimensions(&first).map_or(0, |(w, h)| u64::from(w) * u64::from(h));
    let staged = StagedFolder::create(out)?;
    // A PNG takes at most about what its pixels do; at half scale there are four times as many.
    let changed = pixels * 3 * tested.len() as u64 * (Corruption::ALL.len() as u64 + 3);
    disk::check_room(out, changed, disk::free(staged.dir())?, "")?;
    let mut tables = vec![HEADING.to_owned(); Corruption::ALL.len()];
    let folders = Corruption::ALL.map(|corruption| staged.dir().join(corruption.name()));
    let mut progress =
        Progress::new("corrupting", (fitted.len() + tested.len() * Corruption::ALL.len()) as u64);
    for folder in &folders {
        fs::create_dir_all(folder.join("test")).map_err(Error::io(folder))?;
        fs::create_dir_all(folder.join("train")).map_err(Error::io(folder))?;
    }
    for name in fitted.iter().map(|(name, _)| name.as_str()).chain([ANNOTATIONS]) {
        interrupt::check()?;
        folders
            .iter()
            .try_for_each(|folder| link(&train.join(name), &folder.join("train").join(plain(name)?)))?;
        progress.advance(1, "");
    }
    let mut before = read(&test.join(&tested[tested.len() - 1].0))?;
    for (i, (name, landmarks)) in (0..).zip(&tested) {
        let picture = read(&test.join(name))?;
        let written = Path::new(plain(name)?).with_extension("png");
        for (h, corruption) in Corruption::ALL.into_iter().enumerate() {
            interrupt::check()?;
            // A stream of its own for each picture and corruption: none depends on what else is in the set.
            let mut rng = ChaCha8Rng::seed_from_u64(*seed);
            rng.set_stream(i << 8 | h as u64);
            let (corrupted, landmarks) = corruption.apply(&picture, landmarks, &before, &mut rng);
            write_png(&folders[h].join("test").join(&written), &corrupted)?;
            let _ = write!(tables[h], "{}", written.display());
            for value in landmarks {
                let _ = write!(tables[h], ",{value:.5}");
            }
            tables[h].push('\n');
            progress.advance(1, "");
        }
        before = picture;
    }
    for (folder, table) in folders.iter().zip(&tables) {
        lkg_bundle::files::write_atomically(&folder.join("test").join(ANNOTATIONS), table.as_bytes())?;
    }
    progress.finish("");
    staged.publish()?;
    Ok(WrittenSets { train: fitted.len(), test: tested.len() })
}

/// The name of a file without folders, so that nothing is written elsewhere.
fn plain(name: &str) -> Result<&str> {
    if Path::new(name).file_name().is_some_and(|plain| plain == name) {
        return Ok(name);
    }
    let reason = format!("names {name}: only files beside it can be listed");
    Err(Error::Data { path: ANNOTATIONS.into(), reason })
}

/// One file under a second name; a copy where the disk knows no links, or where it is another disk.
fn link(from: &Path, to: &Path) -> Result<()> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).map(|_| ()).map_err(Error::io(from))
}

fn read(path: &Path) -> Result<RgbImage> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    decode::decode(&bytes).map_err(|reason| Error::Data { path: path.to_owned(), reason })
}

fn write_png(path: &Path, picture: &RgbImage) -> Result<()> {
    let mut png = Cursor::new(Vec::new());
    picture
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|e| Error::Data { path: path.to_owned(), reason: e.to_string() })?;
    fs::write(path, png.into_inner()).map_err(disk::writing(path, ""))
}
