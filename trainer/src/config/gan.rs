//! Generator against discriminator.

use serde::{Deserialize, Serialize};

use super::checks::{self, fail};
use super::gan_losses::{
    AugmentConfig, BackgroundConfig, CycleConfig, DiversityConfig, GeneratorEquivarianceConfig, MoveConfig,
    Perceptual, PoseConfig, R1Config, ReconstructionConfig, WeightConfig,
};
use crate::error::Result;

/// Generator against discriminator. Of the losses, those of weight 0 cost no time, and networks that only they
/// need are not even made.
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
    /// Adam's learning rate for the generator.
    pub generator_learning_rate: f64,
    /// Adam's learning rate for the discriminators.
    pub discriminator_learning_rate: f64,
    /// Adam's learning rate for the detector and the encoder that are trained along.
    pub inference_learning_rate: f64,
    /// Adam's decay rates.
    pub betas: (f64, f64),
    /// Images after which half of the averaged generator is replaced.
    pub ema_half_life: f64,
    /// How far images are deformed for equivariance, the detector's and the generator's, and real ones for the encoder in
    /// reconstructions: where things are can then be learned from the keypoints alone. At 0 the encoder sees the image itself.
    pub deformation: f64,
    /// The gradient penalty on real images.
    pub r1: R1Config,
    /// Augmentation of what the discriminators see.
    pub augment: AugmentConfig,
    /// Two images that differ in the background alone.
    pub background: BackgroundConfig,
    /// Images generated from deformed keypoints.
    pub generator_equivariance: GeneratorEquivarianceConfig,
    /// One part moved alone.
    #[serde(rename = "move")]
    pub part_move: MoveConfig,
    /// The discriminator that tells (real image, its detected keypoints) from (generated image, its keypoints). Trains a
    /// detector along.
    pub keypoint_discriminator: WeightConfig,
    /// The discriminator that does the same with embeddings. Trains an encoder along.
    pub appearance_discriminator: WeightConfig,
    /// The discriminator that sees images through the pretrained `nets::FeatureNet`, which `scripts/setup features` fetches.
    pub feature_discriminator: WeightConfig,
    /// Generated poses against real ones.
    pub pose: PoseConfig,
    /// From latents to an image and back.
    pub cycle: CycleConfig,
    /// From a real image to keypoints and embeddings and back.
    pub reconstruction: ReconstructionConfig,
    /// Equivariance on real images: the keypoints of a deformed image are the deformed keypoints. Trains a detector along.
    pub equivariance: WeightConfig,
    /// The distance between the discriminator's feature statistics on real and on generated images.
    pub feature_matching: WeightConfig,
    /// Other noise gives other images.
    pub diversity: DiversityConfig,
}

impl Default for GanConfig {
    fn default() -> Self {
        Self {
            batch: 16,
            norm_group: 0,
            images: vec![40_000, 60_000],
            epochs: 0.0,
            fade_images: 5_000,
            generator_learning_rate: 2e-4,
            discriminator_learning_rate: 4e-4,
            inference_learning_rate: 5e-4,
            betas: (0.0, 0.99),
            ema_half_life: 4_000.0,
            deformation: 1.0,
            r1: R1Config::default(),
            augment: AugmentConfig::default(),
            background: BackgroundConfig::default(),
            generator_equivariance: GeneratorEquivarianceConfig::default(),
            part_move: MoveConfig::default(),
            keypoint_discriminator: WeightConfig::default(),
            appearance_discriminator: WeightConfig::default(),
            feature_discriminator: WeightConfig::default(),
            pose: PoseConfig::default(),
            cycle: CycleConfig::default(),
            reconstruction: ReconstructionConfig::default(),
            equivariance: WeightConfig::default(),
            feature_matching: WeightConfig::default(),
            diversity: DiversityConfig::default(),
        }
    }
}

