//! Makes a pack of folders and archives: written beside its place and renamed when complete.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::hold_out;
pub use super::hold_out::HoldOut;
use super::layout::{self, CollectOptions, Collection, Layout, Split};
use super::pack::{LeftOut, MANIFEST, PackContent, PackLevel, PackManifest, PackedPicture, hex, level_sides};
use super::people::{self, Folders, People};
use super::scan::{self, Plan, Scanned, Skip};
use super::{clips, disk};
use crate::error::{Error, Result};
use crate::support::staged::StagedFolder;

/// What else helps where the disk is full.
const SMALLER: &str = ", or take a smaller --size";
/// About what the manifest takes for a picture, in bytes.
const MANIFEST_BYTES_EACH: u64 = 400;

/// What to pack.
#[derive(Clone, Debug)]
pub struct Import {
    /// Folders, archives and pictures.
    pub sources: Vec<PathBuf>,
    /// The pack's folder.
    pub out: PathBuf,
    /// What is collected and cut.
    pub options: CollectOptions,
    /// Side of the pictures in pixels.
    pub side: u32,
    /// Which are kept from training.
    pub hold_out: HoldOut,
    /// What tells that pictures are of one person, if that is to be known. Whoever is kept from training is so whole.
    pub people: Option<People>,
    /// Replace `out`, if it is a pack.
    pub force: bool,
}

impl Import {
    /// With the defaults of the command line.
    pub fn new(sources: Vec<PathBuf>, out: PathBuf) -> Self {
        Self {
            sources,
            out,
            options: CollectOptions::default(),
            side: 256,
            hold_out: HoldOut::Published,
            people: None,
            force: false,
        }
    }
}

/// Packs. Returns the manifest.
///
/// # Errors
/// [`Error::Usage`] or [`Error::Data`] before anything is written, [`Error::Io`] or [`Error::Interrupted`], after
/// which nothing of the new pack is left and `out` is as it was.
pub fn import(request: &Import) -> Result<PackManifest> {
    import_with(request, &disk::free)
}

