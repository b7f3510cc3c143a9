//! Many pictures read, decoded in parallel, cut and resized, in their order.

use image::RgbImage;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::decode::{self, Area};
use super::layout::Item;
use super::source;
use crate::error::{Error, Result};
use crate::support::interrupt;
use crate::support::progress::Progress;

/// Pictures read before they are decoded together, unless their squares take more memory than this, in bytes.
const CHUNK: usize = 64;
const CHUNK_BYTES: usize = 256 << 20;

/// What is made of each picture.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Sides of the squares that are made of it, in pixels.
    pub sides: Vec<u32>,
    /// Pictures whose box covers less than this fraction of them are left out; 0 keeps all.
    pub least_cover: f64,
}

/// A picture.
#[derive(Debug)]
pub struct Scanned {
    /// SHA-256 of the file.
    pub sha256: String,
    /// SHA-256 of width, height and RGB bytes, before anything is cut off.
    pub pixels: [u8; 32],
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// What was cut out.
    pub area: Area,
    /// The squares, in the order of [`Plan::sides`].
    pub squares: Vec<RgbImage>,
}

/// Why there is no [`Scanned`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It could not be read or decoded.
    Broken(String),
    /// It does not meet the plan.
    Filtered(String),
}

/// Hands each of `items` to `take` with its index, in order.
///
/// # Errors
/// [`Error::Interrupted`], or what `take` returns.
pub fn scan(
    label: &str,
    items: &[Item],
    plan: &Plan,
    mut take: impl FnMut(usize, std::result::Result<Scanned, Skip>) -> Result<()>,
) -> Result<()> {
    let mut progress = Progress::new(label, items.len() as u64);
    let each: usize = plan.sides.iter().map(|s| (*s as usize).pow(2) * 3).sum();
    let size = (CHUNK_BYTES / each.max(1)).clamp(1, CHUNK);
    let mut reader = source::Reader::default();
    for (c, chunk) in items.chunks(size).enumerate() {
        let mut read = Vec::with_capacity(chunk.len());
        for item in chunk {
            interrupt::check()?;
            read.push(reader.read(&item.entry)?);
        }
        let scanned: Option<Vec<_>> = read
            .into_par_iter()
            .zip(chunk)
            .map(|(content, item)| {
                // A chunk of large pictures takes seconds: too long to wait for after Ctrl-C.
                interrupt::check()
                    .is_ok()
                    .then(|| content.map_err(Skip::Broken).and_then(|c| one(&c, item, plan)))
            })
            .collect();
        for (i, scanned) in scanned.ok_or(Error::Interrupted)?.into_iter().enumerate() {
            take(c * size + i, scanned)?;
        }
        progress.advance(chunk.len() as u64, "");
    }
    progress.finish("");
    Ok(())
}

fn one(content: &[u8], item: &Item, plan: &Plan) -> std::result::Result<Scanned, Skip> {
    let picture = decode::decode(content).map_err(Skip::Broken)?;
    let (width, height) = picture.dimensions();
    if plan.least_cover > 0.0
        && let Some(bounds) = item.bounds
    {
        let [_, _, w, h] = bounds.pixels(width, height);
        let cover = w * h / (f64::from(width) * f64::from(height));
        if cover < plan.least_cover {
            let (cover, least) = (cover * 100.0, plan.least_cover * 100.0);
            return Err(Skip::Filtered(format!("its box covers {cover:.1} % of it, less than {least:.1} %")));
        }
    }
    let mut pixels = Sha256::new();
    pixels.update(width.to_le_bytes());
    pixels.update(height.to_le_bytes());
    pixels.update(picture.as_raw());
    let area = item.cut.area(width, height);
    Ok(Scanned {
        sha256: lkg_bundle::files::sha256_hex(content),
        pixels: pixels.finalize().into(),
        size: [width, height],
        area,
        squares: plan.sides.iter().map(|side| decode::resize(&picture, area, *side)).collect(),
    })
}
