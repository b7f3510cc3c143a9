//! Which pictures show the same person: those that lie in one folder, or that are frames of one clip.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::layout::Item;
use super::source::Entry;
use crate::error::{Error, Result};

/// What tells that pictures are of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum People {
    /// They lie in one folder.
    Folder,
    /// They are frames of one clip, a video file or a folder of its frames. One of so many is taken.
    Clip {
        /// 1 takes all.
        every: usize,
    },
}

/// Leaves of `items` in folders of frames every `every`th one, in the order of their names. Those below `decoded`, the folder
/// of frames that were decoded just now, are chosen already.
pub(super) fn thin_out(items: &mut Vec<Item>, every: usize, decoded: &Path) {
    let mut seen: HashMap<PathBuf, usize> = HashMap::new();
    items.retain(|item| {
        if matches!(&item.entry, Entry::File(path) if path.starts_with(decoded)) {
            return true;
        }
        let count = seen.entry(folder_of(item)).or_default();
        *count += 1;
        (*count - 1).is_multiple_of(every)
    });
}

/// The number of the person of each of `items`, counted from 0 in their order.
pub(super) fn numbers(items: &[Item]) -> Vec<u32> {
    let mut known: HashMap<PathBuf, u32> = HashMap::new();
    let number = |item| {
        let next = known.len() as u32;
        *known.entry(folder_of(item)).or_insert(next)
    };
    items.iter().map(number).collect()
}

/// The folder that a picture lies in, on the disk or in an archive: no two sources have the same.
fn folder_of(item: &Item) -> PathBuf {
    let parent = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    match &item.entry {
        Entry::File(path) => parent(path),
        Entry::Member { archive, name, .. } => archive.join(parent(Path::new(name))),
    }
}

/// Which person each picture shows, by number.
#[derive(Debug, Default)]
pub struct Folders(Vec<u32>);

impl Folders {
    /// Notes who is on the next pictures, by the folders in their `names` below one source.
    pub fn add(&mut self, names: &[String]) {
        let folder = |name: &String| Path::new(name).parent().unwrap_or(Path::new("")).to_owned();
        self.add_by(names.iter().map(folder));
    }

    /// The same by what is the same of one person.
    pub fn add_by<K: std::hash::Hash + Eq>(&mut self, keys: impl Iterator<Item = K>) {
        let mut numbers = HashMap::new();
        let first = self.0.iter().max().map_or(0, |last| last + 1);
        for key in keys {
            let next = first + numbers.len() as u32;
            self.0.push(*numbers.entry(key).or_insert(next));
        }
    }

    /// The pictures of each person of whom there are two and more.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are no two such people.
    pub fn people(&self) -> Result<Vec<Vec<usize>>> {
        let mut people = BTreeMap::<u32, Vec<usize>>::new();
        for (picture, folder) in self.0.iter().enumerate() {
            people.entry(*folder).or_default().push(picture);
        }
        let people: Vec<Vec<usize>> = people.into_values().filter(|p| p.len() > 1).collect();
        if people.len() < 2 {
            let reason = "no pairs of pictures: name a folder with a folder of pictures for each person, such as \
                          `trainer data faces N OUT --variants V` makes, or clips packed with `trainer data import --people clip`";
            return Err(Error::Usage(reason.into()));
        }
        Ok(people)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_a_folder() {
        let item = |archive: &str, name: &str, index| Item {
            entry: Entry::Member { archive: archive.into(), index, name: name.into() },
            name: name.into(),
            cut: super::super::decode::Cut::Centre,
            bounds: None,
            split: super::super::layout::Split::Train,
            points: vec![],
        };
        let mut items: Vec<Item> = ["x/a.zip", "x/b.zip"]
            .iter()
            .flat_map(|archive| (0..5).map(|i| item(archive, &format!("{i}.png"), i)))
            .chain([item("x/b.zip", "more/0.png", 5)])
            .collect();
        assert_eq!(numbers(&items), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2]);
        thin_out(&mut items, 4, Path::new("frames"));
        let names: Vec<_> = items.iter().map(|i| i.name.as_str()).collect();
        assert_eq!(names, ["0.png", "4.png", "0.png", "4.png", "more/0.png"]);
    }

    #[test]
    fn folders_of_other_sources_are_other_people() {
        let names = |all: &[&str]| all.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let mut folders = Folders::default();
        folders.add(&names(&["a/1.png", "b/1.png", "a/2.png"]));
        assert!(folders.people().is_err());
        folders.add(&names(&["a/1.png", "a/2.png", "alone.png"]));
        assert_eq!(folders.people().unwrap(), [[0, 2], [3, 4]]);
    }
}
