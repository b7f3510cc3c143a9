//! How near pictures are to what they should be.

use serde::Serialize;
use tch::{Kind, Tensor};

use super::bootstrap;
use crate::error::Result;
use crate::losses::features::perceptual;
use crate::nets::features::FeatureNet;

/// Nearness of pictures to others, averaged over pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Nearness {
    /// Peak signal-to-noise ratio, dB.
    pub psnr: f64,
    /// Perceptual distance, 0 to 4: [`perceptual`] in features of open-nsfw, where they are there.
    pub perceptual: Option<f64>,
}

/// What is measured of each picture.
#[derive(Debug, Default)]
pub(super) struct Sums {
    psnr: Vec<f64>,
    perceptual: Vec<f64>,
}

impl Sums {
    /// Adds pictures `[N, 3, S, S]` in [-1, 1] against what they should be.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn add(&mut self, net: Option<&FeatureNet>, have: &Tensor, want: &Tensor) -> Result<()> {
        self.psnr.extend(each(&psnr(&(have - want).square().mean_dim(IMAGE, false, Kind::Double)))?);
        if let Some(net) = net {
            let n = have.size()[0];
            let distance = perceptual(&net.layers(have), &net.layers(want)).double_value(&[]);
            self.perceptual.extend(std::iter::repeat_n(distance, n as usize));
        }
        Ok(())
    }

    /// The averages.
    pub fn nearness(&self) -> Nearness {
        let perceptual = (!self.perceptual.is_empty()).then(|| mean(&self.perceptual));
        Nearness { psnr: mean(&self.psnr), perceptual }
    }

    /// 95 % interval of the PSNR over pictures: [`bootstrap::interval`].
    pub fn interval(&self) -> [f64; 2] {
        bootstrap::interval(&self.psnr)
    }
}

/// The axes of one image.
pub(super) const IMAGE: &[i64] = &[1, 2, 3];

/// One number a picture, `[N]`.
pub(super) fn each(numbers: &Tensor) -> Result<Vec<f64>> {
    Ok(Vec::try_from(numbers)?)
}

/// The mean; 0 of nothing.
pub(super) fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len().max(1) as f64
}

/// dB from mean squared errors of colours in [-1, 1], whose peak is 2.
pub(super) fn psnr(error: &Tensor) -> Tensor {
    (error.clamp_min(1e-10) / 4.0).log10() * -10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psnr_is_of_colours_from_black_to_white() {
        // Off by 1 everywhere is half of the way from black to white: 20 log10(2) dB.
        let found = psnr(&Tensor::from_slice(&[1.0f64, 4.0])).iter::<f64>().unwrap().collect::<Vec<_>>();
        assert!((found[0] - 6.0206).abs() < 1e-3 && found[1].abs() < 1e-9, "{found:?}");
    }
}
