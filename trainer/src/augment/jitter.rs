//! Light, cast, greyness and noise of pictures: what a detector of keypoints and states must not depend on.

use tch::{Kind, Tensor};

/// Images `[N, 3, S, S]` in [-1, 1] with other light (a factor of 0.6 to 1.3 and a shift of each channel by up to 0.25),
/// up to grey in six of ten, and noise of a deviation of up to 0.08, all scaled by `strength`, 0 to 1; numbers are drawn
/// from libtorch's generator.
pub fn jitter(images: &Tensor, strength: f64) -> Tensor {
    let n = images.size()[0];
    let uniform = |channels: i64, low: f64, high: f64| {
        Tensor::rand([n, channels, 1, 1], (Kind::Float, images.device())) * (high - low) + low
    };
    let x = images * (uniform(1, -0.4, 0.3) * strength + 1.0) + uniform(3, -0.25, 0.25) * strength;
    let grey = x.mean_dim([1i64].as_slice(), true, Kind::Float);
    let share = uniform(1, 0.0, 1.0) * uniform(1, 0.0, 1.0).lt(0.6) * strength;
    let x = &x + (grey - &x) * share;
    let noise = Tensor::randn(x.size(), (Kind::Float, images.device()));
    x + noise * uniform(1, 0.0, 0.08) * strength
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn strength_scales_the_change() {
        tch::manual_seed(4);
        let images = Tensor::rand([32, 3, 8, 8], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let change =
            |strength| (jitter(&images, strength) - &images).abs().mean(Kind::Float).double_value(&[]);
        assert_eq!(change(0.0), 0.0);
        let (half, whole) = (change(0.5), change(1.0));
        assert!(0.03 < half && half < whole && whole < 0.4, "{half} {whole}");
    }
}
