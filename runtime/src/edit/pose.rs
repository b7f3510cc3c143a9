//! Another head's turn on a face that keeps its shape.

use lkg_bundle::Manifest;

use super::FaceLatents;
use crate::vision::similarity::{Similarity, centre, fit, turned};

/// Mean square distance of keypoints from their centre below which they show no pose.
const LEAST_SPREAD: f32 = 1e-4;

/// A face laid over the mean one: its keypoints there, and the similarity that took the mean to it.
struct Laid {
    points: Vec<[f32; 2]>,
    from_mean: Similarity,
}

fn laid(means: &[[f32; 2]], face: &FaceLatents) -> Option<Laid> {
    let pairs = means.iter().zip(&face.keypoints).map(|(mean, own)| (*mean, *own, 1.0));
    let from_mean = fit(pairs, LEAST_SPREAD).filter(|s| s.scale > LEAST_SPREAD)?;
    Some(Laid { points: face.keypoints.iter().map(|k| from_mean.back(*k)).collect(), from_mean })
}

/// The keypoints of `own` with `weight` (0 to 1) of the turn of `donor`'s head.
///
/// With both laid over the mean face, a head that turns aside moves what lies on it aside: that is the difference of the two in
/// what is not the same on both sides of the face. A nod moves the middle of the face up or down against its rim. What tilts is
/// the squares' and the faces' own turn. All else, such as how wide somebody's mouth is, is his own.
pub(super) fn posed_as(
    manifest: &Manifest,
    own: &FaceLatents,
    donor: &FaceLatents,
    weight: f32,
) -> Vec<[f32; 2]> {
    let means: Vec<[f32; 2]> = manifest.keypoints.iter().map(|k| k.mean).collect();
    let (Some(a), Some(b)) = (laid(&means, own), laid(&means, donor)) else {
        return own.keypoints.clone();
    };
    let mut other: Vec<usize> = (0..means.len()).collect();
    for [i, k] in &manifest.symmetric_pairs {
        (other[*i], other[*k]) = (*k, *i);
    }
    let differs: Vec<[f32; 2]> =
        a.points.iter().zip(&b.points).map(|(a, b)| [b[0] - a[0], b[1] - a[1]]).collect();
    let nod = nod(&means, &differs, &other);
    let roll = b.from_mean.turn + donor.tilt - a.from_mean.turn - own.tilt;
    let Similarity { from, to, turn, scale } = a.from_mean;
    let place = |(i, [x, y]): (usize, &[f32; 2])| {
        let (d, mirrored) = (differs[i], differs[other[i]]);
        // The half that changes its sign when the face is seen in a mirror.
        let aside = [(d[0] + mirrored[0]) / 2.0, (d[1] - mirrored[1]) / 2.0];
        let moved = [x + weight * aside[0] - from[0], y + weight * (aside[1] + nod[i]) - from[1]];
        let [u, v] = turned(moved, turn + weight * roll);
        [to[0] + scale * u, to[1] + scale * v]
    };
    a.points.iter().enumerate().map(place).collect()
}

