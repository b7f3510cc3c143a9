//! Gaussian heat maps of keypoints, see [`lkg_bundle::conventions`] for the formula.

use tch::{Device, Kind, Tensor};

/// What places the parts: the keypoints with how large and how visible each is.
#[derive(Debug)]
pub struct Pose {
    /// `[N, K, 2]`, normalised coordinates.
    pub keypoints: Tensor,
    /// `[N, K]`, 1 is the size trained with.
    pub scales: Tensor,
    /// `[N, K]`, 0 (part removed) to 1.
    pub visible: Tensor,
}

impl Pose {
    /// Every part at its natural size and visible.
    pub fn natural(keypoints: Tensor) -> Self {
        let ones = Tensor::ones(&keypoints.size()[..2], (Kind::Float, keypoints.device()));
        Self { keypoints, scales: ones.shallow_clone(), visible: ones }
    }
}

/// Least exponent of a row or a column. Without it the far ends of Gaussians, and what is multiplied by them on the way
/// back, are denormal numbers, with which many processors are up to a hundred times slower; beside the peak's 1 the
/// e^-30 is nothing. Higher than that of exported graphs, as gradients are multiplied by it.
const FLOOR: f64 = -30.0;

/// Normalised coordinates of `size` pixel centres, `[size]`.
pub fn pixel_centres(size: i64, device: Device) -> Tensor {
    let centres: Vec<f32> =
        (0..size as usize).map(|i| lkg_bundle::conventions::pixel_centre(i, size as usize)).collect();
    Tensor::from_slice(&centres).to_device(device)
}

/// Heat maps of the parts at `size` x `size`: `[N, K, size, size]`, peak 1. The Gaussian is separable, so it is an
/// outer product of one row and one column.
pub fn parts(pose: &Pose, tau: f64, size: i64) -> Tensor {
    let centres = pixel_centres(size, pose.keypoints.device());
    let width = (&pose.scales * &pose.scales * tau).unsqueeze(-1);
    let axis = |i: i64| {
        let d = &centres - pose.keypoints.select(2, i).unsqueeze(-1);
        (-(&d * &d) / &width).clamp_min(FLOOR).exp()
    };
    let row = axis(0).unsqueeze(2);
    let column = (axis(1) * pose.visible.unsqueeze(-1)).unsqueeze(3);
    column * row
}

/// Heat map of the background, `[N, 1, size, size]`, from those of the parts.
pub fn background(parts: &Tensor) -> Tensor {
    1.0 - parts.amax([1i64].as_slice(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far from a keypoint there were denormal numbers.
    #[test]
    fn no_heat_is_denormal() {
        let corner = Tensor::from_slice(&[-0.9f32, 0.9]).view([1, 1, 2]);
        for tau in [0.005, 0.01, 0.02, 0.05] {
            let heat = parts(&Pose::natural(corner.shallow_clone()), tau, 64);
            assert!(heat.min().double_value(&[]) > 1e-27, "{tau}");
        }
    }

    #[test]
    fn heat_is_the_formula_at_every_pixel() {
        let pose = Pose {
            keypoints: Tensor::from_slice(&[0.25f32, -0.5, -0.75, 0.75]).view([1, 2, 2]),
            scales: Tensor::from_slice(&[1.0f32, 2.0]).view([1, 2]),
            visible: Tensor::from_slice(&[1.0f32, 0.5]).view([1, 2]),
        };
        let (tau, size) = (0.04, 8);
        let h = parts(&pose, tau, size);
        for (k, (kx, ky, scale, visible)) in
            [(0.25, -0.5, 1.0, 1.0), (-0.75, 0.75, 2.0, 0.5)].into_iter().enumerate()
        {
            for y in 0..size {
                for x in 0..size {
                    let centre =
                        |i: i64| f64::from(lkg_bundle::conventions::pixel_centre(i as usize, size as usize));
                    let d2 = (centre(x) - kx).powi(2) + (centre(y) - ky).powi(2);
                    let want = visible * (-d2 / (tau * scale * scale)).exp();
                    assert!((h.double_value(&[0, k as i64, y, x]) - want).abs() < 1e-6);
                }
            }
        }
        let back = background(&h);
        assert_eq!(back.size(), [1, 1, 8, 8]);
        assert!((back.double_value(&[0, 0, 6, 0]) - (1.0 - h.double_value(&[0, 1, 6, 0]))).abs() < 1e-6);
    }
}
