//! FFHQ (Karras et al., 2019) as published: folders `00000`, `01000` ... of pictures `00000.png` ..., by themselves or
//! in `images1024x1024` or `thumbnails128x128` (folders or zips).

use std::path::{Path, PathBuf};

use super::{Item, Layout, Split, missing, pictures_at};
use crate::error::Result;

/// Pictures from this number on are the set's validation part.
const FIRST_VALIDATION: u32 = 60_000;

const FOLDERS: [&str; 4] =
    ["images1024x1024", "thumbnails128x128", "images1024x1024.zip", "thumbnails128x128.zip"];

/// Whether the folder looks like the set.
pub fn is_at(root: &Path) -> bool {
    place(root).is_some()
}

/// Its pictures, the largest where there are several sizes.
pub fn collect(root: &Path) -> Result<Vec<Item>> {
    let place = place(root).ok_or_else(|| missing(root, Layout::Ffhq, "00000/00000.png"))?;
    let mut items = pictures_at(&place)?;
    items.retain(|item| number(item.entry.file_name()).is_some());
    if items.is_empty() {
        return Err(missing(root, Layout::Ffhq, "00000/00000.png"));
    }
    for item in &mut items {
        if number(item.entry.file_name()).is_some_and(|n| n >= FIRST_VALIDATION) {
            item.split = Split::Test;
        }
    }
    Ok(items)
}

fn place(root: &Path) -> Option<PathBuf> {
    let named = FOLDERS.iter().map(|f| root.join(f)).find(|p| p.exists());
    named.or_else(|| {
        let entries = std::fs::read_dir(root).ok()?;
        let numbered = |name: &str| name.len() == 5 && name.bytes().all(|b| b.is_ascii_digit());
        let mut folders = entries.filter_map(|e| e.ok()).filter(|e| e.path().is_dir());
        folders.any(|e| e.file_name().to_str().is_some_and(numbered)).then(|| root.to_owned())
    })
}

/// The number that a picture's file name is.
fn number(file: &str) -> Option<u32> {
    let stem = file.split_once('.')?.0;
    (stem.len() == 5).then(|| stem.parse().ok()).flatten()
}
