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

    /// The faces of `picture`, the largest first, each from one crop. Where none is confident enough, the best guess alone.
    ///
    /// # Errors
    /// Those of [`crate::engine::Detector::detect`].
    pub(crate) fn all_faces(&mut self, picture: &RgbImage) -> Result<Vec<LocatedFace>> {
        self.forget();
        let (faces, guess) = self.settled_faces(picture, &mut Clock::default())?;
        if faces.is_empty() {
            return Ok(guess.map(|found| self.located(&found, false)).into_iter().collect());
        }
        Ok(largest_first(faces).iter().map(|found| self.located(found, true)).collect())
    }

    /// The confident faces of `picture`, the largest first, each the mean over several refinement crops.
    ///
    /// # Errors
    /// Those of [`crate::engine::Detector::detect`].
    pub(crate) fn detect_all(&mut self, picture: &RgbImage) -> Result<Vec<DetectedFace>> {
        let mut clock = Clock::default();
        self.forget();
        // The face that stands out has the keypoints that `track` gives it.
        let (first, is_face) = self.search(picture, &mut clock)?;
        let (mut faces, _) = self.settled_faces(picture, &mut clock)?;
        if is_face {
            faces.retain(|found| !are_one(&found.crop, &first.crop));
            faces.push(first);
        }
        let mut detected = Vec::new();
        for found in largest_first(faces) {
            let averaged = self.averaged(picture, found, &mut clock)?;
            detected.push(self.face(&averaged));
        }
        Ok(detected)
    }

    /// Every square of `picture` that refinement settles on, and the best guess among the others.
    fn settled_faces(
        &mut self,
        picture: &RgbImage,
        clock: &mut Clock,
    ) -> Result<(Vec<Found>, Option<Found>)> {
        let size = picture.dimensions();
        let mut tiles = Tiles::default();
        let count = tiles.count(size);
        let whole = [Crop::inside(size.0, size.1), Crop::around(size.0, size.1)];
        let squares = whole.into_iter().chain((0..count).filter_map(|_| tiles.next(size)));
        let mut faces: Vec<Found> = Vec::new();
        let mut guess: Option<Found> = None;
        for square in squares {
            let first = self.detect_crop(picture, square, clock)?;
            let (found, confident) = self.settle(picture, first, clock)?;
            if !confident {
                guess = Some(guess.map_or(found, |best| best.or(found)));
                continue;
            }
            match faces.iter_mut().find(|known| are_one(&known.crop, &found.crop)) {
                Some(known) => *known = known.or(found),
                None => faces.push(found),
            }
        }
        Ok((faces, guess))
    }
}

/// Faces by their size, without those that are too small beside the largest to be one.
fn largest_first(mut faces: Vec<Found>) -> Vec<Found> {
    faces.sort_by(|a, b| b.crop.side.total_cmp(&a.crop.side));
    let largest = faces.first().map_or(0.0, |found| found.crop.side);
    faces.retain(|found| found.crop.side >= LEAST * largest);
    faces
}

fn are_one(a: &Crop, b: &Crop) -> bool {
    (a.cx - b.cx).hypot(a.cy - b.cy) < SAME * a.side.max(b.side)
}
