//! Motion of a face: that of the head, and what its parts do besides.

use lkg_bundle::Manifest;

use crate::edit::{Parts, group};
use crate::vision::similarity::{centre, fit, turned};

/// Mean square distance of points from their centre, and scale, below which they lie together.
const LEAST: f32 = 1e-6;

/// Points in normalised coordinates.
type Points = [[f32; 2]];

/// Which motion of the driver the source takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drive {
    /// All of it.
    #[default]
    All,
    /// That of the head alone.
    Pose,
    /// That of the parts about the mouth alone.
    Mouth,
    /// That of the eyes' parts alone.
    Eyes,
}

impl Drive {
    /// The next one.
    pub fn next(self) -> Self {
        match self {
            Drive::All => Drive::Pose,
            Drive::Pose => Drive::Mouth,
            Drive::Mouth => Drive::Eyes,
            Drive::Eyes => Drive::All,
        }
    }

    /// What is said when it begins.
    pub fn announcement(self) -> &'static str {
        match self {
            Drive::All => "motion taken over: head and parts",
            Drive::Pose => "motion taken over: the head's",
            Drive::Mouth => "motion taken over: the mouth's",
            Drive::Eyes => "motion taken over: the eyes'",
        }
    }
}

impl std::str::FromStr for Drive {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Drive::All),
            "pose" => Ok(Drive::Pose),
            "mouth" => Ok(Drive::Mouth),
            "eyes" => Ok(Drive::Eyes),
            _ => Err("must be all, pose, mouth or eyes".to_owned()),
        }
    }
}

impl Drive {
    /// Whether the head's motion is taken over, and for each part whether its own is.
    pub fn resolve(self, manifest: &Manifest) -> (bool, Vec<bool>) {
        let of = |name: &str| {
            let parts = group(name, manifest).unwrap_or_default();
            (0..manifest.keypoints.len()).map(|i| parts.contains(&i)).collect()
        };
        match self {
            Drive::All => (true, of("all")),
            Drive::Pose => (true, vec![false; manifest.keypoints.len()]),
            Drive::Mouth => (false, of("mouth")),
            Drive::Eyes => (false, of("eyes")),
        }
    }
}

/// By what motion is multiplied.
#[derive(Clone, Debug, PartialEq)]
pub struct Gains {
    /// How much of the head's shift and scale in the driver's picture is seen at all, 0 to 1: the rest is followed by
    /// the square that frames it.
    pub shift: f32,
    /// The head's shift, turn and (logarithmic) scale as seen.
    pub pose: f32,
    /// What parts do besides.
    pub parts: f32,
    /// All that goes across and down, times these; turn and scale of the head are left alone.
    pub axes: [f32; 2],
    /// What single parts, or the parts of a group, do besides, in place of `parts`; a later one counts.
    pub own: Vec<(Parts, f32)>,
}

impl Default for Gains {
    /// Motion as it is, with a fifth of the head's shift and scale in the picture.
    fn default() -> Self {
        Self { shift: 0.2, pose: 1.0, parts: 1.0, axes: [1.0; 2], own: Vec::new() }
    }
}

impl Gains {
    /// The gain of each part across and down, for the parts that are `driven`; 0 for others.
    ///
    /// # Errors
    /// A sentence: `own` names no part of the bundle.
    pub fn of_parts(&self, driven: &[bool], manifest: &Manifest) -> Result<Vec<[f32; 2]>, String> {
        let mut gains = vec![self.parts; driven.len()];
        for (parts, gain) in &self.own {
            parts.resolve(manifest)?.into_iter().for_each(|i| gains[i] = *gain);
        }
        let both =
            |(gain, driven): (f32, &bool)| self.axes.map(|axis| if *driven { axis * gain } else { 0.0 });
        Ok(gains.into_iter().zip(driven).map(both).collect())
    }
}

/// Motion from one layout of keypoints to another: a similarity about the first one's centre, fitted with the least
/// squares, and what is left.
#[derive(Clone, Debug, PartialEq)]
pub struct Motion {
    centre: [f32; 2],
    shift: [f32; 2],
    /// Radians, from right towards down.
    turn: f32,
    log_scale: f32,
    /// What the similarity leaves, for each keypoint.
    rest: Vec<[f32; 2]>,
}

/// Across and down alike.
const BOTH: [f32; 2] = [1.0; 2];

impl Motion {
    /// The motion from `from` to `to`, as many points each.
    pub fn between(from: &Points, to: &Points) -> Self {
        let (a, b) = (centre(from), centre(to));
        // Points that fell together give neither turn nor scale.
        let fitted = fit(from.iter().zip(to).map(|(p, q)| (*p, *q, 1.0)), LEAST).filter(|s| s.scale > LEAST);
        let (turn, log_scale) = fitted.map_or((0.0, 0.0), |s| (s.turn, s.scale.ln()));
        let shift = [b[0] - a[0], b[1] - a[1]];
        let mut motion = Self { centre: a, shift, turn, log_scale, rest: vec![[0.0; 2]; from.len()] };
        let posed = motion.pose(from, 1.0, BOTH);
        motion.rest = posed.iter().zip(to).map(|(p, q)| [q[0] - p[0], q[1] - p[1]]).collect();
        motion
    }

