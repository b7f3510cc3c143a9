//! Keypoints apart from each other.

use tch::Tensor;

use super::mean;

/// `mean_k sum_{j != k} exp(-|x_k - x_j|^2 / (2 width^2))` over keypoints `[N, K, 2]`: 0 where all are several widths
/// apart, `K - 1` where all lie in one spot (Zhang et al., "Unsupervised Discovery of Object Landmarks as Structural
/// Representations", 2018).
pub fn separation(keypoints: &Tensor, width: f64) -> Tensor {
    let between = keypoints.unsqueeze(1) - keypoints.unsqueeze(2);
    let square = between.square().sum_dim_intlist([-1i64].as_slice(), false, keypoints.kind());
    let near = (square / (-2.0 * width * width)).exp();
    // Each keypoint's own 1 is not counted; its gradient is 0.
    mean(&(near.sum_dim_intlist([-1i64].as_slice(), false, keypoints.kind()) - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_counts_and_is_pushed_apart() {
        let of = |values: &[f64]| Tensor::from_slice(values).view([1, -1, 2]);
        let loss = |values: &[f64]| separation(&of(values), 0.1).double_value(&[]);
        assert!((loss(&[0.3, 0.3, 0.3, 0.3, 0.3, 0.3]) - 2.0).abs() < 1e-9);
        assert!((loss(&[0.0, 0.0, 0.1, 0.0]) - (-0.5f64).exp()).abs() < 1e-9);
        assert!(loss(&[-0.5, 0.0, 0.5, 0.0]) < 1e-9);
        let points = of(&[0.0, 0.0, 0.1, 0.05]).set_requires_grad(true);
        separation(&points, 0.1).backward();
        let pull = points.grad();
        assert!(pull.double_value(&[0, 0, 0]) > 0.0 && pull.double_value(&[0, 1, 0]) < 0.0);
    }
}
