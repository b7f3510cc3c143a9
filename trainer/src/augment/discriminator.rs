//! Augmentation of what the discriminator sees, real and generated alike and differentiable (Zhao et al.,
//! "Differentiable Augmentation for Data-Efficient GAN Training", 2020): colour, translation, cut-out.

use tch::{Kind, Tensor};

use crate::config::AugmentConfig;
use crate::support::share::Share;

/// Applies fresh random augmentations to each of `images` `[N, 3, S, S]` in [-1, 1], float32: `share` of a batch.
pub fn augment(images: &Tensor, config: &AugmentConfig, share: Share) -> Tensor {
    let x = colour(images, config.colour, share);
    let x = translate(&x, config.translation, share);
    cut_out(&x, config.cutout, share)
}

/// Generated images as a fixed detector is to see them: other colours, and fine detail lost to a degree, each
/// by `strength` (0: as they are, to 1). What still shows it a part then is the part, and not a spot of a colour that it
/// happens to answer to (expectation over transformation, Athalye et al., "Synthesizing Robust Adversarial Examples", 2018,
/// for the opposite purpose).
pub fn cycle_augmentation(images: &Tensor, strength: f64, share: Share) -> Tensor {
    if strength == 0.0 {
        return images.shallow_clone();
    }
    let x = colour(images, strength, share);
    let soft = |x: &Tensor| x.avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None);
    // As far as a 64 px picture is blurred by two passes.
    let passes = (x.size()[3] / 32).max(1);
    let blurred = (0..passes).fold(x.shallow_clone(), |x, _| soft(&x));
    let degree = uniform(x.size()[0], &x, share) * strength;
    &x + (blurred - &x) * degree
}

/// Uniform in [0, 1], one number an image, for `n` images.
fn uniform(n: i64, like: &Tensor, share: Share) -> Tensor {
    share.of(&Tensor::rand([share.all(n), 1, 1, 1], (Kind::Float, like.device())))
}

/// Uniform in [-1, 1], likewise.
fn signed(n: i64, like: &Tensor, share: Share) -> Tensor {
    uniform(n, like, share) * 2.0 - 1.0
}

/// Brightness by up to half the strength, saturation and contrast by up to the strength either way.
fn colour(x: &Tensor, strength: f64, share: Share) -> Tensor {
    if strength == 0.0 {
        return x.shallow_clone();
    }
    let n = x.size()[0];
    let x = x + signed(n, x, share) * (strength * 0.5);
    let grey = x.mean_dim([1i64].as_slice(), true, Kind::Float);
    let x = (&x - &grey) * (signed(n, &x, share) * strength + 1.0) + grey;
    let level = x.mean_dim([1i64, 2, 3].as_slice(), true, Kind::Float);
    (&x - &level) * (signed(n, &x, share) * (strength * 0.5) + 1.0) + level
}

/// Shifts by whole pixels, black (0) where nothing is known.
fn translate(x: &Tensor, most: f64, share: Share) -> Tensor {
    let (n, s) = (x.size()[0], x.size()[2]);
    let reach = (most * s as f64) as i64;
    if reach == 0 {
        return x.shallow_clone();
    }
    let shifts =
        || share.of(&Tensor::randint_low(-reach, reach + 1, [share.all(n), 1], (Kind::Int64, x.device())));
    let along = Tensor::arange(s, (Kind::Int64, x.device())).unsqueeze(0);
    // Index `s + 1` and 0 of the padded picture are border.
    let rows = (&along + shifts() + 1).clamp(0, s + 1);
    let columns = (&along + shifts() + 1).clamp(0, s + 1);
    let padded = x.constant_pad_nd([1, 1, 1, 1]);
    let c = x.size()[1];
    let rows = rows.view([n, 1, s, 1]).expand([n, c, s, s + 2], false);
    let columns = columns.view([n, 1, 1, s]).expand([n, c, s, s], false);
    padded.gather(2, &rows, false).gather(3, &columns, false)
}

