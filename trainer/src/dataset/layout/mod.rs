//! Sets of pictures as they are published: where the pictures lie, and the boxes, points and splits beside them.

mod celeba;
mod cub;
mod ffhq;
pub mod table;

use std::path::{Path, PathBuf};

use super::decode::{Bounds, Cut};
use super::source::{self, Entry};
use crate::error::{Error, Result};
use table::Boxes;

/// How a set is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Any folders and archives of pictures.
    Plain,
    /// CelebA, aligned or in the wild, with or without MAFL's lists.
    CelebA,
    /// FFHQ: numbered folders of numbered pictures.
    Ffhq,
    /// CUB-200-2011.
    Cub,
}

impl Layout {
    /// The name that users give.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::CelebA => "celeba",
            Self::Ffhq => "ffhq",
            Self::Cub => "cub",
        }
    }

    /// The layout of the folder `root`.
    pub fn detect(root: &Path) -> Self {
        if celeba::is_at(root) {
            Self::CelebA
        } else if cub::is_at(root) {
            Self::Cub
        } else if ffhq::is_at(root) {
            Self::Ffhq
        } else {
            Self::Plain
        }
    }
}

/// What of each picture is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The largest central square.
    Square,
    /// All of it, stretched.
    Whole,
    /// The square round its box.
    Box,
}

/// What to collect.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The layout, if it is not to be found out.
    pub layout: Option<Layout>,
    /// CelebA: the pictures in the wild instead of the aligned ones.
    pub wild: bool,
    /// A table of boxes or points to cut round.
    pub boxes: Option<PathBuf>,
    /// What is kept of each picture, if not what suits the layout.
    pub fit: Option<Fit>,
    /// Side of the square over the longer side of the box.
    pub margin: Option<f64>,
    /// Pictures whose box covers less than this fraction of them are left out.
    pub least_cover: f64,
}

/// A picture not yet read, and what is known of it.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it is.
    pub entry: Entry,
    /// Its path below its source.
    pub name: String,
    /// What is kept of it.
    pub cut: Cut,
    /// Its box.
    pub bounds: Option<Bounds>,
    /// The side of the published split that it is on.
    pub split: Split,
    /// Annotated points in pixels, `None` where one is not visible.
    pub points: Vec<Option<[f64; 2]>>,
}

/// Sides of a published split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// To learn from.
    #[default]
    Train,
    /// To learn from, and to fit a regression of landmarks on (MAFL's training list).
    Fit,
    /// To test on.
    Test,
}

/// A set.
#[derive(Debug)]
pub struct Collection {
    /// How it was laid out.
    pub layout: Layout,
    /// Its pictures.
    pub items: Vec<Item>,
    /// Pictures that the table of boxes does not name.
    pub unboxed: Vec<String>,
}

/// Side of a square over its box: some surroundings, as a generator's background needs them.
const BOX_MARGIN: f64 = 1.25;
/// The same for a box round eyes and mouth, which is far smaller than the head.
const POINTS_MARGIN: f64 = 2.5;

/// Lists the pictures of `sources`.
///
/// # Errors
/// [`Error::Io`], [`Error::Data`] naming what is missing, or [`Error::Usage`].
pub fn collect(sources: &[PathBuf], options: &Options) -> Result<Collection> {
    let layout = match (options.layout, sources) {
        (Some(layout), _) => layout,
        (None, [root]) if root.is_dir() => Layout::detect(root),
        _ => Layout::Plain,
    };
    let root = match sources {
        [root] => root.as_path(),
        _ if layout == Layout::Plain => Path::new(""),
        _ => {
            let name = layout.name();
            return Err(Error::Usage(format!("layout {name} takes one folder, that of the set")));
        }
    };
    if options.wild && layout != Layout::CelebA {
        return Err(Error::Usage("--wild is for CelebA: this set has another layout".into()));
    }
    let mut items = match layout {
        Layout::Plain => plain(sources)?,
        Layout::CelebA => celeba::collect(root, options.wild)?,
        Layout::Ffhq => ffhq::collect(root)?,
        Layout::Cub => cub::collect(root)?,
    };
    let mut unboxed = Vec::new();
    let mut margin = BOX_MARGIN;
    if let Some(path) = &options.boxes {
        let boxes = Boxes::read(path)?;
        if boxes.of_points {
            margin = POINTS_MARGIN;
        }
        items.retain_mut(|item| {
            item.bounds = boxes.of(&item.name).or_else(|| boxes.of(item.entry.file_name()));
            if item.bounds.is_none() {
                unboxed.push(item.name.clone());
            }
            item.bounds.is_some()
        });
        if items.is_empty() {
            let reason = "names none of the pictures: its first column is a picture's path below the source, or its file name";
            return Err(Error::Data { path: path.clone(), reason: reason.into() });
        }
    }
    let fit = options.fit.unwrap_or(match layout {
        _ if options.boxes.is_some() => Fit::Box,
        Layout::Cub => Fit::Box,
        Layout::CelebA if options.wild => Fit::Whole,
        _ => Fit::Square,
    });
    let lacks_boxes = items.iter().any(|item| item.bounds.is_none());
    if lacks_boxes && (fit == Fit::Box || options.least_cover > 0.0) {
        return Err(Error::Usage(
            "there are no boxes to cut round or to measure by: name a table with --boxes, or leave out --fit box and --min-cover".into(),
        ));
    }
    if options.margin.is_some() && fit != Fit::Box {
        return Err(Error::Usage("--margin is for cutting round boxes: add --fit box or --boxes".into()));
    }
    let margin = options.margin.unwrap_or(margin);
    for item in &mut items {
        item.cut = match (fit, item.bounds) {
            (Fit::Box, Some(bounds)) => Cut::Around { bounds, margin },
            (Fit::Whole, _) => Cut::Whole,
            _ => Cut::Centre,
        };
    }
    Ok(Collection { layout, items, unboxed })
}

fn plain(sources: &[PathBuf]) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for source in sources {
        items.extend(pictures_at(source)?);
    }
    if items.is_empty() {
        return Err(Error::NoPictures);
    }
    Ok(items)
}

/// Every picture below `root`, nothing known of it.
fn pictures_at(root: &Path) -> Result<Vec<Item>> {
    let item = |entry: Entry| Item {
        name: entry.name_below(root),
        entry,
        cut: Cut::Centre,
        bounds: None,
        split: Split::Train,
        points: vec![],
    };
    Ok(source::list(&[root.to_owned()])?.into_iter().map(item).collect())
}

/// The first of `names` that exists in `root` or one of its `folders`.
fn find(root: &Path, folders: &[&str], names: &[&str]) -> Option<PathBuf> {
    let places = std::iter::once(root.to_owned()).chain(folders.iter().map(|f| root.join(f)));
    places.flat_map(|place| names.iter().map(move |n| place.join(n))).find(|p| p.exists())
}

/// An error that names a file which the layout asks for.
fn missing(root: &Path, layout: Layout, what: &str) -> Error {
    let reason = format!(
        "{what} is not in it, which the layout {} has: complete the set, or use --layout plain",
        layout.name()
    );
    Error::Data { path: root.to_owned(), reason }
}

#[cfg(test)]
mod tests;
