//! Every face of a picture, for single pictures: what `detect` reports, and what `edit` and `reenact` choose from.

use super::second_look::SURE;
use super::{Clock, FIND, FaceTracker, Found, LIVE_CONFIDENCE};
use crate::error::Result;
use crate::frame::{DetectedFace, PictureRef};
use crate::interrupt;
use crate::vision::crop::Crop;
use crate::vision::search::Tiles;

/// Distance of two faces' centres, over the larger one's side, below which they are one.
const SAME: f32 = 0.5;
/// Least side of a face over that of the largest: what is smaller is rather a pattern than a face.
const LEAST: f32 = 0.15;
/// Least side of a tile, in pixels: the faces that it would show are too small to have parts.
const LEAST_TILE: f32 = 40.0;
/// A tile in the middle of a face, and no larger than this many times the face, shows nothing else.
const WITHIN: f32 = 1.2;
/// How far the squares that several crops of a face ask for may lie apart, [`Found::drift`]. Where they lie further
/// apart the crops do not see the same face.
const AGREED: f32 = 0.15;

/// A face of a picture.
#[derive(Clone, Debug)]
pub struct LocatedFace {
    /// Its keypoints, in pixels of the picture, and its number in it, from 1.
    pub face: DetectedFace,
    /// The square that frames it as training pictures are framed.
    pub crop: Crop,
    /// Whether it is confident enough, and its place steady.
    pub confident: bool,
}

impl FaceTracker {
    /// The faces of `picture` that are confident enough, each the mean over several refinement crops: first those that a
    /// live picture's face could be, the largest first, then the others, the most confident first. They are numbered in
    /// this order. Where there is none, the best guess alone.
    ///
    /// # Errors
    /// Those of [`crate::engine::Detector::detect`].
    pub(crate) fn all_faces(&mut self, picture: PictureRef<'_>) -> Result<Vec<LocatedFace>> {
        let clock = &mut Clock::default();
        self.forget();
        if !self.options.refine {
            let whole = self.look_at_whole(picture, clock)?;
            let mut face = self.located(&whole, self.reaches(&whole, FIND));
            face.face.id = 1;
            return Ok(vec![face]);
        }
        let mut faces = Vec::new();
        for (found, settled) in self.candidates(picture, clock)? {
            if settled {
                let (averaged, apart) = self.surely_averaged(picture, found, clock)?;
                let confident = apart < AGREED && self.reaches(&averaged, FIND);
                faces.push(self.located(&averaged, confident));
            } else {
                let (averaged, _) = self.averaged_crops(picture, found, clock)?;
                // Crops about what is no face, or hardly to be seen, wander off.
                faces.push(self.located(&found.or(averaged), false));
            }
        }
        if faces.iter().any(|face| face.confident) {
            faces.retain(|face| face.confident);
        } else {
            faces.truncate(1);
        }
        faces.sort_by(|a, b| order(b).total_cmp(&order(a)));
        for (face, id) in faces.iter_mut().zip(1..) {
            face.face.id = id;
        }
        Ok(faces)
    }

    /// The same face from the crop that shows it best, of side `scale` times that of training pictures' squares.
    ///
    /// # Errors
    /// Those of [`crate::engine::Detector::detect`].
    pub(crate) fn clearest(
        &mut self,
        picture: PictureRef<'_>,
        known: LocatedFace,
        scale: f32,
    ) -> Result<LocatedFace> {
        let before = std::mem::replace(&mut self.options.crop_scale, scale);
        let clearest = self.clearest_crop(picture, &known);
        self.options.crop_scale = before;
        let Some(found) = clearest? else { return Ok(known) };
        let id = known.face.id;
        let mut clearest = self.located(&found, known.confident);
        clearest.face.id = id;
        Ok(clearest)
    }

    fn clearest_crop(&mut self, picture: PictureRef<'_>, known: &LocatedFace) -> Result<Option<Found>> {
        let clock = &mut Clock::default();
        self.forget();
        let mut best: Option<Found> = None;
        for square in squares(picture.dimensions()) {
            let first = self.detect_crop(picture, square, clock)?;
            let (found, confident) = self.settle(picture, first, clock)?;
            if confident && are_one(&found.crop, &known.crop) {
                best = Some(best.map_or(found, |best| best.or(found)));
            }
        }
        Ok(best)
    }

