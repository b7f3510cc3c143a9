//! Which keypoint is which one's mirror image: what is found in a mirrored picture, mirrored back, lands on it.

use serde::Serialize;

use super::Shape;
use super::align::{distance, radius};

/// A keypoint lands on another if it is nearer than this many sizes of the whole layout (root mean square distance
/// from its centre).
const LANDS: f64 = 0.45;
/// A partner must be nearer than a keypoint is to itself by this many standard errors.
const CONFIDENT: f64 = 3.0;

/// Where a keypoint lands in the mirror.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Landing {
    /// The keypoint that it comes nearest to, maybe itself.
    pub nearest: usize,
    /// Mean distance from that one, normalised coordinates.
    pub distance: f64,
    /// Mean distance from itself.
    pub from_itself: f64,
}

/// What the mirror test found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Mirror {
    /// Partners, the lower number first.
    pub pairs: Vec<[usize; 2]>,
    /// Keypoints that are their own mirror image.
    pub axis: Vec<usize>,
    /// Where each keypoint lands.
    pub landings: Vec<Landing>,
}

impl Mirror {
    /// Compares `points` with `mirrored`, what was found in the mirror images of the same pictures, mirrored back.
    /// `layout` is their mean shape.
    pub fn test(points: &[Shape], mirrored: &[Shape], layout: &[[f64; 2]]) -> Self {
        let k = layout.len();
        let each = |j: usize, i: usize| -> Vec<f64> {
            // Both ways: j lands on i, and i on j.
            let both = |(p, m): (&Shape, &Shape)| (distance(m[j], p[i]) + distance(m[i], p[j])) / 2.0;
            points.iter().zip(mirrored).map(both).collect()
        };
        let distances: Vec<Vec<Vec<f64>>> = (0..k).map(|j| (0..k).map(|i| each(j, i)).collect()).collect();
        let at = |j: usize, i: usize| mean(&distances[j][i]);
        let near = LANDS * radius(layout);
        let nearest: Vec<usize> =
            (0..k).map(|j| (0..k).min_by(|a, b| at(j, *a).total_cmp(&at(j, *b))).unwrap_or(j)).collect();
        let is_partner = |j: usize, i: usize| {
            // `a` is nearer to `b` than to itself.
            let confident = |a: usize, b: usize| {
                let gain: Vec<f64> =
                    distances[a][a].iter().zip(&distances[a][b]).map(|(own, d)| own - d).collect();
                significant(&gain)
            };
            i > j
                && nearest[j] == i
                && nearest[i] == j
                && at(j, i) < near
                && confident(j, i)
                && confident(i, j)
        };
        let lands_on_itself = |j: &usize| nearest[*j] == *j && at(*j, *j) < near;
        Self {
            pairs: (0..k).filter(|j| is_partner(*j, nearest[*j])).map(|j| [j, nearest[j]]).collect(),
            axis: (0..k).filter(lands_on_itself).collect(),
            landings: (0..k)
                .map(|j| Landing { nearest: nearest[j], distance: at(j, nearest[j]), from_itself: at(j, j) })
                .collect(),
        }
    }

    /// The mirror image of `j`: its partner, itself on the axis, none if it has no counterpart.
    pub fn image(&self, j: usize) -> Option<usize> {
        let partner = self.pairs.iter().find_map(|[a, b]| match j {
            _ if j == *a => Some(*b),
            _ if j == *b => Some(*a),
            _ => None,
        });
        partner.or_else(|| self.axis.contains(&j).then_some(j))
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Whether the mean lies above 0 by [`CONFIDENT`] standard errors.
fn significant(values: &[f64]) -> bool {
    let (n, m) = (values.len() as f64, mean(values));
    let variance = values.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    m > CONFIDENT * (variance / n.max(1.0)).sqrt() && m > 0.0
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Two pairs, one point on the axis, one without a counterpart.
    const LAYOUT: [[f64; 2]; 6] =
        [[-0.5, -0.3], [0.0, 0.1], [0.3, 0.5], [0.5, -0.3], [-0.3, 0.5], [0.75, 0.3]];

    /// Detections of a shape at random places, and those in the mirror image, mirrored back: what is seen at `i` in
    /// the mirror was at `images[i]` of the layout.
    fn seen(images: &[usize], n: usize, noise: f64) -> (Vec<Shape>, Vec<Shape>) {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut points = vec![];
        let mut mirrored = vec![];
        for _ in 0..n {
            let shift: [f64; 2] = std::array::from_fn(|_| rng.random_range(-0.2..0.2));
            let mut shape = |order: &dyn Fn(usize) -> usize| -> Shape {
                (0..LAYOUT.len())
                    .map(|j| {
                        let p = LAYOUT[order(j)];
                        [0, 1].map(|a| p[a] + shift[a] + rng.random_range(-noise..=noise))
                    })
                    .collect()
            };
            points.push(shape(&|j| j));
            mirrored.push(shape(&|j| images[j]));
        }
        (points, mirrored)
    }

    #[test]
    fn partners_and_axis_are_those_of_the_layout() {
        // In the mirror, the last one is seen where nothing is mirrored to: on the eye of its own side.
        let (points, mirrored) = seen(&[3, 1, 4, 0, 2, 0], 60, 0.05);
        let found = Mirror::test(&points, &mirrored, &LAYOUT);
        assert_eq!(found.pairs, [[0, 3], [2, 4]]);
        assert_eq!(found.axis, [1]);
        assert_eq!([0, 1, 4, 5].map(|j| found.image(j)), [Some(3), Some(1), Some(2), None]);
        assert!(found.landings[0].distance < 0.1 && found.landings[0].from_itself > 0.9);
    }

    #[test]
    fn what_sees_the_mirror_image_as_the_picture_has_no_pairs() {
        let (points, mirrored) = seen(&[0, 1, 2, 3, 4, 5], 60, 0.05);
        let found = Mirror::test(&points, &mirrored, &LAYOUT);
        assert!(found.pairs.is_empty());
        assert_eq!(found.axis, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn noise_has_neither() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut cloud = || -> Vec<Shape> {
            let shape =
                |rng: &mut ChaCha8Rng| (0..6).map(|_| [0; 2].map(|_| rng.random_range(-1.0..1.0))).collect();
            (0..60).map(|_| shape(&mut rng)).collect()
        };
        let found = Mirror::test(&cloud(), &cloud(), &LAYOUT);
        assert_eq!((found.pairs.len(), found.axis.len()), (0, 0), "{found:?}");
        assert!(Mirror::test(&[], &[], &[]).pairs.is_empty());
    }

    #[test]
    fn a_pair_close_together_is_told_from_two_points_on_the_axis_by_enough_pictures() {
        let layout: Shape = vec![[-0.05, 0.0], [0.05, 0.0], [0.0, 0.8], [0.0, -0.8]];
        let points = vec![layout.clone(); 30];
        let swapped: Shape = vec![layout[1], layout[0], layout[2], layout[3]];
        let found = Mirror::test(&points, &vec![swapped; 30], &layout);
        assert_eq!((found.pairs, found.axis), (vec![[0, 1]], vec![2, 3]));
    }
}
