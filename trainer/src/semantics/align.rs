//! Shapes laid over each other: what is left is how keypoints move against one another.
//!
//! Generalised Procrustes analysis (Gower, 1975) with similarities: shift, turn and size.

use super::Shape;

/// Rounds of fitting to the mean and taking the mean again.
const ROUNDS: usize = 8;

/// A shift, turn and change of size: `(x, y)` to `(a x - b y + tx, b x + a y + ty)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    /// Cosine times size, sine times size.
    pub turn: [f64; 2],
    /// The shift, after the turn.
    pub shift: [f64; 2],
}

impl Similarity {
    /// The one that brings `from` closest to `to`, least squares. Points that coincide say nothing about turn and size.
    pub fn fit(from: &[[f64; 2]], to: &[[f64; 2]]) -> Self {
        let (cf, ct) = (centre(from), centre(to));
        let (mut along, mut across, mut squares) = (0.0, 0.0, 0.0);
        for (f, t) in from.iter().zip(to) {
            let (fx, fy, tx, ty) = (f[0] - cf[0], f[1] - cf[1], t[0] - ct[0], t[1] - ct[1]);
            along += fx * tx + fy * ty;
            across += fx * ty - fy * tx;
            squares += fx * fx + fy * fy;
        }
        let [a, b] = if squares > 1e-12 { [along / squares, across / squares] } else { [1.0, 0.0] };
        Self { turn: [a, b], shift: [ct[0] - (a * cf[0] - b * cf[1]), ct[1] - (b * cf[0] + a * cf[1])] }
    }

    /// Where `point` goes.
    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [a, b] = self.turn;
        [a * x - b * y + self.shift[0], b * x + a * y + self.shift[1]]
    }

    /// The way back; of one that shrinks all to a point, no change.
    pub fn inverse(&self) -> Self {
        let [a, b] = self.turn;
        let squares = a * a + b * b;
        if squares < 1e-12 {
            return Self { turn: [1.0, 0.0], shift: [0.0; 2] };
        }
        let turn = [a / squares, -b / squares];
        let back = Self { turn, shift: [0.0; 2] }.apply(self.shift);
        Self { turn, shift: [-back[0], -back[1]] }
    }
}

/// Shapes laid over their mean.
#[derive(Clone, Debug)]
pub struct Aligned {
    /// The mean shape, with the mean place, size and turn of the shapes.
    pub mean: Shape,
    /// Each shape where it lies closest to the mean.
    pub shapes: Vec<Shape>,
    /// What brought each there.
    pub moves: Vec<Similarity>,
}

impl Aligned {
    /// Aligns `shapes`, all of the same number of points.
    pub fn of(shapes: &[Shape]) -> Self {
        let plain = mean(shapes);
        // A mean of turned shapes is too small.
        let size = shapes.iter().map(|s| radius(s)).sum::<f64>() / shapes.len().max(1) as f64;
        let mut target = resized(&plain, size);
        let mut moves = vec![];
        let mut aligned: Vec<Shape> = vec![];
        for _ in 0..ROUNDS {
            moves = shapes.iter().map(|s| Similarity::fit(s, &target)).collect();
            aligned = shapes.iter().zip(&moves).map(|(s, m)| moved(s, m)).collect();
            let mean = mean(&aligned);
            // Fitting shrinks and may drift: back to the size, place and turn of the plain mean.
            target = resized(&moved(&mean, &Similarity::fit(&mean, &plain)), size);
        }
        Self { mean: target, shapes: aligned, moves }
    }

    /// Covariance `[xx, xy, yy]` of each keypoint about its mean.
    pub fn spread(&self) -> Vec<[f64; 3]> {
        let n = self.shapes.len().max(1) as f64;
        let of = |k: usize, centre: [f64; 2]| {
            let mut sum = [0.0; 3];
            for s in &self.shapes {
                let (x, y) = (s[k][0] - centre[0], s[k][1] - centre[1]);
                sum = [sum[0] + x * x, sum[1] + x * y, sum[2] + y * y];
            }
            sum.map(|v| v / n)
        };
        self.mean.iter().enumerate().map(|(k, c)| of(k, *c)).collect()
    }
}

