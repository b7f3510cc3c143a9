//! Light, tones, cast, greyness, sharpness and noise of pictures: what a detector of keypoints and states must not depend on.

use tch::{Device, Kind, Tensor};

use super::{camera, chosen, mixed, uniform};
use crate::nets::resize::resize;

/// Knots of a random curve of tones.
const KNOTS: i64 = 6;
/// Part of the images whose tones are changed along a curve.
const CURVED: f64 = 0.5;
/// Most that a knot is moved, of [0, 1]: neighbours may change places, so that teeth may be as dark as a throat.
const BEND: f64 = 0.3;
/// Part of the images that were enlarged from fewer pixels.
const COARSE: f64 = 0.4;
/// Pixels of a coarse image, of the side, at least.
const LEAST_DETAIL: f64 = 0.3;
/// Most that a logarithm of a gamma is.
const GAMMA: f64 = 0.5;

/// Images `[N, 3, S, S]` in [-1, 1] with other light (a factor of 0.6 to 1.3 and a shift of each channel by up to 0.25), other
/// tones (a gamma of 0.6 to 1.6; in half of them a curve that need not rise everywhere), up to grey in six of ten, enlarged
/// from as little as 0.3 of the side in four of ten, with noise of a deviation of up to 0.08, half of them compressed. All is
/// scaled by `strength`, 0 to 1; numbers are drawn from libtorch's generator.
pub fn jitter(images: &Tensor, strength: f64) -> Tensor {
    if strength == 0.0 {
        return images.shallow_clone();
    }
    let (n, device) = (images.size()[0], images.device());
    let per = |channels: i64, low: f64, high: f64| uniform(&[n, channels, 1, 1], low, high, device);
    let unit = ((images + 1.0) * 0.5).clamp(0.001, 1.0);
    let x = unit.pow(&(per(1, -GAMMA, GAMMA) * strength).exp());
    let x = mixed(&x, &curved(&x, BEND * strength), CURVED) * 2.0 - 1.0;
    let x = x * (per(1, -0.4, 0.3) * strength + 1.0) + per(3, -0.25, 0.25) * strength;
    let grey = x.mean_dim([1i64].as_slice(), true, Kind::Float);
    let share = per(1, 0.0, 1.0) * chosen(n, 0.6, device) * strength;
    let x = &x + (grey - &x) * share;
    let x = mixed(&x, &coarse(&x, strength), COARSE);
    let noise = Tensor::randn(x.size(), (Kind::Float, device));
    let x = x + noise * per(1, 0.0, 0.08) * strength;
    let compressed = camera::compress(&((&x + 1.0) * 0.5).clamp(0.0, 1.0)) * 2.0 - 1.0;
    mixed(&x, &compressed, strength)
}

/// Images in [0, 1] along piecewise linear curves, one an image, of knots that are moved by up to `bend`.
fn curved(images: &Tensor, bend: f64) -> Tensor {
    let (n, device) = (images.size()[0], images.device());
    let knots = Tensor::linspace(0.0, 1.0, KNOTS, (Kind::Float, device)).view([1, KNOTS]);
    let knots = (knots + uniform(&[n, KNOTS], -bend, bend, device)).clamp(0.0, 1.0);
    let at = images * (KNOTS - 1) as f64;
    (0..KNOTS).fold(images.zeros_like(), |sum, k| {
        let hat: Tensor = 1.0 - (&at - k as f64).abs();
        sum + hat.clamp_min(0.0) * knots.select(1, k).view([n, 1, 1, 1])
    })
}

/// Images shrunk to one side, drawn between all of theirs and [`LEAST_DETAIL`] of it, and enlarged again.
fn coarse(images: &Tensor, strength: f64) -> Tensor {
    let side = images.size()[3];
    let kept = 1.0 - strength * (1.0 - LEAST_DETAIL);
    let detail = uniform(&[1], kept, 1.0, Device::Cpu).double_value(&[0]);
    let few = ((side as f64 * detail).round() as i64).max(1);
    resize(&resize(images, few), side)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strength_scales_the_change() {
        tch::manual_seed(4);
        let images = Tensor::rand([32, 3, 8, 8], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let change =
            |strength| (jitter(&images, strength) - &images).abs().mean(Kind::Float).double_value(&[]);
        assert_eq!(change(0.0), 0.0);
        let (half, whole) = (change(0.5), change(1.0));
        assert!(0.03 < half && half < whole && whole < 0.6, "{half} {whole}");
    }

    #[test]
    fn curves_are_each_images_own_and_straight_ones_change_nothing() {
        tch::manual_seed(4);
        let images = Tensor::rand([16, 1, 8, 8], (Kind::Float, Device::Cpu)).expand([16, 3, 8, 8], false);
        assert!((curved(&images, 0.0) - &images).abs().max().double_value(&[]) < 1e-6);
        let flat = Tensor::full([64, 3, 2, 2], 0.9, (Kind::Float, Device::Cpu));
        let bent = curved(&flat, BEND);
        let spread = bent.std_dim([0i64].as_slice(), true, false).min().double_value(&[]);
        assert!(spread > 0.05 && bent.min().double_value(&[]) >= 0.0, "{spread}");
    }

    #[test]
    fn coarse_images_keep_their_brightness_and_lose_their_detail() {
        tch::manual_seed(4);
        let images = Tensor::rand([4, 3, 32, 32], (Kind::Float, Device::Cpu));
        let detail = |x: &Tensor| x.std(false).double_value(&[]);
        let coarse: Vec<Tensor> = (0..8).map(|_| coarse(&images, 1.0)).collect();
        assert!(coarse.iter().any(|x| detail(x) < 0.7 * detail(&images)));
        assert!(
            coarse
                .iter()
                .all(|x| (x.mean(Kind::Float) - images.mean(Kind::Float)).abs().double_value(&[]) < 0.02)
        );
    }
}
