//! The mean of several refinement crops of one face, for single pictures.

use super::{Clock, FaceTracker, Found};
use crate::error::Result;
use crate::frame::{DetectedKeypoint, PictureRef, mean_confidence};
use crate::vision::crop::Crop;

/// The refinement crops: side over that of the face's square, angle in radians, shift in half sides.
pub(super) const CROPS: [(f32, f32, [f32; 2]); 4] = [
    (0.97, 0.14, [0.035, 0.035]),
    (0.97, -0.14, [-0.035, 0.035]),
    (1.1, 0.14, [-0.035, -0.035]),
    (1.1, -0.14, [0.035, -0.035]),
];

impl FaceTracker {
    /// What was found, with the mean over several refinement crops in the place of the one.
    pub(super) fn averaged(
        &mut self,
        picture: PictureRef<'_>,
        found: Found,
        clock: &mut Clock,
    ) -> Result<Found> {
        self.averaged_crops(picture, found, clock).map(|(averaged, _)| averaged)
    }

    /// The same, and how far the squares that the crops ask for lie from the one that they were asked for by, at most: see
    /// [`Found::drift`].
    pub(super) fn averaged_crops(
        &mut self,
        picture: PictureRef<'_>,
        found: Found,
        clock: &mut Clock,
    ) -> Result<(Found, f32)> {
        let at = self.seen.len();
        let mut apart = 0.0f32;
        for (scale, angle, [dx, dy]) in CROPS {
            let Crop { cx, cy, side, angle: tilt } = found.wanted;
            let half = side / 2.0;
            let crop =
                Crop { cx: cx + dx * half, cy: cy + dy * half, side: side * scale, angle: tilt + angle };
            let seen = self.detect_crop(picture, crop, clock)?;
            apart = apart.max(Found { crop: found.wanted, ..seen }.drift());
        }
        let keypoints = self.detector.keypoints();
        let share = 1.0 / CROPS.len() as f32;
        for k in 0..keypoints {
            let mean = |of: fn(&DetectedKeypoint) -> f32| {
                self.seen[at + k..].iter().step_by(keypoints).map(of).sum::<f32>() * share
            };
            let mean =
                DetectedKeypoint { x: mean(|k| k.x), y: mean(|k| k.y), confidence: mean(|k| k.confidence) };
            self.seen[at + k] = mean;
        }
        let (first, each) = (at * self.detector.states(), keypoints * self.detector.states());
        for s in 0..each {
            let sum: f32 = self.seen_states[first + s..].iter().step_by(each).sum();
            self.seen_states[first + s] = sum * share;
        }
        self.seen.truncate(at + keypoints);
        self.seen_states.truncate(first + each);
        Ok((Found { at, confidence: mean_confidence(&self.seen[at..]), ..found }, apart))
    }
}
