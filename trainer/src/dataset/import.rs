//! Makes a pack of folders and archives: written beside its place and renamed when complete.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::disk;
use super::layout::{self, Options, Split};
use super::pack::{Content, LeftOut, Level, MANIFEST, Manifest, PackedPicture, hex, level_sides};
use super::scan::{self, Plan, Scanned, Skip};
use crate::error::{Error, Result};
use crate::support::staged::StagedFolder;

/// What else helps where the disk is full.
const SMALLER: &str = ", or take a smaller --size";
/// About what the manifest takes for a picture, in bytes.
const MANIFEST_BYTES_EACH: u64 = 400;

/// Which pictures are kept from training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HoldOut {
    /// Those that the layout's published split tests on.
    Published,
    /// Also this many, those whose names have the smallest checksums.
    Count(usize),
    /// Also this share of them, chosen by checksums of names: a picture stays on its side when others join.
    Share(f64),
}

/// What to pack.
#[derive(Clone, Debug)]
pub struct Import {
    /// Folders, archives and pictures.
    pub sources: Vec<PathBuf>,
    /// The pack's folder.
    pub out: PathBuf,
    /// What is collected and cut.
    pub options: Options,
    /// Side of the pictures in pixels.
    pub side: u32,
    /// Which are kept from training.
    pub hold_out: HoldOut,
    /// Replace `out`, if it is a pack.
    pub force: bool,
}

impl Import {
    /// With the defaults of the command line.
    pub fn new(sources: Vec<PathBuf>, out: PathBuf) -> Self {
        Self {
            sources,
            out,
            options: Options::default(),
            side: 256,
            hold_out: HoldOut::Published,
            force: false,
        }
    }
}

/// Packs. Returns the manifest.
///
/// # Errors
/// [`Error::Usage`] or [`Error::Data`] before anything is written, [`Error::Io`] or [`Error::Interrupted`], after
/// which nothing of the new pack is left and `out` is as it was.
pub fn import(request: &Import) -> Result<Manifest> {
    import_with(request, &disk::free)
}

/// The same with a given way to ask for room on the disk.
fn import_with(request: &Import, free: &dyn Fn(&Path) -> Result<u64>) -> Result<Manifest> {
    let out = &request.out;
    check_place(out, request.force)?;
    let collection = layout::collect(&request.sources, &request.options)?;
    let sides = level_sides(request.side);
    let each: u64 = sides.iter().map(|s| u64::from(*s).pow(2) * 3).sum::<u64>() + MANIFEST_BYTES_EACH;
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(Error::io(parent))?;
    disk::check_room(out, each * collection.items.len() as u64, free(parent)?, SMALLER)?;

    let staged = StagedFolder::create(out)?;
    let mut writers = sides.iter().map(|s| Writer::create(staged.dir(), *s)).collect::<Result<Vec<_>>>()?;
    let mut content = Content {
        sources: request.sources.iter().map(|s| s.display().to_string()).collect(),
        layout: collection.layout.name().to_owned(),
        ..Content::default()
    };
    let leave = |name: &str, reason: String| LeftOut { name: name.to_owned(), reason };
    content.filtered.extend(collection.unboxed.iter().map(|n| leave(n, "not in the table of boxes".into())));
    let mut seen: HashMap<[u8; 32], usize> = HashMap::new();
    let plan = Plan { sides, least_cover: request.options.least_cover };
    scan::scan("packing", &collection.items, &plan, |i, scanned| {
        let item = &collection.items[i];
        match scanned {
            Err(Skip::Broken(reason)) => content.broken.push(leave(&item.name, reason)),
            Err(Skip::Filtered(reason)) => content.filtered.push(leave(&item.name, reason)),
            Ok(scanned) => {
                if let Some(first) = seen.get(&scanned.pixels) {
                    let first = format!("same pixels as {}", content.pictures[*first].name);
                    content.duplicates.push(leave(&item.name, first));
                    return Ok(());
                }
                seen.insert(scanned.pixels, content.pictures.len());
                for (writer, square) in writers.iter_mut().zip(&scanned.squares) {
                    writer.add(square.as_raw())?;
                }
                content.pictures.push(picture(item, scanned));
            }
        }
        Ok(())
    })?;
    if content.pictures.is_empty() {
        let path = request.sources.first().cloned().unwrap_or_default();
        let why = content.broken.iter().chain(&content.filtered).next();
        let why = why.map(|l| format!(" ({}: {})", l.name, l.reason)).unwrap_or_default();
        return Err(Error::Data { path, reason: format!("none of its pictures can be used{why}") });
    }
    hold_out(&mut content.pictures, request.hold_out)?;
    content.levels = writers.into_iter().map(Writer::finish).collect::<Result<_>>()?;
    let manifest = Manifest::new(content)?;
    let text = serde_json::to_vec(&manifest).map_err(Error::Json)?;
    lkg_bundle::files::write_atomically(&staged.dir().join(MANIFEST), &text)?;
    staged.publish()?;
    Ok(manifest)
}