/// Blanks a square at a random place.
fn cut_out(x: &Tensor, side: f64, share: Share) -> Tensor {
    if side == 0.0 {
        return x.shallow_clone();
    }
    let (n, s) = (x.size()[0], x.size()[2]);
    let half = side * s as f64 / 2.0;
    let along = Tensor::arange(s, (Kind::Float, x.device())) + 0.5;
    let inside = |shape: [i64; 4]| {
        let centre = uniform(n, x, share) * s as f64;
        (along.view(shape) - centre).abs().lt(half).to_kind(Kind::Float)
    };
    let mask = inside([1, 1, s, 1]) * inside([1, 1, 1, s]);
    x * (1.0 - mask)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn cycle_augmentation_takes_spots_away_and_leaves_shapes() {
        tch::manual_seed(6);
        let flat = Tensor::full([64, 3, 32, 32], -0.2, (Kind::Float, Device::Cpu));
        let contrast = |side: i64, channels: i64| {
            let x = flat.copy();
            let from = 16 - side / 2;
            let _ = x.narrow(1, 0, channels).narrow(2, from, side).narrow(3, from, side).fill_(0.6);
            let y = cycle_augmentation(&x, 1.0, Share::WHOLE);
            assert!(y.size() == x.size() && cycle_augmentation(&x, 0.0, Share::WHOLE) == x);
            let inside = y.narrow(2, 16, 1).narrow(3, 16, 1).mean(Kind::Float);
            let outside = y.narrow(2, 2, 4).narrow(3, 2, 4).mean(Kind::Float);
            (inside - outside).double_value(&[])
        };
        // A white square stays, on average; one pixel of it fades to a fraction.
        let (square, pixel) = (contrast(12, 3), contrast(1, 3));
        assert!((square - 0.8).abs() < 0.1, "{square}");
        assert!(pixel < 0.75 * square, "{pixel} {square}");
    }

    #[test]
    fn translation_moves_pixels_and_blanks_the_rest() {
        tch::manual_seed(5);
        let x = Tensor::arange(64, (Kind::Float, Device::Cpu)).view([1, 1, 8, 8]) + 1.0;
        let x = x.repeat([200, 1, 1, 1]);
        let y = translate(&x, 0.25, Share::WHOLE);
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..200 {
            let centre = y.double_value(&[i, 0, 4, 4]) as i64 - 1;
            let (dy, dx) = (centre / 8 - 4, centre % 8 - 4);
            assert!(dy.abs() <= 2 && dx.abs() <= 2);
            seen.insert((dy, dx));
            let corner = y.double_value(&[i, 0, 0, 0]);
            let want = if dy < 0 || dx < 0 { 0.0 } else { (dy * 8 + dx + 1) as f64 };
            assert_eq!(corner, want);
        }
        assert!(seen.len() > 20);
    }

    #[test]
    fn augmentation_can_be_switched_off_and_keeps_gradients() {
        let x = Tensor::randn([4, 3, 8, 8], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let off = AugmentConfig { colour: 0.0, cutout: 0.0, translation: 0.0 };
        assert_eq!(augment(&x, &off, Share::WHOLE), x);
        augment(&x, &AugmentConfig::default(), Share::WHOLE).sum(Kind::Float).backward();
        assert!(x.grad().abs().sum(Kind::Float).double_value(&[]) > 0.0);
    }

    #[test]
    fn cut_out_blanks_at_most_its_share() {
        let x = Tensor::ones([64, 3, 32, 32], (Kind::Float, Device::Cpu));
        let left = cut_out(&x, 0.5, Share::WHOLE).mean_dim([1i64, 2, 3].as_slice(), false, Kind::Float);
        assert!(left.min().double_value(&[]) >= 0.75 - 1e-6 && left.max().double_value(&[]) < 1.0);
    }

    /// Real and generated pictures must be changed alike: what only one side shows is learned in place of faces.
    #[test]
    fn pictures_are_changed_alike_whatever_their_place_and_batch() {
        let config = AugmentConfig { colour: 0.8, translation: 0.2, cutout: 0.3 };
        let picture = Tensor::rand([1, 3, 16, 16], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let statistics = |n: i64, skip: i64| {
            let seen =
                augment(&picture.repeat([n, 1, 1, 1]), &config, Share::WHOLE).narrow(0, skip, n - skip);
            let mean = seen.mean_dim([0i64].as_slice(), false, Kind::Float);
            let spread = seen.std_dim([0i64].as_slice(), true, false);
            (mean, spread)
        };
        let ((mean_a, spread_a), (mean_b, spread_b)) = (statistics(6000, 0), statistics(9000, 3000));
        let off = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        // Standard errors are below 0.01 for spreads below 0.8.
        assert!(off(&mean_a, &mean_b) < 0.06 && off(&spread_a, &spread_b) < 0.06);
        // No part of a picture is out of the augmentation's reach.
        assert!(spread_a.min().double_value(&[]) > 0.2);
    }

    #[test]
    fn pictures_are_not_changed_in_place() {
        let x = Tensor::rand([4, 3, 8, 8], (Kind::Float, Device::Cpu));
        let before = x.copy();
        let strong = AugmentConfig { translation: 0.3, cutout: 0.5, ..Default::default() };
        let _ = augment(&x, &strong, Share::WHOLE);
        assert_eq!(x, before);
    }
}
