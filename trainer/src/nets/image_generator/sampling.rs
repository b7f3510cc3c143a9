//! Bilinear sampling of small maps, each placed round a point, as matrix products.
//!
//! The grid of an axis-aligned affine warp is separable: what a pixel takes from a map is a weight of the map's rows
//! times a weight of its columns. So sampling is one matrix from the left and one from the right, exactly what
//! `grid_sample` gives (zeros outside, edges aligned as pixel areas), with nothing but operators that run everywhere.

use tch::{Device, Kind, Tensor};

use crate::nets::heatmap::{Pose, pixel_centres};

/// Weights `[N, K, size, frame]` of a frame's rows or columns for the pixels of an image, float32.
#[derive(Debug)]
pub struct Weights {
    /// For the image's columns (x).
    pub columns: Tensor,
    /// For the image's rows (y).
    pub rows: Tensor,
}

/// Places a frame of `frame` x `frame` round every keypoint: its half side is `reach` times the part's scale, and it
/// fades by a Gaussian that has fallen to `exp(-reach^2 / (window scale^2))` at its edges. The rows carry visibility.
pub fn place(pose: &Pose, reach: f64, window: f64, size: i64, frame: i64) -> Weights {
    let centres = pixel_centres(size, pose.keypoints.device());
    let scales = pose.scales.unsqueeze(-1);
    let width = &scales * &scales * window;
    let axis = |i: i64| {
        let d = &centres - pose.keypoints.select(2, i).unsqueeze(-1);
        let fade = (-(&d * &d) / &width).exp();
        // The inverse of `pixel_centre`: 0 is the centre of the first row or column.
        let position = (d / (&scales * reach) + 1.0) * (frame as f64 / 2.0) - 0.5;
        hats(&position, frame) * fade.unsqueeze(-1)
    };
    Weights { columns: axis(0), rows: axis(1) * pose.visible.unsqueeze(-1).unsqueeze(-1) }
}

/// Weights `[size, frame]` that stretch a frame over the whole image; outside the centres of its border pixels, those
/// go on.
pub fn stretch(size: i64, frame: i64, device: Device) -> Tensor {
    let position = (pixel_centres(size, device) + 1.0) * (frame as f64 / 2.0) - 0.5;
    hats(&position.clamp(0.0, (frame - 1) as f64), frame)
}

/// Bilinear weights of `frame` places at positions counted from the first place: `[...]` to `[..., frame]`.
fn hats(position: &Tensor, frame: i64) -> Tensor {
    let places = Tensor::arange(frame, (Kind::Float, position.device()));
    let off = position.unsqueeze(-1) - places;
    let hat: Tensor = 1.0 - off.abs();
    hat.relu()
}

/// Samples frames `[N, K, frame, frame, C]` (rows before columns) and adds them up over `K`: `[N, size, size, C]`.
pub fn sample(frames: &Tensor, weights: &Weights) -> Tensor {
    let (n, k, frame, _, c) = five(frames);
    let size = weights.rows.size()[2];
    let wide = weights.columns.unsqueeze(2).matmul(frames).reshape([n, k * frame, size * c]);
    let rows = weights.rows.permute([0, 2, 1, 3]).reshape([n, size, k * frame]);
    rows.bmm(&wide).view([n, size, size, c])
}

fn five(x: &Tensor) -> (i64, i64, i64, i64, i64) {
    let s = x.size();
    (s[0], s[1], s[2], s[3], s[4])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pose(keypoints: &[f32], scales: &[f32], visible: &[f32]) -> Pose {
        let k = scales.len() as i64;
        Pose {
            keypoints: Tensor::from_slice(keypoints).view([1, k, 2]),
            scales: Tensor::from_slice(scales).view([1, k]),
            visible: Tensor::from_slice(visible).view([1, k]),
        }
    }

    /// Frames of one channel at `size`, hardly faded.
    fn sampled(pose: &Pose, frames: &Tensor, size: i64, reach: f64, window: f64) -> Tensor {
        let weights = place(pose, reach, window, size, frames.size()[2]);
        sample(frames, &weights).permute([0, 3, 1, 2])
    }

    #[test]
    fn sampling_is_that_of_grid_sample() {
        let (reach, size) = (0.6, 24);
        let pose = pose(&[0.3, -0.45, -0.8, 0.1], &[1.0, 1.7], &[1.0, 0.4]);
        let frames = Tensor::randn([1, 2, 5, 5, 3], (Kind::Float, Device::Cpu));
        let got = sampled(&pose, &frames, size, reach, 1e9);
        let mut want = Tensor::zeros([1, 3, size, size], (Kind::Float, Device::Cpu));
        for (k, (x, y, scale, visible)) in
            [(0.3, -0.45, 1.0, 1.0), (-0.8, 0.1, 1.7, 0.4)].into_iter().enumerate()
        {
            let axis = |at: f64| (pixel_centres(size, Device::Cpu) - at) / (reach * scale);
            let gx = axis(x).unsqueeze(0).expand([size, size], false);
            let gy = axis(y).unsqueeze(1).expand([size, size], false);
            let grid = Tensor::stack(&[gx, gy], -1).unsqueeze(0);
            let map = frames.select(1, k as i64).permute([0, 3, 1, 2]);
            // Bilinear, zeros outside.
            want += map.grid_sampler_2d(&grid, 0, 0, false) * visible;
        }
        assert!((got - want).abs().max().double_value(&[]) < 1e-5);
    }

    #[test]
    fn a_part_lies_where_its_keypoint_is_and_grows_with_its_scale() {
        let size = 64;
        let frames = Tensor::ones([1, 1, 8, 8, 1], (Kind::Float, Device::Cpu));
        let centres = pixel_centres(size, Device::Cpu);
        // Centre of mass, and mean square distance from it along x.
        let measure = |x: f32, y: f32, scale: f32| {
            let image =
                sampled(&pose(&[x, y], &[scale], &[1.0]), &frames, size, 0.5, 0.06).view([size, size]);
            let weights = &image / image.sum(Kind::Float);
            let sum = |t: Tensor| t.sum(Kind::Float).double_value(&[]);
            let mean = [sum(&weights * centres.unsqueeze(0)), sum(&weights * centres.unsqueeze(1))];
            let off = centres.unsqueeze(0) - mean[0];
            (mean, sum(&weights * &off * &off))
        };
        let (mean, spread) = measure(0.4, -0.2, 0.6);
        // A pixel is 1/32: a shift by half of one would fail.
        assert!((mean[0] - 0.4).abs() < 1e-3 && (mean[1] + 0.2).abs() < 1e-3, "{mean:?}");
        let (mean, larger) = measure(0.4, -0.2, 1.2);
        assert!((mean[0] - 0.4).abs() < 1e-3 && (mean[1] + 0.2).abs() < 1e-3, "{mean:?}");
        assert!((larger / spread - 4.0).abs() < 0.05, "{spread} {larger}");
    }

    #[test]
    fn stretching_is_bilinear_resizing() {
        let map = Tensor::randn([1, 1, 4, 4], (Kind::Float, Device::Cpu));
        for size in [4, 8, 32] {
            let m = stretch(size, 4, Device::Cpu);
            let got = m.matmul(&map).matmul(&m.transpose(0, 1));
            let want = map.upsample_bilinear2d([size, size], false, None, None);
            assert!((got - want).abs().max().double_value(&[]) < 1e-5);
        }
    }
}
