//! What was measured, in pictures.

use std::path::Path;

use image::{Rgb, RgbImage};
use lkg_bundle::conventions::to_pixels;
use lkg_bundle::manifest::KEYPOINT_COLOURS;
use tch::{Kind, Tensor};

use super::interventions::{STEP, with_background, with_move, with_part};
use super::landmark_sets::EvaluatedSet;
use super::report::{EvaluationReport, Plot};
use crate::dataset::annotations::Landmarks;
use crate::error::Result;
use crate::nets::keypoint_generator::Latents;
use crate::plot;
use crate::sample::{to_picture, write_png};
use crate::subject::{Subject, narrow};

/// Pictures are enlarged to at least this many pixels.
const TILE: u32 = 144;
/// Gap between groups of pictures, in pixels.
const GAP: u32 = 12;
/// Height of a row's name, in pixels.
const LABEL: u32 = 28;
/// Change of colour (0 to 255) that is drawn in the darkest red.
const FULL_CHANGE: f64 = 96.0;
/// Seeds of the samples shown and of those whose appearance is taken.
const SEEDS: [i64; 2] = [401, 402];
/// Samples shown side by side.
const SHOWN: i64 = 3;
/// Samples behind the mean picture.
const MEAN_OF: i64 = 256;

/// Draws all pictures of the report into `dir`.
///
/// # Errors
/// Those of the subject, of drawing and of writing.
pub fn draw(
    dir: &Path,
    subject: &mut dyn Subject,
    report: &EvaluationReport,
    sets: &[EvaluatedSet],
) -> Result<Vec<Plot>> {
    let _no_grad = tch::no_grad_guard();
    let mut plots = vec![];
    let mut put = |file: String, caption: &str, picture: RgbImage| {
        write_png(&dir.join(&file), &picture)?;
        plots.push(Plot { file, caption: caption.to_owned() });
        Ok::<(), crate::Error>(())
    };
    put(
        "keypoints.png".into(),
        "Mean positions of the keypoints on the mean of generated pictures; ellipses of one and two standard deviations.",
        spread(subject, report)?,
    )?;
    if let Some(followed) = &report.disentanglement.moves.followed {
        let title = "How far parts went along the step";
        let picture = plot::matrix(title, ("moved", "measured"), &report.keypoints, followed)?;
        let caption = "Leakage: a keypoint (row) moved by a step, each part's (column) way along it. Perfect is 1 on \
                       the diagonal and 0 elsewhere.";
        put("leakage.png".into(), caption, picture)?;
    }
    let strips = Strips::new(subject)?;
    put(
        "moves.png".into(),
        "Each keypoint moved: before with the step, after, change (white none, red 96 of 255 or more).",
        strips.rows(subject, &report.keypoints, |own, _, k| with_move(own, k, &directions()).0, true)?,
    )?;
    put(
        "parts.png".into(),
        "The appearance of each part taken from another sample: before with the part ringed, after, change.",
        strips.rows(subject, &report.keypoints, with_part, false)?,
    )?;
    put(
        "backgrounds.png".into(),
        "Another background: before, after, change.",
        strips.rows(subject, &["background".into()], |own, other, _| with_background(own, other), false)?,
    )?;
    for set in sets {
        let r = &set.outcome.report;
        put(
            format!("landmarks-{}.png", set.name),
            "Test pictures as the detector sees them: true landmarks as rings, predicted ones as dots.",
            predictions(set)?,
        )?;
        let title = format!("{}: {:.2} % on average, n = {}", set.name, r.error, r.test);
        let x = "error in percent of the distance between the eyes";
        let bars = plot::histogram(&set.outcome.errors, 30, &title, x)?;
        put(format!("errors-{}.png", set.name), "Errors of test pictures; the line is their mean.", bars)?;
    }
    Ok(plots)
}

fn colour(k: usize) -> [u8; 3] {
    KEYPOINT_COLOURS[k % KEYPOINT_COLOURS.len()]
}

/// An image `[3, S, S]`, enlarged.
fn tile(image: &Tensor) -> Result<RgbImage> {
    let small = to_picture(image)?;
    let factor = TILE.div_ceil(small.width());
    Ok(plot::magnify(&small, factor))
}

fn spread(subject: &mut dyn Subject, report: &EvaluationReport) -> Result<RgbImage> {
    let latents = subject.sample(MEAN_OF, SEEDS[0])?;
    let mut sum = subject.generate(&narrow(&latents, 0, 1))?;
    for i in 1..MEAN_OF {
        sum += subject.generate(&narrow(&latents, i, 1))?;
    }
    let small = to_picture(&(sum / MEAN_OF as f64).get(0))?;
    let mut picture = plot::magnify(&small, 512u32.div_ceil(small.width()));
    let side = picture.width() as f32;
    for (k, p) in report.health.keypoints.iter().enumerate() {
        let centre = (to_pixels(p.mean[0] as f32, side), to_pixels(p.mean[1] as f32, side));
        for deviations in [1.0, 2.0] {
            // Normalised coordinates span 2, pixels `side`.
            let scale = (side / 2.0 * deviations).powi(2);
            plot::ellipse(&mut picture, centre, p.covariance.map(|c| c as f32 * scale), colour(k))?;
        }
    }
    for (k, (p, name)) in report.health.keypoints.iter().zip(&report.keypoints).enumerate() {
        let (x, y) = (to_pixels(p.mean[0] as f32, side), to_pixels(p.mean[1] as f32, side));
        plot::disc(&mut picture, (x, y), 6.0, colour(k));
        plot::label(&mut picture, name, (x as i32 + 9, y as i32 - 9), 14)?;
    }
    Ok(picture)
}

