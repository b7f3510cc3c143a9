//! Random similarity transforms of pictures together with their keypoints, and the photometric life of a webcam.

use tch::{Device, Kind, Tensor};

use crate::config::DetectorConfig;

/// One similarity transform an image: `p' = s R p + t` in normalised coordinates.
pub struct Warp {
    /// `[N, 2, 2]`: `s R`.
    matrix: Tensor,
    /// `[N, 2]`: `t`.
    shift: Tensor,
}

/// Uniform in [low, high].
fn uniform(shape: &[i64], low: f64, high: f64, device: Device) -> Tensor {
    Tensor::rand(shape, (Kind::Float, device)) * (high - low) + low
}

impl Warp {
    /// Draws `n` transforms from the configured ranges; scales are uniform in their logarithm.
    pub fn random(n: i64, config: &DetectorConfig, device: Device) -> Self {
        let scale = uniform(&[n], config.scale.0.ln(), config.scale.1.ln(), device).exp();
        let most = config.rotation.to_radians();
        let angle = uniform(&[n], -most, most, device);
        let (c, s) = (angle.cos() * &scale, angle.sin() * &scale);
        let matrix = Tensor::stack(&[&c, &(-&s), &s, &c], 1).view([n, 2, 2]);
        Self { matrix, shift: uniform(&[n, 2], -config.shift, config.shift, device) }
    }

    /// Moves keypoints `[N, K, 2]`.
    pub fn keypoints(&self, keypoints: &Tensor) -> Tensor {
        keypoints.bmm(&self.matrix.transpose(1, 2)) + self.shift.unsqueeze(1)
    }

    /// Resamples images `[N, 3, S, S]` to `[N, 3, size, size]`; outside the picture its mirror image continues
    /// (`mirror`) or its border.
    pub fn images(&self, images: &Tensor, size: i64, mirror: bool) -> Tensor {
        // A sampling grid says where each output pixel comes from: the inverse transform.
        let determinant =
            self.matrix.select(1, 0).select(1, 0).square() + self.matrix.select(1, 1).select(1, 0).square();
        let inverse = self.matrix.transpose(1, 2) / determinant.view([-1, 1, 1]);
        let back = -inverse.bmm(&self.shift.unsqueeze(-1));
        let theta = Tensor::cat(&[inverse, back], 2);
        let n = images.size()[0];
        let grid = Tensor::affine_grid_generator(&theta, [n, 3, size, size], false);
        let padding = if mirror { 2 } else { 1 };
        images.grid_sampler_2d(&grid, 0, padding, false)
    }
}

/// Whether keypoints `[N, K, 2]` lie inside the picture, `[N, K]`, 0 or 1.
pub fn inside(keypoints: &Tensor) -> Tensor {
    keypoints.abs().amax([-1i64].as_slice(), false).le(1.0).to_kind(Kind::Float)
}

/// Light, colour, blur, noise and occlusion as cameras and rooms give them; images `[N, 3, S, S]` in [-1, 1].
pub fn photometric(images: &Tensor) -> Tensor {
    let (n, s, device) = (images.size()[0], images.size()[2], images.device());
    let per = |low, high| uniform(&[n, 1, 1, 1], low, high, device);
    let unit = ((images + 1.0) * 0.5).clamp(0.001, 1.0);
    // Exposure and colour cast, then gamma, saturation, contrast.
    let x = unit * uniform(&[n, 3, 1, 1], 0.85, 1.15, device) * per(0.45, 1.5);
    let x = x.clamp(0.001, 1.0).pow(&per(-0.4, 0.4).exp());
    let grey = x.mean_dim([1i64].as_slice(), true, Kind::Float);
    let x = (&x - &grey) * per(0.1, 1.3) + grey;
    let level = x.mean_dim([1i64, 2, 3].as_slice(), true, Kind::Float);
    let x = (&x - &level) * per(0.6, 1.25) + level;
    // Blur by a share, twice over.
    let blurred = x.avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None);
    let blurred = blurred.avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None);
    let share = (per(-0.6, 1.0)).clamp(0.0, 1.0);
    let x = &x + (blurred - &x) * share;
    let x = x + Tensor::randn([n, 3, s, s], (Kind::Float, device)) * per(0.0, 0.06);
    occlude(&x).clamp(0.0, 1.0) * 2.0 - 1.0
}

