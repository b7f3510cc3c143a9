//! The resolved configuration of a training run: a TOML file's content over the defaults, checked before anything
//! starts and stored with every checkpoint.

mod architecture;
mod checks;
mod crop;
mod detector;
mod encoder;
mod gan;
mod gan_losses;
mod keypoints;
pub mod migration;
pub mod overrides;
mod portrait;
pub mod presets;
mod variants;

pub use architecture::Architecture;
pub use crop::CropConfig;
pub use detector::{
    DetectorConfig, DetectorEquivarianceConfig, DetectorMoveConfig, LEAST_OCCLUSION, LocalWarpConfig,
    NegativesConfig, PlacementConfig,
};
pub use encoder::{DeformedConfig, EncoderConfig, EncoderReconstructionConfig};
pub use gan::GanConfig;
pub use gan_losses::{
    AugmentConfig, BackgroundConfig, CycleConfig, DiversityConfig, GeneratorEquivarianceConfig, MoveConfig,
    Perceptual, PoseConfig, R1Config, ReconstructionConfig, WeightConfig,
};
pub use keypoints::{
    KeypointsConfig, KeypointsEquivarianceConfig, MaskConfig, MaskedReconstructionConfig, SIDE_MULTIPLE,
    SeparationConfig,
};
pub use portrait::{AdversarialConfig, PortraitConfig, PortraitEquivarianceConfig};
pub use variants::{ImageFamily, KeypointFamily, ModulationForm, StyleMap};

use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tch::Device;
use toml::{Table, Value};

use crate::error::{Error, Result};

/// Arithmetic inside the networks; weights, losses and the optimiser are float32 always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// float32.
    Fp32,
    /// bfloat16: faster where there are instructions for it (AVX512-BF16, AMX, a GPU), 2.3 times slower where not.
    Bf16,
    /// bfloat16 where there are instructions for it, else float32. A run that is carried on elsewhere follows.
    Auto,
}

impl Precision {
    /// What it is on a device: [`Precision::Auto`] is settled by what the device can do.
    pub fn on(self, device: Device) -> Self {
        match self {
            Self::Auto if device.is_cuda() || processor_has_bf16() => Self::Bf16,
            Self::Auto => Self::Fp32,
            other => other,
        }
    }

    /// libtorch's name for it on a device.
    pub fn kind(self, device: Device) -> tch::Kind {
        match self.on(device) {
            Self::Bf16 => tch::Kind::BFloat16,
            Self::Fp32 | Self::Auto => tch::Kind::Float,
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Auto => "auto",
        })
    }
}

/// Whether the processor multiplies bfloat16 by instructions of its own.
fn processor_has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("bf16");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

/// Everything that a run is. Read from anywhere, keys of older versions count ([`migration::MOVED`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Config {
    /// The source of every random number.
    pub seed: u64,
    /// Arithmetic inside the networks.
    pub precision: Precision,
    /// Shapes of the networks.
    pub architecture: Architecture,
    /// Crops of real pictures.
    pub crop: CropConfig,
    /// The generator's part of the training.
    pub gan: GanConfig,
    /// The keypoints' part of the training, before the generator's, if it has images to show.
    pub keypoints: KeypointsConfig,
    /// The portrait's part of the training.
    pub portrait: PortraitConfig,
    /// The detector's part of the training.
    pub detector: DetectorConfig,
    /// The encoder's part of the training.
    pub encoder: EncoderConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            precision: Precision::Auto,
            architecture: Architecture::default(),
            crop: CropConfig::default(),
            keypoints: KeypointsConfig::default(),
            gan: GanConfig::default(),
            portrait: PortraitConfig::default(),
            detector: DetectorConfig::default(),
            encoder: EncoderConfig::default(),
        }
    }
}

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut tree = Table::deserialize(deserializer)?;
        migration::migrate(&mut tree);
        Self::deserialize(Value::Table(tree)).map_err(D::Error::custom)
    }
}

