//! Where a photo's parts go as a driver's do, and how their states change.

use super::motion::Gains;
use super::neutral::Pose;
use super::soft::{soft, soft_vector};
use crate::frame::DetectedKeypoint;
use crate::portrait::MOST_CHANGE;
use crate::vision::crop::Crop;
use crate::vision::face_layout::FaceLayout;
use crate::vision::similarity::{Similarity, centre_and_square, fit, turned};

/// Most turn of the head, in radians.
const MOST_TURN: f32 = 0.8;
/// Most of it that is left to the networks, which learned 0.35 (20 degrees); the rest turns the picture.
const LEARNED_TURN: f32 = 0.4;
/// Most shift of the head, in half sides of its square.
const MOST_SHIFT: f32 = 0.3;
/// Most growth of the head (natural logarithm).
const MOST_GROWTH: f32 = 0.35;
/// Furthest that a part goes besides, over the spread of the face's keypoints.
const MOST_PART: f32 = 1.1;
/// Confidence of a keypoint up to which it moves nothing, and from which on it moves all that it should.
const DOUBTED: f32 = 0.25;
const TRUSTED: f32 = 0.55;
/// Spread of keypoints, and scale, below which they lie together.
const LEAST: f32 = 1e-3;

/// What is carried of a driver.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    /// Whether the head's motion is.
    pub pose: bool,
    /// Gain of each part across and down.
    pub parts: Vec<[f32; 2]>,
    /// Gain of each part's states.
    pub states: Vec<f32>,
}

/// Where a photo's parts are to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Driven {
    /// K keypoints in normalised coordinates of the photo's square.
    pub keypoints: Vec<[f32; 2]>,
    /// `K S` numbers: how far states are from the photo's own.
    pub change: Vec<f32>,
    /// Radians by which the picture is turned besides.
    pub turn: f32,
}

impl Driven {
    /// The photo as it is.
    pub fn still(keypoints: &[[f32; 2]], states: usize) -> Self {
        Self { keypoints: keypoints.to_vec(), change: vec![0.0; states], turn: 0.0 }
    }

    /// Becomes what lies `share` (0 to 1) of the way from the photo with `still` keypoints to `other`.
    pub fn between(&mut self, still: &[[f32; 2]], other: &Driven, share: f32) {
        let points = still.iter().zip(&other.keypoints);
        self.keypoints.clear();
        self.keypoints
            .extend(points.map(|(a, b)| [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share]));
        self.change.clear();
        self.change.extend(other.change.iter().map(|c| c * share));
        self.turn = other.turn * share;
    }

    /// Follows the driver's face `now` as it differs from its `neutral` one: the head's motion on the photo's `still` keypoints, then
    /// what parts do besides, in the photo's size, then their states.
    pub fn follow(
        &mut self,
        still: &[[f32; 2]],
        neutral: &Pose,
        now: &Pose,
        gains: &Gains,
        share: &Share,
        follows: f32,
    ) {
        // Seen from a square that follows the head its shift is gone, from the neutral one it is all there.
        let (own, view) = (now.crop(), now.crop().towards(&neutral.crop(), follows));
        let seen = |k: &[f32; 2]| view.to_network(own.to_picture(*k));
        let trusts = neutral.confidence.iter().zip(&now.confidence).map(|(a, b)| a.min(*b));
        let pairs = neutral.keypoints.iter().zip(&now.keypoints).zip(trusts.clone());
        let pairs = pairs.map(|((a, b), trust)| (*a, seen(b), trusted(trust).max(LEAST)));
        let fitted = fit(pairs, LEAST * LEAST).filter(|s| s.scale > LEAST);
        let none = Similarity { from: [0.0; 2], to: [0.0; 2], turn: 0.0, scale: 1.0 };
        let Similarity { from, to, turn, scale } = fitted.unwrap_or(none);
        let (middle, size) = centre_and_spread(still);
        let ratio = size / centre_and_spread(&neutral.keypoints).1.max(LEAST);
        let gain = if share.pose { gains.pose } else { 0.0 };
        let whole = soft(turn * gain, MOST_TURN);
        let learned = soft(whole, LEARNED_TURN);
        let growth = soft(scale.ln() * gain, MOST_GROWTH).exp();
        let shift = [0, 1].map(|axis| (to[axis] - from[axis]) * gain * gains.axes[axis] * ratio);
        let shift = soft_vector(shift, MOST_SHIFT);
        self.turn = whole - learned;
        self.keypoints.clear();
        let points = still.iter().zip(&neutral.keypoints).zip(&now.keypoints).zip(&share.parts).zip(trusts);
        self.keypoints.extend(points.map(|((((own, a), b), gain), trust)| {
            let posed = turned([own[0] - middle[0], own[1] - middle[1]], learned);
            // What parts do is measured on the driver's turned head, and belongs to the photo's.
            let ([dx, dy], at) = (turned([a[0] - from[0], a[1] - from[1]], turn), seen(b));
            let rest = [at[0] - to[0] - scale * dx, at[1] - to[1] - scale * dy];
            let rest = turned(rest.map(|v| v / scale * growth * ratio), learned - turn);
            let rest = soft_vector([rest[0] * gain[0], rest[1] * gain[1]], MOST_PART * size);
            // Where a part is not seen, as one of the background, it stays.
            let trusted = trusted(trust);
            [0, 1].map(|axis| {
                let to = middle[axis] + shift[axis] + posed[axis] * growth + rest[axis];
                own[axis] + (to - own[axis]) * trusted
            })
        }));
        let each = self.change.len() / share.states.len().max(1);
        for (i, change) in self.change.iter_mut().enumerate() {
            // Recorded motion of another bundle has no states.
            let differs = now.states.get(i).zip(neutral.states.get(i)).map_or(0.0, |(now, then)| now - then);
            let gain = share.states.get(i / each.max(1)).copied().unwrap_or(1.0);
            *change = soft(differs * gain, MOST_CHANGE);
        }
    }

