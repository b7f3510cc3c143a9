//! Whether pictures are like real ones, and whether all kinds of real ones are among them: density and coverage (Naeem et
//! al., "Reliable Fidelity and Diversity Metrics for Generative Models", 2020).

use serde::Serialize;
use tch::{Kind, Tensor};

/// Neighbours that the ball round a real picture reaches (the usual number).
pub const NEIGHBOURS: i64 = 5;

/// Both measures of one set against a reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// Fidelity: how many balls round reference pictures a picture lies in, over what is expected of such a picture. About 1 for
    /// pictures of the same distribution, above where they crowd together, 0 far off.
    pub density: f64,
    /// Diversity: share of reference pictures with a picture in their ball, 0 to 1. It grows with the number of pictures: compare
    /// only equal numbers.
    pub coverage: f64,
}

/// Features `[N, D]` against those of a reference `[M, D]` of two or more: the ball round a reference picture reaches its
/// [`NEIGHBOURS`]th neighbour in the reference, or the last that it has.
pub fn measure(x: &Tensor, y: &Tensor) -> Coverage {
    let k = NEIGHBOURS.min(y.size()[0] - 1);
    // The picture itself comes first.
    let (nearest, _) = squared(y, y).topk(k + 1, 1, false, true);
    let inside = squared(y, x).le_tensor(&nearest.narrow(1, k, 1)).to_kind(Kind::Double);
    let mean = |t: &Tensor| t.mean(Kind::Double).double_value(&[]);
    Coverage {
        density: mean(&inside.sum_dim_intlist([0i64].as_slice(), false, Kind::Double)) / k as f64,
        coverage: mean(&inside.amax([1i64].as_slice(), false)),
    }
}

/// Squared distances `[A, B]` of features `[A, D]` from `[B, D]`.
fn squared(a: &Tensor, b: &Tensor) -> Tensor {
    let length = |t: &Tensor| t.square().sum_dim_intlist([1i64].as_slice(), true, t.kind());
    length(a) + length(b).transpose(0, 1) - a.matmul(&b.transpose(0, 1)) * 2.0
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn balls_are_counted() {
        let column = |values: &[f64]| Tensor::from_slice(values).view([-1, 1]);
        // The balls reach 101.5, 100.5, 99.5, 91.5, 99, 100.5 and 102.
        let real = column(&[0.0, 1.0, 2.0, 10.0, 100.0, 101.5, 103.0]);
        let found = |values: &[f64]| {
            let Coverage { density, coverage } = measure(&column(values), &real);
            ((density * 5.0 * 1e6).round() / 1e6, (coverage * 7.0 * 1e6).round() / 1e6)
        };
        assert_eq!(found(&[0.5]), (4.0, 4.0));
        assert_eq!(found(&[0.5, 100.0]), (5.5, 7.0));
        assert_eq!(found(&[-500.0]), (0.0, 0.0));
    }

    #[test]
    fn the_same_distribution_is_dense_and_covers_and_one_kind_does_not() {
        tch::manual_seed(4);
        let draw = |n: i64| Tensor::randn([n, 4], (Kind::Double, Device::Cpu));
        let (real, same) = (draw(300), measure(&draw(600), &draw(300)));
        assert!((same.density - 1.0).abs() < 0.15 && same.coverage > 0.9, "{same:?}");
        // All alike: crowded where the real ones are densest, and few of these are met.
        let crowd = measure(&(draw(600) * 0.5), &real);
        assert!(crowd.density > 1.2 && crowd.coverage < same.coverage - 0.1, "{crowd:?}");
        let far = measure(&(draw(600) + 50.0), &real);
        assert_eq!((far.density, far.coverage), (0.0, 0.0));
        // A reference smaller than its neighbourhood still has one.
        assert!(measure(&real, &draw(2)).coverage <= 1.0);
    }
}
