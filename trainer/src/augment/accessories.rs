//! What people wear, hold, or stand behind, drawn where a face's keypoints say it belongs: hats and hair, masks and hands,
//! glasses. A keypoint that is covered still is where it is; only what surrounds it tells.

use tch::{Kind, Tensor};

use super::{chosen, mixed, uniform};

/// Most that something is tilted against the picture, radians.
const TILT: f64 = 0.35;
/// Part of the things that are glasses; the others cover the face from one side.
const GLASSES: f64 = 0.4;
/// Part of the glasses that are rims alone.
const RIMS: f64 = 0.4;
/// Where the edge of what covers a face from a side lies, in spreads of the keypoints from their middle.
const EDGE: (f64, f64) = (0.3, 1.4);
/// How deep it is, from that edge outwards, in spreads.
const DEPTH: (f64, f64) = (0.4, 3.0);
/// Most bend of the edge: how far it is off at one spread from its middle, in spreads.
const BEND: f64 = 0.4;
/// How high above the middle glasses are, in spreads.
const HEIGHT: (f64, f64) = (-0.2, 0.8);
/// Half width and half height of a glass, in spreads.
const GLASS: [(f64, f64); 2] = [(0.3, 0.6), (0.15, 0.5)];
/// How much wider than the hole a rim is.
const RIM: f64 = 1.35;
/// Most stripes of a texture, in radians a spread.
const STRIPES: f64 = 8.0;
/// Least spread of keypoints, normalised coordinates: those that fell together wear nothing that can be seen.
const LEAST_SPREAD: f64 = 0.05;

/// Images `[N, 3, S, S]` in [-1, 1] with something on about `share` of the faces whose keypoints `[N, K, 2]`, normalised
/// coordinates, are given. Numbers are drawn from libtorch's generator.
pub fn worn(images: &Tensor, keypoints: &Tensor, share: f64) -> Tensor {
    if share == 0.0 {
        return images.shallow_clone();
    }
    let (n, s, device) = (images.size()[0], images.size()[2], images.device());
    let per = |low: f64, high: f64| uniform(&[n, 1, 1, 1], low, high, device);
    let middle = keypoints.mean_dim([1i64].as_slice(), true, Kind::Float);
    let spread = (keypoints - &middle).square().sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
    let spread = spread.mean_dim([1i64].as_slice(), false, Kind::Float).sqrt().clamp_min(LEAST_SPREAD);
    let spread = spread.view([n, 1, 1, 1]);
    let along = (Tensor::arange(s, (Kind::Float, device)) * 2.0 + 1.0) / s as f64 - 1.0;
    let x = (along.view([1, 1, 1, s]) - middle.select(2, 0).view([n, 1, 1, 1])) / &spread;
    let y = (along.view([1, 1, s, 1]) - middle.select(2, 1).view([n, 1, 1, 1])) / &spread;

    let glasses = glasses(&x, &y, &per);
    let cover = cover(&x, &y, &per);
    let shape = glasses.where_self(&chosen(n, GLASSES, device), &cover);
    let alpha = shape * chosen(n, share, device).to_kind(Kind::Float);

    let [from, to] = [(); 2].map(|()| uniform(&[n, 3, 1, 1], -1.0, 1.0, device));
    // Most things are nearly of one colour, and half of them are dark or pale.
    let to = &from + (to - &from) * per(0.0, 1.0);
    let shade = (&x * per(-STRIPES, STRIPES) + &y * per(-STRIPES, STRIPES)).sin() * 0.5 + 0.5;
    let grey = per(-1.0, 1.0) + Tensor::zeros([n, 3, 1, 1], (Kind::Float, device));
    let drawn = mixed(&(&from + (to - &from) * shade), &(grey + Tensor::zeros_like(images)), 0.5);
    // Turned upside down, a face is none: hair, cloth and skin of others.
    let thing = mixed(&drawn, &images.roll([1], [0]).flip([2]), 0.3);
    let opacity = mixed(&Tensor::ones([n, 1, 1, 1], (Kind::Float, device)), &per(0.5, 1.0), 0.4);
    let alpha = alpha * opacity;
    images * (1.0 - &alpha) + thing * alpha
}

