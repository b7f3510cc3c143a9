//! Close-ups of parts: eyes and mouths are a few pixels of a picture, and half of a close-up.

use tch::{Device, Kind, Tensor};

use crate::nets::portrait::grid;

/// Side of what a close-up shows, as a part of the picture's.
const SHOWN: f64 = 0.375;
/// Side of a close-up, in pixels.
pub const SIDE: i64 = 96;

/// Where the pixels of a close-up of each picture lie, `[N, 96, 96, 2]`, normalised coordinates: a square about one of
/// `keypoints` `[N, K, 2]`, drawn from the half of them that is nearest to their middle. What moves in itself is there; the
/// others mark the outline.
pub(super) fn close_up(keypoints: &Tensor) -> Tensor {
    let keypoints = keypoints.detach();
    let (n, k) = (keypoints.size()[0], keypoints.size()[1]);
    let middle = keypoints.mean_dim([1i64].as_slice(), true, Kind::Float);
    let far = (&keypoints - middle).square().sum_dim_intlist([2i64].as_slice(), false, Kind::Float);
    let inner = far.topk((k / 2).max(1), 1, false, false).1;
    // Drawn where the seed is set, whatever the device.
    let drawn =
        Tensor::randint(inner.size()[1], [n, 1], (Kind::Int64, Device::Cpu)).to_device(inner.device());
    let chosen = inner.gather(1, &drawn, false).view([n, 1, 1]).expand([n, 1, 2], false);
    let centre = keypoints.gather(1, &chosen, false);
    grid(SIDE, &keypoints) * SHOWN + centre.view([n, 1, 1, 2])
}

/// The close-ups at `places` of images `[N, 3, S, S]`, `[N, 3, 96, 96]`; beyond the border its pixels go on.
pub(super) fn seen(images: &Tensor, places: &Tensor) -> Tensor {
    images.to_kind(Kind::Float).grid_sampler_2d(places, 0, 1, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_up_is_of_an_inner_part_enlarged() {
        tch::manual_seed(6);
        // Two parts near the middle of all, two far away.
        let points = Tensor::from_slice(&[-0.2f32, 0.1, 0.2, 0.1, -0.9, -0.8, 0.9, 0.8]).view([1, 4, 2]);
        let places = close_up(&points.expand([32, 4, 2], false));
        let centres = places.mean_dim([1i64, 2].as_slice(), false, Kind::Float);
        let x = Vec::<f32>::try_from(centres.select(1, 0)).unwrap();
        assert!(x.iter().all(|x| (x.abs() - 0.2).abs() < 1e-3), "{x:?}");
        assert!(x.iter().any(|x| *x < 0.0) && x.iter().any(|x| *x > 0.0));
        // A picture that is its own x: a close-up spans three eighths of it.
        let ramp =
            Tensor::linspace(-1.0, 1.0, 128, (Kind::Float, Device::Cpu)).expand([32, 3, 128, 128], false);
        let seen = seen(&ramp, &places);
        assert_eq!(seen.size(), [32, 3, SIDE, SIDE]);
        let span =
            (seen.amax([3i64].as_slice(), false) - seen.amin([3i64].as_slice(), false)).mean(Kind::Float);
        assert!((span.double_value(&[]) - 2.0 * SHOWN).abs() < 0.02, "{span:?}");
    }
}
