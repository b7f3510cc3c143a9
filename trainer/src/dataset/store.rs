//! Square 8-bit RGB pictures of one size: decoded into memory, or mapped from packs.

use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::layout::{self, CollectOptions};
use super::pack::Pack;
use super::people::Folders;
use super::scan::{self, Plan, Skip};
use super::source;
use crate::error::{Error, Result};

/// Broken pictures named one by one before the rest is only counted.
const NAMED_FAILURES: usize = 10;

/// Square pictures of one size.
pub struct Store {
    side: usize,
    parts: Vec<Part>,
    /// Pictures that could not be used, with the reason.
    pub broken: Vec<(String, String)>,
    /// Whom each picture shows.
    folders: Folders,
    /// Pictures of files that were smaller than [`Store::side`] and had to be enlarged.
    pub enlarged: usize,
}

/// Pictures from one source.
struct Part {
    /// How many pictures there are in this part and those before it.
    end: usize,
    pixels: Pixels,
}

enum Pixels {
    /// One picture after the other.
    Memory(Vec<u8>),
    /// A pack's file, and the places in it of the pictures that are served.
    Mapped(Mmap, Vec<u32>),
}

/// Which pictures of a pack are served.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Training,
    HeldOut,
}

impl Store {
    /// The pictures to learn from in `paths`: packs, mapped at the level that suits `side` pixels, and folders,
    /// archives and pictures, cut to their largest central square and resized to the packs' level, or to `side` where
    /// there is no pack. Broken pictures are left out and listed.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no usable picture or a pack is not sound; [`Error::PackSizes`] if packs do not
    /// go together; [`Error::Interrupted`].
    pub fn load(paths: &[PathBuf], side: usize) -> Result<Self> {
        Self::open(paths, side, Side::Training)
    }

    /// The pictures that packs keep from training.
    ///
    /// # Errors
    /// As [`Store::load`]; also if a path is no pack, or holds nothing back.
    pub fn held_out(paths: &[PathBuf], side: usize) -> Result<Self> {
        for path in paths {
            if !Pack::is_at(path) {
                let reason = "holds no pictures back, as it is no pack: make one with `trainer data import`, with --hold-out";
                return Err(Error::Data { path: path.clone(), reason: reason.into() });
            }
        }
        Self::open(paths, side, Side::HeldOut)
    }

    /// How many pictures [`Store::load`] would try, found without decoding any, at least a `batch` of them.
    ///
    /// # Errors
    /// As [`Store::load`], and as [`Store::check_batch`].
    pub fn count(paths: &[PathBuf], batch: i64) -> Result<usize> {
        let mut count = 0;
        for path in paths {
            count += if Pack::is_at(path) {
                Pack::open(path)?.pictures().iter().filter(|p| !p.held_out).count()
            } else {
                source::list(std::slice::from_ref(path))?.len()
            };
        }
        enough(count, batch)?;
        Ok(count)
    }

    /// Checks that there are enough pictures for a batch.
    ///
    /// # Errors
    /// [`Error::FewerThanBatch`].
    pub fn check_batch(&self, batch: i64) -> Result<()> {
        enough(self.len(), batch)
    }

    fn open(paths: &[PathBuf], side: usize, which: Side) -> Result<Self> {
        let packs = paths
            .iter()
            .map(|path| if Pack::is_at(path) { Pack::open(path).map(Some) } else { Ok(None) })
            .collect::<Result<Vec<_>>>()?;
        let mut store = Self {
            side: common_side(&packs, side)?,
            parts: vec![],
            broken: vec![],
            folders: Folders::default(),
            enlarged: 0,
        };
        for (path, pack) in paths.iter().zip(packs) {
            let (count, pixels) = match pack {
                Some(pack) => store.map(&pack, which)?,
                None => store.decode(path)?,
            };
            if count == 0 {
                let reason = match &pixels {
                    Pixels::Memory(_) => "none of the pictures could be read",
                    Pixels::Mapped(..) => {
                        "no picture of it is on this side: import it again with another --hold-out"
                    }
                };
                return Err(Error::Data { path: path.clone(), reason: reason.into() });
            }
            store.parts.push(Part { end: store.len() + count, pixels });
        }
        for (name, reason) in store.broken.iter().take(NAMED_FAILURES) {
            eprintln!("warning: {name}: {reason}; left out");
        }
        if store.broken.len() > NAMED_FAILURES {
            eprintln!("warning: {} more pictures left out", store.broken.len() - NAMED_FAILURES);
        }
        if store.enlarged > 0 {
            eprintln!(
                "warning: {} of {} pictures are smaller than {} px and were enlarged: what is cut out of them is blurred",
                store.enlarged,
                store.len(),
                store.side
            );
        }
        if store.is_empty() {
            return Err(Error::NoPictures);
        }
        Ok(store)
    }

