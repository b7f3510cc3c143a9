//! A second look at single pictures, where the first left doubt: from nearer, from the sides and turned, before a face is
//! given up or a guess is reported.

use std::f32::consts::FRAC_PI_6;

use image::RgbImage;

use super::{Clock, FaceTracker, Found};
use crate::error::Result;
use crate::frame::PictureRef;
use crate::vision::crop::Crop;

/// Mean confidence from which a face is looked at no more: of those that are found well nine in ten have it.
pub(super) const SURE: f32 = 0.85;
/// Sides of the squares that cover a picture once more, over its shorter side: between those of the first look.
const SIDES: [f32; 3] = [0.85, 0.7, 0.55];
/// Their centres along each axis, from one border (-1) to the other.
const PLACES: [f32; 3] = [-0.8, 0.0, 0.8];
/// Sides of the turned squares in the middle of the picture, over its shorter side.
const TURNED: [f32; 2] = [1.0, 0.8];
/// How far they are turned either way, radians.
const TURN: f32 = FRAC_PI_6;
/// Squares about a face: side over that of the face's square, turn in radians, shift in sides.
const AROUND: [(f32, f32, [f32; 2]); 8] = [
    (0.8, 0.0, [0.0, 0.0]),
    (1.25, 0.0, [0.0, 0.0]),
    (1.0, 0.35, [0.0, 0.0]),
    (1.0, -0.35, [0.0, 0.0]),
    (1.0, 0.0, [0.15, 0.0]),
    (1.0, 0.0, [-0.15, 0.0]),
    (1.0, 0.0, [0.0, 0.15]),
    (1.0, 0.0, [0.0, -0.15]),
];
/// Pixels that are left of a square's side at least, in sides of what the detector is shown.
const SHARPER: f32 = 2.0;
/// The most confident of the squares that are refined.
const TRIED: usize = 4;
/// Share of the least confidence that a square must have to be refined.
const HINT: f32 = 0.3;

impl FaceTracker {
    /// The most confident of what refinement makes of squares of `picture` other than those of the first look, `true` beside
    /// it where it settles.
    pub(super) fn look_again(
        &mut self,
        picture: PictureRef<'_>,
        clock: &mut Clock,
    ) -> Result<Option<(Found, bool)>> {
        self.best_of(picture, others(picture.dimensions()), clock)
    }

    /// The same of squares about the face `found`.
    pub(super) fn look_around(
        &mut self,
        picture: PictureRef<'_>,
        found: &Found,
        clock: &mut Clock,
    ) -> Result<Option<(Found, bool)>> {
        let Crop { cx, cy, side, angle } = found.wanted;
        let around = AROUND.map(|(scale, turn, [dx, dy])| Crop {
            cx: cx + dx * side,
            cy: cy + dy * side,
            side: side * scale,
            angle: angle + turn,
        });
        self.best_of(picture, around, clock)
    }

    fn best_of(
        &mut self,
        picture: PictureRef<'_>,
        squares: impl IntoIterator<Item = Crop>,
        clock: &mut Clock,
    ) -> Result<Option<(Found, bool)>> {
        let squares: Vec<Crop> = squares.into_iter().collect();
        let least = squares.iter().map(|square| square.side).fold(f32::INFINITY, f32::min);
        let times = (least / (SHARPER * self.detector.size() as f32)) as u32;
        // Each square would read all of its pixels anew, and a large picture has many.
        let copy = (times > 1).then(|| reduced(picture, times));
        let shown = copy.as_ref().map_or((picture, 1), |copy| (copy.into(), times));
        let mut seen = Vec::new();
        for square in squares {
            let found = self.detect_reduced(picture, shown, square, clock)?;
            if self.reaches(&found, HINT) {
                seen.push(found);
            }
        }
        seen.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        let mut best: Option<(Found, bool)> = None;
        for found in seen.into_iter().take(TRIED) {
            let settled = self.settle_from(picture, found, HINT, clock)?;
            if best.is_none_or(|best| (settled.1, settled.0.confidence) > (best.1, best.0.confidence)) {
                best = Some(settled);
            }
        }
        Ok(best)
    }
}

/// `picture` with the mean of every square of `times` pixels a side in the place of them; what is left over at the right and
/// below goes.
fn reduced(picture: PictureRef<'_>, times: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let (width, height) = ((width / times).max(1), (height / times).max(1));
    let row_length = 3 * picture.width() as usize;
    let mut copy = RgbImage::new(width, height);
    let mut sums = vec![[0u32; 3]; width as usize];
    for (y, out) in copy.rows_mut().enumerate() {
        sums.fill([0; 3]);
        let first = y * times as usize * row_length;
        for row in picture.bytes()[first..].chunks_exact(row_length).take(times as usize) {
            for (sum, pixels) in sums.iter_mut().zip(row.chunks(3 * times as usize)) {
                for [r, g, b] in pixels.as_chunks().0 {
                    *sum = [sum[0] + u32::from(*r), sum[1] + u32::from(*g), sum[2] + u32::from(*b)];
                }
            }
        }
        for (pixel, sum) in out.zip(&sums) {
            pixel.0 = sum.map(|sum| (sum / (times * times)) as u8);
        }
    }
    copy
}

/// Squares of a picture of this size that the first look leaves out.
fn others((width, height): (u32, u32)) -> impl Iterator<Item = Crop> {
    let (width, height) = (width as f32, height as f32);
    let shorter = width.min(height);
    let upright = SIDES.into_iter().flat_map(move |fraction| {
        let side = fraction * shorter;
        let at = move |length: f32, place: f32| (length + place * (length - side)) / 2.0;
        PLACES.into_iter().flat_map(move |y| {
            PLACES.into_iter().map(move |x| Crop { cx: at(width, x), cy: at(height, y), side, angle: 0.0 })
        })
    });
    let turned = TURNED.into_iter().flat_map(move |fraction| {
        [-TURN, TURN].into_iter().map(move |angle| Crop {
            cx: width / 2.0,
            cy: height / 2.0,
            side: fraction * shorter,
            angle,
        })
    });
    upright.chain(turned)
}

/// How many squares a picture is looked at in once more.
#[cfg(test)]
pub(super) fn looks() -> usize {
    others((96, 96)).count()
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn a_reduced_picture_has_the_means_of_the_pixels() {
        let picture = RgbImage::from_fn(7, 5, |x, y| Rgb([(x * 10) as u8, (y * 10) as u8, 77]));
        let copy = reduced((&picture).into(), 2);
        assert_eq!(copy.dimensions(), (3, 2));
        assert_eq!(copy.get_pixel(2, 1).0, [45, 25, 77]);
        assert_eq!(reduced((&picture).into(), 1), picture);
    }
}