/// Root of the mean squared distance from the centre.
pub fn radius(shape: &[[f64; 2]]) -> f64 {
    let c = centre(shape);
    let squares = shape.iter().map(|p| (p[0] - c[0]).powi(2) + (p[1] - c[1]).powi(2)).sum::<f64>();
    (squares / shape.len().max(1) as f64).sqrt()
}

/// The distance of two points.
pub fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The mean of the points.
pub fn centre(shape: &[[f64; 2]]) -> [f64; 2] {
    let n = shape.len().max(1) as f64;
    [0, 1].map(|axis| shape.iter().map(|p| p[axis]).sum::<f64>() / n)
}

fn mean(shapes: &[Shape]) -> Shape {
    let points = shapes.first().map_or(0, Vec::len);
    (0..points).map(|k| centre(&shapes.iter().map(|s| s[k]).collect::<Vec<_>>())).collect()
}

fn moved(shape: &[[f64; 2]], by: &Similarity) -> Shape {
    shape.iter().map(|p| by.apply(*p)).collect()
}

fn resized(shape: &[[f64; 2]], size: f64) -> Shape {
    let (c, r) = (centre(shape), radius(shape));
    let factor = if r > 1e-9 { size / r } else { 1.0 };
    shape.iter().map(|p| [0, 1].map(|i| c[i] + (p[i] - c[i]) * factor)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [[f64; 2]; 4] = [[-0.4, -0.3], [0.4, -0.3], [0.0, 0.1], [0.05, 0.5]];

    fn turned(angle: f64, size: f64, shift: [f64; 2]) -> Similarity {
        Similarity { turn: [size * angle.cos(), size * angle.sin()], shift }
    }

    #[test]
    fn what_was_done_to_a_shape_is_found_and_undone() {
        let m = turned(0.7, 1.4, [0.2, -0.1]);
        let there = moved(&SHAPE, &m);
        let found = Similarity::fit(&SHAPE, &there);
        assert!(distance(found.turn, m.turn) < 1e-12 && distance(found.shift, m.shift) < 1e-12);
        for (p, q) in SHAPE.iter().zip(&there) {
            assert!(distance(m.inverse().apply(*q), *p) < 1e-12);
        }
    }

    #[test]
    fn shapes_that_differ_by_similarities_lie_on_each_other() {
        let shapes: Vec<Shape> = (0..40)
            .map(|i| {
                let t = f64::from(i);
                let (angle, size) = (0.4 * t.sin(), 1.0 + 0.3 * (1.7 * t).sin());
                moved(&SHAPE, &turned(angle, size, [0.2 * (2.3 * t).sin(), 0.1 * t.cos()]))
            })
            .collect();
        let aligned = Aligned::of(&shapes);
        assert!(aligned.spread().iter().all(|c| c[0] + c[2] < 1e-9), "{:?}", aligned.spread());
        let sizes: f64 = shapes.iter().map(|s| radius(s)).sum::<f64>() / 40.0;
        assert!((radius(&aligned.mean) - sizes).abs() < 1e-9);
        // Upright, as the shapes are on average.
        assert!((aligned.mean[0][1] - aligned.mean[1][1]).abs() < 0.1, "{:?}", aligned.mean);
    }

    #[test]
    fn a_point_that_moves_alone_keeps_its_spread() {
        let shapes: Vec<Shape> = (0..60)
            .map(|i| {
                let mut s = SHAPE.to_vec();
                s[3][1] += if i % 2 == 0 { 0.1 } else { -0.1 };
                s
            })
            .collect();
        let spread = Aligned::of(&shapes).spread();
        assert!(spread[3][2] > 2.0 * spread[0][2] && spread[3][2] > 20.0 * spread[3][0], "{spread:?}");
    }

    #[test]
    fn points_on_one_spot_do_no_harm() {
        let aligned = Aligned::of(&vec![vec![[0.2, 0.1]; 3]; 5]);
        assert!(aligned.mean.iter().all(|p| distance(*p, [0.2, 0.1]) < 1e-12));
        assert!(Aligned::of(&[]).mean.is_empty());
    }
}
