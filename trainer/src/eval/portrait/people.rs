//! Pictures of people, a folder each, with what is known of how each picture was drawn.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::RgbImage;

use crate::dataset::decode::{self, Cut};
use crate::dataset::faces::amounts::{self, AMOUNTS, Amounts};
use crate::dataset::source::{self, Entry, Reader};
use crate::error::{Error, Result};
use crate::support::interrupt;
use crate::support::progress::Progress;

/// A person.
#[derive(Debug)]
pub struct Person {
    /// The folder.
    pub name: String,
    /// Two pictures and more, all of one side.
    pub pictures: Vec<RgbImage>,
    /// Of each picture, where it is noted.
    pub amounts: Vec<Option<Amounts>>,
}

/// Reads the first `most` people below `paths` (folders, zips), each picture's central square at `side` pixels.
///
/// # Errors
/// [`Error::Usage`] if no folder has two pictures, [`Error::Data`], [`Error::Io`], [`Error::Interrupted`].
pub fn read(paths: &[PathBuf], side: u32, most: usize) -> Result<Vec<Person>> {
    let mut folders = BTreeMap::<String, Vec<Entry>>::new();
    for entry in source::list(paths)? {
        let name = entry.name();
        let folder = Path::new(&name).parent().unwrap_or(Path::new("")).display().to_string();
        folders.entry(folder).or_default().push(entry);
    }
    folders.retain(|_, entries| entries.len() > 1);
    if folders.is_empty() {
        let reason = "no pairs of pictures: name a folder with a folder of pictures for each person, such as `trainer \
                      data faces N OUT --variants V` makes";
        return Err(Error::Usage(reason.into()));
    }
    let folders: Vec<_> = folders.into_iter().take(most).collect();
    let total = folders.iter().map(|(_, entries)| entries.len() as u64).sum();
    let mut progress = Progress::new("pictures", total);
    let mut reader = Reader::default();
    let mut people = Vec::with_capacity(folders.len());
    for (name, entries) in folders {
        interrupt::check()?;
        let noted = noted(&entries)?;
        let mut person = Person { name, pictures: vec![], amounts: vec![] };
        for (i, entry) in entries.iter().enumerate() {
            person.pictures.push(picture(&mut reader, entry, side)?);
            // Those who draw number them from 0.
            let number = Path::new(entry.file_name()).file_stem().and_then(|s| s.to_str()?.parse().ok());
            person.amounts.push(noted.get(number.unwrap_or(i)).cloned().flatten());
        }
        progress.advance(entries.len() as u64, "");
        people.push(person);
    }
    progress.finish("");
    Ok(people)
}

fn picture(reader: &mut Reader, entry: &Entry, side: u32) -> Result<RgbImage> {
    let fail = |reason: String| Error::Data { path: entry.name().into(), reason };
    let picture = reader.read(entry)?.and_then(|bytes| decode::decode(&bytes)).map_err(fail)?;
    let area = Cut::Centre.area(picture.width(), picture.height());
    Ok(decode::resize(&picture, area, side))
}

/// The amounts beside the pictures, by their numbers.
fn noted(entries: &[Entry]) -> Result<Vec<Option<Amounts>>> {
    let Some(Entry::File(first)) = entries.first() else { return Ok(vec![]) };
    match first.parent().filter(|folder| folder.join(AMOUNTS).exists()) {
        Some(folder) => amounts::read(folder),
        None => Ok(vec![]),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::Rgb;

    use super::*;

    #[test]
    fn people_are_folders_and_amounts_lie_beside_their_pictures() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().to_owned()];
        for (name, colour) in
            [("a/0.png", 10), ("a/2.png", 20), ("b/x.png", 30), ("b/y.png", 40), ("c/0.png", 50)]
        {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            RgbImage::from_pixel(30, 20, Rgb([colour, 0, 0])).save(path).unwrap();
        }
        fs::write(dir.path().join("a/amounts.json"), r#"[{"yaw": 1.5}, {"yaw": 2}, {"smile": -3}]"#).unwrap();
        let people = read(&paths, 16, 9).unwrap();
        assert_eq!(people.len(), 2, "one picture is no pair");
        assert_eq!(people[0].pictures[1].get_pixel(3, 3), &Rgb([20, 0, 0]));
        assert_eq!(people[0].pictures[0].dimensions(), (16, 16));
        // The picture that is not there was not drawn.
        assert_eq!(people[0].amounts[1].as_ref().unwrap()["smile"], -3.0);
        assert_eq!(people[1].amounts, [None, None]);
        assert_eq!(read(&paths, 16, 1).unwrap().len(), 1);
        fs::write(dir.path().join("a/amounts.json"), "{").unwrap();
        assert!(read(&paths, 16, 9).unwrap_err().to_string().contains("amounts.json"));
        let alone = read(&[dir.path().join("c")], 16, 9).unwrap_err().to_string();
        assert!(alone.contains("--variants"), "{alone}");
    }
}