    /// What [`FaceTracker::averaged_crops`] gives, from another square about the face where that is surer.
    fn surely_averaged(
        &mut self,
        picture: PictureRef<'_>,
        found: Found,
        clock: &mut Clock,
    ) -> Result<(Found, f32)> {
        let averaged = self.averaged_crops(picture, found, clock)?;
        if averaged.0.confidence >= SURE {
            return Ok(averaged);
        }
        let Some((other, true)) = self.look_around(picture, &found, clock)? else { return Ok(averaged) };
        let other = self.averaged_crops(picture, other, clock)?;
        let is_surer = other.1 < AGREED && other.0.confidence > averaged.0.confidence;
        Ok(if is_surer && are_one(&other.0.crop, &found.crop) { other } else { averaged })
    }

    fn located(&mut self, found: &Found, confident: bool) -> LocatedFace {
        // The crop detected in, not the one wanted next: it is the one that the keypoints come from.
        LocatedFace { face: self.face(found), crop: found.crop, confident }
    }

    /// Every square of `picture` that refinement settles on, `true` beside it. First comes what stands out in the whole
    /// picture, settled or not.
    fn candidates(&mut self, picture: PictureRef<'_>, clock: &mut Clock) -> Result<Vec<(Found, bool)>> {
        // The face that stands out has the keypoints that `track` gives it.
        let whole = self.look_at_whole(picture, clock)?;
        let (stands_out, is_face) = self.settle(picture, whole, clock)?;
        let mut faces: Vec<Found> = is_face.then_some(stands_out).into_iter().collect();
        // What the whole picture shows is known by now.
        for square in squares(picture.dimensions()).filter(|square| *square != whole.crop) {
            let largest = faces.iter().map(|f| f.crop.side).fold(0.0, f32::max);
            let too_small = square.side < LEAST_TILE.max(LEAST * largest);
            if too_small || faces.iter().any(|face| shows_only(&square, &face.crop)) {
                continue;
            }
            interrupt::check()?;
            let first = self.detect_crop(picture, square, clock)?;
            if faces.iter().any(|known| are_one(&known.wanted, &first.wanted)) {
                continue;
            }
            let (found, confident) = self.settle(picture, first, clock)?;
            if confident && !faces.iter().any(|known| are_one(&known.crop, &found.crop)) {
                faces.push(found);
            }
        }
        let largest = faces.iter().map(|f| f.crop.side).fold(0.0, f32::max);
        faces.retain(|found| found.crop.side >= LEAST * largest);
        let mut candidates = Vec::new();
        if faces.is_empty() {
            let again = self.look_again(picture, clock)?;
            // The more confident guess; but what settles is no guess.
            let best = again.filter(|(found, settled)| *settled || found.confidence > whole.confidence);
            candidates.push(best.unwrap_or((whole, false)));
        } else if !is_face {
            candidates.push((whole, false));
        }
        candidates.extend(faces.into_iter().map(|found| (found, true)));
        Ok(candidates)
    }
}

/// Certain faces by their size, then the others by their confidence.
fn order(face: &LocatedFace) -> f32 {
    let confidence = face.face.confidence();
    if confidence >= LIVE_CONFIDENCE { 1.0 + face.crop.side } else { confidence }
}

/// The squares of a picture in which faces are sought, the large ones first.
fn squares(size: (u32, u32)) -> impl Iterator<Item = Crop> {
    let mut tiles = Tiles::default();
    let count = tiles.count(size);
    let inside = Crop::inside(size.0, size.1);
    // Of a square picture they are one.
    let around = Some(Crop::around(size.0, size.1)).filter(|around| *around != inside);
    std::iter::once(inside).chain(around).chain((0..count).filter_map(move |_| tiles.next(size)))
}

/// Whether nothing but `face` is to be seen in `square`.
pub(super) fn shows_only(square: &Crop, face: &Crop) -> bool {
    let half = face.side / 2.0;
    square.side < WITHIN * face.side
        && (square.cx - face.cx).abs() < half
        && (square.cy - face.cy).abs() < half
}

pub(super) fn are_one(a: &Crop, b: &Crop) -> bool {
    a.distance(b) < SAME * a.side.max(b.side)
}