/// The same with a given way to ask for room on the disk.
fn import_with(request: &Import, free: &dyn Fn(&Path) -> Result<u64>) -> Result<PackManifest> {
    let out = &request.out;
    check_place(out, request.force)?;
    let (collection, _decoded) = collect(request)?;
    let sides = level_sides(request.side);
    let each: u64 = sides.iter().map(|s| u64::from(*s).pow(2) * 3).sum::<u64>() + MANIFEST_BYTES_EACH;
    let parent = parent(out);
    fs::create_dir_all(parent).map_err(Error::io(parent))?;
    disk::check_room(out, each * collection.items.len() as u64, free(parent)?, SMALLER)?;

    let staged = StagedFolder::create(out)?;
    let mut writers = sides.iter().map(|s| Writer::create(staged.dir(), *s)).collect::<Result<Vec<_>>>()?;
    let mut content = PackContent {
        sources: request.sources.iter().map(|s| s.display().to_string()).collect(),
        layout: collection.layout.name().to_owned(),
        ..PackContent::default()
    };
    let leave = |name: &str, reason: String| LeftOut { name: name.to_owned(), reason };
    content.filtered.extend(collection.unboxed.iter().map(|n| leave(n, "not in the table of boxes".into())));
    let people = request.people.map(|_| people::numbers(&collection.items));
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
                content.pictures.push(picture(item, scanned, people.as_ref().map(|people| people[i])));
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
    if request.people.is_some() {
        let mut folders = Folders::default();
        folders.add_by(content.pictures.iter().map(|p| p.person));
        folders.people()?;
    }
    hold_out::mark(&mut content.pictures, request.hold_out)?;
    content.levels = writers.into_iter().map(Writer::finish).collect::<Result<_>>()?;
    let manifest = PackManifest::new(content)?;
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

/// The pictures to pack, and the folder that frames of clips were decoded into, which goes when it is dropped.
fn collect(request: &Import) -> Result<(Collection, Option<StagedFolder>)> {
    let mut options = request.options.clone();
    if request.people.is_some() {
        // Folders of people may be named by numbers, as those of a published set are.
        options.layout.get_or_insert(Layout::Plain);
    }
    let Some(People::Clip { every }) = request.people else {
        return Ok((layout::collect(&request.sources, &options)?, None));
    };
    // Beside the pack, where there must be room for more than them.
    let name = request.out.file_name().unwrap_or_default().to_string_lossy();
    let frames = StagedFolder::create(&request.out.with_file_name(format!("{name}.frames")))?;
    let sources = clips::decode(&request.sources, every, frames.dir())?;
    let mut collection = layout::collect(&sources, &options)?;
    people::thin_out(&mut collection.items, every, frames.dir());
    Ok((collection, Some(frames)))
}

fn parent(out: &Path) -> &Path {
    out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn picture(item: &layout::Item, scanned: Scanned, person: Option<u32>) -> PackedPicture {
    let a = scanned.area;
    let inside = |p: [f64; 2]| <[f64; 2]>::from(a.fractions(p[0], p[1]));
    PackedPicture {
        name: item.name.clone(),
        sha256: scanned.sha256,
        size: scanned.size,
        crop: a,
        held_out: item.split == Split::Test,
        person,
        points: item.points.iter().map(|p| p.map(inside)).collect(),
    }
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
        let path = dir.join(PackLevel::file(side));
        let file = File::create(&path).map_err(disk::writing(&path, SMALLER))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), path, hash: Sha256::new(), side })
    }

    fn add(&mut self, pixels: &[u8]) -> Result<()> {
        self.hash.update(pixels);
        self.file.write_all(pixels).map_err(disk::writing(&self.path, SMALLER))
    }

    fn finish(self) -> Result<PackLevel> {
        let fail = disk::writing(&self.path, SMALLER);
        let file = self.file.into_inner().map_err(|e| fail(e.into_error()))?;
        file.sync_all().map_err(fail)?;
        Ok(PackLevel { side: self.side, sha256: hex(&self.hash.finalize()) })
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

    /// Three folders of eight frames of one size each, which differ.
    fn people() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let pictures = dir.path().join("people");
        for i in 0..24 {
            let folder = pictures.join(format!("{:05}", i / 8));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(format!("{i:05}.png")), encode(&scene(i, 40, 30), ImageFormat::Png))
                .unwrap();
        }
        let out = dir.path().join("pack");
        (dir, pictures, out)
    }

    /// Folders that are numbers were taken for FFHQ's, and pictures with other names left out.
    #[test]
    fn a_pack_knows_whom_its_pictures_show() {
        let (_dir, pictures, out) = people();
        fs::rename(pictures.join("00002"), pictures.join("me")).unwrap();
        let pack = |people, hold_out| {
            let request = Import { people, hold_out, force: true, ..request(&pictures, &out) };
            import(&request).unwrap().content.pictures
        };
        let by_folder = pack(Some(People::Folder), HoldOut::Count(1));
        let of: Vec<_> = by_folder.iter().map(|p| p.person).collect();
        assert_eq!((of.len(), of[0], of[7], of[8], of[23]), (24, Some(0), Some(0), Some(1), Some(2)));
        let held: Vec<_> = by_folder.iter().filter(|p| p.held_out).map(|p| p.person).collect();
        assert_eq!(held, [held[0]; 8]);
        // Every third frame of each folder.
        let frames = pack(Some(People::Clip { every: 3 }), HoldOut::Published);
        let names: Vec<_> = frames.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names[..4], ["00000/00000.png", "00000/00003.png", "00000/00006.png", "00001/00008.png"]);
        assert_eq!(names.len(), 9);
        let paths = std::slice::from_ref(&out);
        let store = super::super::Store::load(paths, 32).unwrap();
        assert_eq!(store.people().unwrap(), [[0, 1, 2], [3, 4, 5], [6, 7, 8]]);
        // Pictures that are alone make no pairs.
        let alone =
            Import { people: Some(People::Clip { every: 8 }), force: true, ..request(&pictures, &out) };
        assert!(import(&alone).unwrap_err().to_string().contains("no pairs of pictures"));
    }

    #[test]
    fn clips_are_packed_by_person_and_their_frames_go() {
        let (dir, pictures, out) = people();
        let clips = dir.path().join("clips");
        fs::create_dir(&clips).unwrap();
        if ![("a.avi", 100), ("b.avi", 160)].iter().all(|(n, c)| clips::tests::clip(&clips.join(n), 12, *c)) {
            return;
        }
        let people = Some(People::Clip { every: 2 });
        let both = Import { sources: vec![clips, pictures], people, ..request(Path::new(""), &out) };
        let content = import(&both).unwrap().content;
        let count = |person| content.pictures.iter().filter(|p| p.person == Some(person)).count();
        assert_eq!([0, 1, 2, 3, 4].map(count), [4, 4, 4, 6, 6]);
        assert!(content.pictures.iter().any(|p| p.name == "b.avi/000006.jpg"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "frames are left");
    }

    #[test]
    fn a_table_says_what_is_cut_out() {
        let (dir, pictures, out) = set();
        let csv = dir.path().join("b.csv");
        fs::write(&csv, "file,x,y,width,height\n00.png,4,6,10,8\n01.png,30,20,20,20\n").unwrap();
        let options =
            CollectOptions { boxes: Some(csv.clone()), margin: Some(1.0), ..CollectOptions::default() };
        let cut = |options: &CollectOptions| {
            import(&Import { options: options.clone(), force: true, ..request(&pictures, &out) })
                .unwrap()
                .content
        };
        let content = cut(&options);
        assert_eq!(names(&content.filtered).len(), 10);
        let crops: Vec<[u32; 4]> = content.pictures.iter().map(|p| p.crop.into()).collect();
        assert_eq!(crops, [[4, 5, 10, 10], [20, 10, 20, 20]]);
        // The bytes are those of that part of the picture.
        let map = fs::read(out.join(PackLevel::file(32))).unwrap();
        let want = super::super::decode::resize(&scene(0, 40, 30), [4, 5, 10, 10].into(), 32);
        assert_eq!(&map[..32 * 32 * 3], want.as_raw().as_slice());

        fs::write(&csv, "file,ax,ay,bx,by\n02.png,.25,.5,.5,.5\n").unwrap();
        assert_eq!(<[u32; 4]>::from(cut(&options).pictures[0].crop), [10, 10, 10, 10]);
        fs::write(&csv, "file,x,y,width,height\nelsewhere.png,4,6,10,8\n").unwrap();
        let request = Import { options, force: true, ..request(&pictures, &out) };
        assert!(import(&request).unwrap_err().to_string().contains("names none of the pictures"));
    }
}