impl Config {
    /// Reads a TOML file over the defaults and checks it.
    ///
    /// # Errors
    /// [`Error::Config`] naming what is wrong, or [`Error::Io`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads TOML over the defaults and checks it; `origin` says in messages where it came from.
    ///
    /// # Errors
    /// [`Error::Config`] naming what is wrong.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let fail = |reason: String| Error::Config(format!("{origin}: {reason}"));
        let tree: Table = toml::from_str(text).map_err(|e| fail(e.to_string().trim().replace('\n', " ")))?;
        let config = overrides::over_defaults(tree).and_then(|config| config.check().map(|()| config));
        config.map_err(|e| match e {
            Error::Config(reason) => fail(reason),
            other => other,
        })
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that is wrong.
    pub fn check(&self) -> Result<()> {
        self.architecture.check()?;
        self.keypoints.check(self.architecture.image_size)?;
        self.gan.check(&self.architecture.sizes())?;
        if self.keypoints.is_on() && !self.gan.trains_detector() {
            return Err(Error::Config(
                "keypoints.images: no weight of [gan] has a use for the keypoints learned first (gan.cycle.keypoints_weight, \
                 gan.keypoint_discriminator.weight, gan.reconstruction.image_weight, gan.reconstruction.perceptual_weight)"
                    .into(),
            ));
        }
        self.crop.check()?;
        self.portrait.check()?;
        self.detector.check()?;
        self.encoder.check()
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

    /// Every processor was given bfloat16, which those without instructions for it emulate: 6 images/s in place of 14.
    #[test]
    fn the_device_settles_what_auto_is() {
        assert_eq!(Config::default().precision, Precision::Auto);
        assert_eq!(Precision::Auto.on(Device::Cuda(0)), Precision::Bf16);
        let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let has = flags.split_whitespace().any(|flag| flag == "avx512_bf16" || flag == "bf16");
        let want = if has { Precision::Bf16 } else { Precision::Fp32 };
        assert_eq!(Precision::Auto.on(Device::Cpu), want);
        for precision in [Precision::Fp32, Precision::Bf16] {
            assert_eq!(precision.on(Device::Cpu), precision);
        }
    }

    #[test]
    fn defaults_are_sound_and_survive_toml() {
        let text = toml::to_string(&Config::default()).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), Config::default());
        parse(&text).unwrap();
        parse("").unwrap();
    }

    #[test]
    fn variants_are_chosen_by_name_and_the_first_bundle_s_are_what_is_left_out() {
        let text = include_str!("../../../models/faces64-edge/train.toml");
        let a = toml::from_str::<Config>(text).unwrap().architecture;
        assert_eq!((a.image_generator, a.keypoint_generator), (ImageFamily::Spade, KeypointFamily::Product));
        assert_eq!((a.style_map, a.modulation, a.shortcut), (StyleMap::Sum, ModulationForm::Linear, false));
        parse("[architecture]\nstyle_map = 'concat'\nmodulation = 'conv'\nshortcut = true").unwrap();
        parse("[architecture]\nimage_generator = 'warp'\nkeypoint_generator = 'trunk'").unwrap();
        let refused = |text: &str| parse(&format!("[architecture]\n{text}")).unwrap_err();
        assert!(refused("image_generator = 'wrap'").contains("wrap"));
        assert!(refused("modulation = 'conv'\nmodulation_hidden = 0").contains("modulation_hidden"));
        assert!(refused("image_generator = 'warp'\nshortcut = true").contains("leave them out"));
        assert!(refused("image_generator = 'warp'\nkeypoints = 1").contains("2 or more"));
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
        assert!(
            parse("[gan]\ncycle_image_weight = -1.0")
                .unwrap_err()
                .contains("gan.reconstruction.image_weight")
        );
        assert!(parse("[gan]\ndiversity_weight = inf").unwrap_err().contains("gan.diversity.weight"));
        assert!(parse("[gan]\nbackground_every = 0").unwrap_err().contains("gan.background.every"));
        assert!(parse("[gan]\nperceptual = \"vgg\"").unwrap_err().contains("open-nsfw"));
        parse("[gan]\nperceptual = \"open-nsfw\"").unwrap();
        assert!(parse("precision = \"fp8\"").unwrap_err().contains("fp8"));
    }
}
