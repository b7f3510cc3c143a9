//! How near driven pictures are to what they should be.

use serde::Serialize;
use tch::{Kind, Tensor};

use crate::error::Result;
use crate::eval::nearness::{self, IMAGE, each, mean};
use crate::nets::features::FeatureNet;

/// Standard deviation of the window of [`similarity`], pixels, and its side (Wang et al., 2004).
const WINDOW: (f64, i64) = (1.5, 11);
/// What keeps the fractions of [`similarity`] finite, for colours in [0, 1] (Wang et al., 2004).
const STABLE: (f64, f64) = (1e-4, 9e-4);

/// Averages over pictures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Nearness {
    /// Mean absolute difference of colours, of [-1, 1].
    pub l1: f64,
    /// Peak signal-to-noise ratio, dB.
    pub psnr: f64,
    /// 95 % interval of it over pictures: [`crate::eval::bootstrap::interval`].
    pub psnr_interval: [f64; 2],
    /// Structural similarity, up to 1 (Wang et al., 2004). Nothing is trained on it.
    pub ssim: f64,
    /// Perceptual distance, 0 to 4, in features of open-nsfw, where they are there.
    pub perceptual: Option<f64>,
}

/// What is measured of each picture.
#[derive(Debug, Default)]
pub struct Sums {
    common: nearness::Sums,
    l1: Vec<f64>,
    ssim: Vec<f64>,
}

impl Sums {
    /// Adds pictures `[N, 3, S, S]` in [-1, 1] against what they should be.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn add(&mut self, net: Option<&FeatureNet>, have: &Tensor, want: &Tensor) -> Result<()> {
        self.common.add(net, have, want)?;
        self.l1.extend(each(&(have - want).abs().mean_dim(IMAGE, false, Kind::Double))?);
        self.ssim.extend(each(&similarity(have, want).mean_dim(IMAGE, false, Kind::Double))?);
        Ok(())
    }

    /// The averages.
    pub fn nearness(&self) -> Nearness {
        let nearness::Nearness { psnr, perceptual } = self.common.nearness();
        let psnr_interval = self.common.interval();
        Nearness { l1: mean(&self.l1), psnr, psnr_interval, ssim: mean(&self.ssim), perceptual }
    }
}

/// Maps `[N, 3, s, s]` of the structural similarity of images `[N, 3, S, S]` in [-1, 1] (Wang et al., "Image Quality
/// Assessment: From Error Visibility to Structural Similarity", 2004), each colour for itself.
fn similarity(a: &Tensor, b: &Tensor) -> Tensor {
    let (deviation, side) = WINDOW;
    let x = Tensor::arange(side, (Kind::Float, a.device())) - (side - 1) as f64 / 2.0;
    let line = (x.square() / (-2.0 * deviation * deviation)).exp();
    let line = &line / line.sum(Kind::Float);
    let window = (line.unsqueeze(1) * line.unsqueeze(0)).expand([3, 1, side, side], false);
    let blur = |x: &Tensor| x.conv2d(&window, None::<&Tensor>, [1, 1], [0, 0], [1, 1], 3);
    let (a, b) = ((a + 1.0) / 2.0, (b + 1.0) / 2.0);
    let (mu_a, mu_b) = (blur(&a), blur(&b));
    let (var_a, var_b) = (blur(&a.square()) - mu_a.square(), blur(&b.square()) - mu_b.square());
    let covariance = blur(&(&a * &b)) - &mu_a * &mu_b;
    let light = (&mu_a * &mu_b * 2.0 + STABLE.0) / (mu_a.square() + mu_b.square() + STABLE.0);
    light * (covariance * 2.0 + STABLE.1) / (var_a + var_b + STABLE.1)
}

/// How changes follow those that they should be, both being 0 where nothing happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Following {
    /// Pairs of pictures.
    pub n: usize,
    /// Correlation about 0; 0 where nothing changes.
    pub correlation: f64,
    /// Least-squares slope through 0: 1 is all of it.
    pub slope: f64,
}

impl Following {
    /// Of `[N, ...]`, all numbers together.
    pub fn of(wanted: &Tensor, found: &Tensor) -> Self {
        let product = |a: &Tensor, b: &Tensor| (a * b).sum(Kind::Double).double_value(&[]);
        let (xx, xy, yy) = (product(wanted, wanted), product(wanted, found), product(found, found));
        let over = |by: f64| if by > 1e-12 { xy / by } else { 0.0 };
        Self { n: wanted.size()[0] as usize, correlation: over((xx * yy).sqrt()), slope: over(xx) }
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn a_picture_is_nearest_to_itself() {
        tch::manual_seed(1);
        let picture = Tensor::rand([2, 3, 32, 32], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let near = |other: &Tensor| {
            let mut sums = Sums::default();
            sums.add(None, other, &picture).unwrap();
            sums.nearness()
        };
        let same = near(&picture);
        assert!(same.l1 == 0.0 && same.psnr > 100.0 && (same.ssim - 1.0).abs() < 1e-5, "{same:?}");
        assert_eq!(same.perceptual, None);
        // Off by 0.2 of 2 everywhere: 20 dB.
        let lighter = near(&(&picture + 0.2));
        assert!((lighter.psnr - 20.0).abs() < 1e-3 && (lighter.l1 - 0.2).abs() < 1e-5, "{lighter:?}");
        // Light changes structure little, another picture has none of it.
        let other = near(&picture.flip([3]));
        assert!(lighter.ssim > 0.8 && other.ssim < 0.2, "{lighter:?} {other:?}");
    }

    #[test]
    fn following_is_about_zero() {
        let wanted = Tensor::from_slice(&[1.0f32, -2.0, 3.0, 0.5]).view([2, 2]);
        let half = Following::of(&wanted, &(&wanted * 0.5));
        assert!((half.slope - 0.5).abs() < 1e-6 && (half.correlation - 1.0).abs() < 1e-6 && half.n == 2);
        let still = Following::of(&wanted, &wanted.zeros_like());
        assert_eq!((still.slope, still.correlation), (0.0, 0.0));
        // What is added to all is not following.
        assert!(Following::of(&wanted, &(&wanted + 5.0)).correlation < 0.7);
    }
}
