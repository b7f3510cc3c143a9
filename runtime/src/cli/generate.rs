//! `runtime generate`: pictures from seeded noise.

use image::{Rgb, RgbImage, imageops};
use models::conventions::{colour_to_byte, to_pixels};
use models::{BundleDims, Manifest};
use ndarray::{Array2, ArrayView2, ArrayView3};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::Serialize;

use super::args::{Common, GenerateArgs, Grid};
use super::output::Output;
use super::{open_bundle, remark};
use crate::engine::{ImageGenerator, KeypointGenerator, Latent};
use crate::error::{Error, Result};
use crate::frame::{DetectedKeypoint, Face};
use crate::interrupt;
use crate::media::picture;
use crate::vision::overlay::draw_face;

/// Pictures computed at once; more would only take memory.
const BATCH: u32 = 8;

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a str,
    seed: u64,
    truncation: f32,
    rows: u32,
    columns: u32,
    image_size: usize,
    /// For each picture its keypoints (x, y), in normalised coordinates.
    samples: Vec<Vec<[f32; 2]>>,
}

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &GenerateArgs) -> Result<u8> {
    picture::check_target(&args.out, args.force)?;
    let (grid, count) = layout(args.grid, args.count)?;
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
        let layout = keypoint_generator.run(&noise(args.seed, indices.clone(), &dims, args.truncation))?;
        let ones = Array2::ones((n, dims.keypoints));
        let images = image_generator.run(&layout, ones.view(), ones.view())?;
        for ((index, image), keypoints) in indices.zip(images.outer_iter()).zip(layout.keypoints.outer_iter())
        {
            let mut picture = to_picture(image);
            if args.keypoints {
                draw_face(&mut picture, &face(keypoints, tile), bundle.manifest());
            }
            let (column, row) = (index % grid.columns, index / grid.columns);
            imageops::replace(&mut sheet, &picture, i64::from(column * tile), i64::from(row * tile));
            samples.push(keypoints.rows().into_iter().map(|p| [p[0], p[1]]).collect());
        }
    }
    picture::write_picture(&args.out, &sheet)?;
    write(args, grid, bundle.manifest(), samples)?;
    Ok(0)
}

fn write(args: &GenerateArgs, grid: Grid, manifest: &Manifest, samples: Vec<Vec<[f32; 2]>>) -> Result<()> {
    let mut output = Output::new();
    let file = args.out.to_string_lossy();
    if args.json {
        output.json(&Report {
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

/// Noise for the pictures `indices`. Each picture has a stream of its own, so that it does not depend on the others.
fn noise(seed: u64, indices: std::ops::Range<u32>, dims: &BundleDims, truncation: f32) -> Latent {
    let shape = (indices.len(), dims.latent);
    let (mut pose, mut appearance, mut background) =
        (Array2::zeros(shape), Array2::zeros(shape), Array2::zeros(shape));
    for (row, index) in indices.enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(index));
        for part in [&mut pose, &mut appearance, &mut background] {
            part.row_mut(row).mapv_inplace(|_: f32| normal(&mut rng) * truncation);
        }
    }
    Latent { pose, appearance, background }
}

/// A normally distributed number by the Box-Muller transform, in double precision so that it rounds to the same
/// float32 on every machine.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let (a, b) = (1.0 - uniform(), uniform());
    ((-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32
}

/// `[3, S, S]` in [-1, 1] to a picture.
fn to_picture(image: ArrayView3<'_, f32>) -> RgbImage {
    let (_, height, width) = image.dim();
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        Rgb(std::array::from_fn(|c| colour_to_byte(image[[c, y as usize, x as usize]])))
    })
}

fn face(keypoints: ArrayView2<'_, f32>, size: u32) -> Face {
    let point = |p: ndarray::ArrayView1<'_, f32>| DetectedKeypoint {
        x: to_pixels(p[0], size as f32),
        y: to_pixels(p[1], size as f32),
        confidence: 1.0,
    };
    Face { keypoints: keypoints.rows().into_iter().map(point).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMS: BundleDims =
        BundleDims { keypoints: 2, latent: 64, embedding: 3, image_size: 8, detector_size: 8 };

    #[test]
    fn a_picture_does_not_depend_on_the_others() {
        let all = noise(7, 0..5, &DIMS, 1.0);
        let one = noise(7, 3..4, &DIMS, 1.0);
        assert_eq!(all.appearance.row(3), one.appearance.row(0));
        assert_ne!(all.pose.row(0), all.pose.row(1));
        assert_ne!(all.pose.row(0), noise(8, 0..1, &DIMS, 1.0).pose.row(0));
    }

    #[test]
    fn noise_is_normal_and_truncation_scales_it() {
        let z = noise(1, 0..200, &DIMS, 1.0).pose;
        let n = z.len() as f32;
        assert!((z.sum() / n).abs() < 0.03);
        assert!((z.mapv(|v| v * v).sum() / n - 1.0).abs() < 0.05);
        assert_eq!(noise(1, 0..1, &DIMS, 0.0).pose.sum(), 0.0);
    }

    #[test]
    fn the_stream_of_a_seed_is_fixed() {
        let z = noise(42, 0..1, &DIMS, 1.0);
        assert_eq!(
            [z.pose[[0, 0]], z.pose[[0, 1]], z.background[[0, 63]]],
            [1.4402541, -0.73568225, -0.5578456]
        );
    }

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
