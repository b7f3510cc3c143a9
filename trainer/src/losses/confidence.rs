//! What confidence a detector is to have in what it sees.

use tch::{Kind, Reduction, Tensor};

/// Error (normalised coordinates) at which the wanted confidence is `exp(-1/2)`: wide, about half the distance of a large
/// face's eyes, so that it tells whether the part is there and not how well a hard picture shows it.
const SCALE: f64 = 0.35;

/// Cross entropy of the confidence `[N, K]`, logits: 1 is wanted where a keypoint is found, 0 where it is far off by the squared
/// distances `off` `[N, K]`, and where it does not count by `weight` `[N, K]`, 0 to 1: outside of the picture, or in one without a
/// face. `pictures` `[N, 1]` is how much each picture counts.
pub fn confidence(logits: &Tensor, off: &Tensor, weight: &Tensor, pictures: &Tensor) -> Tensor {
    let wanted = (off.detach() / (-2.0 * SCALE * SCALE)).exp() * weight;
    logits.binary_cross_entropy_with_logits(&wanted, Some(pictures), None, Reduction::Mean)
}

/// Squared distances `[N, K]` of keypoints `[N, K, 2]`.
pub fn square_distance(a: &Tensor, b: &Tensor) -> Tensor {
    (a - b).square().sum_dim_intlist([-1i64].as_slice(), false, Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_is_wanted_where_a_keypoint_is_found_and_nowhere_else() {
        let kind = (Kind::Float, tch::Device::Cpu);
        let ones = Tensor::ones([1, 1], kind);
        let cost = |logit: f64, off: f64, weight: f64| {
            let at = |x: f64| Tensor::full([1, 1], x, kind);
            confidence(&at(logit), &at(off), &at(weight), &ones).double_value(&[])
        };
        assert!(cost(4.0, 0.0, 1.0) < 0.1 && cost(-4.0, 0.0, 1.0) > 3.0);
        assert!(cost(4.0, 4.0, 1.0) > 3.0 && cost(4.0, 0.0, 0.0) > 3.0);
    }
}