    /// Decodes the pictures below `path`.
    fn decode(&mut self, path: &Path) -> Result<(usize, Pixels)> {
        let plain = CollectOptions { layout: Some(layout::Layout::Plain), ..CollectOptions::default() };
        let items = layout::collect(std::slice::from_ref(&path.to_owned()), &plain)?.items;
        let plan = Plan { sides: vec![self.side as u32], least_cover: 0.0 };
        let mut pixels = Vec::with_capacity(items.len() * self.bytes_each());
        let mut names = Vec::with_capacity(items.len());
        scan::scan("reading pictures", &items, &plan, |i, scanned| {
            match scanned {
                Ok(scanned) => {
                    self.enlarged += usize::from((scanned.area.width as usize) < self.side);
                    pixels.extend_from_slice(scanned.squares[0].as_raw());
                    names.push(items[i].entry.name());
                }
                Err(Skip::Broken(reason) | Skip::Filtered(reason)) => {
                    self.broken.push((items[i].entry.name(), reason));
                }
            }
            Ok(())
        })?;
        self.folders.add(&names);
        Ok((names.len(), Pixels::Memory(pixels)))
    }

    /// Maps the pictures of a pack.
    fn map(&mut self, pack: &Pack, which: Side) -> Result<(usize, Pixels)> {
        let level = pack.level(self.side as u32);
        let wanted = which == Side::HeldOut;
        let of_this_side = pack.pictures().iter().enumerate().filter(|(_, p)| p.held_out == wanted);
        let (places, pictures): (Vec<u32>, Vec<_>) = of_this_side.map(|(i, p)| (i as u32, p)).unzip();
        match pictures.iter().map(|p| p.person).collect::<Option<Vec<u32>>>() {
            Some(people) => self.folders.add_by(people.into_iter()),
            // Packed without a word of people: by folder.
            None => self.folders.add(&pictures.iter().map(|p| p.name.clone()).collect::<Vec<_>>()),
        }
        Ok((places.len(), Pixels::Mapped(pack.map(level)?, places)))
    }

    /// The pictures of each person of whom there are two and more: those that a pack says are of one, or those of one folder.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are no two such people.
    pub fn people(&self) -> Result<Vec<Vec<usize>>> {
        self.folders.people()
    }

    fn bytes_each(&self) -> usize {
        self.side * self.side * 3
    }

