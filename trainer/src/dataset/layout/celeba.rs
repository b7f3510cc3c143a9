//! CelebA (Liu et al., 2015) as published: `img_align_celeba` or, in the wild, `img_celeba` (folders or zips), with
//! lists of landmarks, boxes and splits; and the lists of MAFL (Zhang et al., 2014), a part of it.

use std::collections::HashSet;
use std::path::Path;

use super::table::{Table, lines};
use super::{Item, Layout, Split, find, missing, pictures_at};
use crate::dataset::decode::Bounds;
use crate::error::{Error, Result};

/// Eyes, nose, mouth corners.
const POINTS: usize = 5;

const ALIGNED: [&str; 2] = ["img_align_celeba", "img_align_celeba.zip"];
const WILD: [&str; 2] = ["img_celeba", "img_celeba.zip"];
const ALIGNED_LANDMARKS: [&str; 2] = ["list_landmarks_align_celeba.txt", "list_landmarks_align_celeba.csv"];
const WILD_LANDMARKS: [&str; 2] = ["list_landmarks_celeba.txt", "list_landmarks_celeba.csv"];
const BOXES: [&str; 2] = ["list_bbox_celeba.txt", "list_bbox_celeba.csv"];
const PARTITION: [&str; 2] = ["list_eval_partition.txt", "list_eval_partition.csv"];

/// Where the archive keeps its parts.
const FOLDERS: [&str; 4] = ["Anno", "Eval", "Img", "MAFL"];

/// Whether the folder has pictures and landmarks under the names of CelebA.
pub fn is_at(root: &Path) -> bool {
    let has = |names: &[&str]| find(root, &FOLDERS, names).is_some();
    (has(&ALIGNED) && has(&ALIGNED_LANDMARKS)) || (has(&WILD) && has(&WILD_LANDMARKS))
}

/// The aligned pictures, or those in the wild with their boxes. MAFL's lists, where they are, make the split: its
/// training pictures fit, its test pictures test, all others train. Else the set's own test part tests, and its
/// training part fits.
pub fn collect(root: &Path, wild: bool) -> Result<Vec<Item>> {
    let need =
        |names: &[&str]| find(root, &FOLDERS, names).ok_or_else(|| missing(root, Layout::CelebA, names[0]));
    if !wild && find(root, &FOLDERS, &ALIGNED).is_none() && find(root, &FOLDERS, &WILD).is_some() {
        let reason = "has only CelebA's pictures in the wild: add --wild, or complete the set".into();
        return Err(Error::Data { path: root.to_owned(), reason });
    }
    let landmarks = Table::read(&need(if wild { &WILD_LANDMARKS } else { &ALIGNED_LANDMARKS })?, 2 * POINTS)?;
    let boxes = if wild { Some(Table::read(&need(&BOXES)?, 4)?) } else { None };
    let splits = Splits::read(root)?;
    let mut items = pictures_at(&need(if wild { &WILD } else { &ALIGNED })?)?;
    for item in &mut items {
        let name = item.entry.file_name().to_owned();
        item.points =
            landmarks.need(&name)?.chunks_exact(2).take(POINTS).map(|p| Some([p[0], p[1]])).collect();
        if let Some(boxes) = &boxes {
            let b = boxes.need(&name)?;
            item.bounds = Some(Bounds::Pixels([b[0], b[1], b[2], b[3]]));
        }
        item.split = splits.of(&name)?;
        item.name = name;
    }
    Ok(items)
}

enum Splits {
    Mafl { fit: HashSet<String>, test: HashSet<String> },
    Partition(Table),
}

impl Splits {
    fn read(root: &Path) -> Result<Self> {
        let list = |name: &str| find(root, &FOLDERS, &[name]);
        match (list("training.txt"), list("testing.txt")) {
            (Some(fit), Some(test)) => Ok(Self::Mafl { fit: names(&fit)?, test: names(&test)? }),
            (Some(_), None) => Err(missing(root, Layout::CelebA, "MAFL's testing.txt")),
            (None, Some(_)) => Err(missing(root, Layout::CelebA, "MAFL's training.txt")),
            (None, None) => {
                let path = find(root, &FOLDERS, &PARTITION)
                    .ok_or_else(|| missing(root, Layout::CelebA, PARTITION[0]))?;
                Ok(Self::Partition(Table::read(&path, 1)?))
            }
        }
    }

    fn of(&self, name: &str) -> Result<Split> {
        Ok(match self {
            Self::Mafl { test, .. } if test.contains(name) => Split::Test,
            Self::Mafl { fit, .. } if fit.contains(name) => Split::Fit,
            Self::Mafl { .. } => Split::Train,
            // 0 training, 1 validation, 2 test.
            Self::Partition(table) => match table.need(name)?[0] {
                0.0 => Split::Fit,
                2.0 => Split::Test,
                _ => Split::Train,
            },
        })
    }
}

/// File names of a MAFL list.
fn names(path: &Path) -> Result<HashSet<String>> {
    let name = |words: Vec<String>| {
        let name = words.into_iter().next().unwrap_or_default();
        let file = name.rsplit('/').next().unwrap_or_default();
        if file.contains('.') { file.to_owned() } else { format!("{file}.jpg") }
    };
    let names: HashSet<String> = lines(path)?.into_iter().map(name).collect();
    if names.is_empty() {
        return Err(Error::Data { path: path.to_owned(), reason: "names no pictures".into() });
    }
    Ok(names)
}
