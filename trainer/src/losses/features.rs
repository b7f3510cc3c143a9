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
/// "Improved Techniques for Training GANs", 2016, with the deviations added). Statistics are over pixels and `group`
/// consecutive images; the loss is the mean over groups.
pub fn matching(fake: &[Tensor], real: &[Tensor], group: i64) -> Tensor {
    let depths: Vec<Tensor> = fake
        .iter()
        .zip(real)
        .map(|(f, r)| {
            let ((mu_f, sigma_f), (mu_r, sigma_r)) =
                (statistics(&wide(f), group), statistics(&wide(&r.detach()), group));
            mean(&((mu_f - mu_r).square() + (sigma_f - sigma_r).square()))
        })
        .collect();
    mean(&Tensor::stack(&depths, 0))
}

/// Mean and standard deviation of each channel over pixels and `group` images: `[N / group, 1, C, 1, 1]`.
fn statistics(x: &Tensor, group: i64) -> (Tensor, Tensor) {
    let axes = [1i64, 3, 4];
    let x = &x.unflatten(0, [-1, group]);
    let mu = x.mean_dim(axes.as_slice(), true, x.kind());
    let variance = (x - &mu).square().mean_dim(axes.as_slice(), true, x.kind());
    // Inside the root: the gradient must stay finite where a channel is constant.
    (mu, (variance + 1e-8).sqrt())
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn map(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).view([1, 2, 1, -1])
    }

    #[test]
    fn perceptual_distance_is_between_directions() {
        // Two pixels: channels (3, 4) against (6, 8), the same direction, and (1, 0) against (0, 2), at right angles.
        let (a, b) = (map(&[3.0, 1.0, 4.0, 0.0]), map(&[6.0, 0.0, 8.0, 2.0]));
        let loss = perceptual(&[a.shallow_clone()], &[b]).double_value(&[]);
        assert!((loss - 2.0 / 2.0).abs() < 1e-5, "{loss}");
        assert!(perceptual(&[a.shallow_clone()], &[a]).double_value(&[]).abs() < 1e-6);
    }

    #[test]
    fn matching_sees_means_and_deviations_but_not_the_order_of_images() {
        let (a, b) = (map(&[0.0, 2.0, 5.0, 5.0]), map(&[3.0, 3.0, 5.0, 9.0]));
        // Channel 0: mean 1 and deviation 1 against 3 and 0; channel 1: 5 and 0 against 7 and 2.
        let loss = matching(&[a], &[b], 1).double_value(&[]);
        assert!((loss - ((4.0 + 1.0) + (4.0 + 4.0)) / 2.0).abs() < 1e-2, "{loss}");
        let x = Tensor::randn([4, 3, 2, 2], (Kind::Float, Device::Cpu));
        assert!(matching(&[x.flip([0])], &[x.shallow_clone()], 4).double_value(&[]) < 1e-9);
        let y = &x * 2.0;
        let part = |i: i64| matching(&[x.narrow(0, i, 2)], &[y.narrow(0, i, 2)], 2).double_value(&[]);
        let both = matching(&[x.shallow_clone()], &[y.shallow_clone()], 2).double_value(&[]);
        assert!((both - (part(0) + part(2)) / 2.0).abs() < 1e-6);
    }
}
