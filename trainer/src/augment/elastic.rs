//! Smooth random deformations of pictures: what the same face may look like from elsewhere, to networks that must tell
//! where things are from what they look like (Jakab et al., "Unsupervised Learning of Object Landmarks through
//! Conditional Image Generation", 2018).

use tch::{Device, Kind, Tensor};

use super::similarity::turns;
use crate::support::share::Share;

/// At strength 1: most change of size, natural logarithm.
const SCALE: f64 = 0.25;
/// At strength 1: most rotation either way, radians.
const ROTATION: f64 = 0.35;
/// At strength 1: most shift either way, normalised coordinates.
const SHIFT: f64 = 0.2;
/// At strength 1: standard deviation of the control points, normalised coordinates.
const LOCAL: f64 = 0.1;
/// Control points a side.
const CONTROL: i64 = 4;

/// One deformation an image: the pixel at `p` of the deformed image comes from `f(p)` of the image.
#[derive(Debug)]
pub struct Elastic {
    /// `[N, S, S, 2]`: `f` at the pixel centres.
    field: Tensor,
}

impl Elastic {
    /// Deformations for the images `[n, 3, size, size]` of `share`, all of them functions of libtorch's seed: a random
    /// similarity, on top of it a smooth random field. `strength` scales both.
    pub fn random(n: i64, size: i64, strength: f64, share: Share, device: Device) -> Self {
        let all = share.all(n);
        let kind = (Kind::Float, device);
        let signed = |shape: &[i64], most: f64| {
            share.of(&((Tensor::rand(shape, kind) * 2.0 - 1.0) * (most * strength)))
        };
        let scale = signed(&[all], SCALE).exp();
        let angle = signed(&[all], ROTATION);
        let shift = signed(&[all, 2, 1], SHIFT);
        let local = share.of(&(Tensor::randn([all, 2, CONTROL, CONTROL], kind) * (LOCAL * strength)));
        let theta = Tensor::cat(&[turns(&angle, &scale), shift], 2);
        let straight = Tensor::affine_grid_generator(&theta, [n, 1, size, size], false);
        let local = local.upsample_bicubic2d([size, size], true, None, None);
        Self { field: straight + local.permute([0, 2, 3, 1]) }
    }

    /// Deforms images `[N, C, S, S]`; beyond the border their mirror image continues.
    pub fn images(&self, images: &Tensor) -> Tensor {
        images.grid_sampler_2d(&self.field, 0, 2, false)
    }

    /// Where a deformed image shows what lies inside the image, `[N, 1, S, S]`, 0 or 1.
    pub fn inside(&self) -> Tensor {
        self.field.abs().amax([-1i64].as_slice(), false).le(1.0).to_kind(Kind::Float).unsqueeze(1)
    }

    /// Where points `[N, K, 2]` of deformed images come from, normalised coordinates, and whether that is inside the
    /// image, `[N, K]`, 0 or 1. Gradients reach the points.
    pub fn sources(&self, points: &Tensor) -> (Tensor, Tensor) {
        let field = self.field.permute([0, 3, 1, 2]);
        let found = field.grid_sampler_2d(&points.unsqueeze(2), 0, 1, false).squeeze_dim(3).transpose(1, 2);
        let inside = found.abs().amax([-1i64].as_slice(), false).le(1.0).to_kind(Kind::Float).detach();
        (found, inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::heatmap::{self, Pose};

    #[test]
    fn a_point_of_a_deformed_image_is_found_where_it_comes_from() {
        let keypoints = Tensor::from_slice(&[-0.3f32, 0.2, 0.25, -0.35]).view([1, 2, 2]).repeat([8, 1, 1]);
        let maps = heatmap::parts(&Pose::natural(keypoints.shallow_clone()), 0.01, 64);
        let elastic = Elastic::random(8, 64, 1.0, Share::WHOLE, Device::Cpu);
        let deformed = elastic.images(&maps);
        let mut moved = 0.0f64;
        for i in 0..8 {
            for k in 0..2 {
                let map = deformed.get(i).get(k);
                if map.max().double_value(&[]) < 0.9 {
                    continue;
                }
                let peak = i64::try_from(map.argmax(None, false)).unwrap();
                let centre = |p: i64| lkg_bundle::conventions::pixel_centre(p as usize, 64);
                let at = Tensor::from_slice(&[centre(peak % 64), centre(peak / 64)]);
                let (sources, inside) = elastic.sources(&at.view([1, 1, 2]).repeat([8, 1, 1]));
                let from = sources.get(i).get(0);
                let want = keypoints.get(i).get(k);
                assert!((&from - &want).abs().max().double_value(&[]) < 0.05, "{from:?} {want:?}");
                assert_eq!(inside.double_value(&[i, 0]), 1.0);
                moved = moved.max((at - want).abs().max().double_value(&[]));
            }
        }
        assert!(moved > 0.05, "nothing moved: {moved}");
    }

    #[test]
    fn strength_0_leaves_images_alone_and_shares_agree_with_the_whole() {
        let images = Tensor::rand([4, 3, 16, 16], (Kind::Float, Device::Cpu));
        let still = Elastic::random(4, 16, 0.0, Share::WHOLE, Device::Cpu).images(&images);
        assert!((still - &images).abs().max().double_value(&[]) < 1e-5);
    }
}
