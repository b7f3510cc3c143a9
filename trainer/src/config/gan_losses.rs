//! The sections of `[gan]`: each loss with its weight, how often it is due, and what else it asks. A loss that is due every few
//! steps counts for as many: its weight grows by as much.

use serde::{Deserialize, Serialize};

/// What the perceptual loss measures in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Perceptual {
    /// Maps of the pretrained `nets::FeatureNet`, which `scripts/setup features` fetches.
    OpenNsfw,
    /// Maps of the image discriminator as it is at that step.
    Discriminator,
}

/// `[gan.r1]`: the gradient penalty on real images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct R1Config {
    /// Weight. It should grow with the number of pixels: at 32 px weights of 1 and 5 left the discriminator near chance,
    /// 0.2 did not.
    pub weight: f64,
    /// Steps between penalties (lazy R1).
    pub every: u64,
}

/// `[gan.background]`: two images that differ in the background alone agree on the parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackgroundConfig {
    /// Weight.
    pub weight: f64,
    /// Steps between losses.
    pub every: u64,
    /// Part of the batch that is generated twice for it.
    pub fraction: f64,
    /// How much wider than the heat maps the parts are to the loss, as a factor on tau. At 1 (published) the background
    /// learns to draw whole faces between the parts, and keypoints lose their meaning.
    pub reach: f64,
}

/// `[gan.generator_equivariance]`: where keypoints are deformed, the generated image is deformed with them. Without it a
/// keypoint's place tells who is drawn as much as where, and moving one part changes the person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GeneratorEquivarianceConfig {
    /// Weight.
    pub weight: f64,
    /// Steps between losses.
    pub every: u64,
    /// Part of the batch that is generated twice for it.
    pub fraction: f64,
}

/// `[gan.move]`: one part moved alone. Generated poses are whole ones, so without it nothing asks what a keypoint does that
/// leaves the rest of its pose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MoveConfig {
    /// Weight of the detector seeing the part where it was moved to, and the others where they were.
    pub weight: f64,
    /// Weight of the rest of the picture staying as it was.
    pub rest_weight: f64,
    /// Steps between moves.
    pub every: u64,
    /// Part of the batch that is generated twice for them.
    pub fraction: f64,
    /// How far a part is moved along each axis at most, normalised coordinates.
    pub reach: f64,
}

/// A loss that has a weight and nothing else: off unless it is given one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WeightConfig {
    /// Weight.
    pub weight: f64,
}

/// `[gan.pose]`: the energy distance between generated poses and those of real pictures, where keypoints had a training of
/// their own and these are known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoseConfig {
    /// Weight.
    pub weight: f64,
}

/// `[gan.cycle]`: from latents to an image and back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CycleConfig {
    /// Weight of keypoints that come back by the detector.
    pub keypoints_weight: f64,
    /// Weight of embeddings that come back by the encoder.
    pub embeddings_weight: f64,
    /// Whether these two teach the generator, too, as published, or the detector and the encoder alone. Where they do, it
    /// learns to paint spots and colours that tell what it was given. A detector that had a training of its own
    /// (`[keypoints]`) teaches it in any case: it learns no such signs, but a large weight has the generator find some.
    pub teach_generator: bool,
    /// How much colour and fine detail generated images lose before a fixed detector sees them, 0 to 1: without it the
    /// generator paints spots that the detector takes for parts.
    pub augmentation: f64,
}

/// `[gan.reconstruction]`: from a real image to keypoints and embeddings and back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconstructionConfig {
    /// Weight of the distance pixel by pixel.
    pub image_weight: f64,
    /// Weight of the distance in feature space.
    pub perceptual_weight: f64,
    /// Whose features those are.
    pub perceptual: Perceptual,
    /// Steps between reconstructions, which generate a batch of their own, and between losses of `[gan.equivariance]`.
    pub every: u64,
}

/// `[gan.diversity]`: other noise gives other images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiversityConfig {
    /// Weight.
    pub weight: f64,
    /// Steps between losses.
    pub every: u64,
}

/// `[gan.augment]`: augmentation of what the discriminators see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Largest shift, a fraction of the side.
    pub translation: f64,
    /// Side of the cut-out, a fraction of the side.
    pub cutout: f64,
    /// Strength of the colour part, 0 to 1.
    pub colour: f64,
}

impl Default for R1Config {
    fn default() -> Self {
        Self { weight: 0.2, every: 16 }
    }
}

impl Default for BackgroundConfig {
    fn default() -> Self {
        Self { weight: 100.0, every: 1, fraction: 0.375, reach: 4.0 }
    }
}

impl Default for GeneratorEquivarianceConfig {
    fn default() -> Self {
        Self { weight: 0.0, every: 1, fraction: 0.375 }
    }
}

impl Default for MoveConfig {
    fn default() -> Self {
        Self { weight: 0.0, rest_weight: 0.0, every: 1, fraction: 0.25, reach: 0.2 }
    }
}

impl Default for PoseConfig {
    fn default() -> Self {
        Self { weight: 1.0 }
    }
}

impl Default for CycleConfig {
    fn default() -> Self {
        Self { keypoints_weight: 0.0, embeddings_weight: 0.0, teach_generator: true, augmentation: 0.0 }
    }
}

impl Default for ReconstructionConfig {
    fn default() -> Self {
        Self { image_weight: 0.0, perceptual_weight: 0.0, perceptual: Perceptual::Discriminator, every: 2 }
    }
}

impl Default for DiversityConfig {
    fn default() -> Self {
        Self { weight: 0.0, every: 4 }
    }
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self { translation: 0.0, cutout: 0.0, colour: 0.2 }
    }
}

impl AugmentConfig {
    /// Without what moves keypoints away from where they are.
    #[must_use]
    pub fn keeping_poses(&self) -> Self {
        Self { translation: 0.0, cutout: 0.0, ..self.clone() }
    }

    /// Without what changes what parts look like.
    #[must_use]
    pub fn keeping_appearance(&self) -> Self {
        Self { colour: 0.0, cutout: 0.0, ..self.clone() }
    }
}
