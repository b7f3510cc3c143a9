//! The keypoints on the mean of pictures laid over each other by them.

use image::RgbImage;
use lkg_bundle::conventions::to_pixels;
use lkg_bundle::manifest::KEYPOINT_COLOURS;
use tch::{Device, Kind, Tensor};

use super::{CardPicture, Scene};
use crate::error::Result;
use crate::plot;
use crate::sample::to_picture;
use crate::semantics::align::Similarity;

/// Side of the picture, in pixels.
const SIDE: u32 = 720;
/// Pictures warped together.
const BATCH: usize = 50;

impl<S> Scene<'_, S> {
    /// Names, spread, lines and pairs on the mean picture.
    pub(super) fn mean(&self) -> Result<CardPicture> {
        let mean = mean_image(&self.observed.images, &self.aligned.moves)?;
        let small = to_picture(&mean)?;
        let filter = image::imageops::FilterType::CatmullRom;
        let mut picture: RgbImage = image::imageops::resize(&small, SIDE, SIDE, filter);
        let side = SIDE as f32;
        let at = |p: &[f64; 2]| (to_pixels(p[0] as f32, side), to_pixels(p[1] as f32, side));
        let points: Vec<(f32, f32)> = self.aligned.mean.iter().map(at).collect();
        for [a, b] in &self.semantics.mirror.pairs {
            plot::dashed(&mut picture, points[*a], points[*b], 1.2, [255; 3], 0.9);
        }
        // Normalised coordinates span 2, pixels the side.
        let scale = (side / 2.0).powi(2);
        for (k, (point, spread)) in points.iter().zip(self.aligned.spread()).enumerate() {
            let colour = KEYPOINT_COLOURS[k % KEYPOINT_COLOURS.len()];
            plot::ellipse(&mut picture, *point, spread.map(|c| c as f32 * scale), colour)?;
        }
        plot::figure(&mut picture, &points, &KEYPOINT_COLOURS, &self.semantics.skeleton, 6.0);
        let named: Vec<(&str, (f32, f32))> =
            self.names.iter().map(String::as_str).zip(points.iter().copied()).collect();
        plot::names(&mut picture, &named, &KEYPOINT_COLOURS, 17)?;
        let caption = format!(
            "The keypoints on the mean of {}, laid over each other by their keypoints. Ellipses: one standard deviation \
             of what is left then. Lines: the skeleton. Dashes: symmetric pairs, {}.",
            self.observed.source,
            match self.semantics.mirror.pairs.len() {
                0 => "of which the mirror test found none".to_owned(),
                n => format!("{n} of them found by the mirror test"),
            }
        );
        CardPicture::lossless("keypoints", caption, picture)
    }
}

/// The mean `[3, S, S]` of images `[N, 3, S, S]`, each moved along; white where none lies.
fn mean_image(images: &Tensor, moves: &[Similarity]) -> Result<Tensor> {
    let size = images.size();
    let mut sum = Tensor::zeros([1, 4, size[2], size[3]], (Kind::Float, Device::Cpu));
    for (i, moves) in moves.chunks(BATCH).enumerate() {
        let n = moves.len() as i64;
        let batch = images.narrow(0, (i * BATCH) as i64, n);
        let rows: Vec<f32> = moves.iter().flat_map(back).collect();
        let theta = Tensor::from_slice(&rows).view([n, 2, 3]);
        let grid = Tensor::f_affine_grid_generator(&theta, [n, 3, size[2], size[3]], false)?;
        // Where the picture ends is counted by a fourth channel of ones.
        let ones = Tensor::ones([n, 1, size[2], size[3]], (Kind::Float, Device::Cpu));
        let warped = Tensor::f_cat(&[batch, ones], 1)?.f_grid_sampler_2d(&grid, 0, 0, false)?;
        sum += warped.sum_dim_intlist([0i64].as_slice(), true, Kind::Float);
    }
    let weight = sum.narrow(1, 3, 1);
    let colours = sum.narrow(1, 0, 3) / weight.clamp_min(1e-3);
    let covered = weight.gt(0.5);
    Ok(colours.where_scalarother(&covered.expand_as(&colours), 1.0).get(0))
}

/// Rows of the matrix that takes places of the mean picture to places of the picture moved there.
fn back(there: &Similarity) -> [f32; 6] {
    let Similarity { turn: [a, b], shift: [x, y] } = there.inverse();
    [a, -b, x, b, a, y].map(|v| v as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_laid_over_each_other() {
        // A white square at different places, each moved to the middle.
        let size = 32i64;
        let place = |x: i64, y: i64| {
            let image = Tensor::full([1, 3, size, size], -1.0, (Kind::Float, Device::Cpu));
            let _ = image.narrow(2, y - 2, 4).narrow(3, x - 2, 4).fill_(1.0);
            image
        };
        let images = Tensor::cat(&[place(8, 16), place(24, 16), place(16, 10)], 0);
        let shift = |x: f64, y: f64| Similarity { turn: [1.0, 0.0], shift: [x, y] };
        // 8 of 32 pixels are 0.5 of the 2 that a side spans.
        let moves = [shift(0.5, 0.0), shift(-0.5, 0.0), shift(0.0, 0.375)];
        let mean = mean_image(&images, &moves).unwrap();
        let at = |x: i64, y: i64| mean.double_value(&[0, y, x]);
        assert!(at(16, 16) > 0.99 && at(14, 17) > 0.99, "{} {}", at(16, 16), at(14, 17));
        assert!(at(8, 16) < -0.99 && at(24, 16) < -0.99 && at(16, 10) < -0.99);
        // The first picture has nothing at the left border any more, the others have black.
        assert!(at(1, 16) < -0.9);
    }
}
