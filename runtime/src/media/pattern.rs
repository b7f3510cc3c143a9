//! Numbered files under one name, `dir/%05d.png`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::media::{Error, Result};

/// A file name with a place for a number, as C's printf writes it: `%d`, or `%05d` for at least five digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    folder: PathBuf,
    before: String,
    after: String,
    digits: usize,
}

impl Pattern {
    /// The pattern in a path's last part; none if there is none.
    pub fn parse(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (before, rest) = name.split_once('%')?;
        let (digits, after) = rest.split_once('d')?;
        let digits = if digits.is_empty() { 1 } else { digits.strip_prefix('0')?.parse().ok()? };
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let plain = !after.contains('%') && (1..=9).contains(&digits);
        plain.then(|| Self { folder, before: before.to_owned(), after: after.to_owned(), digits })
    }

    /// The path that this was read from, or one that is read as the same.
    pub fn to_path(&self) -> PathBuf {
        let Self { folder, before, after, digits } = self;
        let number = if *digits == 1 { "%d".to_owned() } else { format!("%0{digits}d") };
        folder.join(format!("{before}{number}{after}"))
    }

    /// The folder that the files lie in.
    pub fn folder(&self) -> &Path {
        if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder }
    }

    /// The name with a number in it.
    pub fn path(&self, number: u64) -> PathBuf {
        let digits = self.digits;
        self.folder.join(format!("{}{number:0digits$}{}", self.before, self.after))
    }

    /// The number in a name that this pattern could have made.
    pub fn number(&self, name: &str) -> Option<u64> {
        let number = name.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        let well_formed = number.len() >= self.digits && number.bytes().all(|b| b.is_ascii_digit());
        // `%05d` makes no leading zero beyond five digits.
        let canonical = number.len() == self.digits || !number.starts_with('0');
        (well_formed && canonical).then(|| number.parse().ok())?
    }

    /// The files that there are, by their numbers.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.folder()).map_err(Error::io(self.folder()))? {
            let entry = entry.map_err(Error::io(self.folder()))?;
            if let Some(number) = entry.file_name().to_str().and_then(|name| self.number(name)) {
                found.push((number, self.folder.join(entry.file_name())));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_put_in_and_found_again() {
        let pattern = Pattern::parse(Path::new("a/f%03d.png")).unwrap();
        assert_eq!(pattern.path(7), Path::new("a/f007.png"));
        assert_eq!(pattern.path(12345), Path::new("a/f12345.png"));
        for (name, number) in [
            ("f007.png", Some(7)),
            ("f12345.png", Some(12345)),
            ("f07.png", None),
            ("f0007.png", None),
            ("f.png", None),
        ] {
            assert_eq!(pattern.number(name), number, "{name}");
        }
        assert_eq!(Pattern::parse(Path::new("%d.png")).unwrap().path(7), Path::new("7.png"));
        for none in ["a.png", "a%.png", "a%s.png", "a%5d.png", "%d-%d.png", "a%00d.png", "%d/a.png"] {
            assert_eq!(Pattern::parse(Path::new(none)), None, "{none}");
        }
    }

    #[test]
    fn only_files_of_the_pattern_are_found() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["f10.png", "f2.png", "f2.txt", "g1.png", "f02.png"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let pattern = Pattern::parse(&dir.path().join("f%d.png")).unwrap();
        assert_eq!(pattern.files().unwrap(), ["f2.png", "f10.png"].map(|n| dir.path().join(n)));
    }
}
