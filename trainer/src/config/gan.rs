//! Generator against discriminator.

use serde::{Deserialize, Serialize};

use super::checks;
use crate::error::{Error, Result};

/// What the perceptual loss measures in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Perceptual {
    /// Maps of the pretrained `nets::FeatureNet`, which `scripts/setup features` fetches.
    OpenNsfw,
    /// Maps of the image discriminator as it is at that step.
    Discriminator,
}

/// Generator against discriminator. Of the losses, those of weight 0 cost no time, and networks that only they
/// need are not even made. A loss that is due every few steps counts for as many: its weight grows by as much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GanConfig {
    /// Images a step.
    pub batch: i64,
    /// Images that share a batch norm's statistics and the minibatch deviation, consecutive ones: a divisor of the
    /// batch, or 0 for all that a process has. Several processes compute what one does only where it is set, to a
    /// divisor of each one's share.
    pub norm_group: i64,
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
    /// Adam's step length for the detector and the encoder that are trained along.
    pub inference_rate: f64,
    /// Adam's decay rates.
    pub betas: (f64, f64),
    /// Weight of the gradient penalty on real images (R1). It should grow with the number of pixels: at 32 px weights
    /// of 1 and 5 left the discriminator near chance, 0.2 did not.
    pub r1_weight: f64,
    /// Steps between gradient penalties (lazy R1: the weight grows by as much).
    pub r1_every: u64,
    /// Weight of the background loss.
    pub background_weight: f64,
    /// Steps between background losses.
    pub background_every: u64,
    /// Part of the batch that is drawn twice for the background loss.
    pub background_fraction: f64,
    /// How much wider than the heat maps the parts are to the background loss, as a factor on tau. At 1 (published)
    /// the background learns to draw whole faces between the parts, and keypoints lose their meaning.
    pub background_reach: f64,
    /// Weight of the generator's equivariance: where its keypoints are deformed, its picture is deformed with them.
    /// Without it a keypoint's place tells who is drawn as much as where, and moving one part changes the person.
    pub generator_equivariance_weight: f64,
    /// Steps between losses of the generator's equivariance.
    pub generator_equivariance_every: u64,
    /// Part of the batch that is drawn twice for the generator's equivariance.
    pub generator_equivariance_fraction: f64,
    /// Weight of moving one part alone: the detector must see it where it was moved to, and the others where they were.
    /// Drawn poses are whole ones, so without it nothing asks what a keypoint does that leaves the rest of its pose.
    pub move_weight: f64,
    /// Weight of the rest of the picture staying as it was when one part is moved alone.
    pub move_rest_weight: f64,
    /// Steps between moves of one part.
    pub move_every: u64,
    /// Part of the batch that is drawn twice for them.
    pub move_fraction: f64,
    /// How far a part is moved along each axis at most, normalised coordinates.
    pub move_reach: f64,
    /// Weight of the keypoint discriminator, which tells (real image, its detected keypoints) from (generated image,
    /// its keypoints). Trains a detector along.
    pub keypoint_weight: f64,
    /// Weight of the appearance discriminator, which does the same with embeddings. Trains an encoder along.
    pub appearance_weight: f64,
    /// Weight of the discriminator that sees images through the pretrained `nets::FeatureNet`, which
    /// `scripts/setup features` fetches.
    pub feature_discriminator_weight: f64,
    /// Weight of the energy distance between drawn poses and those of real pictures, where keypoints had a training of
    /// their own and these are known.
    pub pose_weight: f64,
    /// Weight of the cycle from keypoints to an image and back, by the detector.
    pub cycle_keypoints_weight: f64,
    /// How much colour and fine detail drawn pictures lose before a fixed detector judges them, 0 to 1: without it the generator
    /// paints spots that the detector takes for parts.
    pub cycle_disguise: f64,
    /// Weight of the cycle from embeddings to an image and back, by the encoder.
    pub cycle_embeddings_weight: f64,
    /// Whether these two cycles teach the generator, too, as published, or the detector and the encoder alone. Where they
    /// do, it learns to paint spots and colours that tell what it was given. A detector that had a training of its own
    /// (`[keypoints]`) teaches it in any case: it learns no such signs, but a large weight has the generator find some.
    pub cycles_teach_generator: bool,
    /// Weight of the cycle from a real image to keypoints and embeddings and back, pixel by pixel.
    pub cycle_image_weight: f64,
    /// Weight of the same cycle's distance in feature space.
    pub perceptual_weight: f64,
    /// Whose features those are.
    pub perceptual: Perceptual,
    /// Weight of equivariance on real images: the keypoints of a deformed image are the deformed keypoints. Trains a
    /// detector along.
    pub equivariance_weight: f64,
    /// How far images are deformed for equivariance, the detector's and the generator's, and real ones for the encoder in cycles that begin with a real image:
    /// where things are can then be learned from the keypoints alone. At 0 the encoder sees the image itself.
    pub deformation: f64,
    /// Steps between losses that go from a real image to keypoints and back: they draw a batch of their own.
    pub reconstruction_every: u64,
    /// Weight of the distance between the discriminator's feature statistics on real and on generated images.
    pub feature_matching_weight: f64,
    /// Weight of the diversity loss: other noise must give other images.
    pub diversity_weight: f64,
    /// Steps between diversity losses.
    pub diversity_every: u64,
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
            norm_group: 0,
            images: vec![40_000, 60_000],
            epochs: 0.0,
            fade_images: 5_000,
            generator_rate: 2e-4,
            discriminator_rate: 4e-4,
            inference_rate: 5e-4,
            betas: (0.0, 0.99),
            r1_weight: 0.2,
            r1_every: 16,
            background_weight: 100.0,
            background_every: 1,
            background_fraction: 0.375,
            background_reach: 4.0,
            generator_equivariance_weight: 0.0,
            generator_equivariance_every: 1,
            generator_equivariance_fraction: 0.375,
            move_weight: 0.0,
            move_rest_weight: 0.0,
            move_every: 1,
            move_fraction: 0.25,
            move_reach: 0.2,
            keypoint_weight: 0.0,
            appearance_weight: 0.0,
            feature_discriminator_weight: 0.0,
            pose_weight: 1.0,
            cycle_keypoints_weight: 0.0,
            cycle_disguise: 0.0,
            cycle_embeddings_weight: 0.0,
            cycles_teach_generator: true,
            cycle_image_weight: 0.0,
            perceptual_weight: 0.0,
            perceptual: Perceptual::Discriminator,
            equivariance_weight: 0.0,
            deformation: 1.0,
            reconstruction_every: 2,
            feature_matching_weight: 0.0,
            diversity_weight: 0.0,
            diversity_every: 4,
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
        if self.norm_group < 0
            || self.norm_group == 1
            || (self.norm_group > 0 && self.batch % self.norm_group != 0)
        {
            return fail("gan.norm_group must be 0 or a divisor of gan.batch above 1");
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
        let rates = [self.generator_rate, self.discriminator_rate, self.inference_rate, self.ema_half_life];
        if rates.iter().any(|r| !(r.is_finite() && *r > 0.0)) {
            return fail("gan: rates and half-lives must be positive");
        }
        if [self.betas.0, self.betas.1].iter().any(|b| !(0.0..1.0).contains(b)) {
            return fail("betas must be from 0 to below 1");
        }
        let fractions = [
            self.background_fraction,
            self.generator_equivariance_fraction,
            self.move_fraction,
            self.cycle_disguise,
            self.move_reach,
            self.augment_translation,
            self.augment_cutout,
            self.augment_colour,
        ];
        if fractions.iter().any(|f| !(0.0..=1.0).contains(f)) {
            return fail("gan: fractions must be 0 to 1");
        }
        checks::weights(
            "gan",
            &[
                ("r1_weight", self.r1_weight),
                ("background_weight", self.background_weight),
                ("generator_equivariance_weight", self.generator_equivariance_weight),
                ("move_weight", self.move_weight),
                ("move_rest_weight", self.move_rest_weight),
                ("keypoint_weight", self.keypoint_weight),
                ("appearance_weight", self.appearance_weight),
                ("feature_discriminator_weight", self.feature_discriminator_weight),
                ("pose_weight", self.pose_weight),
                ("cycle_keypoints_weight", self.cycle_keypoints_weight),
                ("cycle_embeddings_weight", self.cycle_embeddings_weight),
                ("cycle_image_weight", self.cycle_image_weight),
                ("perceptual_weight", self.perceptual_weight),
                ("equivariance_weight", self.equivariance_weight),
                ("deformation", self.deformation),
                ("feature_matching_weight", self.feature_matching_weight),
                ("diversity_weight", self.diversity_weight),
            ],
        )?;
        for (name, weight) in [
            ("equivariance_weight", self.equivariance_weight),
            ("generator_equivariance_weight", self.generator_equivariance_weight),
        ] {
            if weight > 0.0 && self.deformation == 0.0 {
                let reason = format!("gan.{name} has nothing to compare where gan.deformation is 0");
                return Err(Error::Config(reason));
            }
        }
        for (name, every) in [
            ("r1_every", self.r1_every),
            ("background_every", self.background_every),
            ("generator_equivariance_every", self.generator_equivariance_every),
            ("move_every", self.move_every),
            ("reconstruction_every", self.reconstruction_every),
            ("diversity_every", self.diversity_every),
        ] {
            if every == 0 {
                return Err(Error::Config(format!("gan.{name} must be at least 1")));
            }
        }
        Ok(())
    }

    /// Whether a real image is turned into keypoints and embeddings and drawn again.
    pub fn reconstructs(&self) -> bool {
        self.cycle_image_weight > 0.0 || self.perceptual_weight > 0.0
    }

    /// Whether a detector is trained along with the generator.
    pub fn trains_detector(&self) -> bool {
        self.keypoint_weight > 0.0
            || self.cycle_keypoints_weight > 0.0
            || self.move_weight > 0.0
            || self.equivariance_weight > 0.0
            || self.reconstructs()
    }

    /// Whether an encoder is trained along with the generator.
    pub fn trains_encoder(&self) -> bool {
        self.appearance_weight > 0.0 || self.cycle_embeddings_weight > 0.0 || self.reconstructs()
    }

    /// Whether the pretrained feature network is needed.
    pub fn needs_features(&self) -> bool {
        let perceptual = self.perceptual_weight > 0.0 && self.perceptual == Perceptual::OpenNsfw;
        perceptual || self.feature_discriminator_weight > 0.0
    }

    /// Turns `epochs` over a set of `pictures` into a number of images.
    pub fn resolve_epochs(&mut self, pictures: u64) {
        if let Some(last) = self.images.last_mut().filter(|_| self.epochs > 0.0) {
            *last = (self.epochs * pictures as f64).ceil() as u64;
            self.epochs = 0.0;
        }
    }

    /// Images of a step that each of `ranks` processes has.
    ///
    /// # Errors
    /// [`Error::Config`] if the batch, or each one's groups, can't be shared out evenly.
    pub fn share(&self, ranks: usize) -> Result<i64> {
        let ranks = ranks as i64;
        let unit = ranks * self.norm_group.max(1);
        if self.batch % unit != 0 || self.batch / ranks < 2 {
            let least = if self.norm_group > 0 { unit } else { 2 * ranks };
            return Err(Error::Config(format!(
                "gan.batch {} can't be shared by {ranks} ranks: make it a multiple of {}, at least {least}",
                self.batch, unit
            )));
        }
        Ok(self.batch / ranks)
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
