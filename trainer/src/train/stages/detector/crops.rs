//! What a detector sees in pictures that it is shown more than once: whole, then in refinement crops.

use tch::Tensor;

use crate::augment::camera;
use crate::augment::similarity::{Beyond, Similarity};
use crate::nets::Detector;
use crate::nets::detector::Detection;
use crate::nets::layers::Norm;
use crate::nets::resize::resize;

/// Least and most side of a refinement crop, in sides of the square of the keypoints: room for those that were misplaced in
/// the whole picture, and little more.
const SIDE: (f64, f64) = (1.15, 1.5);
/// Most turn of a refinement crop, radians.
const ROTATION: f64 = 0.2;
/// Most shift of a refinement crop, normalised coordinates.
const SHIFT: f64 = 0.1;

/// Where `net` sees the keypoints of `images` `[N, 3, S, S]`, in crops of `size` pixels: of the whole picture, or, with
/// `crops` above 0, the mean of so many refinement crops.
pub(super) fn detect(net: &Detector, images: &Tensor, size: i64, crops: i64) -> Detection {
    let detect = |images: &Tensor| net.forward(images, Norm::Running);
    let first = detect(&resize(images, size));
    if crops == 0 {
        return first;
    }
    let keypoints = refined(images, &first.keypoints, size, crops, |images| detect(images).keypoints);
    Detection { keypoints, ..first }
}

/// The mean over `crops` of `images` about `first` `[N, K, 2]`, led back to the pictures. Each shows the face larger, elsewhere
/// and turned, so what one gets wrong others don't (Radosavovic et al., "Data Distillation", 2018, for teaching with it).
fn refined(
    images: &Tensor,
    first: &Tensor,
    size: i64,
    crops: i64,
    keypoints: impl Fn(&Tensor) -> Tensor,
) -> Tensor {
    let crop = |_| {
        let crop = Similarity::refinement_crop(first, SIDE, ROTATION, SHIFT);
        crop.sources(&keypoints(&camera::sampled(images, &crop, size, Beyond::Border)))
    };
    let sum: Tensor = (0..crops).map(crop).sum();
    sum / crops as f64
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::nets::heatmap::{self, Pose, pixel_centres};

    /// The middle of what is bright, `[N, 1, 2]`.
    fn middle(images: &Tensor) -> Tensor {
        let light = images.select(1, 0);
        let centres = pixel_centres(light.size()[1], Device::Cpu);
        let along = |axis: i64| light.sum_dim_intlist([axis].as_slice(), false, Kind::Float).matmul(&centres);
        let all = light.sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Float);
        Tensor::stack(&[along(1) / &all, along(2) / &all], -1).unsqueeze(1)
    }

    #[test]
    fn crops_are_led_back_to_the_picture_wherever_they_were_taken() {
        tch::manual_seed(2);
        let at = Tensor::from_slice(&[-0.2f32, 0.1, 0.3, -0.25]).view([2, 1, 2]);
        let maps = heatmap::parts(&Pose::natural(at.shallow_clone()), 0.01, 64);
        let wrong = &at + Tensor::from_slice(&[0.1f32, -0.05]);
        let seen = refined(&maps, &wrong, 32, 5, middle);
        assert!((seen - &at).abs().max().double_value(&[]) < 5e-3);
    }
}
