//! Which pictures show the same person: those that lie in one folder.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::error::{Error, Result};

/// The folder of each picture, by number.
#[derive(Debug, Default)]
pub struct Folders(Vec<u32>);

impl Folders {
    /// Notes where the next pictures lie, by their `names` below one source.
    pub fn add(&mut self, names: &[String]) {
        let mut numbers = HashMap::new();
        let first = self.0.iter().max().map_or(0, |last| last + 1);
        for name in names {
            let folder = Path::new(name).parent().unwrap_or(Path::new(""));
            let next = first + numbers.len() as u32;
            self.0.push(*numbers.entry(folder).or_insert(next));
        }
    }

    /// The pictures of each folder that holds two and more.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are no two such folders.
    pub fn people(&self) -> Result<Vec<Vec<usize>>> {
        let mut people = BTreeMap::<u32, Vec<usize>>::new();
        for (picture, folder) in self.0.iter().enumerate() {
            people.entry(*folder).or_default().push(picture);
        }
        let people: Vec<Vec<usize>> = people.into_values().filter(|p| p.len() > 1).collect();
        if people.len() < 2 {
            let reason = "no pairs of pictures: name a folder with a folder of pictures for each person, such as \
                          `trainer data faces N OUT --variants V` makes";
            return Err(Error::Usage(reason.into()));
        }
        Ok(people)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
