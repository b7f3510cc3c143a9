//! What cameras do to a picture of a face: where in it the face is, light, colour, blur, noise, compression, things in
//! front of it. Images are `[N, 3, S, S]` in [-1, 1]; every number is drawn from libtorch's generator.

use tch::{Device, Kind, Tensor};

use super::scenes::backdrops;
use super::similarity::{Beyond, Similarity};
use super::{chosen, mixed, uniform};
use crate::config::LEAST_OCCLUSION;

/// Least size of a face, relative to the picture it is from, whose picture may go on as its mirror image.
const MIRRORED: f64 = 0.8;
/// Most logarithm of what light from a side adds to one side and takes from the other.
const SIDE_LIGHT: f64 = 0.7;
/// Part of the images that are lit from a side, at the most.
const SIDE_LIT: f64 = 0.5;
/// Part of the images that are of one hue, at the most.
const ONE_HUE: f64 = 0.15;
/// Part of the images that moved while they were taken, at the most.
const MOVING: f64 = 0.15;
/// Most that they moved either way, normalised coordinates.
const MOTION: f64 = 0.08;
/// Places of a moving image whose mean is taken.
const TAPS: i64 = 5;
/// Block of the compression, as in JPEG.
const DCT: i64 = 8;

/// Places images as `warp` says in pictures `[N, 3, size, size]`; what lies beyond them is, by turns of `turn`, their
/// mirror image, their border continued, or a scene of its own: what surrounds a face must not tell where it is. Around
/// far ones there is always a scene: mirror images of a whole face are faces, too.
pub fn place(images: &Tensor, warp: &Similarity, size: i64, turn: u64) -> Tensor {
    let sampled = |x: &Tensor, beyond| sampled(x, warp, size, beyond);
    let scene = || {
        let ones = Tensor::ones_like(&images.narrow(1, 0, 1));
        let placed = sampled(&Tensor::cat(&[images, &ones], 1), Beyond::Nothing);
        let opacity = placed.narrow(1, 3, 1);
        // What was sampled is faded to 0 beyond the border already.
        placed.narrow(1, 0, 3) + backdrops(images, size) * (1.0 - opacity)
    };
    match turn % 4 {
        0 => sampled(images, Beyond::Mirror)
            .where_self(&warp.scale().ge(MIRRORED).view([-1, 1, 1, 1]), &scene()),
        1 => sampled(images, Beyond::Border),
        _ => scene(),
    }
}

/// Images as `warp` places them, `[N, C, size, size]`: at twice the size, then averaged, so that far faces are sampled as
/// finely as they are seen.
pub fn sampled(images: &Tensor, warp: &Similarity, size: i64, beyond: Beyond) -> Tensor {
    warp.images(images, 2 * size, beyond).avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None)
}

/// Light, colour, blur, noise, compression and occlusion, by things that are up to `2 * occlusion` of the picture's side long.
/// With `harsh` beyond 0, light from a side, one hue alone and motion, too, on more of them the nearer that is to 1; at 0 no
/// numbers are drawn for these.
pub fn photometric(images: &Tensor, occlusion: f64, harsh: f64) -> Tensor {
    let (n, s, device) = (images.size()[0], images.size()[2], images.device());
    let per = |low, high| uniform(&[n, 1, 1, 1], low, high, device);
    let unit = ((images + 1.0) * 0.5).clamp(0.001, 1.0);
    // Exposure, light from a side and colour cast, then gamma, saturation, contrast.
    let x = unit * uniform(&[n, 3, 1, 1], 0.85, 1.15, device) * per(0.25f64.ln(), 1.5f64.ln()).exp();
    let x = if harsh > 0.0 { x * side_light(n, s, harsh * SIDE_LIT, device) } else { x };
    let x = x.clamp(0.001, 1.0).pow(&per(-0.4, 0.4).exp());
    let grey = x.mean_dim([1i64].as_slice(), true, Kind::Float);
    let x = (&x - &grey) * per(0.1 * (1.0 - harsh), 1.3) + grey;
    // Old prints are of one hue.
    let x = if harsh > 0.0 {
        mixed(&x, &(&x * uniform(&[n, 3, 1, 1], 0.6, 1.2, device)), harsh * ONE_HUE)
    } else {
        x
    };
    let level = x.mean_dim([1i64, 2, 3].as_slice(), true, Kind::Float);
    let x = (&x - &level) * per(0.6, 1.25) + level;
    let x = occlude(&x, occlusion);
    // Blur by a share, twice over.
    let blurred = x.avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None);
    let blurred = blurred.avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None);
    let share = (per(-0.6, 1.0)).clamp(0.0, 1.0);
    let x = &x + (blurred - &x) * share;
    let x = if harsh > 0.0 { mixed(&x, &motion_blur(&x), harsh * MOVING) } else { x };
    // Most cameras hardly have any noise, some have much.
    let x = x + Tensor::randn([n, 3, s, s], (Kind::Float, device)) * per(0.0, 0.3).square();
    compress(&x.clamp(0.0, 1.0)).clamp(0.0, 1.0) * 2.0 - 1.0
}

