//! The resolved configuration of a training run: a TOML file's content over the defaults, checked before anything
//! starts and stored with every checkpoint.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What fixes the networks' shapes: a checkpoint fits a configuration when these are equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Architecture {
    /// K.
    pub keypoints: i64,
    /// Z, length of each noise vector.
    pub latent: i64,
    /// E, length of an embedding.
    pub embedding: i64,
    /// Hidden width of the keypoint generator.
    pub mlp_hidden: i64,
    /// The pose MLP's output is divided by this before tanh.
    pub keypoint_divisor: f64,
    /// Width of the heat maps.
    pub tau: f64,
    /// Side of the generated image, a power of two.
    pub image_size: i64,
    /// Side of the first images trained on; doubled stage by stage up to `image_size`.
    pub first_size: i64,
    /// Widths of the image generator at 4, 8, … `image_size`.
    pub generator_channels: Vec<i64>,
    /// Widths of the discriminator at 4, 8, … `image_size`.
    pub discriminator_channels: Vec<i64>,
    /// Side of the detector's input.
    pub detector_size: i64,
    /// Widths of the detector from half resolution down.
    pub detector_channels: Vec<i64>,
}

impl Default for Architecture {
    fn default() -> Self {
        Self {
            keypoints: 10,
            latent: 128,
            embedding: 64,
            mlp_hidden: 256,
            keypoint_divisor: 5.0,
            tau: 0.02,
            image_size: 64,
            first_size: 32,
            generator_channels: vec![160, 160, 96, 64, 32],
            discriminator_channels: vec![192, 160, 96, 48, 24],
            detector_size: 64,
            detector_channels: vec![32, 64, 128, 192],
        }
    }
}

impl Architecture {
    /// The image sizes trained at, smallest first.
    pub fn sizes(&self) -> Vec<i64> {
        std::iter::successors(Some(self.first_size), |s| Some(s * 2))
            .take_while(|s| *s <= self.image_size)
            .collect()
    }

    /// Width of the generator's feature map of side `size`.
    pub fn generator_width(&self, size: i64) -> i64 {
        self.generator_channels[level(size)]
    }

    /// Width of the discriminator's feature map of side `size`.
    pub fn discriminator_width(&self, size: i64) -> i64 {
        self.discriminator_channels[level(size)]
    }

    /// Checks that the networks can be built.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that is wrong.
    pub fn check(&self) -> Result<()> {
        let size_ok = |s: i64| (8..=1024).contains(&s) && s.count_ones() == 1;
        let fail = |reason: String| Err(Error::Config(reason));
        if !size_ok(self.image_size) || !size_ok(self.first_size) || self.first_size > self.image_size {
            return fail(
                "image_size and first_size must be powers of two from 8 to 1024, first_size the smaller"
                    .into(),
            );
        }
        if !(32..=512).contains(&self.detector_size) || self.detector_size % 32 != 0 {
            return fail("detector_size must be a multiple of 32 from 32 to 512".into());
        }
        let levels = level(self.image_size) + 1;
        for (name, widths) in [
            ("generator_channels", &self.generator_channels),
            ("discriminator_channels", &self.discriminator_channels),
        ] {
            if widths.len() != levels || widths.iter().any(|w| !(1..=2048).contains(w)) {
                return fail(format!(
                    "{name} must list {levels} widths (4 px up to {} px) of 1 to 2048",
                    self.image_size
                ));
            }
        }
        if !(2..=4).contains(&self.detector_channels.len())
            || self.detector_channels.iter().any(|w| !(1..=2048).contains(w))
        {
            return fail("detector_channels must list 2 to 4 widths of 1 to 2048".into());
        }
        for (name, value) in [
            ("keypoints", self.keypoints),
            ("latent", self.latent),
            ("embedding", self.embedding),
            ("mlp_hidden", self.mlp_hidden),
        ] {
            if !(1..=4096).contains(&value) {
                return fail(format!("{name} must be 1 to 4096"));
            }
        }
        if !(self.tau > 0.0 && self.keypoint_divisor > 0.0) {
            return fail("tau and keypoint_divisor must be positive".into());
        }
        Ok(())
    }

    /// The sizes that the bundle contract needs.
    pub fn bundle_dims(&self) -> models::BundleDims {
        models::BundleDims {
            keypoints: self.keypoints as usize,
            latent: self.latent as usize,
            embedding: self.embedding as usize,
            image_size: self.image_size as usize,
            detector_size: self.detector_size as usize,
        }
    }
}

/// Position of a feature map's side in lists of widths that start at 4 px.
fn level(size: i64) -> usize {
    (size.trailing_zeros() as usize).saturating_sub(2)
}

/// Arithmetic inside the networks; weights, losses and the optimiser are float32 always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// float32.
    Fp32,
    /// bfloat16: faster where the processor has it (AVX512-BF16, AMX, a GPU).
    Bf16,
}

impl Precision {
    /// libtorch's name for it.
    pub fn kind(self) -> tch::Kind {
        match self {
            Self::Fp32 => tch::Kind::Float,
            Self::Bf16 => tch::Kind::BFloat16,
        }
    }
}

/// Generator against discriminator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GanConfig {
    /// Images a step.
    pub batch: i64,
    /// Real images to show at each size, smallest size first.
    pub images: Vec<u64>,
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

