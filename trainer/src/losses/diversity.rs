//! Mode seeking: other noise must give other images.

use tch::Tensor;

use super::mean;

/// `-mean(d(I, I') / d(z, z'))` of images `[N, 3, S, S]` and the noise `[N, Z]` that they differ in, `d` the mean
/// absolute difference (Mao et al., "Mode Seeking Generative Adversarial Networks for Diverse Image Synthesis",
/// 2019; images lie in [-1, 1], so that the ratio can be maximised as it is).
pub fn mode_seeking(images: &Tensor, others: &Tensor, noise: &Tensor, other_noise: &Tensor) -> Tensor {
    let distance =
        |a: &Tensor, b: &Tensor| (a - b).abs().flatten(1, -1).mean_dim([1i64].as_slice(), false, a.kind());
    -mean(&(distance(images, others) / (distance(noise, other_noise) + 1e-5)))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn ratios_are_averaged_over_images() {
        let images = Tensor::from_slice(&[0f32, 0.0, 1.0, 1.0]).view([2, 1, 1, 2]);
        let others = Tensor::from_slice(&[0.5f32, 0.5, 0.0, 2.0]).view([2, 1, 1, 2]);
        let noise = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
        let other_noise = Tensor::from_slice(&[1f32, 1.0, 1.0, 0.0, 0.0, 6.0]).view([2, 3]);
        let loss = mode_seeking(&images, &others, &noise, &other_noise).double_value(&[]);
        assert!((loss + (0.5 / 1.0 + 1.0 / 2.0) / 2.0).abs() < 1e-4, "{loss}");
    }

    #[test]
    fn equal_images_of_equal_noise_cost_nothing_and_have_finite_gradients() {
        let x = Tensor::ones([2, 3, 4, 4], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let z = Tensor::ones([2, 3], (Kind::Float, Device::Cpu));
        let loss = mode_seeking(&x, &x.detach(), &z, &z);
        loss.backward();
        assert_eq!(loss.double_value(&[]), 0.0);
        assert!(bool::try_from(x.grad().isfinite().all()).unwrap());
    }
}