/// Factors `[n, 1, s, s]` of light that comes from a side: in a `share` of the images, up to four times as strong there as beyond.
fn side_light(n: i64, s: i64, share: f64, device: Device) -> Tensor {
    let along = (Tensor::arange(s, (Kind::Float, device)) * 2.0 + 1.0) / s as f64 - 1.0;
    let angle = uniform(&[n, 1, 1, 1], -std::f64::consts::PI, std::f64::consts::PI, device);
    let across = along.view([1, 1, 1, s]) * angle.cos() + along.view([1, 1, s, 1]) * angle.sin();
    let strength = uniform(&[n, 1, 1, 1], 0.0, SIDE_LIGHT, device) * chosen(n, share, device);
    // From a shadow's soft edge to a slow fall.
    let sharpness = uniform(&[n, 1, 1, 1], 1.0, 6.0, device);
    ((across * sharpness).tanh() * strength).exp()
}

/// Images as moved in one direction while they were taken, by up to [`MOTION`] of their side: the mean of shifted ones.
fn motion_blur(x: &Tensor) -> Tensor {
    let (n, device) = (x.size()[0], x.device());
    let angle = uniform(&[n], -std::f64::consts::PI, std::f64::consts::PI, device);
    let length = uniform(&[n], 0.0, MOTION, device);
    let step = Tensor::stack(&[&length * angle.cos(), length * angle.sin()], -1);
    let sum: Tensor = (0..TAPS)
        .map(|tap| {
            let share = 2.0 * tap as f64 / (TAPS - 1) as f64 - 1.0;
            Similarity::shifted(&(&step * share)).images(x, x.size()[3], Beyond::Border)
        })
        .sum();
    sum / TAPS as f64
}

/// A rectangle over a part of half of the images: of one colour, or of another image.
fn occlude(x: &Tensor, occlusion: f64) -> Tensor {
    let (n, s, device) = (x.size()[0], x.size()[2], x.device());
    let along = (Tensor::arange(s, (Kind::Float, device)) + 0.5) / s as f64;
    let span = |shape: [i64; 4]| {
        let half = uniform(&[n, 1, 1, 1], LEAST_OCCLUSION, occlusion, device);
        (along.view(shape) - uniform(&[n, 1, 1, 1], 0.0, 1.0, device))
            .abs()
            .lt_tensor(&half)
            .to_kind(Kind::Float)
    };
    let mask = span([1, 1, s, 1]) * span([1, 1, 1, s]) * chosen(n, 0.5, device);
    let colour = uniform(&[n, 3, 1, 1], 0.0, 1.0, device);
    // Turned upside down, it is no face.
    let texture = x.roll([1], [0]).flip([2]);
    let thing = mixed(&colour, &texture, 0.3);
    x * (1.0 - &mask) + thing * mask
}

