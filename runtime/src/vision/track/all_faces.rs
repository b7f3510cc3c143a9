//! Every face of a picture, for single pictures.

use image::RgbImage;

use super::{Clock, FaceTracker, Found};
use crate::error::Result;
use crate::frame::DetectedFace;
use crate::vision::crop::Crop;
use crate::vision::search::Tiles;

/// Distance of two faces' centres, over the larger one's side, below which they are one.
const SAME: f32 = 0.5;
/// Least side of a face over that of the largest: what is smaller is rather a pattern than a face.
const LEAST: f32 = 0.25;

/// A face of a picture.
#[derive(Clone, Debug)]
pub struct LocatedFace {
    /// Its keypoints, in pixels of the picture.
    pub face: DetectedFace,
    /// The square that frames it as training pictures are framed.
    pub crop: Crop,
    /// Whether it is confident enough, and its place steady.
    pub confident: bool,
}

impl FaceTracker {
    fn located(&mut self, found: &Found, confident: bool) -> LocatedFace {
        // The crop detected in, not the one wanted next: it is the one that the keypoints come from.
        LocatedFace { face: self.face(found), crop: found.crop, confident }
    }

    /// The faces of `picture`, the largest first. Where none is confident enough, the best guess alone.
    ///
    /// # Errors
    /// Those of [`crate::engine::Detector::detect`].
    pub fn all_faces(&mut self, picture: &RgbImage) -> Result<Vec<LocatedFace>> {
        let mut clock = Clock::default();
        let size = picture.dimensions();
        self.seen.clear();
        let mut tiles = Tiles::default();
        let count = tiles.count(size);
        let whole = [Crop::inside(size.0, size.1), Crop::around(size.0, size.1)];
        let squares = whole.into_iter().chain((0..count).filter_map(|_| tiles.next(size)));
        let mut faces: Vec<LocatedFace> = Vec::new();
        let mut guess: Option<Found> = None;
        for square in squares {
            let first = self.detect_crop(picture, square, &mut clock)?;
            let (found, confident) = self.settle(picture, first, &mut clock)?;
            if !confident {
                guess = Some(match guess {
                    Some(best) => best.or(found),
                    None => found,
                });
                continue;
            }
            let new = self.located(&found, true);
            match faces.iter_mut().find(|known| are_one(&known.crop, &new.crop)) {
                Some(known) if new.face.confidence() > known.face.confidence() => *known = new,
                Some(_) => {}
                None => faces.push(new),
            }
        }
        faces.sort_by(|a, b| b.crop.side.total_cmp(&a.crop.side));
        if let Some(largest) = faces.first().map(|f| f.crop.side) {
            faces.retain(|f| f.crop.side >= LEAST * largest);
            return Ok(faces);
        }
        Ok(guess.map(|found| self.located(&found, false)).into_iter().collect())
    }
}

fn are_one(a: &Crop, b: &Crop) -> bool {
    (a.cx - b.cx).hypot(a.cy - b.cy) < SAME * a.side.max(b.side)
}