/// A rectangle of one colour over a part of half of the images.
fn occlude(x: &Tensor) -> Tensor {
    let (n, s, device) = (x.size()[0], x.size()[2], x.device());
    let along = (Tensor::arange(s, (Kind::Float, device)) + 0.5) / s as f64;
    let span = |shape: [i64; 4]| {
        let half = uniform(&[n, 1, 1, 1], 0.03, 0.2, device);
        (along.view(shape) - uniform(&[n, 1, 1, 1], 0.0, 1.0, device))
            .abs()
            .lt_tensor(&half)
            .to_kind(Kind::Float)
    };
    let chosen = uniform(&[n, 1, 1, 1], 0.0, 1.0, device).lt(0.5).to_kind(Kind::Float);
    let mask = span([1, 1, s, 1]) * span([1, 1, 1, s]) * chosen;
    x * (1.0 - &mask) + uniform(&[n, 3, 1, 1], 0.0, 1.0, device) * mask
}

/// Pictures without a face: each image cut into blocks that change places.
pub fn shuffle_blocks(images: &Tensor, blocks: i64) -> Tensor {
    let size = images.size();
    let (n, s) = (size[0], size[2]);
    let b = s / blocks;
    let tiles = images.view([n, 3, blocks, b, blocks, b]).permute([0, 2, 4, 1, 3, 5]).reshape([
        n,
        blocks * blocks,
        3,
        b,
        b,
    ]);
    let order = Tensor::randperm(blocks * blocks, (Kind::Int64, images.device()));
    tiles
        .index_select(1, &order)
        .view([n, blocks, blocks, 3, b, b])
        .permute([0, 3, 1, 4, 2, 5])
        .reshape([n, 3, s, s])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::heatmap::{self, Pose};

    #[test]
    fn a_warped_picture_shows_its_keypoints_where_the_warp_puts_them() {
        tch::manual_seed(11);
        let keypoints = Tensor::from_slice(&[-0.3f32, 0.2, 0.25, -0.35]).view([1, 2, 2]).repeat([8, 1, 1]);
        let maps = heatmap::parts(&Pose::natural(keypoints.shallow_clone()), 0.01, 64);
        let images = Tensor::cat(&[&maps, &maps.narrow(1, 0, 1)], 1);
        let warp = Warp::random(8, &DetectorConfig::default(), Device::Cpu);
        let moved = warp.keypoints(&keypoints);
        let warped = warp.images(&images, 96, false);
        for i in 0..8 {
            for k in 0..2 {
                let at = |c: i64| moved.double_value(&[i, k, c]);
                if at(0).abs() > 0.9 || at(1).abs() > 0.9 {
                    continue;
                }
                let peak = i64::try_from(warped.get(i).get(k).argmax(None, false)).unwrap();
                let centre = |p: i64| f64::from(models::conventions::pixel_centre(p as usize, 96));
                assert!((centre(peak % 96) - at(0)).abs() < 0.03, "x of {i} {k}");
                assert!((centre(peak / 96) - at(1)).abs() < 0.03, "y of {i} {k}");
            }
        }
    }

    #[test]
    fn photometric_changes_stay_in_range_and_shuffling_keeps_the_colours() {
        tch::manual_seed(2);
        let images = Tensor::rand([6, 3, 16, 16], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let x = photometric(&images);
        assert!(x.abs().max().double_value(&[]) <= 1.0 && x != images);
        let y = shuffle_blocks(&images, 4);
        assert!((y.sum(Kind::Double) - images.sum(Kind::Double)).abs().double_value(&[]) < 1e-3);
        assert!(y != images && y.size() == images.size());
    }
}