/// Half of the images, in [0, 1], as JPEG leaves them: the cosine transform of each block, rounded to steps that grow
/// with the frequency (about the table of ITU T.81, Annex K, at qualities of 15 to 90). The side of images that is not a
/// multiple of 8 is left as it is.
pub fn compress(x: &Tensor) -> Tensor {
    let (n, s, device) = (x.size()[0], x.size()[2], x.device());
    if s % DCT != 0 {
        return x.shallow_clone();
    }
    let along = Tensor::arange(DCT, (Kind::Float, device));
    let angle = (along.view([1, DCT]) * 2.0 + 1.0) * along.view([DCT, 1]) * (std::f64::consts::PI / 16.0);
    // Orthonormal: its transpose is its inverse.
    let dct = angle.cos()
        * (along.gt(0.0).to_kind(Kind::Float) * (0.5 - 0.125f64.sqrt()) + 0.125f64.sqrt()).view([DCT, 1]);
    let frequency = along.view([1, DCT]) + along.view([DCT, 1]);
    let step = (frequency * 7.0 + 12.0) * (1.0 / 255.0);
    let b = s / DCT;
    let blocks = x.reshape([n, 3, b, DCT, b, DCT]).permute([0, 1, 2, 4, 3, 5]);
    let steps = uniform(&[n, 1, 1, 1, 1, 1], -2.0, 1.2, device).exp() * step;
    let rounded = (dct.matmul(&blocks).matmul(&dct.transpose(0, 1)) / &steps).round() * steps;
    let back = dct.transpose(0, 1).matmul(&rounded).matmul(&dct);
    let back = back.permute([0, 1, 2, 4, 3, 5]).reshape([n, 3, s, s]);
    mixed(x, &back, 0.5)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::config::PlacementConfig;

    fn images(n: i64, s: i64) -> Tensor {
        Tensor::rand([n, 3, s, s], (Kind::Float, Device::Cpu)) * 2.0 - 1.0
    }

    #[test]
    fn photometric_changes_stay_in_range() {
        let images = images(6, 16);
        let x = photometric(&images, 0.22, 1.0);
        assert!(x.abs().max().double_value(&[]) <= 1.0 && x != images);
    }

    #[test]
    fn what_occludes_is_as_large_as_asked() {
        tch::manual_seed(5);
        let grey = Tensor::full([256, 3, 32, 32], 0.5, (Kind::Float, Device::Cpu));
        let occluded = |occlusion: f64| {
            (occlude(&grey, occlusion) - &grey)
                .abs()
                .amax([1i64].as_slice(), false)
                .gt(1e-3)
                .to_kind(Kind::Float)
                .mean(Kind::Float)
                .double_value(&[])
        };
        let (little, much) = (occluded(0.1), occluded(0.4));
        assert!(little > 0.0 && much > 4.0 * little && much < 0.25, "{little} {much}");
    }

    #[test]
    fn compression_keeps_flat_pictures_and_loses_fine_detail() {
        let flat = Tensor::full([64, 3, 16, 16], 0.5, (Kind::Float, Device::Cpu));
        assert!((compress(&flat) - &flat).abs().max().double_value(&[]) < 0.05);
        let fine = (images(64, 16) + 1.0) * 0.5;
        let lost = (compress(&fine) - &fine).abs().mean_dim([1i64, 2, 3].as_slice(), false, Kind::Float);
        let touched = lost.gt(1e-4).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
        assert!((0.15..0.85).contains(&touched), "{touched}");
        assert!(lost.max().double_value(&[]) > 0.02);
    }

    #[test]
    fn a_far_face_lies_in_a_scene_of_its_own_and_keeps_its_brightness() {
        let white = Tensor::ones([32, 3, 32, 32], (Kind::Float, Device::Cpu));
        let config = PlacementConfig {
            far: 1.0,
            far_scale: (0.4, 0.4),
            rotation: 0.0,
            shift: 0.0,
            ..Default::default()
        };
        let warp = Similarity::random(32, &config, Device::Cpu);
        let centres = warp.keypoints(&Tensor::zeros([32, 1, 2], (Kind::Float, Device::Cpu)));
        for turn in [0, 2, 3] {
            let placed = place(&white, &warp, 32, turn);
            assert_eq!(placed.size(), [32, 3, 32, 32]);
            for i in 0..32 {
                let at = |c: i64| ((centres.double_value(&[i, 0, c]) + 1.0) * 16.0).clamp(0.0, 31.0) as i64;
                assert!((placed.double_value(&[i, 1, at(1), at(0)]) - 1.0).abs() < 1e-5);
            }
            // The picture is mostly something else.
            assert!(placed.mean(Kind::Float).double_value(&[]) < 0.9);
        }
    }
}