/// How real pictures are cut: random rotated squares inside the picture. On aligned faces keypoints would learn
/// not to move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CropConfig {
    /// Least picture side over crop side.
    pub zoom_min: f64,
    /// Most picture side over crop side.
    pub zoom_max: f64,
    /// Most rotation either way, degrees.
    pub rotation: f64,
}

impl Default for CropConfig {
    fn default() -> Self {
        Self { zoom_min: 1.1, zoom_max: 1.8, rotation: 20.0 }
    }
}

/// The detector's training on generated pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectorConfig {
    /// Pairs a step.
    pub batch: i64,
    /// Generated pairs to show.
    pub images: u64,
    /// Adam's step length at the start; it falls to zero along a half cosine.
    pub rate: f64,
    /// Least and most size of the face relative to the generated picture.
    pub scale: (f64, f64),
    /// Most shift, normalised coordinates.
    pub shift: f64,
    /// Most rotation either way, degrees, on top of what the generator draws.
    pub rotation: f64,
    /// Part of the batch replaced by pictures without a face.
    pub negatives: f64,
    /// Weight of the equivariance loss on real pictures: keypoints of a warped picture are the warped keypoints.
    pub equivariance_weight: f64,
    /// Part of the training after which the equivariance loss sets in.
    pub equivariance_from: f64,
    /// Images after which half of the averaged detector is replaced.
    pub ema_half_life: f64,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            batch: 16,
            images: 100_000,
            rate: 2e-3,
            scale: (0.65, 1.3),
            shift: 0.2,
            rotation: 15.0,
            negatives: 0.06,
            equivariance_weight: 1.0,
            equivariance_from: 0.4,
            ema_half_life: 5_000.0,
        }
    }
}

/// Everything that a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The source of every random number.
    pub seed: u64,
    /// Arithmetic inside the networks.
    pub precision: Precision,
    /// Shapes of the networks.
    pub architecture: Architecture,
    /// Crops of real pictures.
    pub crop: CropConfig,
    /// First part of the training.
    pub gan: GanConfig,
    /// Second part of the training.
    pub detector: DetectorConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            precision: Precision::Bf16,
            architecture: Architecture::default(),
            crop: CropConfig::default(),
            gan: GanConfig::default(),
            detector: DetectorConfig::default(),
        }
    }
}

impl Config {
    /// Reads a TOML file over the defaults and checks it.
    ///
    /// # Errors
    /// [`Error::Config`] naming what is wrong, or [`Error::Io`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let config: Self = toml::from_str(&text).map_err(|e| {
            Error::Config(format!("{}: {}", path.display(), e.to_string().trim().replace('\n', " ")))
        })?;
        config.check()?;
        Ok(config)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that is wrong.
    pub fn check(&self) -> Result<()> {
        self.architecture.check()?;
        let fail = |reason: &str| Err(Error::Config(reason.into()));
        let g = &self.gan;
        if g.batch < 2 || self.detector.batch < 2 {
            return fail("batch must be at least 2");
        }
        if g.images.len() != self.architecture.sizes().len() {
            return Err(Error::Config(format!(
                "gan.images must list a count for each size trained at ({:?})",
                self.architecture.sizes()
            )));
        }
        let rates = [g.generator_rate, g.discriminator_rate, self.detector.rate, g.ema_half_life];
        if !(g.background_reach.is_finite() && g.background_reach > 0.0) {
            return fail("background_reach must be positive");
        }
        if rates.iter().any(|r| !(r.is_finite() && *r > 0.0)) {
            return fail("rates and half-lives must be positive");
        }
        if [g.betas.0, g.betas.1].iter().any(|b| !(0.0..1.0).contains(b)) {
            return fail("betas must be from 0 to below 1");
        }
        let fractions = [
            g.background_fraction,
            g.augment_translation,
            g.augment_cutout,
            g.augment_colour,
            self.detector.negatives,
        ];
        if fractions.iter().any(|f| !(0.0..=1.0).contains(f)) || g.r1_every == 0 {
            return fail("fractions must be 0 to 1 and r1_every at least 1");
        }
        let c = &self.crop;
        if !(c.zoom_min >= 1.0 && c.zoom_max >= c.zoom_min && (0.0..=180.0).contains(&c.rotation)) {
            return fail("crop must have 1 <= zoom_min <= zoom_max and rotation of 0 to 180 degrees");
        }
        let d = &self.detector;
        if !(d.scale.0 > 0.0 && d.scale.1 >= d.scale.0) {
            return fail("detector.scale must be two positive numbers, the smaller first");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        Config::read(&path).map(|_| ()).map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_are_sound_and_survive_toml() {
        let text = toml::to_string(&Config::default()).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), Config::default());
        parse(&text).unwrap();
        parse("").unwrap();
    }

    #[test]
    fn wrong_values_are_named() {
        assert!(parse("[gan]\nbatchh = 3").unwrap_err().contains("batchh"));
        assert!(parse("[gan]\nbatch = 1").unwrap_err().contains("batch"));
        assert!(parse("[gan]\nimages = [1]").unwrap_err().contains("gan.images"));
        assert!(parse("[architecture]\nimage_size = 48").unwrap_err().contains("powers of two"));
        assert!(
            parse("[architecture]\ngenerator_channels = [1]").unwrap_err().contains("generator_channels")
        );
        assert!(parse("precision = \"fp8\"").unwrap_err().contains("fp8"));
    }
}
