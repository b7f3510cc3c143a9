//! Which checkpoints stay. The latest is `STAGE.safetensors` and is only ever replaced whole; those before it stay as
//! `STAGE-IMAGES.safetensors` as long as they are among the last few; the best by a metric is `STAGE-best.safetensors`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::train::run::checkpoint::{self, State};

/// Checkpoints kept unless asked otherwise: the latest and the one before.
pub const DEFAULT_KEEP: usize = 2;

/// One thing to do when a checkpoint is due, in this order: whatever ends the process in between, the latest
/// checkpoint is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Give the latest, of so many images, a name of its own besides.
    Name(u64),
    /// Write the new latest.
    Save,
    /// Remove the older one of so many images.
    Delete(u64),
}

/// What to do to save a checkpoint at `now` images and end with `keep` in all, the latest included. `latest` is the
/// images seen of the one that is replaced, `named` those of the older ones. Checkpoints of more images than `now`
/// belong to a run that was set back by hand: they are left alone.
pub fn plan(keep: usize, latest: Option<u64>, named: &[u64], now: u64) -> Vec<Action> {
    let latest = latest.filter(|l| *l < now && keep > 1);
    let mut older: Vec<u64> = named.iter().copied().chain(latest).filter(|i| *i < now).collect();
    older.sort_unstable();
    older.dedup();
    let gone = older.len().saturating_sub(keep.saturating_sub(1));
    let mut actions: Vec<Action> = latest.into_iter().map(Action::Name).collect();
    actions.push(Action::Save);
    actions.extend(older[..gone].iter().copied().map(Action::Delete));
    actions
}

/// The file of the older checkpoint of `images` beside the latest one.
pub fn older_path(latest: &Path, images: u64) -> PathBuf {
    let stem = latest.file_stem().unwrap_or_default().to_string_lossy();
    latest.with_file_name(format!("{stem}-{images:09}.safetensors"))
}

/// Images seen of the older checkpoints beside the latest one.
///
/// # Errors
/// [`Error::Io`].
pub fn older(latest: &Path) -> Result<Vec<u64>> {
    let dir = latest.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = latest.file_stem().unwrap_or_default().to_string_lossy().into_owned() + "-";
    let mut found = vec![];
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let name = entry.map_err(Error::io(dir))?.file_name().to_string_lossy().into_owned();
        let images = name.strip_prefix(&stem).and_then(|n| n.strip_suffix(".safetensors"));
        found.extend(images.and_then(|i| i.parse::<u64>().ok()));
    }
    Ok(found)
}

/// Saves a checkpoint of `state` to `latest` by `write`, and keeps `keep` in all.
///
/// # Errors
/// Those of `write`; [`Error::Io`].
pub fn save(latest: &Path, state: &State, keep: usize, write: impl Fn(&Path) -> Result<()>) -> Result<()> {
    // One that does not parse is replaced like one that is not there.
    let before = checkpoint::peek(latest).ok().map(|s| s.images_seen);
    for action in plan(keep, before, &older(latest)?, state.images_seen) {
        match action {
            Action::Name(images) => name(latest, &older_path(latest, images))?,
            Action::Save => write(latest)?,
            Action::Delete(images) => {
                let path = older_path(latest, images);
                fs::remove_file(&path).map_err(Error::io(&path))?;
            }
        }
    }
    Ok(())
}

/// A second name for a file; a copy where the file system knows no second names.
fn name(file: &Path, also: &Path) -> Result<()> {
    if also.exists() {
        fs::remove_file(also).map_err(Error::io(also))?;
    }
    if fs::hard_link(file, also).is_err() {
        let content = fs::read(file).map_err(Error::io(file))?;
        lkg_bundle::files::write_atomically(also, &content)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_plan_saves_before_it_deletes_and_keeps_as_many_as_asked() {
        use Action::{Delete, Name, Save};
        assert_eq!(plan(2, None, &[], 10), [Save]);
        assert_eq!(plan(2, Some(10), &[], 20), [Name(10), Save]);
        assert_eq!(plan(2, Some(20), &[10], 30), [Name(20), Save, Delete(10)]);
        assert_eq!(plan(4, Some(30), &[20, 10], 40), [Name(30), Save]);
        // Fewer than before: what is over goes.
        assert_eq!(plan(2, Some(30), &[20, 10], 40), [Name(30), Save, Delete(10), Delete(20)]);
        assert_eq!(plan(1, Some(30), &[20], 40), [Save, Delete(20)]);
        // Saved again at the same count, as at the end of a run: nothing to name.
        assert_eq!(plan(2, Some(40), &[30], 40), [Save]);
        // Set back by hand to 10: what came later is not touched.
        assert_eq!(plan(2, Some(10), &[30, 20], 15), [Name(10), Save]);
    }

    fn fake(path: &Path, images: u64) -> Result<()> {
        let state = State { images_seen: images, ..State::new("gan", &Config::default(), 1) };
        checkpoint::save(path, &[], &state)
    }

    #[test]
    fn files_follow_the_plan_and_a_failed_write_leaves_the_last_one() {
        let dir = tempfile::tempdir().unwrap();
        let latest = dir.path().join("gan.safetensors");
        fs::write(dir.path().join("gan-best.safetensors"), "b").unwrap();
        let state = |images| State { images_seen: images, ..State::new("gan", &Config::default(), 1) };
        for images in [10, 20, 30] {
            save(&latest, &state(images), 2, |p| fake(p, images)).unwrap();
        }
        assert_eq!(checkpoint::peek(&latest).unwrap().images_seen, 30);
        assert_eq!(older(&latest).unwrap(), [20]);
        assert_eq!(checkpoint::peek(&older_path(&latest, 20)).unwrap().images_seen, 20);
        let full = |_: &Path| Err(Error::Usage("disk full".into()));
        assert!(save(&latest, &state(40), 2, full).is_err());
        assert_eq!(checkpoint::peek(&latest).unwrap().images_seen, 30);
        // The next try goes through.
        save(&latest, &state(40), 2, |p| fake(p, 40)).unwrap();
        assert_eq!(older(&latest).unwrap(), [30]);
        assert!(dir.path().join("gan-best.safetensors").exists());
    }
}