impl GanConfig {
    /// Checks every value; `sizes` are those that [`super::Architecture::sizes`] lists.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the key that is wrong.
    pub fn check(&self, sizes: &[i64]) -> Result<()> {
        checks::batch("gan.batch", self.batch)?;
        if self.norm_group < 0
            || self.norm_group == 1
            || (self.norm_group > 0 && self.batch % self.norm_group != 0)
        {
            return fail("gan.norm_group must be 0 or a divisor of gan.batch above 1");
        }
        if self.images.len() != sizes.len() {
            return fail(format!("gan.images must list a count for each size trained at ({sizes:?})"));
        }
        if !(self.epochs.is_finite() && self.epochs >= 0.0) {
            return fail("gan.epochs must be 0 (gan.images holds) or more");
        }
        checks::positive(&[
            ("gan.background.reach", self.background.reach),
            ("gan.generator_learning_rate", self.generator_learning_rate),
            ("gan.discriminator_learning_rate", self.discriminator_learning_rate),
            ("gan.inference_learning_rate", self.inference_learning_rate),
            ("gan.ema_half_life", self.ema_half_life),
        ])?;
        if [self.betas.0, self.betas.1].iter().any(|b| !(0.0..1.0).contains(b)) {
            return fail("gan.betas must be from 0 to below 1");
        }
        checks::fractions(&[
            ("gan.background.fraction", self.background.fraction),
            ("gan.generator_equivariance.fraction", self.generator_equivariance.fraction),
            ("gan.move.fraction", self.part_move.fraction),
            ("gan.move.reach", self.part_move.reach),
            ("gan.cycle.augmentation", self.cycle.augmentation),
            ("gan.augment.translation", self.augment.translation),
            ("gan.augment.cutout", self.augment.cutout),
            ("gan.augment.colour", self.augment.colour),
        ])?;
        checks::weights(&[
            ("gan.r1.weight", self.r1.weight),
            ("gan.background.weight", self.background.weight),
            ("gan.generator_equivariance.weight", self.generator_equivariance.weight),
            ("gan.move.weight", self.part_move.weight),
            ("gan.move.rest_weight", self.part_move.rest_weight),
            ("gan.keypoint_discriminator.weight", self.keypoint_discriminator.weight),
            ("gan.appearance_discriminator.weight", self.appearance_discriminator.weight),
            ("gan.feature_discriminator.weight", self.feature_discriminator.weight),
            ("gan.pose.weight", self.pose.weight),
            ("gan.cycle.keypoints_weight", self.cycle.keypoints_weight),
            ("gan.cycle.embeddings_weight", self.cycle.embeddings_weight),
            ("gan.reconstruction.image_weight", self.reconstruction.image_weight),
            ("gan.reconstruction.perceptual_weight", self.reconstruction.perceptual_weight),
            ("gan.equivariance.weight", self.equivariance.weight),
            ("gan.deformation", self.deformation),
            ("gan.feature_matching.weight", self.feature_matching.weight),
            ("gan.diversity.weight", self.diversity.weight),
        ])?;
        for (key, weight) in [
            ("gan.equivariance.weight", self.equivariance.weight),
            ("gan.generator_equivariance.weight", self.generator_equivariance.weight),
        ] {
            if weight > 0.0 && self.deformation == 0.0 {
                return fail(format!("{key} has nothing to compare where gan.deformation is 0"));
            }
        }
        checks::cadences(&[
            ("gan.r1.every", self.r1.every),
            ("gan.background.every", self.background.every),
            ("gan.generator_equivariance.every", self.generator_equivariance.every),
            ("gan.move.every", self.part_move.every),
            ("gan.reconstruction.every", self.reconstruction.every),
            ("gan.diversity.every", self.diversity.every),
        ])
    }

    /// Whether a real image is turned into keypoints and embeddings and reconstructed.
    pub fn reconstructs(&self) -> bool {
        self.reconstruction.image_weight > 0.0 || self.reconstruction.perceptual_weight > 0.0
    }

    /// Whether a detector is trained along with the generator.
    pub fn trains_detector(&self) -> bool {
        self.keypoint_discriminator.weight > 0.0
            || self.cycle.keypoints_weight > 0.0
            || self.part_move.weight > 0.0
            || self.equivariance.weight > 0.0
            || self.reconstructs()
    }

    /// Whether an encoder is trained along with the generator.
    pub fn trains_encoder(&self) -> bool {
        self.appearance_discriminator.weight > 0.0
            || self.cycle.embeddings_weight > 0.0
            || self.reconstructs()
    }

    /// Whether the pretrained feature network is needed.
    pub fn needs_features(&self) -> bool {
        let reconstruction = &self.reconstruction;
        let perceptual =
            reconstruction.perceptual_weight > 0.0 && reconstruction.perceptual == Perceptual::OpenNsfw;
        perceptual || self.feature_discriminator.weight > 0.0
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
    /// [`crate::Error::Config`] if the batch, or each one's groups, can't be shared out evenly.
    pub fn share(&self, ranks: usize) -> Result<i64> {
        let ranks = ranks as i64;
        let unit = ranks * self.norm_group.max(1);
        if self.batch % unit != 0 || self.batch / ranks < 2 {
            let least = if self.norm_group > 0 { unit } else { 2 * ranks };
            return fail(format!(
                "gan.batch {} can't be shared by {ranks} ranks: make it a multiple of {}, at least {least}",
                self.batch, unit
            ));
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