    /// A number that differs where the pictures do: of how many there are and the content of some.
    pub fn fingerprint(&self) -> u64 {
        let count = self.len();
        let some = (0..count).step_by((count / 64).max(1)).map(|i| self.picture(i));
        let size = [count, self.side].map(|n| n.to_le_bytes()).concat();
        crate::support::fingerprint(std::iter::once(size.as_slice()).chain(some))
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.parts.last().map_or(0, |part| part.end)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Side of the pictures in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// RGB bytes of a picture, rows top to bottom.
    pub fn picture(&self, index: usize) -> &[u8] {
        let part = self.parts.partition_point(|part| part.end <= index);
        let first = if part == 0 { 0 } else { self.parts[part - 1].end };
        let bytes = self.bytes_each();
        match &self.parts[part].pixels {
            Pixels::Memory(pixels) => &pixels[(index - first) * bytes..][..bytes],
            Pixels::Mapped(map, places) => &map[places[index - first] as usize * bytes..][..bytes],
        }
    }
}

fn enough(count: usize, batch: i64) -> Result<()> {
    if count as u64 >= batch.max(1) as u64 {
        return Ok(());
    }
    Err(Error::FewerThanBatch { pictures: count, batch })
}

/// The side of the pictures that the packs serve where `side` is wanted.
fn common_side(packs: &[Option<Pack>], side: usize) -> Result<usize> {
    let mut found: Option<(&Pack, usize)> = None;
    for pack in packs.iter().flatten() {
        let served = pack.level(side as u32).side as usize;
        match found {
            Some((first, other)) if other != served => {
                return Err(Error::PackSizes {
                    first: first.dir().to_owned(),
                    first_side: other,
                    second: pack.dir().to_owned(),
                    second_side: served,
                });
            }
            _ => found = Some((pack, served)),
        }
        if served < side {
            eprintln!(
                "warning: {} holds pictures of {served} px where {side} px would give sharper crops: import it again with --size {side}",
                pack.dir().display()
            );
        }
    }
    Ok(found.map_or(side, |(_, served)| served))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use image::ImageFormat;

    use super::super::fixtures::{encode, png, scene};
    use super::super::import::{HoldOut, Import, import};
    use super::*;

    #[test]
    fn folders_and_zips_are_read_and_broken_files_listed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/b.png"), png([0, 255, 0], 20, 10)).unwrap();
        fs::write(dir.path().join("broken.png"), &png([1, 2, 3], 9, 9)[..40]).unwrap();
        fs::write(dir.path().join("notes.txt"), "x").unwrap();
        let mut zip = zip::ZipWriter::new(fs::File::create(dir.path().join("a.zip")).unwrap());
        zip.start_file("x/1.png", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&png([255, 0, 0], 8, 8)).unwrap();
        zip.finish().unwrap();

        let store = Store::load(&[dir.path().to_owned()], 8).unwrap();
        assert_eq!((store.len(), store.side(), store.broken.len()), (2, 8, 1));
        assert_eq!(store.enlarged, 0);
        // The one of 20 x 10 px has a square of 10.
        assert_eq!(Store::load(&[dir.path().to_owned()], 10).unwrap().enlarged, 1);
        assert!(store.broken[0].0.ends_with("broken.png"));
        assert_eq!(&store.picture(0)[..3], [255, 0, 0]);
        assert_eq!(&store.picture(1)[..3], [0, 255, 0]);
    }