fn check_place(out: &Path, force: bool) -> Result<()> {
    if !out.exists() {
        return Ok(());
    }
    let fail = |reason: &str| Err(Error::Data { path: out.to_owned(), reason: reason.into() });
    let is_pack = out.join(MANIFEST).is_file();
    let is_empty = fs::read_dir(out).is_ok_and(|mut d| d.next().is_none());
    match (is_pack, force) {
        _ if is_empty => Ok(()),
        (true, true) => Ok(()),
        (true, false) => fail("there is a pack already: replace it with --force, or name another place"),
        // What is not a pack is never deleted.
        (false, _) => fail("exists and is no pack: name another place"),
    }
}

fn picture(item: &layout::Item, scanned: Scanned) -> PackedPicture {
    let a = scanned.area;
    let inside = |p: [f64; 2]| <[f64; 2]>::from(a.fractions(p[0], p[1]));
    PackedPicture {
        name: item.name.clone(),
        sha256: scanned.sha256,
        size: scanned.size,
        crop: a,
        held_out: item.split == Split::Test,
        points: item.points.iter().map(|p| p.map(inside)).collect(),
    }
}

/// Marks pictures as kept from training.
fn hold_out(pictures: &mut [PackedPicture], wanted: HoldOut) -> Result<()> {
    // A number that depends on the name alone, spread evenly over [0, 1).
    let draw = |name: &str| {
        let digest = Sha256::digest(name);
        let first = digest.iter().take(8).fold(0u64, |n, b| n << 8 | u64::from(*b));
        first as f64 / 2f64.powi(64)
    };
    match wanted {
        HoldOut::Published => {}
        HoldOut::Share(share) => {
            for p in pictures.iter_mut() {
                p.held_out |= draw(&p.name) < share;
            }
        }
        HoldOut::Count(count) => {
            let mut by_draw: Vec<usize> = (0..pictures.len()).filter(|i| !pictures[*i].held_out).collect();
            by_draw
                .sort_by(|a, b| draw(&pictures[*a].name).total_cmp(&draw(&pictures[*b].name)).then(a.cmp(b)));
            for i in by_draw.into_iter().take(count) {
                pictures[i].held_out = true;
            }
        }
    }
    if pictures.iter().all(|p| p.held_out) {
        let n = pictures.len();
        return Err(Error::Usage(format!(
            "holding out all {n} pictures leaves none to learn from: give a smaller --hold-out"
        )));
    }
    Ok(())
}

/// A file of pixels being written.
struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    side: u32,
}

impl Writer {
    fn create(dir: &Path, side: u32) -> Result<Self> {
        let path = dir.join(Level::file(side));
        let file = File::create(&path).map_err(disk::writing(&path, SMALLER))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), path, hash: Sha256::new(), side })
    }

    fn add(&mut self, pixels: &[u8]) -> Result<()> {
        self.hash.update(pixels);
        self.file.write_all(pixels).map_err(disk::writing(&self.path, SMALLER))
    }

    fn finish(self) -> Result<Level> {
        let fail = disk::writing(&self.path, SMALLER);
        let file = self.file.into_inner().map_err(|e| fail(e.into_error()))?;
        file.sync_all().map_err(fail)?;
        Ok(Level { side: self.side, sha256: hex(&self.hash.finalize()) })
    }
}

