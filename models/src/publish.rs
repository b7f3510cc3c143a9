//! How a file comes to its name: what must be on the disk before what, so that no crash leaves half of it there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::files::{parent_of, usual_mode};

/// What is asked of a disk. Tests put one in its place that fails or stops at any step.
pub trait Disk {
    /// Writes all of `content`.
    ///
    /// # Errors
    /// The operating system's.
    fn write(&self, file: &mut File, content: &[u8]) -> io::Result<()>;

    /// Waits until what was written would outlast a loss of power.
    ///
    /// # Errors
    /// The operating system's.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Gives a file another name, which it takes from whatever had it.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name that nothing has.
    ///
    /// # Errors
    /// The operating system's.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a name away.
    ///
    /// # Errors
    /// The operating system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Waits until names in a folder would outlast a loss of power.
    ///
    /// # Errors
    /// The operating system's.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The system's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Disk for System {
    fn write(&self, file: &mut File, content: &[u8]) -> io::Result<()> {
        file.write_all(content)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// Puts the hidden file `part`, open as `file`, under the name `target`: its content first, then its name. What has that name
/// is replaced or (without `replace`) stays.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], or another of the operating system's: the hidden file is then still there.
pub fn publish(disk: &dyn Disk, file: &File, part: &Path, target: &Path, replace: bool) -> io::Result<()> {
    // Nobody else's until now; a file system without modes has nothing to give.
    file.set_permissions(usual_mode()).ok();
    disk.sync(file)?;
    if replace {
        disk.rename(part, target)?;
    } else {
        match disk.link(part, target) {
            // A name that stays is swept up later.
            Ok(()) => drop(disk.remove(part)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(e),
            // A disk without second names.
            Err(_) if target.symlink_metadata().is_err() => disk.rename(part, target)?,
            Err(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        }
    }
    // A folder can't be opened for this on every system.
    disk.sync_folder(parent_of(target)).ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::files::part_file;

    /// A disk that notes what it is asked for and fails at one step.
    struct Faulty {
        steps: RefCell<Vec<&'static str>>,
        fails_at: usize,
        links: bool,
    }

    impl Faulty {
        fn at(fails_at: usize) -> Self {
            Self { steps: RefCell::default(), fails_at, links: true }
        }

        fn step(&self, name: &'static str, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
            let number = self.steps.borrow().len();
            self.steps.borrow_mut().push(name);
            if number == self.fails_at { Err(io::Error::from_raw_os_error(5)) } else { act() }
        }
    }

    impl Disk for Faulty {
        fn write(&self, file: &mut File, content: &[u8]) -> io::Result<()> {
            // What fails has written half.
            let half = &content[..content.len() / 2];
            let fails = self.steps.borrow().len() == self.fails_at;
            if fails {
                file.write_all(half)?;
            }
            self.step("write", || file.write_all(content))
        }

        fn sync(&self, file: &File) -> io::Result<()> {
            self.step("sync", || file.sync_all())
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step("rename", || fs::rename(from, to))
        }

        fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
            let able = if self.links { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) };
            self.step("link", || able.and_then(|()| fs::hard_link(from, to)))
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            self.step("remove", || fs::remove_file(path))
        }

        fn sync_folder(&self, folder: &Path) -> io::Result<()> {
            self.step("sync folder", || System.sync_folder(folder))
        }
    }

    /// Publishes `new` in the place of `old`, on a disk that fails at a step: the steps, whether it went well, what has the name
    /// then, and how many hidden files are left.
    fn run(
        disk: &Faulty,
        old: Option<&str>,
        replace: bool,
    ) -> (Vec<&'static str>, bool, Option<String>, usize) {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        if let Some(old) = old {
            fs::write(&target, old).unwrap();
        }
        let (mut file, part) = part_file(&target).unwrap();
        let done = disk.write(&mut file, b"new").and_then(|()| publish(disk, &file, &part, &target, replace));
        let hidden = fs::read_dir(dir.path()).unwrap().count() - usize::from(target.exists());
        (disk.steps.take(), done.is_ok(), fs::read_to_string(&target).ok(), hidden)
    }

    const NEVER: usize = usize::MAX;

    /// Content is on the disk before its name is, and the name before anybody is told of success.
    #[test]
    fn content_comes_before_its_name() {
        let (steps, done, content, hidden) = run(&Faulty::at(NEVER), Some("old"), true);
        assert_eq!(steps, ["write", "sync", "rename", "sync folder"]);
        assert_eq!((done, content.as_deref(), hidden), (true, Some("new"), 0));
        let (steps, done, content, hidden) = run(&Faulty::at(NEVER), None, false);
        assert_eq!(steps, ["write", "sync", "link", "remove", "sync folder"]);
        assert_eq!((done, content.as_deref(), hidden), (true, Some("new"), 0));
    }

    /// Whatever step fails, or is the last before the power goes, the name has all of the old or all of the new.
    #[test]
    fn no_fault_leaves_half_a_file_under_the_name() {
        for (old, replace) in [(Some("old"), true), (None, true), (None, false), (Some("old"), false)] {
            for step in 0..6 {
                let disk = Faulty::at(step);
                let (steps, done, content, _) = run(&disk, old, replace);
                let named = steps.iter().position(|s| ["rename", "link"].contains(s));
                let is_old = content.as_deref() == old;
                let is_new = content.as_deref() == Some("new");
                assert!(is_old || is_new, "{old:?} {replace} {step}: {content:?}");
                assert!(!done || is_new, "{step}: success was told");
                assert!(replace || old.is_none() || is_old, "{step}: replaced unasked");
                // Until the name is asked for, nothing can have it, power or not; and what gets it was synced.
                assert!(named.is_none_or(|at| steps[..at].contains(&"sync")), "{steps:?}");
            }
        }
    }

    #[test]
    fn a_disk_without_second_names_does_it_by_renaming() {
        let plain = || Faulty { links: false, ..Faulty::at(NEVER) };
        let (steps, done, content, _) = run(&plain(), None, false);
        assert_eq!((steps[3], done, content.as_deref()), ("rename", true, Some("new")));
        let (_, done, content, _) = run(&plain(), Some("old"), false);
        assert_eq!((done, content.as_deref()), (false, Some("old")));
    }
}