    #[test]
    fn useless_paths_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let load = |p: PathBuf| Store::load(&[p], 8).err().unwrap().to_string();
        assert!(load(dir.path().join("gone")).contains("no such file"));
        assert!(load(dir.path().to_owned()).contains("no .jpg, .png or .webp pictures"));
        fs::write(dir.path().join("a.zip"), "not a zip").unwrap();
        assert!(load(dir.path().join("a.zip")).contains("not a sound zip"));
        fs::write(dir.path().join("b.png"), "").unwrap();
        assert!(load(dir.path().join("b.png")).contains("none of the pictures"));
        assert!(Store::load(&[], 8).is_err());
    }

    /// Twenty pictures in `pictures`, packed into `pack`.
    fn packed(dir: &Path, side: u32, hold_out: HoldOut) -> [PathBuf; 2] {
        let (pictures, out) = (dir.join("pictures"), dir.join("pack"));
        fs::create_dir_all(&pictures).unwrap();
        for i in 0..20 {
            let content = encode(&scene(i, 70 + i, 60), ImageFormat::Jpeg);
            fs::write(pictures.join(format!("{i:02}.jpg")), content).unwrap();
        }
        let request =
            Import { side, hold_out, force: true, ..Import::new(vec![pictures.clone()], out.clone()) };
        import(&request).unwrap();
        [pictures, out]
    }

    #[test]
    fn a_mapped_pack_serves_the_bytes_that_memory_would() {
        let dir = tempfile::tempdir().unwrap();
        let [pictures, pack] = packed(dir.path(), 128, HoldOut::Published);
        for side in [128, 64] {
            let memory = Store::load(std::slice::from_ref(&pictures), side).unwrap();
            let mapped = Store::load(std::slice::from_ref(&pack), side).unwrap();
            assert_eq!((memory.len(), memory.side()), (mapped.len(), mapped.side()));
            assert!((0..20).all(|i| memory.picture(i) == mapped.picture(i)), "{side}");
            assert_ne!(memory.picture(3), memory.picture(4));
        }
        // Between levels the larger one serves, beyond them the largest.
        assert_eq!(Store::load(std::slice::from_ref(&pack), 96).unwrap().side(), 128);
        assert_eq!(Store::load(std::slice::from_ref(&pack), 32).unwrap().side(), 64);
        assert_eq!(Store::load(std::slice::from_ref(&pack), 256).unwrap().side(), 128);
    }

    #[test]
    fn packs_and_folders_mix_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let [pictures, pack] = packed(dir.path(), 64, HoldOut::Published);
        let mixed = Store::load(&[pictures.clone(), pack.clone(), pictures.join("03.jpg")], 64).unwrap();
        assert_eq!(mixed.len(), 41);
        assert!((0..20).all(|i| mixed.picture(i) == mixed.picture(20 + i)));
        assert_eq!(mixed.picture(40), mixed.picture(3));

        let other = tempfile::tempdir().unwrap();
        let [_, larger] = packed(other.path(), 100, HoldOut::Published);
        let error = Store::load(&[pack, larger], 64).err().unwrap().to_string();
        assert!(error.contains("of 64 px and") && error.contains("of 100 px"), "{error}");
    }

    #[test]
    fn training_never_sees_what_is_held_out() {
        let dir = tempfile::tempdir().unwrap();
        let [pictures, pack] = packed(dir.path(), 64, HoldOut::Count(6));
        let paths = std::slice::from_ref(&pack);
        let (train, held) = (Store::load(paths, 64).unwrap(), Store::held_out(paths, 64).unwrap());
        assert_eq!((train.len(), held.len()), (14, 6));
        for i in 0..6 {
            assert!((0..14).all(|t| train.picture(t) != held.picture(i)));
        }
        assert_eq!(Store::count(paths, 14).unwrap(), 14);
        let error = Store::count(paths, 15).unwrap_err().to_string();
        assert!(error.contains("14 pictures are fewer than a batch of 15"), "{error}");
        assert!(train.check_batch(14).is_ok() && train.check_batch(15).is_err());

        let none = Store::held_out(&[pictures], 64).err().unwrap().to_string();
        assert!(none.contains("it is no pack"), "{none}");
        packed(dir.path(), 64, HoldOut::Published);
        assert!(Store::held_out(paths, 64).err().unwrap().to_string().contains("--hold-out"));
    }

    #[test]
    fn damaged_packs_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let [_, pack] = packed(dir.path(), 128, HoldOut::Published);
        let load = || Store::load(std::slice::from_ref(&pack), 64).err().unwrap().to_string();
        let pixels = pack.join("pictures-64.bin");
        let whole = fs::read(&pixels).unwrap();
        fs::write(&pixels, &whole[1..]).unwrap();
        assert!(load().contains("do not hold 20 pictures"));
        fs::write(&pixels, whole.iter().map(|b| b ^ 1).collect::<Vec<_>>()).unwrap();
        let verified = Pack::open(&pack).unwrap().verify().unwrap_err().to_string();
        assert!(verified.contains("pictures-64.bin") && verified.contains("checksum"), "{verified}");
        fs::write(&pixels, whole).unwrap();
        Pack::open(&pack).unwrap().verify().unwrap();

        let manifest = pack.join("pack.json");
        let text = fs::read_to_string(&manifest).unwrap();
        fs::write(&manifest, text.replace("07.jpg", "77.jpg")).unwrap();
        assert!(Pack::open(&pack).unwrap().verify().unwrap_err().to_string().contains("pack.json"));
        fs::write(&manifest, text.replace("\"version\":1", "\"version\":9")).unwrap();
        assert!(load().contains("version 9; this program reads version 1"));
        fs::write(&manifest, &text[..text.len() / 2]).unwrap();
        assert!(load().contains("not the manifest of a pack"));
        fs::remove_file(&pixels).unwrap();
        fs::write(&manifest, text).unwrap();
        assert!(load().contains("pictures-64.bin"));
    }
}
