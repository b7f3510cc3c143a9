//! Random similarity transforms of pictures together with their keypoints.

use tch::{Device, Kind, Tensor};

use super::uniform;
use crate::config::PlacementConfig;

/// One similarity transform an image: `p' = s R p + t` in normalised coordinates.
pub struct Similarity {
    /// `[N, 2, 2]`: `s R`.
    matrix: Tensor,
    /// `[N, 2]`: `t`.
    shift: Tensor,
}

/// Least half of a side of the square of a picture's keypoints: where they fell together there is nothing to magnify.
const LEAST_REACH: f64 = 0.2;

/// What lies beyond a picture's border; the values are libtorch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Nothing: 0.
    Nothing = 0,
    /// The border goes on.
    Border = 1,
    /// The mirror image.
    Mirror = 2,
}

/// Matrices `s R` `[N, 2, 2]` that turn by `angle` `[N]`, radians, and change size by `scale` `[N]`.
pub(super) fn turns(angle: &Tensor, scale: &Tensor) -> Tensor {
    let (c, s) = (angle.cos() * scale, angle.sin() * scale);
    Tensor::stack(&[&c, &(-&s), &s, &c], 1).view([-1, 2, 2])
}

impl Similarity {
    /// Draws `n` transforms from the configured ranges, near and far; scales are uniform in their logarithm. What is
    /// smaller than the picture may lie anywhere in it.
    pub fn random(n: i64, config: &PlacementConfig, device: Device) -> Self {
        let scales = |(low, high): (f64, f64)| uniform(&[n], low.ln(), high.ln(), device);
        let far = uniform(&[n], 0.0, 1.0, device).lt(config.far);
        let scale = scales(config.far_scale).where_self(&far, &scales(config.scale)).exp();
        let most = config.rotation.to_radians();
        let angle = uniform(&[n], -most, most, device);
        let matrix = turns(&angle, &scale);
        let room = (&scale * -1.0 + 1.0).clamp_min(config.shift).unsqueeze(1);
        Self { matrix, shift: uniform(&[n, 2], -1.0, 1.0, device) * room }
    }

    /// Transforms that shift by `shift` `[N, 2]`, normalised coordinates.
    pub fn shifted(shift: &Tensor) -> Self {
        let zero = shift.select(1, 0).zeros_like();
        Self { matrix: turns(&zero, &zero.ones_like()), shift: shift.shallow_clone() }
    }

    /// Draws `n` transforms that magnify by `low` to `high`, each at least 1, and show no place beyond the border.
    pub fn magnified(n: i64, (low, high): (f64, f64), device: Device) -> Self {
        let scale = uniform(&[n], low.ln(), high.ln(), device).exp();
        let matrix = turns(&scale.zeros_like(), &scale);
        Self { matrix, shift: uniform(&[n, 2], -1.0, 1.0, device) * (scale - 1.0).unsqueeze(1) }
    }

    /// Draws `n` transforms that turn by at least `least` radians either way, up to upside down, and change size by `low` to
    /// `high`; nothing is shifted.
    pub fn fallen(n: i64, (low, high): (f64, f64), least: f64, device: Device) -> Self {
        let angle = uniform(&[n], least, 2.0 * std::f64::consts::PI - least, device);
        let matrix = turns(&angle, &uniform(&[n], low.ln(), high.ln(), device).exp());
        Self { matrix, shift: Tensor::zeros([n, 2], (Kind::Float, device)) }
    }

    /// Draws a transform for each of `keypoints` `[N, K, 2]` that shows them as the picture `side` times their square, turned
    /// by up to `rotation` radians and shifted by up to `shift`: a refinement crop.
    pub fn refinement_crop(keypoints: &Tensor, (low, high): (f64, f64), rotation: f64, shift: f64) -> Self {
        let (n, device) = (keypoints.size()[0], keypoints.device());
        let [least, most] =
            [keypoints.amin([1i64].as_slice(), false), keypoints.amax([1i64].as_slice(), false)];
        let reach = (&most - &least).amax([-1i64].as_slice(), false) * 0.5;
        let scale =
            (reach.clamp_min(LEAST_REACH) * uniform(&[n], low.ln(), high.ln(), device).exp()).reciprocal();
        let matrix = turns(&uniform(&[n], -rotation, rotation, device), &scale);
        let centre = (least + most) * 0.5;
        let shift =
            uniform(&[n, 2], -shift, shift, device) - matrix.bmm(&centre.unsqueeze(-1)).squeeze_dim(-1);
        Self { matrix, shift }
    }

    /// By how much sizes change, `[N]`.
    pub fn scale(&self) -> Tensor {
        let column = self.matrix.select(2, 0);
        column.square().sum_dim_intlist([-1i64].as_slice(), false, Kind::Float).sqrt()
    }

    /// Moves keypoints `[N, K, 2]`.
    pub fn keypoints(&self, keypoints: &Tensor) -> Tensor {
        keypoints.bmm(&self.matrix.transpose(1, 2)) + self.shift.unsqueeze(1)
    }