/// Samples that are changed, and others whose appearance is taken.
struct Strips {
    own: Latents,
    other: Latents,
    before: Tensor,
}

impl Strips {
    fn new(subject: &mut dyn Subject) -> Result<Self> {
        let (own, other) = (subject.sample(SHOWN, SEEDS[0])?, subject.sample(SHOWN, SEEDS[1])?);
        Ok(Self { before: subject.generate(&own)?, own, other })
    }

    /// One row for each of `names`: for every sample the picture before, after `change` of that keypoint, and the
    /// difference. With `arrows` the change is a move, otherwise the keypoint is ringed.
    fn rows(
        &self,
        subject: &mut dyn Subject,
        names: &[String],
        change: impl Fn(&Latents, &Latents, i64) -> Latents,
        arrows: bool,
    ) -> Result<RgbImage> {
        let side = tile(&self.before.get(0))?.width();
        let group = 3 * side + GAP;
        let mut sheet = plot::blank(group * SHOWN as u32, (side + GAP + LABEL) * names.len() as u32);
        for (k, name) in names.iter().enumerate() {
            let changed = change(&self.own, &self.other, k as i64);
            let after = subject.generate(&changed)?;
            let top = (side + GAP + LABEL) * k as u32;
            plot::label(&mut sheet, name, (0, top as i32), 19)?;
            for i in 0..SHOWN {
                let mut before = tile(&self.before.get(i))?;
                let (from, to) = (point(&self.own, i, k, side)?, point(&changed, i, k, side)?);
                if arrows {
                    plot::arrow(&mut before, from, to, colour(k))?;
                } else if names.len() > 1 {
                    plot::ring(&mut before, from, side as f32 * STEP as f32 / 2.0, colour(k));
                }
                let difference = heat(&self.before.get(i), &after.get(i))?;
                let tiles = [before, tile(&after.get(i))?, difference];
                for (place, picture) in tiles.iter().enumerate() {
                    let x = group * i as u32 + side * place as u32;
                    image::imageops::replace(&mut sheet, picture, i64::from(x), i64::from(top + LABEL));
                }
            }
        }
        Ok(sheet)
    }
}

/// A direction for each sample `[SHOWN, 2]`: right, down, left.
fn directions() -> Tensor {
    let all = [[1f32, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]];
    let flat: Vec<f32> = (0..SHOWN as usize).flat_map(|i| all[i % all.len()]).collect();
    Tensor::from_slice(&flat).view([SHOWN, 2])
}

/// Keypoint `k` of sample `i` in pixels of a picture of `side`.
fn point(latents: &Latents, i: i64, k: usize, side: u32) -> Result<(f32, f32)> {
    let at = Vec::<f32>::try_from(&latents.keypoints.get(i).get(k as i64))?;
    Ok((to_pixels(at[0], side as f32), to_pixels(at[1], side as f32)))
}

/// How much two images `[3, S, S]` differ: white none, red [`FULL_CHANGE`] or more.
fn heat(before: &Tensor, after: &Tensor) -> Result<RgbImage> {
    let change = (before - after).abs().mean_dim([0i64].as_slice(), false, Kind::Float) * 127.5;
    let size = change.size()[0] as u32;
    let values = Vec::<f32>::try_from(&change.contiguous().flatten(0, 1))?;
    let small = RgbImage::from_fn(size, size, |x, y| {
        let t = (f64::from(values[(y * size + x) as usize]) / FULL_CHANGE).min(1.0);
        let fade = |end: f64| (255.0 + (end - 255.0) * t).round() as u8;
        Rgb([fade(178.0), fade(24.0), fade(43.0)])
    });
    Ok(plot::magnify(&small, TILE.div_ceil(size)))
}

/// Faces with true landmarks as rings and predicted ones as dots.
fn predictions(set: &EvaluatedSet) -> Result<RgbImage> {
    const COLUMNS: u32 = 6;
    let side = set.shown.first().map_or(1, |(p, _, _)| (2 * TILE).div_ceil(p.width()) * p.width());
    let rows = (set.shown.len() as u32).div_ceil(COLUMNS);
    let mut sheet = plot::blank(side * COLUMNS, side * rows);
    for (i, (picture, truth, predicted)) in set.shown.iter().enumerate() {
        let mut face = plot::magnify(picture, side / picture.width());
        let s = side as f32;
        let places = |l: &Landmarks| l.as_chunks::<2>().0.to_vec();
        for (j, ([tx, ty], [px, py])) in places(truth).into_iter().zip(places(predicted)).enumerate() {
            plot::ring(&mut face, (tx as f32 * s, ty as f32 * s), 6.0, [255; 3]);
            plot::disc(&mut face, (px as f32 * s, py as f32 * s), 3.5, colour(j));
        }
        let (x, y) = (i as u32 % COLUMNS * side, i as u32 / COLUMNS * side);
        image::imageops::replace(&mut sheet, &face, i64::from(x), i64::from(y));
    }
    Ok(sheet)
}
