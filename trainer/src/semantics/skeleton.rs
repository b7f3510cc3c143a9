//! Which keypoints to join by lines: those that lie close together and move together.
//!
//! A spanning tree by Kruskal's method (1956) that takes an edge together with its mirror image and crosses no edge,
//! then edges where the way round along the tree is long.

use super::Shape;
use super::align::{Aligned, distance, radius};
use super::mirror::Mirror;

/// An edge is added to the tree where the way along the lines is this many times as long.
const DETOUR: f64 = 2.5;
/// An edge passes through a keypoint that is nearer to it than this many sizes of the layout.
const THROUGH: f64 = 0.12;

/// An edge, with its mirror image if that is another.
struct Candidate {
    edges: Vec<[usize; 2]>,
    cost: f64,
}

/// Pairs of keypoints to join, the lower number first, in ascending order.
pub fn edges(aligned: &Aligned, mirror: &Mirror) -> Vec<[usize; 2]> {
    let k = aligned.mean.len();
    let candidates = candidates(aligned, mirror);
    let mut drawn = Drawing { layout: &aligned.mean, near: THROUGH * radius(&aligned.mean), edges: vec![] };
    for c in &candidates {
        if c.edges.iter().any(|e| drawn.way(*e).is_infinite()) && drawn.takes(&c.edges, true) {
            drawn.edges.extend(&c.edges);
        }
    }
    // What that leaves apart is joined without its mirror image, and at last through keypoints.
    for clear in [true, false] {
        for e in candidates.iter().flat_map(|c| &c.edges) {
            if drawn.way(*e).is_infinite() && drawn.takes(&[*e], clear) {
                drawn.edges.push(*e);
            }
        }
    }
    let most = drawn.edges.len() + k / 3;
    for c in &candidates {
        let far = |e: &[usize; 2]| drawn.way(*e) > DETOUR * drawn.length(*e);
        if drawn.edges.len() + c.edges.len() <= most && c.edges.iter().all(far) && drawn.takes(&c.edges, true)
        {
            drawn.edges.extend(&c.edges);
        }
    }
    let mut edges = drawn.edges;
    edges.sort_unstable();
    edges
}

/// All edges, those of near points that move together first.
fn candidates(aligned: &Aligned, mirror: &Mirror) -> Vec<Candidate> {
    let k = aligned.mean.len();
    let cost = |[a, b]: [usize; 2]| distance(aligned.mean[a], aligned.mean[b]) * looseness(aligned, a, b);
    let mut all = vec![];
    for a in 0..k {
        for b in a + 1..k {
            let image = mirror.image(a).zip(mirror.image(b)).map(|(c, d)| [c.min(d), c.max(d)]);
            let mut edges = vec![[a, b]];
            match image {
                // Listed with its image already.
                Some(other) if other < [a, b] => continue,
                Some(other) if other != [a, b] => edges.push(other),
                _ => {}
            }
            let mean = edges.iter().map(|e| cost(*e)).sum::<f64>() / edges.len() as f64;
            all.push(Candidate { edges, cost: mean });
        }
    }
    all.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    all
}

/// How far two keypoints move against each other: root mean square, normalised coordinates.
fn looseness(aligned: &Aligned, a: usize, b: usize) -> f64 {
    let rest: [f64; 2] = [0, 1].map(|i| aligned.mean[a][i] - aligned.mean[b][i]);
    let off = |s: &Shape| (s[a][0] - s[b][0] - rest[0]).powi(2) + (s[a][1] - s[b][1] - rest[1]).powi(2);
    // Never 0: of points that do not move at all, the nearest are joined.
    (aligned.shapes.iter().map(off).sum::<f64>() / aligned.shapes.len().max(1) as f64).sqrt() + 1e-3
}

/// Edges over the layout.
struct Drawing<'a> {
    layout: &'a Shape,
    near: f64,
    edges: Vec<[usize; 2]>,
}

impl Drawing<'_> {
    fn length(&self, [a, b]: [usize; 2]) -> f64 {
        distance(self.layout[a], self.layout[b])
    }

    /// Length of the shortest way along the edges (Bellman and Ford's method), infinite if there is none.
    fn way(&self, [from, to]: [usize; 2]) -> f64 {
        let mut far = vec![f64::INFINITY; self.layout.len()];
        far[from] = 0.0;
        for _ in 0..self.layout.len() {
            for e in &self.edges {
                let length = self.length(*e);
                far[e[0]] = far[e[0]].min(far[e[1]] + length);
                far[e[1]] = far[e[1]].min(far[e[0]] + length);
            }
        }
        far[to]
    }

    /// Whether the edges cross neither those drawn nor each other, and if `clear` pass through no keypoint.
    fn takes(&self, new: &[[usize; 2]], clear: bool) -> bool {
        let crosses = |e: &[usize; 2], f: &[usize; 2]| {
            let apart = !e.iter().any(|p| f.contains(p));
            apart && crossing(e.map(|i| self.layout[i]), f.map(|i| self.layout[i]))
        };
        let through = |e: &[usize; 2]| {
            let other = |j: &usize| !e.contains(j);
            (0..self.layout.len())
                .filter(other)
                .any(|j| to_segment(self.layout[j], e.map(|i| self.layout[i])) < self.near)
        };
        new.iter().enumerate().all(|(i, e)| {
            let meets = self.edges.iter().chain(&new[..i]).any(|f| crosses(e, f) || e == f);
            !meets && (!clear || !through(e))
        })
    }
}

