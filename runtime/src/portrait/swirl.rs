//! A turn of the head beyond what the network has learned: its square is turned about the face, and less and less towards the
//! square's border, which stays.

use crate::vision::hermite::eased;
use crate::vision::similarity::turned;

/// Turn below which there is none, in radians.
const LEAST: f32 = 1e-3;
/// Share of the way from the middle to the border, within which all is turned.
const WHOLE: f32 = 0.45;

/// A turn about a point in normalised coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Swirl {
    centre: [f32; 2],
    /// Radians, from right towards down.
    turn: f32,
}

impl Swirl {
    /// A turn by `turn` radians about `centre`; none where it is next to nothing.
    pub(super) fn new(centre: [f32; 2], turn: f32) -> Option<Self> {
        (turn.abs() > LEAST).then_some(Self { centre: centre.map(|v| v.clamp(-0.5, 0.5)), turn })
    }

    /// How far from the point `at` lies what shows there once it is turned.
    pub(super) fn moved(&self, at: [f32; 2]) -> [f32; 2] {
        let fades = |axis: usize| {
            let off = at[axis] - self.centre[axis];
            let border = if off > 0.0 { 1.0 - self.centre[axis] } else { 1.0 + self.centre[axis] };
            eased((1.0 - off.abs() / border) / (1.0 - WHOLE))
        };
        let turn = -self.turn * fades(0) * fades(1);
        let off = [at[0] - self.centre[0], at[1] - self.centre[1]];
        let [x, y] = turned(off, turn);
        [x - off[0], y - off[1]]
    }
}
