//! Distances between what a network makes of images.

use tch::Tensor;

use super::{mean, wide};
use crate::nets::features::unit_channels;

/// Perceptual distance of image pairs from their maps `[N, C, H, W]` at several depths: the mean over depths and
/// pixels of `|a - b|^2`, where `a` and `b` are the pixels' channels scaled to length 1 (Zhang et al., "The
/// Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018, with equal weights). 0 to 4.
pub fn perceptual(found: &[Tensor], wanted: &[Tensor]) -> Tensor {
    let depths: Vec<Tensor> = found
        .iter()
        .zip(wanted)
        .map(|(a, b)| {
            let d = unit_channels(&wide(a)) - unit_channels(&wide(&b.detach()));
            mean(&(&d * &d).sum_dim_intlist([1i64].as_slice(), false, d.kind()))
        })
        .collect();
    mean(&Tensor::stack(&depths, 0))
}

/// Feature matching: the statistics of the discriminator's maps `[N, C, H, W]` on generated images against those on
/// real ones, `mean_c (mu_fake - mu_real)^2 + (sigma_fake - sigma_real)^2`, mean over depths (Salimans et al.,
/// "Improved Techniques for Training GANs", 2016, with the deviations added). Statistics are over images and pixels.
pub fn matching(fake: &[Tensor], real: &[Tensor]) -> Tensor {
    let depths: Vec<Tensor> = fake
        .iter()
        .zip(real)
        .map(|(f, r)| {
            let ((mu_f, sigma_f), (mu_r, sigma_r)) = (statistics(&wide(f)), statistics(&wide(&r.detach())));
            mean(&((mu_f - mu_r).square() + (sigma_f - sigma_r).square()))
        })
        .collect();
    mean(&Tensor::stack(&depths, 0))
}

/// Mean and standard deviation of each channel.
fn statistics(x: &Tensor) -> (Tensor, Tensor) {
    let axes = [0i64, 2, 3];
    let mu = x.mean_dim(axes.as_slice(), true, x.kind());
    let variance = (x - &mu).square().mean_dim(axes.as_slice(), true, x.kind());
    // Inside the root: the gradient must stay finite where a channel is constant.
    (mu, (variance + 1e-8).sqrt())
}