/// How far a nod moves each keypoint down: `differs` fitted by the depth of a bowl over the mean face, apart from shift and
/// height, which are somebody's own.
fn nod(means: &[[f32; 2]], differs: &[[f32; 2]], other: &[usize]) -> Vec<f32> {
    let n = means.len().max(1) as f32;
    let centre = centre(means);
    let square = |m: &[f32; 2]| (m[0] - centre[0]).powi(2) + (m[1] - centre[1]).powi(2);
    let most = means.iter().map(square).fold(1e-6, f32::max);
    let centred = |mut v: Vec<f32>| {
        let mean = v.iter().sum::<f32>() / n;
        v.iter_mut().for_each(|v| *v -= mean);
        v
    };
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let mut depth = centred(means.iter().map(|m| 1.0 - square(m) / most).collect());
    let height = centred(means.iter().map(|m| m[1]).collect());
    let share = dot(&depth, &height) / dot(&height, &height).max(1e-6);
    depth.iter_mut().zip(&height).for_each(|(d, h)| *d -= share * h);
    // What both sides of the face do alike.
    let down: Vec<f32> = differs.iter().zip(other).map(|(d, i)| (d[1] + differs[*i][1]) / 2.0).collect();
    let amount = dot(&depth, &down) / dot(&depth, &depth).max(1e-6);
    depth.iter().map(|d| d * amount).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::testing::named_manifest;

    const MEANS: [[f32; 2]; 6] = [[-0.4, -0.3], [0.4, -0.3], [0.0, 0.1], [-0.3, 0.5], [0.3, 0.5], [0.0, 0.9]];

    fn manifest() -> Manifest {
        let mut m = named_manifest(&["eye-left", "eye-right", "nose", "mouth-left", "mouth-right", "chin"]);
        m.keypoints.iter_mut().zip(MEANS).for_each(|(k, mean)| k.mean = mean);
        m.symmetric_pairs = vec![[0, 1], [3, 4]];
        m
    }

    fn face(points: [[f32; 2]; 6]) -> FaceLatents {
        FaceLatents::carried(points.to_vec(), vec![0.0; 6], 0.0)
    }

    fn far(a: &[[f32; 2]], b: &[[f32; 2]]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1])).fold(0.0, f32::max)
    }

    #[test]
    fn a_head_that_is_turned_turns_another_that_keeps_its_size_and_shape() {
        let m = manifest();
        // A narrower face, smaller and elsewhere.
        let own = face(MEANS.map(|[x, y]| [0.5 * 0.8 * x + 0.1, 0.5 * y - 0.1]));
        assert!(far(&posed_as(&m, &own, &face(MEANS), 1.0), &own.keypoints) < 1e-3, "his shape is his");
        let mut aside = MEANS;
        [2, 3, 4].iter().for_each(|i| aside[*i][0] += 0.15);
        let posed = posed_as(&m, &own, &face(aside), 1.0);
        let by: Vec<f32> = posed.iter().zip(&own.keypoints).map(|(a, b)| a[0] - b[0]).collect();
        assert!(by[2] > by[0] + 0.05 && by[3] > by[0] + 0.05 && by[2] > by[5] + 0.05, "{by:?}");
        let half = posed_as(&m, &own, &face(aside), 0.5);
        assert!((half[2][0] - own.keypoints[2][0] - by[2] / 2.0).abs() < 1e-3);
    }

    #[test]
    fn a_tilt_is_taken_from_face_and_square_alike() {
        let m = manifest();
        let own = face(MEANS.map(|[x, y]| [0.8 * x, 0.8 * y]));
        let tilted = face(MEANS.map(|p| turned(p, 0.3)));
        let square = FaceLatents { tilt: 0.3, ..face(MEANS) };
        let (a, b) = (posed_as(&m, &own, &tilted, 1.0), posed_as(&m, &own, &square, 1.0));
        assert!(far(&a, &b) < 1e-3);
        let turn = |p: &[[f32; 2]]| (p[1][1] - p[0][1]).atan2(p[1][0] - p[0][0]);
        assert!((turn(&a) - 0.3).abs() < 1e-3, "{}", turn(&a));
    }

    #[test]
    fn a_nod_moves_the_middle_against_the_rim() {
        let m = manifest();
        let mut down = MEANS;
        down[2][1] += 0.12;
        let posed = posed_as(&m, &face(MEANS), &face(down), 1.0);
        let by: Vec<f32> = posed.iter().zip(&MEANS).map(|(a, b)| a[1] - b[1]).collect();
        assert!(by[2] > 0.04 && by[2] > by[5] + 0.04 && (by[0] - by[1]).abs() < 1e-4, "{by:?}");
    }

    #[test]
    fn keypoints_that_fell_together_leave_a_face_as_it_is() {
        let own = face(MEANS);
        let posed = posed_as(&manifest(), &own, &face([[0.1; 2]; 6]), 1.0);
        assert_eq!(posed, own.keypoints);
    }
}