#[cfg(test)]
mod tests {
    use image::ImageFormat;

    use super::super::fixtures::{encode, png, scene};
    use super::super::pack::Pack;
    use super::*;

    fn set() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let pictures = dir.path().join("pictures");
        fs::create_dir_all(pictures.join("more")).unwrap();
        for i in 0..12 {
            fs::write(pictures.join(format!("{i:02}.png")), encode(&scene(i, 40, 30), ImageFormat::Png))
                .unwrap();
        }
        let out = dir.path().join("pack");
        (dir, pictures, out)
    }

    fn request(pictures: &Path, out: &Path) -> Import {
        Import { side: 32, ..Import::new(vec![pictures.to_owned()], out.to_owned()) }
    }

    fn names(left: &[LeftOut]) -> Vec<&str> {
        left.iter().map(|l| l.name.as_str()).collect()
    }

    #[test]
    fn a_manifest_tells_where_each_picture_came_from_and_what_was_left_out() {
        let (_dir, pictures, out) = set();
        let whole = fs::read(pictures.join("03.png")).unwrap();
        fs::write(pictures.join("more/again.png"), &whole).unwrap();
        // The same pixels in another file.
        let mut other = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new_with_quality(
            &mut other,
            image::codecs::png::CompressionType::Best,
            image::codecs::png::FilterType::Paeth,
        );
        scene(4, 40, 30).write_with_encoder(encoder).unwrap();
        assert_ne!(other, fs::read(pictures.join("04.png")).unwrap());
        fs::write(pictures.join("more/repacked.png"), other).unwrap();
        fs::write(pictures.join("more/cut.png"), &whole[..whole.len() / 2]).unwrap();
        fs::write(pictures.join("more/empty.jpg"), "").unwrap();
        let mut bomb = png([0; 3], 1, 1);
        bomb[16..24].copy_from_slice(&[0, 0, 200, 0, 0, 0, 200, 0]);
        fs::write(pictures.join("more/bomb.png"), bomb).unwrap();

        let manifest = import(&request(&pictures, &out)).unwrap();
        let content = &manifest.content;
        assert_eq!(content.pictures.len(), 12);
        assert_eq!(names(&content.broken), ["more/bomb.png", "more/cut.png", "more/empty.jpg"]);
        assert_eq!(names(&content.duplicates), ["more/again.png", "more/repacked.png"]);
        assert_eq!(content.duplicates[1].reason, "same pixels as 04.png");
        let third = &content.pictures[3];
        assert_eq!((third.name.as_str(), third.size), ("03.png", [40, 30]));
        assert_eq!(third.sha256, lkg_bundle::files::sha256_hex(&whole));
        assert_eq!(<[u32; 4]>::from(third.crop), [5, 0, 30, 30]);

        let pack = Pack::open(&out).unwrap();
        pack.verify().unwrap();
        assert_eq!(pack.manifest().sha256, manifest.sha256);
        assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
    }

    #[test]
    fn nothing_is_replaced_unasked_and_only_packs_at_all() {
        let (dir, pictures, out) = set();
        let first = import(&request(&pictures, &out)).unwrap();
        let refused = import(&request(&pictures, &out)).unwrap_err().to_string();
        assert!(refused.contains("--force"), "{refused}");
        fs::remove_file(pictures.join("00.png")).unwrap();
        let forced = Import { force: true, ..request(&pictures, &out) };
        let second = import(&forced).unwrap();
        assert_ne!(first.sha256, second.sha256);
        assert_eq!(Pack::open(&out).unwrap().pictures().len(), 11);
        let refused = import(&Import { out: pictures.clone(), ..forced }).unwrap_err().to_string();
        assert!(refused.contains("is no pack"), "{refused}");
        // Only the pictures and the pack: no temporary folders.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_failed_import_keeps_the_old_pack_and_leaves_nothing_else() {
        let (dir, pictures, out) = set();
        import(&request(&pictures, &out)).unwrap();
        // A process that was killed left this.
        fs::create_dir(dir.path().join(".pack.part")).unwrap();
        fs::write(dir.path().join(".pack.part/pictures-32.bin"), "half").unwrap();
        let bad = dir.path().join("bad.png");
        fs::write(&bad, "bad").unwrap();
        let force = Import { force: true, ..request(&bad, &out) };
        let error = import(&force).unwrap_err().to_string();
        assert!(error.contains("bad.png: none of its pictures can be used (bad.png: "), "{error}");
        Pack::open(&out).unwrap().verify().unwrap();
        let count = || fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(count(), 3);
        let force = Import { force: true, hold_out: HoldOut::Count(12), ..request(&pictures, &out) };
        assert!(import(&force).unwrap_err().to_string().contains("none to learn from"));
        assert_eq!(count(), 3);
    }

    #[test]
    fn a_full_disk_is_noticed_before_anything_is_written() {
        let (dir, pictures, out) = set();
        let error = import_with(&request(&pictures, &out), &|_| Ok(65 << 20)).err();
        assert!(error.is_none(), "there is room: {error:?}");
        fs::remove_dir_all(&out).unwrap();
        let error = import_with(&request(&pictures, &out), &|_| Ok(60 << 20)).unwrap_err().to_string();
        assert!(error.contains("the disk is full") && error.contains("smaller --size"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn held_out_pictures_are_chosen_by_name_whatever_else_is_there() {
        let (_dir, pictures, out) = set();
        let held = |hold_out| {
            let request = Import { hold_out, force: true, ..request(&pictures, &out) };
            let content = import(&request).unwrap().content;
            let held = content.pictures.into_iter().filter(|p| p.held_out).map(|p| p.name);
            held.collect::<std::collections::BTreeSet<_>>()
        };
        let (four, share) = (held(HoldOut::Count(4)), held(HoldOut::Share(0.5)));
        assert_eq!(four.len(), 4);
        assert!((2..=10).contains(&share.len()), "{share:?}");
        assert!(held(HoldOut::Published).is_empty());
        for i in 12..30 {
            fs::write(pictures.join(format!("{i}.png")), encode(&scene(i, 40, 30), ImageFormat::Png))
                .unwrap();
        }
        let more = held(HoldOut::Share(0.5));
        assert!(more.is_superset(&share) && more.len() > share.len());
        assert_eq!(more.iter().filter(|n| n.as_str() < "12").count(), share.len());
    }

    #[test]
    fn a_table_says_what_is_cut_out() {
        let (dir, pictures, out) = set();
        let csv = dir.path().join("b.csv");
        fs::write(&csv, "file,x,y,width,height\n00.png,4,6,10,8\n01.png,30,20,20,20\n").unwrap();
        let options = Options { boxes: Some(csv.clone()), margin: Some(1.0), ..Options::default() };
        let cut = |options: &Options| {
            import(&Import { options: options.clone(), force: true, ..request(&pictures, &out) })
                .unwrap()
                .content
        };
        let content = cut(&options);
        assert_eq!(names(&content.filtered).len(), 10);
        let crops: Vec<[u32; 4]> = content.pictures.iter().map(|p| p.crop.into()).collect();
        assert_eq!(crops, [[4, 5, 10, 10], [20, 10, 20, 20]]);
        // The bytes are those of that part of the picture.
        let map = fs::read(out.join(Level::file(32))).unwrap();
        let want = super::super::decode::resize(&scene(0, 40, 30), [4, 5, 10, 10].into(), 32);
        assert_eq!(&map[..32 * 32 * 3], want.as_raw().as_slice());

        fs::write(&csv, "file,ax,ay,bx,by\n02.png,.25,.5,.5,.5\n").unwrap();
        assert_eq!(<[u32; 4]>::from(cut(&options).pictures[0].crop), [10, 10, 10, 10]);
        fs::write(&csv, "file,x,y,width,height\nelsewhere.png,4,6,10,8\n").unwrap();
        let request = Import { options, force: true, ..request(&pictures, &out) };
        assert!(import(&request).unwrap_err().to_string().contains("names none of the pictures"));
    }
}