    /// Where keypoints `[N, K, 2]` of the warped picture come from.
    pub fn sources(&self, keypoints: &Tensor) -> Tensor {
        (keypoints - self.shift.unsqueeze(1)).bmm(&self.matrix) / self.scale().square().view([-1, 1, 1])
    }

    /// Resamples images `[N, C, S, S]` to `[N, C, size, size]`, what lies beyond their border by `beyond`.
    pub fn images(&self, images: &Tensor, size: i64, beyond: Beyond) -> Tensor {
        // A sampling grid says where each output pixel comes from: the inverse transform, as in `sources`.
        let inverse = self.matrix.transpose(1, 2) / self.scale().square().view([-1, 1, 1]);
        let back = -inverse.bmm(&self.shift.unsqueeze(-1));
        let theta = Tensor::cat(&[inverse, back], 2);
        let n = images.size()[0];
        let grid = Tensor::affine_grid_generator(&theta, [n, 3, size, size], false);
        images.grid_sampler_2d(&grid, 0, beyond as i64, false)
    }
}

/// Whether keypoints `[N, K, 2]` lie inside the picture, `[N, K]`, 0 or 1.
pub fn inside(keypoints: &Tensor) -> Tensor {
    keypoints.abs().amax([-1i64].as_slice(), false).le(1.0).to_kind(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::heatmap::{self, Pose};

    #[test]
    fn a_magnified_picture_shows_a_part_of_it_and_nothing_else() {
        tch::manual_seed(7);
        let ramp = Tensor::linspace(-1.0, 1.0, 64, (Kind::Float, Device::Cpu)).view([1, 1, 1, 64]);
        let images = ramp.expand([256, 3, 64, 64], false);
        let warp = Similarity::magnified(256, (2.0, 4.0), Device::Cpu);
        let seen = warp.images(&images, 64, Beyond::Border);
        let span = seen.amax([2i64, 3].as_slice(), false) - seen.amin([2i64, 3].as_slice(), false);
        let (least, most) = (span.min().double_value(&[]), span.max().double_value(&[]));
        assert!(least > 2.0 / 4.2 && most < 2.0 / 1.8, "{least} to {most}");
        // The picture's corners lie on the border of what is seen or outside of it.
        let corners = Tensor::from_slice(&[-1.0f32, -1.0, 1.0, 1.0]).view([1, 2, 2]).repeat([256, 1, 1]);
        let outwards = warp.keypoints(&corners) * &corners;
        assert!(outwards.min().double_value(&[]) > 1.0 - 1e-5, "{}", outwards.min());
    }

    #[test]
    fn a_refinement_crop_shows_the_square_of_the_keypoints_and_leads_back() {
        tch::manual_seed(9);
        let keypoints = uniform(&[64, 6, 2], -0.9, 0.7, Device::Cpu);
        let crop = Similarity::refinement_crop(&keypoints, (1.25, 1.25), 0.0, 0.0);
        let seen = crop.keypoints(&keypoints);
        // Their larger extent fills 1 / 1.25 of the picture, in its middle.
        let reach = seen.abs().amax([1i64, 2].as_slice(), false);
        assert!((reach - 0.8).abs().max().double_value(&[]) < 1e-5, "{}", crop.scale().max());
        let crop = Similarity::refinement_crop(&keypoints, (1.1, 1.6), 0.3, 0.1);
        let back = crop.sources(&crop.keypoints(&keypoints));
        assert!((back - &keypoints).abs().max().double_value(&[]) < 1e-5);
        let nowhere = Similarity::refinement_crop(
            &Tensor::zeros([2, 6, 2], (Kind::Float, Device::Cpu)),
            (1.0, 1.0),
            0.0,
            0.0,
        );
        assert!(nowhere.scale().max().double_value(&[]) < 5.1);
    }

    #[test]
    fn a_warped_picture_shows_its_keypoints_where_the_warp_puts_them() {
        tch::manual_seed(11);
        let keypoints = Tensor::from_slice(&[-0.3f32, 0.2, 0.25, -0.35]).view([1, 2, 2]).repeat([8, 1, 1]);
        let maps = heatmap::parts(&Pose::natural(keypoints.shallow_clone()), 0.01, 64);
        let images = Tensor::cat(&[&maps, &maps.narrow(1, 0, 1)], 1);
        let warp = Similarity::random(8, &PlacementConfig::default(), Device::Cpu);
        let moved = warp.keypoints(&keypoints);
        let warped = warp.images(&images, 96, Beyond::Border);
        for i in 0..8 {
            for k in 0..2 {
                let at = |c: i64| moved.double_value(&[i, k, c]);
                if at(0).abs() > 0.9 || at(1).abs() > 0.9 {
                    continue;
                }
                let peak = i64::try_from(warped.get(i).get(k).argmax(None, false)).unwrap();
                let centre = |p: i64| f64::from(lkg_bundle::conventions::pixel_centre(p as usize, 96));
                assert!((centre(peak % 96) - at(0)).abs() < 0.03, "x of {i} {k}");
                assert!((centre(peak / 96) - at(1)).abs() < 0.03, "y of {i} {k}");
            }
        }
    }
}
