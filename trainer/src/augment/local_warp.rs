//! Pictures warped about some of their keypoints: a part goes elsewhere and the rest of the face stays, as no turn or shift of
//! the whole picture does. Only what sees the part itself sees where it went.

use tch::{Device, Kind, Tensor};

use super::similarity::Beyond;
use super::uniform;

/// Keypoints about which a picture is warped.
const PLACES: i64 = 2;
/// Least and most standard deviation of a warp, normalised coordinates: from a mouth's corner to half a face.
const WIDTH: (f64, f64) = (0.12, 0.45);
/// Most length of a step, in widths of its warp. Where both warps meet nothing folds over: each changes by less than
/// half of `exp(1/2)` times that within its width.
const MOST_STEP: f64 = 0.7;
/// Rounds that find where a point went.
const ROUNDS: usize = 12;

/// One deformation an image: the pixel at `p` of the warped image comes from `p - sum of step * exp(-|p - centre|^2 / (2
/// width^2))` of the image.
pub struct LocalWarp {
    /// `[N, M, 2]`: where the warps' keypoints go.
    centres: Tensor,
    /// `[N, M, 2]`.
    steps: Tensor,
    /// `[N, M]`.
    widths: Tensor,
}

impl LocalWarp {
    /// Warps about random ones of `keypoints` `[N, K, 2]`, by up to `reach`, a `share` of the images; the others stay as
    /// they are.
    pub fn about(keypoints: &Tensor, reach: f64, share: f64) -> Self {
        let (size, device) = (keypoints.size(), keypoints.device());
        let (n, k) = (size[0], size[1]);
        let parts = Tensor::randint(k, [n, PLACES, 1], (Kind::Int64, device));
        let parts = keypoints.gather(1, &parts.expand([n, PLACES, 2], false), false);
        let widths = uniform(&[n, PLACES], WIDTH.0.ln(), WIDTH.1.ln(), device).exp();
        let most = (&widths * MOST_STEP).clamp_max(reach);
        let warped = uniform(&[n, 1], 0.0, 1.0, device).lt(share).to_kind(Kind::Float);
        let length = most * uniform(&[n, PLACES], 0.0, 1.0, device) * warped;
        let angle = uniform(&[n, PLACES], 0.0, 2.0 * std::f64::consts::PI, device);
        let steps = Tensor::stack(&[&length * angle.cos(), &length * angle.sin()], -1);
        Self { centres: parts + &steps, steps, widths }
    }

    /// A warp about `at` `[N, 2]` that takes it along `step` `[N, 2]`, and what is `width` from it by 0.6 of that.
    pub fn of(at: &Tensor, step: &Tensor, width: f64) -> Self {
        let widths = Tensor::full([at.size()[0], 1], width, (Kind::Float, at.device()));
        Self { centres: (at + step).unsqueeze(1), steps: step.unsqueeze(1), widths }
    }

    /// How far what is at `points` `[N, P, 2]` of the warped images has come.
    fn offset(&self, points: &Tensor) -> Tensor {
        let apart = points.unsqueeze(2) - self.centres.unsqueeze(1);
        let apart = apart.square().sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
        (apart / (self.widths.square().unsqueeze(1) * -2.0)).exp().bmm(&self.steps)
    }

    /// Where keypoints `[N, K, 2]` go.
    pub fn keypoints(&self, keypoints: &Tensor) -> Tensor {
        (0..ROUNDS).fold(keypoints.shallow_clone(), |at, _| keypoints + self.offset(&at))
    }

    /// Warps images `[N, C, S, S]`; beyond the border their mirror image continues.
    pub fn images(&self, images: &Tensor) -> Tensor {
        let (n, s) = (images.size()[0], images.size()[2]);
        let points = pixel_grid(s, images.device()).expand([n, s * s, 2], false);
        let field = (&points - self.offset(&points)).view([n, s, s, 2]);
        images.grid_sampler_2d(&field, 0, Beyond::Mirror as i64, false)
    }
}

/// The centres of the pixels of a picture, row by row, `[1, S * S, 2]`.
fn pixel_grid(size: i64, device: Device) -> Tensor {
    let straight = Tensor::eye_m(2, 3, (Kind::Float, device)).unsqueeze(0);
    Tensor::affine_grid_generator(&straight, [1, 1, size, size], false).view([1, -1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::heatmap::{self, Pose};

    fn keypoints(n: i64) -> Tensor {
        Tensor::from_slice(&[-0.4f32, 0.3, 0.35, -0.3, 0.0, 0.1]).view([1, 3, 2]).repeat([n, 1, 1])
    }

    #[test]
    fn a_warped_picture_shows_its_keypoints_where_they_went() {
        tch::manual_seed(4);
        let keypoints = keypoints(16);
        let maps = heatmap::parts(&Pose::natural(keypoints.shallow_clone()), 0.01, 96);
        let warp = LocalWarp::about(&keypoints, 0.3, 1.0);
        let (warped, moved) = (warp.images(&maps), warp.keypoints(&keypoints));
        let mut most = 0.0f64;
        for i in 0..16 {
            for k in 0..3 {
                let peak = i64::try_from(warped.get(i).get(k).argmax(None, false)).unwrap();
                let centre = |p: i64| f64::from(lkg_bundle::conventions::pixel_centre(p as usize, 96));
                let at = |c: i64| moved.double_value(&[i, k, c]);
                let off = (centre(peak % 96) - at(0)).hypot(centre(peak / 96) - at(1));
                assert!(off < 0.03, "{off} at {i} {k}");
                most = most.max((at(0) - keypoints.double_value(&[i, k, 0])).abs());
            }
        }
        assert!(most > 0.1, "nothing went far: {most}");
    }

    #[test]
    fn one_point_is_taken_along_its_step_and_what_is_far_stays() {
        let at = keypoints(2);
        let step = Tensor::from_slice(&[0.1f32, -0.05]).repeat([2, 1]);
        let went = LocalWarp::of(&at.select(1, 0), &step, 0.15).keypoints(&at) - &at;
        assert!((went.select(1, 0) - &step).abs().max().double_value(&[]) < 1e-5);
        assert!(went.select(1, 1).abs().max().double_value(&[]) < 1e-3);
    }

    #[test]
    fn no_picture_is_folded_over() {
        tch::manual_seed(5);
        let at = keypoints(256).narrow(1, 2, 1);
        let warp = LocalWarp::about(&at, 1.0, 1.0);
        let along = pixel_grid(64, Device::Cpu).expand([256, 64 * 64, 2], false);
        let field = (&along - warp.offset(&along)).view([256, 64, 64, 2]);
        let least = |axis: i64| field.select(3, axis).diff(1, 2 - axis, None::<Tensor>, None::<Tensor>).min();
        assert!(least(0).double_value(&[]) > 0.0 && least(1).double_value(&[]) > 0.0);
    }

    #[test]
    fn a_share_of_the_pictures_is_warped() {
        tch::manual_seed(6);
        let at = keypoints(400);
        let went = |share: f64| {
            let went = (LocalWarp::about(&at, 0.2, share).keypoints(&at) - &at)
                .abs()
                .amax([1i64, 2].as_slice(), false);
            went.gt(1e-6).to_kind(Kind::Float).mean(Kind::Float).double_value(&[])
        };
        assert_eq!(went(0.0), 0.0);
        assert!((went(0.4) - 0.4).abs() < 0.1);
        assert!(went(1.0) > 0.99);
    }
}
