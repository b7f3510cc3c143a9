//! The similarity that takes points to others: a shift, a turn and one scale.

/// Turn and scale about the centres of two sets of points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Similarity {
    /// Weighted centre of the points that are taken.
    pub from: [f32; 2],
    /// Weighted centre of where they are taken to.
    pub to: [f32; 2],
    /// Radians, from right towards down.
    pub turn: f32,
    /// How much larger they become.
    pub scale: f32,
}

impl Similarity {
    /// Where `point` comes from.
    pub fn back(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [u, v] = turned([x - self.to[0], y - self.to[1]], -self.turn);
        [self.from[0] + u / self.scale, self.from[1] + v / self.scale]
    }
}

/// A point turned about the origin by `angle` radians, from right towards down.
pub(crate) fn turned([x, y]: [f32; 2], angle: f32) -> [f32; 2] {
    let (sin, cos) = angle.sin_cos();
    [x * cos - y * sin, x * sin + y * cos]
}

/// The middle of points.
pub(crate) fn centre(points: &[[f32; 2]]) -> [f32; 2] {
    centre_and_square(points.iter().map(|p| (*p, 1.0))).0
}

/// Weighted centre of points, and their mean square distance from it.
pub(crate) fn centre_and_square(points: impl Iterator<Item = ([f32; 2], f32)> + Clone) -> ([f32; 2], f32) {
    let total: f32 = points.clone().map(|(_, w)| w).sum::<f32>().max(f32::MIN_POSITIVE);
    let sum = points.clone().fold([0.0; 2], |s, (p, w)| [s[0] + p[0] * w, s[1] + p[1] * w]);
    let centre = [sum[0] / total, sum[1] / total];
    let squares: f32 =
        points.map(|(p, w)| w * ((p[0] - centre[0]).powi(2) + (p[1] - centre[1]).powi(2))).sum();
    (centre, squares / total)
}

/// The similarity that takes the first points of `pairs` to the second ones with the least squares, weighted (Umeyama,
/// 1991). None where the first points lie together: their mean square distance from their centre is below `least`.
pub(crate) fn fit(
    pairs: impl Iterator<Item = ([f32; 2], [f32; 2], f32)> + Clone,
    least: f32,
) -> Option<Similarity> {
    let (from, square) = centre_and_square(pairs.clone().map(|(p, _, w)| (p, w)));
    let (to, _) = centre_and_square(pairs.clone().map(|(_, q, w)| (q, w)));
    if square.is_nan() || square < least {
        return None;
    }
    // As a complex number, of which the angle is the turn and the absolute value the scale.
    let (mut re, mut im, mut total) = (0.0, 0.0, 0.0);
    for (p, q, w) in pairs {
        let ([px, py], [qx, qy]) = ([p[0] - from[0], p[1] - from[1]], [q[0] - to[0], q[1] - to[1]]);
        re += w * (px * qx + py * qy);
        im += w * (px * qy - py * qx);
        total += w;
    }
    Some(Similarity { from, to, turn: im.atan2(re), scale: re.hypot(im) / (total * square) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similarity_is_found_again_and_doubtful_points_hardly_move_it() {
        let points = [[-0.5, -0.2], [0.4, -0.3], [0.1, 0.1], [0.0, 0.7]];
        let (sin, cos) = 0.4f32.sin_cos();
        let taken = |[x, y]: [f32; 2]| [3.0 + 2.0 * (x * cos - y * sin), -1.0 + 2.0 * (x * sin + y * cos)];
        let pairs = points.map(|p| (p, taken(p), 1.0));
        let found = fit(pairs.into_iter(), 1e-6).unwrap();
        assert!((found.turn - 0.4).abs() < 1e-5 && (found.scale - 2.0).abs() < 1e-5, "{found:?}");
        let wrong = pairs.into_iter().chain([([0.2, 0.2], [90.0, 90.0], 1e-6)]);
        assert!((fit(wrong, 1e-6).unwrap().scale - 2.0).abs() < 1e-2);
        assert_eq!(fit([([1.0, 1.0], [2.0, 3.0], 1.0); 3].into_iter(), 1e-6), None);
        assert_eq!(fit(std::iter::empty(), 1e-6), None);
    }
}
