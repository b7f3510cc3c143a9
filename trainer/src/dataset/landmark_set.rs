//! A set with landmarks in the form that `trainer eval landmarks` reads: train/ and test/, each with pictures and
//! [`ANNOTATIONS`], from the published lists of CelebA and MAFL.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::annotations::{ANNOTATIONS, HEADING, LANDMARKS};
use super::disk;
use super::layout::{self, Options, Split};
use super::scan::{self, Plan, Skip};
use crate::error::{Error, Result};
use crate::support::staged::StagedFolder;

/// What else helps where the disk is full.
const SMALLER: &str = ", or take a smaller --size";

/// What to write.
#[derive(Clone, Debug)]
pub struct LandmarkSet {
    /// The folder of the set.
    pub source: PathBuf,
    /// The folder to write.
    pub out: PathBuf,
    /// What is collected and cut.
    pub options: Options,
    /// Side of the pictures in pixels.
    pub side: u32,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WrittenSet {
    /// Pictures in train/.
    pub train: usize,
    /// Pictures in test/.
    pub test: usize,
    /// Pictures that could not be decoded.
    pub broken: usize,
    /// Pictures left out as their box covers too little.
    pub filtered: usize,
}

/// Writes the pictures of the published split, but not those that only train a generator.
///
/// # Errors
/// [`Error::Usage`], [`Error::Data`], [`Error::Io`] or [`Error::Interrupted`], after which nothing is left.
pub fn write(request: &LandmarkSet) -> Result<WrittenSet> {
    let out = &request.out;
    let fail = |reason: &str| Err(Error::Data { path: out.clone(), reason: reason.into() });
    if out.exists() {
        return fail("exists: name another place");
    }
    let mut collection = layout::collect(std::slice::from_ref(&request.source), &request.options)?;
    collection.items.retain(|item| item.split != Split::Train || collection.layout != layout::Layout::CelebA);
    if collection.items.iter().any(|item| item.points.iter().flatten().count() != LANDMARKS) {
        let path = request.source.clone();
        let reason = format!(
            "layout {} has no {LANDMARKS} landmarks for each picture: this is for CelebA and MAFL",
            collection.layout.name()
        );
        return Err(Error::Data { path, reason });
    }
    let staged = StagedFolder::create(out)?;
    // A PNG takes at most about what its pixels do.
    let bytes = u64::from(request.side).pow(2) * 3 * collection.items.len() as u64;
    disk::check_room(out, bytes, disk::free(staged.dir())?, SMALLER)?;
    let folders = ["train", "test"].map(|name| staged.dir().join(name));
    for folder in &folders {
        fs::create_dir(folder).map_err(Error::io(folder))?;
    }
    let mut tables = [HEADING.to_owned(), HEADING.to_owned()];
    let mut written = WrittenSet::default();
    let plan = Plan { sides: vec![request.side], least_cover: request.options.least_cover };
    scan::scan("landmarks", &collection.items, &plan, |i, scanned| {
        let item = &collection.items[i];
        let scanned = match scanned {
            Ok(scanned) => scanned,
            Err(Skip::Filtered(_)) => {
                written.filtered += 1;
                return Ok(());
            }
            Err(Skip::Broken(reason)) => {
                eprintln!("broken: {}: {reason}", item.name);
                written.broken += 1;
                return Ok(());
            }
        };
        let is_test = usize::from(item.split == Split::Test);
        *[&mut written.train, &mut written.test][is_test] += 1;
        let name = PathBuf::from(&item.name).with_extension("png");
        let name = name.file_name().unwrap_or_default().to_string_lossy();
        let _ = write!(tables[is_test], "{name}");
        for [x, y] in item.points.iter().flatten() {
            let (x, y) = scanned.area.fractions(*x, *y);
            let _ = write!(tables[is_test], ",{x:.5},{y:.5}");
        }
        tables[is_test].push('\n');
        let path = folders[is_test].join(&*name);
        let mut png = Vec::new();
        scanned.squares[0]
            .write_with_encoder(image::codecs::png::PngEncoder::new(&mut png))
            .map_err(|e| Error::Data { path: path.clone(), reason: e.to_string() })?;
        fs::write(&path, png).map_err(disk::writing(&path, SMALLER))
    })?;
    if written.train == 0 || written.test == 0 {
        return Err(Error::Data {
            path: request.source.clone(),
            reason: format!(
                "{} pictures to fit on and {} to test on: both are needed",
                written.train, written.test
            ),
        });
    }
    for (folder, table) in folders.iter().zip(&tables) {
        lkg_bundle::files::write_atomically(&folder.join(ANNOTATIONS), table.as_bytes())?;
    }
    staged.publish()?;
    Ok(written)
}
