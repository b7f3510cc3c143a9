//! Mode seeking: other noise must give other images.

use tch::Tensor;

use super::mean;

/// `-mean(d(I, I') / d(z, z'))` of images `[N, 3, S, S]` and the noise `[N, Z]` that they differ in, `d` the mean
/// absolute difference (Mao et al., "Mode Seeking Generative Adversarial Networks for Diverse Image Synthesis",
/// 2019; images lie in [-1, 1], so that the ratio can be maximised as it is).
pub fn mode_seeking(images: &Tensor, others: &Tensor, noise: &Tensor, other_noise: &Tensor) -> Tensor {
    let distance =
        |a: &Tensor, b: &Tensor| (a - b).abs().flatten(1, -1).mean_dim([1i64].as_slice(), false, a.kind());
    -mean(&(distance(images, others) / (distance(noise, other_noise) + 1e-5)))
}