/// Whether two segments have a point in common.
fn crossing([a, b]: [[f64; 2]; 2], [c, d]: [[f64; 2]; 2]) -> bool {
    let side =
        |p: [f64; 2], q: [f64; 2], r: [f64; 2]| (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

/// The distance of a point from a segment.
fn to_segment(p: [f64; 2], [a, b]: [[f64; 2]; 2]) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let along = ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / (dx * dx + dy * dy).max(1e-12);
    let t = along.clamp(0.0, 1.0);
    distance(p, [a[0] + t * dx, a[1] + t * dy])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn still(layout: &[[f64; 2]]) -> Aligned {
        Aligned { mean: layout.to_vec(), shapes: vec![layout.to_vec(); 4], moves: vec![] }
    }

    fn symmetric(pairs: &[[usize; 2]], axis: &[usize]) -> Mirror {
        Mirror { pairs: pairs.to_vec(), axis: axis.to_vec(), landings: vec![] }
    }

    fn connected(k: usize, edges: &[[usize; 2]]) -> bool {
        let mut group: Vec<usize> = (0..k).collect();
        for _ in 0..k {
            for [a, b] in edges {
                let low = group[*a].min(group[*b]);
                (group[*a], group[*b]) = (low, low);
            }
        }
        group.iter().all(|g| *g == 0)
    }

    #[test]
    fn a_row_is_joined_neighbour_by_neighbour() {
        let row: Vec<[f64; 2]> = [2.0, 0.0, 3.0, 1.0].map(|x| [x / 4.0, 0.0]).to_vec();
        assert_eq!(edges(&still(&row), &Mirror::default()), [[0, 2], [0, 3], [1, 3]]);
    }

    #[test]
    fn two_limbs_that_move_apart_are_not_joined_at_their_ends() {
        // Two rods hinged at 0, ends 2 and 4 close to each other, each rod moving on its own.
        let layout = vec![[0.0, 0.0], [0.3, 0.1], [0.6, 0.14], [0.3, -0.1], [0.6, -0.14]];
        let sway = |t: f64| -> Shape {
            let mut s = layout.clone();
            (1..3).for_each(|j| s[j][1] += t * s[j][0]);
            (3..5).for_each(|j| s[j][1] -= t * s[j][0]);
            s
        };
        let shapes = vec![sway(0.4), sway(-0.1), sway(0.0), sway(-0.3)];
        let aligned = Aligned { mean: layout.clone(), shapes, moves: vec![] };
        let found = edges(&aligned, &symmetric(&[[1, 3], [2, 4]], &[0]));
        assert!(found.contains(&[1, 2]) && found.contains(&[3, 4]), "{found:?}");
        assert!(!found.contains(&[2, 4]), "{found:?}");
    }

    #[test]
    fn skeletons_are_connected_symmetric_and_cross_nowhere() {
        // A face: eyes, nose, mouth corners, ears, chin; noise makes one side's distances shorter.
        let layout = vec![
            [-0.32, -0.3],
            [0.3, -0.3],
            [0.0, 0.1],
            [-0.25, 0.4],
            [0.24, 0.42],
            [-0.8, 0.0],
            [0.8, 0.02],
            [0.0, 0.8],
        ];
        let mirror = symmetric(&[[0, 1], [3, 4], [5, 6]], &[2, 7]);
        let found = edges(&still(&layout), &mirror);
        assert!(connected(8, &found), "{found:?}");
        for e in &found {
            let image = [mirror.image(e[0]).unwrap(), mirror.image(e[1]).unwrap()];
            assert!(found.contains(&[image[0].min(image[1]), image[0].max(image[1])]), "{e:?} in {found:?}");
            for f in &found {
                let apart = !e.iter().any(|p| f.contains(p));
                assert!(!(apart && crossing(e.map(|i| layout[i]), f.map(|i| layout[i]))), "{e:?} {f:?}");
            }
        }
        assert!(found.len() <= 7 + 8 / 3 + 2, "{found:?}");
    }

    #[test]
    fn a_ring_is_closed() {
        let ring: Vec<[f64; 2]> = (0..8)
            .map(|i| (f64::from(i) * std::f64::consts::FRAC_PI_4).sin_cos())
            .map(|(s, c)| [c, s])
            .collect();
        let found = edges(&still(&ring), &Mirror::default());
        assert_eq!(found.len(), 8, "{found:?}");
    }

    #[test]
    fn points_on_one_spot_and_too_few_points_do_no_harm() {
        assert!(edges(&still(&[]), &Mirror::default()).is_empty());
        assert!(edges(&still(&[[0.0; 2]]), &Mirror::default()).is_empty());
        assert!(connected(3, &edges(&still(&[[0.1; 2]; 3]), &Mirror::default())));
    }
}
