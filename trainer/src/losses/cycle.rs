//! Cycle losses: what went in must come back out (method, section 4; Zhu et al., "Unpaired Image-to-Image Translation
//! using Cycle-Consistent Adversarial Networks", 2017, of which the absolute differences are).

use tch::Tensor;

use super::mean;

/// `mean |detector(G(K, E)) - K|`: keypoints `[N, K, 2]` found in generated images against those they were generated
/// from. Gradients reach the detector and, through the image, the generator; `given` is a constant, since moving it
/// towards a poor detector's guess would pull all keypoints together.
pub fn keypoints(found: &Tensor, given: &Tensor) -> Tensor {
    mean(&(found - given.detach()).abs())
}

/// One part of each image moved alone: keypoints `[N, K, 2]` found in the images against those asked for, the mean
/// absolute difference of the parts that were `moved`, `[N, K, 1]`, 0 or 1, plus that of the others. So a part counts for as
/// much as all others together. What was asked for is a constant.
pub fn moved_part(found: &Tensor, asked: &Tensor, moved: &Tensor) -> Tensor {
    let off = (found - asked.detach()).abs().mean_dim([-1i64].as_slice(), true, found.kind());
    let over = |weight: &Tensor| (&off * weight).sum(found.kind()) / (weight.sum(found.kind()) + 1e-6);
    over(moved) + over(&(1.0 - moved))
}

/// `mean |encoder(G(K, E)) - E|` over the parts' embeddings `[N, K, E]` and the background's `[N, E]` alike, each
/// given as (found, given). What was given is a constant here too.
pub fn embeddings(parts: (&Tensor, &Tensor), background: (&Tensor, &Tensor)) -> Tensor {
    let found = Tensor::cat(&[parts.0.shallow_clone(), background.0.unsqueeze(1)], 1);
    let given = Tensor::cat(&[parts.1.shallow_clone(), background.1.unsqueeze(1)], 1);
    mean(&(found - given.detach()).abs())
}

/// `mean |G(detector(X), encoder(X)) - X|`: a real image `[N, 3, S, S]` against its reconstruction.
pub fn image(reconstruction: &Tensor, real: &Tensor) -> Tensor {
    mean(&(reconstruction - real).abs())
}

/// Equivariance: keypoints `[N, K, 2]` of deformed images, taken back to the images, against those seen there. Mean
/// distance over those that are `inside` the image, `[N, K]`, 0 or 1 (Thewlis et al., "Unsupervised Learning of Object
/// Landmarks by Factorized Spatial Embeddings", 2017).
pub fn equivariance(taken_back: &Tensor, seen: &Tensor, inside: &Tensor) -> Tensor {
    let square = (taken_back - seen).square().sum_dim_intlist([-1i64].as_slice(), false, seen.kind());
    // The constant keeps the gradient finite at 0.
    let distance = (square + 1e-6).sqrt() * inside;
    distance.sum(seen.kind()) / (inside.sum(seen.kind()) + 1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embeddings_of_parts_and_background_count_alike() {
        let (found, given) = (
            Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0]).view([1, 2, 2]),
            Tensor::from_slice(&[1f32, 1.0, 1.0, 1.0]).view([1, 2, 2]),
        );
        let (back, behind) =
            (Tensor::from_slice(&[0f32, 0.0]).view([1, 2]), Tensor::from_slice(&[-3f32, 3.0]).view([1, 2]));
        let loss = embeddings((&found, &given), (&back, &behind)).double_value(&[]);
        assert!((loss - (0.0 + 1.0 + 2.0 + 3.0 + 3.0 + 3.0) / 6.0).abs() < 1e-6);
    }

    #[test]
    fn equivariance_is_the_mean_distance_of_what_is_inside() {
        let seen = Tensor::zeros([1, 3, 2], (tch::Kind::Float, tch::Device::Cpu));
        let back = Tensor::from_slice(&[3f32, 4.0, 6.0, 8.0, 100.0, 0.0]).view([1, 3, 2]);
        let inside = Tensor::from_slice(&[1f32, 1.0, 0.0]).view([1, 3]);
        assert!((equivariance(&back, &seen, &inside).double_value(&[]) - 7.5).abs() < 1e-3);
        assert_eq!(equivariance(&back, &seen, &(inside * 0.0)).double_value(&[]), 0.0);
    }

    #[test]
    fn a_moved_part_counts_for_as_much_as_all_others() {
        let asked = Tensor::zeros([2, 3, 2], (tch::Kind::Float, tch::Device::Cpu));
        let found = Tensor::from_slice(&[0.5f32, 0.3, 0.1, 0.1, 0.0, 0.0, 0.2, 0.2, 0.6, 0.0, 0.0, 0.0])
            .view([2, 3, 2]);
        let moved = Tensor::from_slice(&[1f32, 0.0, 0.0, 0.0, 1.0, 0.0]).view([2, 3, 1]);
        let loss = moved_part(&found, &asked, &moved).double_value(&[]);
        assert!((loss - ((0.4 + 0.3) / 2.0 + (0.1 + 0.0 + 0.2 + 0.0) / 4.0)).abs() < 1e-5, "{loss}");
    }

    #[test]
    fn keypoints_and_images_are_compared_by_absolute_differences() {
        let (a, b) = (Tensor::from_slice(&[0.5f32, -0.5]), Tensor::from_slice(&[0.0f32, 0.5]));
        assert!((keypoints(&a, &b).double_value(&[]) - 0.75).abs() < 1e-6);
        assert!((image(&a, &b).double_value(&[]) - 0.75).abs() < 1e-6);
    }
}