    /// Takes over the driver's keypoints themselves, framed as the photo's `still` ones are, and its states where the photo
    /// has `own`.
    pub fn copy(&mut self, still: &[[f32; 2]], own: &[f32], now: &Pose, layout: &FaceLayout) {
        let points: Vec<DetectedKeypoint> =
            still.iter().map(|[x, y]| DetectedKeypoint { x: *x, y: *y, confidence: 1.0 }).collect();
        let frame = Crop { angle: 0.0, ..layout.frame(&points) };
        self.keypoints.clear();
        self.keypoints.extend(now.keypoints.iter().map(|k| frame.to_picture(*k)));
        for (i, change) in self.change.iter_mut().enumerate() {
            let differs = now.states.get(i).zip(own.get(i)).map_or(0.0, |(now, own)| now - own);
            *change = soft(differs, MOST_CHANGE);
        }
        self.turn = 0.0;
    }
}

/// How much a keypoint of such a confidence counts, 0 to 1.
fn trusted(confidence: f32) -> f32 {
    ((confidence - DOUBTED) / (TRUSTED - DOUBTED)).clamp(0.0, 1.0)
}

/// The points' middle, and the root mean square distance from it.
fn centre_and_spread(points: &[[f32; 2]]) -> ([f32; 2], f32) {
    let (centre, square) = centre_and_square(points.iter().map(|p| (*p, 1.0)));
    (centre, square.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACE: [[f32; 2]; 4] = [[-0.4, -0.2], [0.4, -0.2], [0.0, 0.1], [0.0, 0.5]];
    const CROP: [f32; 3] = [100.0, 100.0, 80.0];

    fn pose(keypoints: [[f32; 2]; 4], states: [f32; 4]) -> Pose {
        Pose {
            keypoints: keypoints.to_vec(),
            confidence: vec![0.9; 4],
            states: states.to_vec(),
            square: CROP,
        }
    }

    fn share() -> Share {
        Share { pose: true, parts: vec![[1.0; 2]; 4], states: vec![1.0; 4] }
    }

    fn followed(still: &[[f32; 2]], now: &Pose, gains: &Gains, share: &Share) -> Driven {
        let mut driven = Driven::still(still, 4);
        driven.follow(still, &pose(FACE, [0.1; 4]), now, gains, share, 1.0);
        driven
    }

    fn close(a: &[[f32; 2]], b: &[[f32; 2]]) -> bool {
        a.as_flattened().iter().zip(b.as_flattened()).all(|(a, b)| (a - b).abs() < 1e-4)
    }

    #[test]
    fn a_driver_at_rest_leaves_the_photo_alone() {
        let still = FACE.map(|[x, y]| [0.8 * x + 0.1, 0.8 * y]);
        let driven = followed(&still, &pose(FACE, [0.1; 4]), &Gains::default(), &share());
        assert!(close(&driven.keypoints, &still) && driven.turn == 0.0);
        assert!(driven.change.iter().all(|c| c.abs() < 1e-6));
    }

    #[test]
    fn motion_is_of_the_photo_s_size() {
        let still = FACE.map(|[x, y]| [0.5 * x, 0.5 * y]);
        let mut open = FACE;
        open[3][1] += 0.1;
        open[2][1] -= 0.1;
        let full = followed(&FACE, &pose(open, [0.1; 4]), &Gains::default(), &share());
        let half = followed(&still, &pose(open, [0.1; 4]), &Gains::default(), &share());
        assert!(close(&full.keypoints, &open), "{:?}", full.keypoints);
        assert!(close(&half.keypoints, &open.map(|p| p.map(|v| v * 0.5))), "{:?}", half.keypoints);
    }

    #[test]
    fn parts_and_their_states_have_gains() {
        let mut open = FACE;
        open[3][1] += 0.1;
        let now = pose(open, [0.1, 0.1, 0.3, 0.9]);
        let mut less = share();
        (less.parts[3], less.states[3]) = ([0.0; 2], 0.5);
        let all = followed(&FACE, &now, &Gains::default(), &share());
        let some = followed(&FACE, &now, &Gains::default(), &less);
        assert!((all.change[3] - 0.8).abs() < 1e-6 && (some.change[3] - 0.4).abs() < 1e-6);
        assert!(some.keypoints[3][1] < all.keypoints[3][1] - 0.02);
        assert_eq!(some.keypoints[0], all.keypoints[0]);
        let head = Share { pose: false, parts: vec![[0.0; 2]; 4], states: vec![0.0; 4] };
        let none = followed(&FACE, &now, &Gains::default(), &head);
        assert!(close(&none.keypoints, &FACE) && none.change == [0.0; 4]);
    }

    #[test]
    fn what_tilts_further_than_the_networks_know_turns_the_picture() {
        let tilted = |angle: f32| {
            let (sin, cos) = angle.sin_cos();
            pose(FACE.map(|[x, y]| [x * cos - y * sin, x * sin + y * cos]), [0.1; 4])
        };
        let little = followed(&FACE, &tilted(0.15), &Gains::default(), &share());
        assert!(little.turn.abs() < 1e-4 && close(&little.keypoints, &tilted(0.15).keypoints));
        let far = followed(&FACE, &tilted(0.6), &Gains::default(), &share());
        assert!(far.turn > 0.1, "{}", far.turn);
        let (middle, size) = centre_and_spread(&far.keypoints);
        let seen = (far.keypoints[1][1] - middle[1]).atan2(far.keypoints[1][0] - middle[0]);
        let own = (FACE[1][1] - 0.05).atan2(FACE[1][0]);
        assert!((seen - own) < LEARNED_TURN && (size - centre_and_spread(&FACE).1).abs() < 1e-3);
        assert!((seen - own + far.turn - soft(0.6, MOST_TURN)).abs() < 1e-2);
    }

    #[test]
    fn wild_motion_stays_within_its_limits() {
        let wild = pose(FACE.map(|[x, y]| [9.0 * y, -7.0 * x + 3.0]), [9.0; 4]);
        let driven = followed(&FACE, &wild, &Gains::default(), &share());
        assert!(driven.keypoints.as_flattened().iter().all(|v| v.abs() < 2.0), "{:?}", driven.keypoints);
        assert!(driven.change.iter().all(|c| c.abs() <= MOST_CHANGE) && driven.turn.abs() < MOST_TURN);
    }

    #[test]
    fn a_part_that_is_not_seen_stays_and_moves_nothing() {
        let mut now = pose(FACE, [0.1; 4]);
        (now.keypoints[0], now.confidence[0]) = ([3.0, 2.0], 0.1);
        let driven = followed(&FACE, &now, &Gains::default(), &share());
        assert!(driven.keypoints.iter().zip(FACE).all(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1]) < 0.1));
        assert_eq!(driven.keypoints[0], FACE[0]);
    }

    #[test]
    fn motion_without_states_changes_none() {
        let now = Pose { states: Vec::new(), ..pose(FACE, [0.0; 4]) };
        let driven = followed(&FACE, &now, &Gains::default(), &share());
        assert_eq!(driven.change, [0.0; 4]);
    }
}
