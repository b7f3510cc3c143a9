//! CUB-200-2011 (Wah et al., 2011) as published: numbered pictures with boxes, a split and the places of 15 parts.

use std::collections::HashMap;
use std::path::Path;

use super::table::{Table, lines};
use super::{Item, Layout, Split, missing};
use crate::dataset::decode::{Bounds, Cut};
use crate::dataset::source::Entry;
use crate::error::{Error, Result};

const IMAGES: &str = "images";
const LIST: &str = "images.txt";
const BOXES: &str = "bounding_boxes.txt";
const SPLIT: &str = "train_test_split.txt";
const PARTS: &str = "parts/part_locs.txt";

/// Whether the folder looks like the set.
pub fn is_at(root: &Path) -> bool {
    root.join(LIST).is_file() && root.join(BOXES).is_file()
}

/// Its pictures, boxes and visible parts; its test part tests.
pub fn collect(root: &Path) -> Result<Vec<Item>> {
    for name in [IMAGES, LIST, BOXES, SPLIT, PARTS] {
        if !root.join(name).exists() {
            return Err(missing(root, Layout::Cub, name));
        }
    }
    let boxes = Table::read(&root.join(BOXES), 4)?;
    let split = Table::read(&root.join(SPLIT), 1)?;
    let parts = parts(&root.join(PARTS))?;
    let mut items = Vec::new();
    let list = root.join(LIST);
    for words in lines(&list)? {
        let [id, name] = &words[..] else {
            return Err(Error::Data {
                path: list,
                reason: format!("not a number and a name: {}", words.join(" ")),
            });
        };
        if Path::new(name).components().any(|c| !matches!(c, std::path::Component::Normal(_))) {
            return Err(Error::Data { path: list, reason: format!("{name} is not a path below {IMAGES}") });
        }
        let b = boxes.need(id)?;
        let bounds = Bounds::Pixels([b[0], b[1], b[2], b[3]]);
        items.push(Item {
            entry: Entry::File(root.join(IMAGES).join(name)),
            name: name.clone(),
            // Replaced by what the options ask for.
            cut: Cut::Centre,
            bounds: Some(bounds),
            split: if split.need(id)?[0] == 1.0 { Split::Train } else { Split::Test },
            points: parts.get(id).cloned().unwrap_or_default(),
        });
    }
    Ok(items)
}

/// Rows of picture, part (from 1), x, y, visible.
fn parts(path: &Path) -> Result<HashMap<String, Vec<Option<[f64; 2]>>>> {
    let mut parts: HashMap<String, Vec<Option<[f64; 2]>>> = HashMap::new();
    for (i, words) in lines(path)?.iter().enumerate() {
        let numbers: Option<Vec<f64>> = words.iter().skip(1).map(|w| w.parse().ok()).collect();
        let numbers = numbers.filter(|n| n.len() == 4 && (1.0..=1000.0).contains(&n[0]));
        let (Some(id), Some(n)) = (words.first(), numbers) else {
            let reason = format!("line {}: not picture, part, x, y and visible", i + 1);
            return Err(Error::Data { path: path.to_owned(), reason });
        };
        let of = parts.entry(id.clone()).or_default();
        let index = n[0] as usize - 1;
        if of.len() <= index {
            of.resize(index + 1, None);
        }
        of[index] = (n[3] == 1.0).then_some([n[1], n[2]]);
    }
    Ok(parts)
}
