//! Seeded noise for the keypoint generator.

use lkg_bundle::BundleDims;
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Noise for the keypoint generator, each `[N, Z]`, normally distributed.
#[derive(Clone, Debug)]
pub struct Noise {
    /// Decides where keypoints lie.
    pub pose: Array2<f32>,
    /// Decides what lies at them.
    pub appearance: Array2<f32>,
    /// Decides the background.
    pub background: Array2<f32>,
}

impl Noise {
    /// Noise for the pictures `indices`, scaled by `truncation`. Each picture has a stream of its own, so that it does
    /// not depend on the others.
    pub fn seeded(seed: u64, indices: std::ops::Range<u32>, dims: &BundleDims, truncation: f32) -> Self {
        let shape = (indices.len(), dims.latent);
        let (mut pose, mut appearance, mut background) =
            (Array2::zeros(shape), Array2::zeros(shape), Array2::zeros(shape));
        for (row, index) in indices.enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(u64::from(index));
            for part in [&mut pose, &mut appearance, &mut background] {
                part.row_mut(row).mapv_inplace(|_: f32| normal(&mut rng) * truncation);
            }
        }
        Self { pose, appearance, background }
    }
}

/// A normally distributed number by the Box-Muller transform, in double precision so that it rounds to the same
/// float32 on every machine.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let (a, b) = (1.0 - uniform(), uniform());
    ((-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMS: BundleDims = BundleDims {
        keypoints: 2,
        latent: 64,
        embedding: 3,
        image_size: 8,
        detector_size: 8,
        tables: None,
        states: None,
        portrait_size: None,
    };

    #[test]
    fn a_picture_does_not_depend_on_the_others() {
        let all = Noise::seeded(7, 0..5, &DIMS, 1.0);
        let one = Noise::seeded(7, 3..4, &DIMS, 1.0);
        assert_eq!(all.appearance.row(3), one.appearance.row(0));
        assert_ne!(all.pose.row(0), all.pose.row(1));
        assert_ne!(all.pose.row(0), Noise::seeded(8, 0..1, &DIMS, 1.0).pose.row(0));
    }

    #[test]
    fn noise_is_normal_and_truncation_scales_it() {
        let z = Noise::seeded(1, 0..200, &DIMS, 1.0).pose;
        let n = z.len() as f32;
        assert!((z.sum() / n).abs() < 0.03);
        assert!((z.mapv(|v| v * v).sum() / n - 1.0).abs() < 0.05);
        assert_eq!(Noise::seeded(1, 0..1, &DIMS, 0.0).pose.sum(), 0.0);
    }

    #[test]
    fn the_stream_of_a_seed_is_fixed() {
        let z = Noise::seeded(42, 0..1, &DIMS, 1.0);
        assert_eq!(
            [z.pose[[0, 0]], z.pose[[0, 1]], z.background[[0, 63]]],
            [1.4402541, -0.73568225, -0.5578456]
        );
    }
}