    /// `points` moved as the head, by `gain` of it, its shift across and down by `axes` of that.
    pub fn pose(&self, points: &Points, gain: f32, axes: [f32; 2]) -> Vec<[f32; 2]> {
        let (turn, scale) = (self.turn * gain, (self.log_scale * gain).exp());
        let place = |p: &[f32; 2]| {
            let [x, y] = turned([p[0] - self.centre[0], p[1] - self.centre[1]], turn).map(|v| scale * v);
            let shift = |axis: usize| self.centre[axis] + self.shift[axis] * gain * axes[axis];
            [x + shift(0), y + shift(1)]
        };
        points.iter().map(place).collect()
    }

    /// What parts do besides, each by its gain across and down.
    pub fn parts(&self, points: &Points, gains: &[[f32; 2]]) -> Vec<[f32; 2]> {
        let moved = |((p, rest), gain): ((&[f32; 2], &[f32; 2]), &[f32; 2])| {
            [p[0] + rest[0] * gain[0], p[1] + rest[1] * gain[1]]
        };
        points.iter().zip(&self.rest).zip(gains).map(moved).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::testing::named_manifest;

    const FROM: [[f32; 2]; 4] = [[-0.5, -0.2], [0.4, -0.3], [0.1, 0.1], [0.0, 0.7]];

    fn close(a: &Points, b: &Points) -> bool {
        a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-4)
    }

    fn gains(parts: f32) -> Gains {
        Gains { shift: 1.0, pose: 1.0, parts, axes: BOTH, own: Vec::new() }
    }

    #[test]
    fn parts_and_axes_have_gains_of_their_own() {
        let m = named_manifest(&["left", "eye-left", "eye-right", "nose"]);
        let name = |name: &str| Parts::Name(name.to_owned());
        let own = vec![(name("eyes"), 2.0), (name("eye-right"), 0.0), (name("nose"), 3.0)];
        let gains = Gains { axes: [1.0, 0.5], own, ..gains(0.5) };
        let parts = gains.of_parts(&[true, true, true, false], &m).unwrap();
        assert_eq!(parts, [[0.5, 0.25], [2.0, 1.0], [0.0, 0.0], [0.0, 0.0]]);
        let wrong = Gains { own: vec![(name("ear"), 1.0)], ..gains };
        assert!(wrong.of_parts(&[true; 4], &m).unwrap_err().contains("no part \"ear\""));
        // The head's shift goes by axes, too.
        let motion = Motion::between(&FROM, &FROM.map(|[x, y]| [x + 0.2, y + 0.2]));
        let moved = motion.pose(&FROM, 1.0, [1.0, 0.5]);
        assert!(close(&moved, &FROM.map(|[x, y]| [x + 0.2, y + 0.1])), "{moved:?}");
    }

    #[test]
    fn a_motion_applied_to_where_it_began_ends_where_it_ended() {
        let to = [[-0.2, 0.0], [0.6, 0.3], [0.3, 0.2], [-0.1, 0.9]];
        let motion = Motion::between(&FROM, &to);
        let moved = motion.parts(&motion.pose(&FROM, 1.0, BOTH), &[BOTH; 4]);
        assert!(close(&moved, &to), "{moved:?}");
        let still = motion.parts(&motion.pose(&FROM, 0.0, BOTH), &[[0.0; 2]; 4]);
        assert!(close(&still, &FROM));
    }

    #[test]
    fn the_head_takes_shift_turn_and_scale_and_leaves_the_parts_nothing() {
        let c = centre(&FROM);
        let to: Vec<[f32; 2]> = FROM
            .iter()
            .map(|p| turned([p[0] - c[0], p[1] - c[1]], 0.3).map(|v| 1.2 * v))
            .map(|p| [p[0] + c[0] + 0.1, p[1] + c[1] - 0.2])
            .collect();
        let motion = Motion::between(&FROM, &to);
        assert!((motion.turn - 0.3).abs() < 1e-4 && (motion.log_scale - 1.2f32.ln()).abs() < 1e-4);
        assert!(motion.rest.iter().flatten().all(|v| v.abs() < 1e-4));
        let half = Motion::between(&FROM, &motion.pose(&FROM, 0.5, BOTH));
        assert!((half.turn - 0.15).abs() < 1e-4 && (half.shift[1] + 0.1).abs() < 1e-4);
    }

    #[test]
    fn only_the_parts_that_are_driven_move() {
        let mut to = FROM;
        to[1][1] += 0.2;
        to[3][1] += 0.2;
        let motion = Motion::between(&FROM, &to);
        let m = named_manifest(&["left", "eye-left", "right", "nose"]);
        let (pose, parts) = Drive::Eyes.resolve(&m);
        let moved = motion.parts(&FROM, &gains(1.0).of_parts(&parts, &m).unwrap());
        assert!(!pose && moved[1] != FROM[1] && [0, 2, 3].iter().all(|i| moved[*i] == FROM[*i]));
        assert_eq!(Drive::Pose.resolve(&m), (true, vec![false; 4]));
        assert_eq!(Drive::Mouth.resolve(&m), (false, vec![false, false, false, true]));
    }

    #[test]
    fn points_that_fell_together_do_no_harm() {
        let motion = Motion::between(&[[0.1, 0.1]; 3], &[[0.2, 0.3]; 3]);
        assert!(close(&motion.pose(&[[0.0, 0.0]], 1.0, BOTH), &[[0.1, 0.2]]));
    }
}
