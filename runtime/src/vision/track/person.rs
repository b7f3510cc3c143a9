//! Somebody who is followed: where, how he moves, what he looks like.

use std::time::Duration;

use super::Found;
use crate::vision::crop::Crop;
use crate::vision::smooth::{KeypointSmoother, StateSmoother};

/// Cells a side of a signature.
const CELLS: usize = 6;
/// Samples a side of a cell.
const SAMPLES: usize = 3;
/// Share of a crop's side that a signature covers: the face, and little of what is behind it.
const COVERS: f32 = 0.7;
/// How much of a signature is the latest look.
const LEARNS: f32 = 0.1;
/// How much of a velocity is the latest frame's.
const VELOCITY: f32 = 0.4;
/// Fastest that a face is expected to go on, in its own sides a second.
const FASTEST: f32 = 4.0;
/// For how long somebody out of sight is expected to go on as he went.
const GOES_ON: f32 = 1.0;
/// Time between two looks at whether a face has moved.
const COMPARED: Duration = Duration::from_millis(500);
/// Mean way of a keypoint in that time, in the face's sides, from which on it has: a picture's keypoints tremble by a third
/// of that.
const MOVES: f32 = 0.008;
/// Who has not moved for so long is a picture.
const STILL: Duration = Duration::from_secs(3);
/// What a still face is worth beside one that moves.
const PICTURE: f32 = 0.5;

/// What a face looks like, roughly: mean colours of a grid over it, as a network sees them (RGB in [-1, 1]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Signature([f32; 3 * CELLS * CELLS]);

impl Signature {
    /// That of a network's input, `[3, side, side]`.
    pub fn of(input: &[f32], side: usize) -> Self {
        let mut cells = [0.0; 3 * CELLS * CELLS];
        let steps = CELLS * SAMPLES;
        let at = |i: usize| {
            let place = 0.5 + COVERS * ((i as f32 + 0.5) / steps as f32 - 0.5);
            ((place * side as f32) as usize).min(side.saturating_sub(1))
        };
        for (channel, plane) in input.chunks_exact((side * side).max(1)).take(3).enumerate() {
            for (y, x) in (0..steps).flat_map(|y| (0..steps).map(move |x| (y, x))) {
                let cell = (channel * CELLS + y / SAMPLES) * CELLS + x / SAMPLES;
                cells[cell] += plane[at(y) * side + at(x)] / (SAMPLES * SAMPLES) as f32;
            }
        }
        Self(cells)
    }

    /// Mean absolute difference of two, 0 to 2.
    pub fn apart(&self, other: &Self) -> f32 {
        let sum: f32 = self.0.iter().zip(&other.0).map(|(a, b)| (a - b).abs()).sum();
        sum / self.0.len() as f32
    }

    fn learn(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, new)| *own += (new - *own) * LEARNS);
    }
}

/// Filters of somebody's keypoints and states.
pub(super) type Smoothers = (KeypointSmoother, StateSmoother);

/// Somebody who is followed, or was not long ago.
pub(super) struct Person {
    pub id: u32,
    /// The square to look in next.
    pub crop: Crop,
    /// The square around the latest keypoints.
    pub at: Crop,
    /// What was found of him in the present frame.
    pub found: Option<Found>,
    /// Whether he was there in the frame before.
    pub present: bool,
    /// When he was seen last.
    pub seen: Duration,
    pub smoother: Option<Smoothers>,
    signature: Signature,
    /// Pixels a second.
    velocity: [f32; 2],
    /// Keypoints at the time when they were last compared.
    before: (Duration, Vec<[f32; 2]>),
    /// When they had moved last.
    moved: Duration,
}

impl Person {
    /// Somebody who is seen for the first time.
    pub fn new(id: u32, found: Found, signature: Signature, time: Duration) -> Self {
        Self {
            id,
            crop: found.wanted,
            at: found.wanted,
            found: Some(found),
            present: false,
            seen: time,
            smoother: None,
            signature,
            velocity: [0.0; 2],
            before: (time, Vec::new()),
            // Who has just come in has moved.
            moved: time,
        }
    }

    /// Somebody new in the room of this one.
    pub fn renewed(mut self, id: u32, found: Found, signature: Signature, time: Duration) -> Self {
        self.lose();
        self.before.1.clear();
        let (smoother, before) = (self.smoother.take(), (time, std::mem::take(&mut self.before.1)));
        Self { smoother, before, ..Self::new(id, found, signature, time) }
    }

    /// Takes what was found of him in the frame at `time`; `speed` is how far the crop follows at once.
    pub fn follow(&mut self, found: Found, signature: &Signature, speed: f32, time: Duration) {
        let wanted = found.wanted;
        let passed = time.saturating_sub(self.seen).as_secs_f32();
        if self.present && passed > 0.0 {
            let most = FASTEST * wanted.side;
            for (v, way) in self.velocity.iter_mut().zip([wanted.cx - self.at.cx, wanted.cy - self.at.cy]) {
                *v += ((way / passed).clamp(-most, most) - *v) * VELOCITY;
            }
        } else {
            self.velocity = [0.0; 2];
        }
        self.crop = if self.present { self.crop.towards(&wanted, speed) } else { wanted };
        self.signature.learn(signature);
        (self.at, self.found, self.seen) = (wanted, Some(found), time);
    }

    /// Where he is expected to be at `time`.
    pub fn expected(&self, time: Duration) -> Crop {
        let passed = time.saturating_sub(self.seen).as_secs_f32();
        let goes = GOES_ON * (1.0 - (-passed / GOES_ON).exp());
        let [vx, vy] = self.velocity;
        Crop { cx: self.at.cx + vx * goes, cy: self.at.cy + vy * goes, ..self.at }
    }

    /// How far what he looked like is from `signature`.
    pub fn unlike(&self, signature: &Signature) -> f32 {
        self.signature.apart(signature)
    }

    /// Notes whether he moves: `keypoints` in pixels as found at `time`.
    pub fn watch(&mut self, keypoints: impl ExactSizeIterator<Item = [f32; 2]>, time: Duration) {
        let (then, before) = &mut self.before;
        // Time that runs backwards, as in a clip that starts anew, is no time.
        if !before.is_empty() && time.saturating_sub(*then) < COMPARED && time >= *then {
            return;
        }
        let (mut way, n) = (0.0, keypoints.len().max(1) as f32);
        let known = before.len() == keypoints.len();
        before.resize(keypoints.len(), [0.0; 2]);
        for (before, now) in before.iter_mut().zip(keypoints) {
            way += (now[0] - before[0]).hypot(now[1] - before[1]) / n;
            *before = now;
        }
        *then = time;
        if known && way > MOVES * self.at.side {
            self.moved = time;
        }
    }

    /// How much he stands out: the side of his face in pixels, that of a still picture less.
    pub fn weight(&self) -> f32 {
        let still = self.seen.saturating_sub(self.moved) > STILL;
        self.at.side * if still { PICTURE } else { 1.0 }
    }

    /// Forgets how he moved: he is out of sight.
    pub fn lose(&mut self) {
        if let Some((keypoints, states)) = &mut self.smoother {
            keypoints.reset();
            states.reset();
        }
    }

    /// Takes `time` for the beginning of time, where it runs backwards.
    pub fn set_back(&mut self, time: Duration) {
        self.seen = self.seen.min(time);
        self.moved = self.moved.min(time);
        self.before.0 = self.before.0.min(time);
    }
}