/// Two glasses, or their rims, at `x`, `y` in spreads from the keypoints' middle: `[N, 1, S, S]`, 0 or 1.
fn glasses(x: &Tensor, y: &Tensor, per: &impl Fn(f64, f64) -> Tensor) -> Tensor {
    let (x, y) = turned(x, y, &per(-TILT / 2.0, TILT / 2.0));
    let [width, height] = GLASS.map(|(low, high)| per(low, high));
    let apart = &width * per(1.0, 1.4) + 0.05;
    let y = y + per(HEIGHT.0, HEIGHT.1);
    let across = (&x - per(-0.3, 0.3)).abs() - &apart;
    let from_centre =
        (&across / &width).abs().pow_tensor_scalar(3) + (&y / &height).abs().pow_tensor_scalar(3);
    let full = from_centre.le(1.0);
    let hole = from_centre.le(RIM.powi(-3));
    let bridge = y.abs().le(0.06).logical_and(&across.le(0.0)).to_kind(Kind::Float);
    let rims = full.to_kind(Kind::Float) * (1.0 - hole.to_kind(Kind::Float));
    mixed(&full.to_kind(Kind::Float), &rims, RIMS).maximum(&bridge)
}

/// What covers a face from above, below, the left or the right, at `x`, `y` as for [`glasses`]: `[N, 1, S, S]`, 0 or 1.
fn cover(x: &Tensor, y: &Tensor, per: &impl Fn(f64, f64) -> Tensor) -> Tensor {
    let quarter = (per(0.0, 4.0)).floor() * std::f64::consts::FRAC_PI_2;
    let (x, y) = turned(x, y, &(quarter + per(-TILT, TILT)));
    let beyond = &y - per(EDGE.0, EDGE.1) - x.square() * per(-BEND, BEND);
    beyond
        .ge(0.0)
        .logical_and(&beyond.le_tensor(&per(DEPTH.0, DEPTH.1)))
        .logical_and(&x.abs().le_tensor(&per(0.5, 3.0)))
        .to_kind(Kind::Float)
}

/// Coordinates turned by an angle, radians.
fn turned(x: &Tensor, y: &Tensor, angle: &Tensor) -> (Tensor, Tensor) {
    let (cos, sin) = (angle.cos(), angle.sin());
    (x * &cos + y * &sin, y * cos - x * sin)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn faces(n: i64, at: f64, spread: f64) -> Tensor {
        let square = Tensor::from_slice(&[-1.0f32, -1.0, 1.0, -1.0, -1.0, 1.0, 1.0, 1.0]).view([1, 4, 2]);
        (square * (spread / 2f64.sqrt()) + at).expand([n, 4, 2], false).contiguous()
    }

    #[test]
    fn a_share_of_the_faces_wears_something_and_the_others_are_as_they_were() {
        tch::manual_seed(4);
        let images = Tensor::rand([256, 3, 32, 32], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let changed = |share| {
            let off = (worn(&images, &faces(256, 0.0, 0.4), share) - &images).abs();
            off.amax([1i64, 2, 3].as_slice(), false)
                .gt(1e-6)
                .to_kind(Kind::Float)
                .mean(Kind::Float)
                .double_value(&[])
        };
        assert_eq!(changed(0.0), 0.0);
        let half = changed(0.5);
        assert!((0.35..0.6).contains(&half), "{half}");
    }

    #[test]
    fn things_are_where_the_face_is_and_cover_no_more_than_most_of_it() {
        tch::manual_seed(5);
        let images = Tensor::rand([256, 3, 64, 64], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let small = (worn(&images, &faces(256, 0.5, 0.1), 1.0) - &images)
            .abs()
            .amax([1i64].as_slice(), true)
            .gt(1e-6);
        let part = |y: i64, x: i64| {
            small.narrow(2, y, 32).narrow(3, x, 32).to_kind(Kind::Float).mean(Kind::Float).double_value(&[])
        };
        assert!(part(0, 0) < 0.01 && part(32, 32) > 0.02, "{} {}", part(0, 0), part(32, 32));
        let large = worn(&images, &faces(256, 0.0, 0.4), 1.0);
        assert!(large.abs().max().double_value(&[]) <= 1.0 + 1e-6);
        let kept = (large - &images).abs().amax([1i64].as_slice(), false).lt(1e-6).to_kind(Kind::Float);
        // A part of the picture, of every face.
        assert!(kept.mean_dim([1i64, 2].as_slice(), false, Kind::Float).min().double_value(&[]) > 0.2);
    }
}
