//! A second look at single pictures, where the first left doubt: from nearer, from the sides and turned, before a face is
//! given up or a guess is reported.

use std::f32::consts::FRAC_PI_6;

use image::RgbImage;

use super::{Clock, FaceTracker, Found};
use crate::error::Result;
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
/// The most confident of the squares that are refined.
const TRIED: usize = 4;
/// Share of the least confidence that a square must have to be refined.
const HINT: f32 = 0.3;

impl FaceTracker {
    /// The most confident of what refinement makes of squares of `picture` other than those of the first look, `true` beside
    /// it where it settles.
    pub(super) fn look_again(
        &mut self,
        picture: &RgbImage,
        clock: &mut Clock,
    ) -> Result<Option<(Found, bool)>> {
        self.best_of(picture, others(picture.dimensions()), clock)
    }

    /// The same of squares about the face `found`.
    pub(super) fn look_around(
        &mut self,
        picture: &RgbImage,
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
        picture: &RgbImage,
        squares: impl IntoIterator<Item = Crop>,
        clock: &mut Clock,
    ) -> Result<Option<(Found, bool)>> {
        let mut seen = Vec::new();
        for square in squares {
            let found = self.detect_crop(picture, square, clock)?;
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
