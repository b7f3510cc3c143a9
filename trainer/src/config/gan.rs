//! Generator against discriminator.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Generator against discriminator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GanConfig {
    /// Images a step.
    pub batch: i64,
    /// Real images to show at each size, smallest size first.
    pub images: Vec<u64>,
    /// In place of the last of `images`: times that each picture is shown at full size. 0: `images` holds.
    pub epochs: f64,
    /// Images over which a new size is blended in.
    pub fade_images: u64,
    /// Adam's step length for the generator.
    pub generator_rate: f64,
    /// Adam's step length for the discriminator.
    pub discriminator_rate: f64,
    /// Adam's decay rates.
    pub betas: (f64, f64),
    /// Weight of the gradient penalty on real images (R1). It should grow with the number of pixels: at 32 px weights
    /// of 1 and 5 left the discriminator near chance, 0.2 did not.
    pub r1_weight: f64,
    /// Steps between gradient penalties (lazy R1: the weight grows by as much).
    pub r1_every: u64,
    /// Weight of the background loss.
    pub background_weight: f64,
    /// Part of the batch that is drawn twice for the background loss.
    pub background_fraction: f64,
    /// How much wider than the heat maps the parts are to the background loss, as a factor on tau. At 1 (published)
    /// the background learns to draw whole faces between the parts, and keypoints lose their meaning.
    pub background_reach: f64,
    /// Images after which half of the averaged generator is replaced.
    pub ema_half_life: f64,
    /// Largest shift of the discriminator's augmentation, a fraction of the side.
    pub augment_translation: f64,
    /// Side of the cut-out of the discriminator's augmentation, a fraction of the side.
    pub augment_cutout: f64,
    /// Strength of the colour part of the discriminator's augmentation, 0 to 1.
    pub augment_colour: f64,
}

impl Default for GanConfig {
    fn default() -> Self {
        Self {
            batch: 16,
            images: vec![40_000, 60_000],
            epochs: 0.0,
            fade_images: 5_000,
            generator_rate: 2e-4,
            discriminator_rate: 4e-4,
            betas: (0.0, 0.99),
            r1_weight: 0.2,
            r1_every: 16,
            background_weight: 100.0,
            background_fraction: 0.375,
            background_reach: 4.0,
            ema_half_life: 4_000.0,
            augment_translation: 0.0,
            augment_cutout: 0.0,
            augment_colour: 0.2,
        }
    }
}

impl GanConfig {
    /// Checks every value; `sizes` are those that [`super::Architecture::sizes`] lists.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that is wrong.
    pub fn check(&self, sizes: &[i64]) -> Result<()> {
        let fail = |reason: &str| Err(Error::Config(reason.into()));
        if self.batch < 2 {
            return fail("gan.batch must be at least 2");
        }
        if self.images.len() != sizes.len() {
            return Err(Error::Config(format!(
                "gan.images must list a count for each size trained at ({sizes:?})"
            )));
        }
        if !(self.epochs.is_finite() && self.epochs >= 0.0) {
            return fail("gan.epochs must be 0 (gan.images holds) or more");
        }
        if !(self.background_reach.is_finite() && self.background_reach > 0.0) {
            return fail("background_reach must be positive");
        }
        let rates = [self.generator_rate, self.discriminator_rate, self.ema_half_life];
        if rates.iter().any(|r| !(r.is_finite() && *r > 0.0)) {
            return fail("gan: rates and half-lives must be positive");
        }
        if [self.betas.0, self.betas.1].iter().any(|b| !(0.0..1.0).contains(b)) {
            return fail("betas must be from 0 to below 1");
        }
        let fractions =
            [self.background_fraction, self.augment_translation, self.augment_cutout, self.augment_colour];
        if fractions.iter().any(|f| !(0.0..=1.0).contains(f)) || self.r1_every == 0 {
            return fail("gan: fractions must be 0 to 1 and r1_every at least 1");
        }
        Ok(())
    }

    /// Turns `epochs` over a set of `pictures` into a number of images.
    pub fn resolve_epochs(&mut self, pictures: u64) {
        if let Some(last) = self.images.last_mut().filter(|_| self.epochs > 0.0) {
            *last = (self.epochs * pictures as f64).ceil() as u64;
            self.epochs = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_counted_in_pictures_at_full_size() {
        let mut gan = GanConfig { epochs: 2.5, ..GanConfig::default() };
        gan.resolve_epochs(1001);
        assert_eq!((gan.images.as_slice(), gan.epochs), ([40_000, 2503].as_slice(), 0.0));
        gan.resolve_epochs(7);
        assert_eq!(gan.images, [40_000, 2503]);
        let wrong = GanConfig { epochs: -1.0, ..GanConfig::default() };
        assert!(wrong.check(&[32, 64]).unwrap_err().to_string().contains("gan.epochs"));
    }
}
