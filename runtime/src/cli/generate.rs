//! `runtime generate`: pictures from seeded noise.

use image::{RgbImage, imageops};
use lkg_bundle::Manifest;
use lkg_bundle::conventions::to_pixels;
use ndarray::{Array2, ArrayView2};
use serde::Serialize;

use super::args::{Common, GenerateArgs, Grid};
use super::interpolate;
use super::output::Output;
use super::{open_bundle, remark};
use crate::engine::{ImageGenerator, KeypointGenerator, Noise};
use crate::error::{Error, Result};
use crate::frame::{DetectedFace, DetectedKeypoint};
use crate::interrupt;
use crate::media::mark::Origin;
use crate::media::picture;
use crate::vision::overlay::draw_face;

/// Pictures computed at once; more would only take memory.
const BATCH: u32 = 8;

/// What `--json` prints.
#[derive(Serialize)]
struct SamplesReport<'a> {
    file: &'a str,
    seed: u64,
    truncation: f32,
    rows: u32,
    columns: u32,
    image_size: usize,
    /// For each picture its keypoints (x, y), in normalised coordinates.
    samples: Vec<Vec<[f32; 2]>>,
}

/// What the command does.
enum Task {
    /// Writes a picture of pictures.
    Grid { grid: Grid, count: u32 },
    /// Writes a clip.
    Clip(interpolate::Config),
}

impl Task {
    /// What can be refused before anything is opened, is.
    fn resolve(args: &GenerateArgs) -> Result<Self> {
        if let Some(steps) = args.interpolate {
            return interpolate::Config::resolve(args, steps).map(Self::Clip);
        }
        picture::check_target(&args.out, args.force)?;
        let (grid, count) = layout(args.grid, args.count)?;
        Ok(Self::Grid { grid, count })
    }
}

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &GenerateArgs) -> Result<u8> {
    match Task::resolve(args)? {
        Task::Grid { grid, count } => write_grid(common, args, grid, count),
        Task::Clip(config) => interpolate::run(common, args, &config),
    }
}

fn write_grid(common: &Common, args: &GenerateArgs, grid: Grid, count: u32) -> Result<u8> {
    let bundle = open_bundle(common)?;
    let dims = bundle.manifest().dims;
    let tile = dims.image_size as u32;
    let (width, height) = (grid.columns.saturating_mul(tile), grid.rows.saturating_mul(tile));
    if width.max(height) > picture::MAX_SIDE || u64::from(width) * u64::from(height) > picture::MAX_PIXELS {
        return Err(Error::Usage(format!(
            "a grid of {width} x {height} pixels is too large; ask for fewer pictures"
        )));
    }
    let mut keypoint_generator = KeypointGenerator::load(&bundle, &common.engine())?;
    let mut image_generator = ImageGenerator::load(&bundle, &common.engine())?;
    if common.verbose {
        remark(&format!("generator: {}", image_generator.summary()));
    }

    let mut sheet = RgbImage::new(width, height);
    let mut samples = Vec::new();
    for first in (0..count).step_by(BATCH as usize) {
        interrupt::check()?;
        let indices = first..count.min(first + BATCH);
        let n = indices.len();
        let layout =
            keypoint_generator.run(&Noise::seeded(args.seed, indices.clone(), &dims, args.truncation))?;
        let ones = Array2::ones((n, dims.keypoints));
        let images = image_generator.run(&layout, ones.view(), ones.view())?;
        for ((index, image), keypoints) in indices.zip(images.outer_iter()).zip(layout.keypoints.outer_iter())
        {
            let mut tile_picture = picture::from_network(image);
            if args.keypoints {
                draw_face(&mut tile_picture, &face(keypoints, tile), bundle.manifest());
            }
            let (column, row) = (index % grid.columns, index / grid.columns);
            imageops::replace(&mut sheet, &tile_picture, i64::from(column * tile), i64::from(row * tile));
            samples.push(keypoints.rows().into_iter().map(|p| [p[0], p[1]]).collect());
        }
    }
    args.mark.stamp(Origin::Generated, &mut sheet);
    let origin = args.mark.origin(Origin::Generated);
    picture::write_marked(&args.out, &sheet, origin)?;
    write(args, grid, bundle.manifest(), samples)?;
    Ok(0)
}

fn write(args: &GenerateArgs, grid: Grid, manifest: &Manifest, samples: Vec<Vec<[f32; 2]>>) -> Result<()> {
    let mut output = Output::new();
    let file = args.out.to_string_lossy();
    if args.json {
        output.json(&SamplesReport {
            file: &file,
            seed: args.seed,
            truncation: args.truncation,
            rows: grid.rows,
            columns: grid.columns,
            image_size: manifest.dims.image_size,
            samples,
        })?;
    } else {
        let Grid { rows, columns } = grid;
        output.line(&format!(
            "{file}: {} in {rows} x {columns}, seed {}",
            pictures(samples.len()),
            args.seed
        ))?;
    }
    output.flush()
}

fn pictures(n: usize) -> String {
    format!("{n} picture{}", if n == 1 { "" } else { "s" })
}

/// Rows, columns and how many of their cells are filled.
fn layout(grid: Option<Option<Grid>>, count: Option<u32>) -> Result<(Grid, u32)> {
    let near_square = |n: u32| {
        let columns = f64::from(n).sqrt().ceil() as u32;
        Grid { rows: n.div_ceil(columns), columns }
    };
    match (grid, count) {
        (Some(Some(g)), None) => Ok((g, g.rows * g.columns)),
        (Some(Some(g)), Some(n)) if n > g.rows * g.columns => {
            Err(Error::Usage(format!("a grid of {}x{} does not hold {n} pictures", g.rows, g.columns)))
        }
        (Some(Some(g)), Some(n)) => Ok((g, n)),
        (Some(None), None) => Ok((near_square(16), 16)),
        (None, None) => Ok((near_square(1), 1)),
        (_, Some(n)) => Ok((near_square(n), n)),
    }
}

fn face(keypoints: ArrayView2<'_, f32>, size: u32) -> DetectedFace {
    let point = |p: ndarray::ArrayView1<'_, f32>| DetectedKeypoint {
        x: to_pixels(p[0], size as f32),
        y: to_pixels(p[1], size as f32),
        confidence: 1.0,
    };
    DetectedFace::new(keypoints.rows().into_iter().map(point).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_follow_count_and_shape() {
        let g = |rows, columns| Grid { rows, columns };
        assert_eq!(layout(None, None).unwrap(), (g(1, 1), 1));
        assert_eq!(layout(Some(None), None).unwrap(), (g(4, 4), 16));
        assert_eq!(layout(None, Some(5)).unwrap(), (g(2, 3), 5));
        assert_eq!(layout(Some(Some(g(2, 5))), None).unwrap(), (g(2, 5), 10));
        assert_eq!(layout(Some(Some(g(2, 5))), Some(7)).unwrap(), (g(2, 5), 7));
        assert!(layout(Some(Some(g(2, 2))), Some(5)).is_err());
    }
}
