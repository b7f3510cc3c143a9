//! Shapes of the networks.

use serde::{Deserialize, Serialize};

use super::{ImageFamily, KeypointFamily, ModulationForm, StyleMap, checks};
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
    /// How noise becomes keypoints and embeddings.
    pub keypoint_generator: KeypointFamily,
    /// Hidden width of the keypoint generator's three-layer networks.
    pub mlp_hidden: i64,
    /// Keypoints are divided by this before tanh.
    pub keypoint_divisor: f64,
    /// Width of the heat maps.
    pub tau: f64,
    /// How an image is generated.
    pub image_generator: ImageFamily,
    /// How embeddings share the style map (spade).
    pub style_map: StyleMap,
    /// From style map to modulation (spade).
    pub modulation: ModulationForm,
    /// Hidden width of `modulation = "conv"` (spade).
    pub modulation_hidden: i64,
    /// Whether a learned shortcut leads round each block (spade).
    pub shortcut: bool,
    /// Side of the generated image, a power of two.
    pub image_size: i64,
    /// Side of the first images trained on; doubled step by step up to `image_size`.
    pub first_size: i64,
    /// Widths of the image generator at 4, 8, … `image_size`.
    pub generator_channels: Vec<i64>,
    /// Widths of the discriminator at 4, 8, … `image_size`.
    pub discriminator_channels: Vec<i64>,
    /// Side of the detector's input.
    pub detector_size: i64,
    /// Widths of the detector from half resolution down.
    pub detector_channels: Vec<i64>,
    /// Numbers that say what each part looks like now, such as how open a mouth is; 0: the detector reads none.
    pub states: i64,
    /// Channels of maps of their own that states are read from besides the detector's; 0: from these alone.
    pub state_channels: i64,
    /// Side of the pictures that the portrait networks take and give, a multiple of 64.
    pub portrait_size: i64,
}

impl Default for Architecture {
    fn default() -> Self {
        Self {
            keypoints: 10,
            latent: 128,
            embedding: 64,
            keypoint_generator: KeypointFamily::Product,
            mlp_hidden: 256,
            keypoint_divisor: 5.0,
            tau: 0.02,
            image_generator: ImageFamily::Spade,
            style_map: StyleMap::Sum,
            modulation: ModulationForm::Linear,
            modulation_hidden: 128,
            shortcut: false,
            image_size: 64,
            first_size: 32,
            generator_channels: vec![160, 160, 96, 64, 32],
            discriminator_channels: vec![192, 160, 96, 48, 24],
            detector_size: 64,
            detector_channels: vec![32, 64, 128, 192],
            states: 0,
            state_channels: 0,
            portrait_size: 128,
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

    /// Whether its networks are those of `smaller` with further image sizes on top, with style weights for each part in the
    /// place of weights that all share, with more channels in the image generator ([`ImageFamily::Spade`]), or several of
    /// these.
    pub fn grows_from(&self, smaller: &Self) -> bool {
        let splits = self.style_map == StyleMap::Concat && smaller.style_map == StyleMap::Sum;
        let levels = smaller.generator_channels.len();
        let below = |widths: &[i64]| widths.iter().copied().take(levels).collect::<Vec<_>>();
        let (had, have) = (&smaller.generator_channels, below(&self.generator_channels));
        let widens = self.image_generator == ImageFamily::Spade
            && have != *had
            && have.len() == levels
            && had.iter().zip(&have).all(|(before, now)| before <= now);
        let shrunk = Self {
            image_size: smaller.image_size,
            generator_channels: if widens { had.clone() } else { have },
            discriminator_channels: below(&self.discriminator_channels),
            style_map: if splits { StyleMap::Sum } else { self.style_map },
            ..self.clone()
        };
        (splits || widens || self.image_size > smaller.image_size) && shrunk == *smaller
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
                "architecture.image_size and architecture.first_size must be powers of two from 8 to 1024, first_size the smaller"
                    .into(),
            );
        }
        if !(32..=512).contains(&self.detector_size) || self.detector_size % 32 != 0 {
            return fail("architecture.detector_size must be a multiple of 32 from 32 to 512".into());
        }
        let levels = level(self.image_size) + 1;
        for (name, widths) in [
            ("generator_channels", &self.generator_channels),
            ("discriminator_channels", &self.discriminator_channels),
        ] {
            if widths.len() != levels || widths.iter().any(|w| !(1..=2048).contains(w)) {
                return fail(format!(
                    "architecture.{name} must list {levels} widths (4 px up to {} px) of 1 to 2048",
                    self.image_size
                ));
            }
        }
        if !(2..=4).contains(&self.detector_channels.len())
            || self.detector_channels.iter().any(|w| !(1..=2048).contains(w))
        {
            return fail("architecture.detector_channels must list 2 to 4 widths of 1 to 2048".into());
        }
        for (name, value) in [
            ("keypoints", self.keypoints),
            ("latent", self.latent),
            ("embedding", self.embedding),
            ("mlp_hidden", self.mlp_hidden),
            ("modulation_hidden", self.modulation_hidden),
        ] {
            if !(1..=4096).contains(&value) {
                return fail(format!("architecture.{name} must be 1 to 4096"));
            }
        }
        if !(0..=64).contains(&self.states) {
            return fail("architecture.states must be 0 to 64".into());
        }
        if !(0..=2048).contains(&self.state_channels) || (self.state_channels > 0 && self.states == 0) {
            return fail(
                "architecture.state_channels must be 0 to 2048, and 0 where architecture.states is".into(),
            );
        }
        if !(64..=1024).contains(&self.portrait_size) || self.portrait_size % 64 != 0 {
            return fail("architecture.portrait_size must be a multiple of 64 from 64 to 1024".into());
        }
        checks::positive(&[
            ("architecture.tau", self.tau),
            ("architecture.keypoint_divisor", self.keypoint_divisor),
        ])?;
        self.check_warp()
    }

    /// Refuses what the warp family has no use for, so that nobody compares runs that are the same.
    fn check_warp(&self) -> Result<()> {
        if self.image_generator != ImageFamily::Warp {
            return Ok(());
        }
        let fail = |reason: &str| Err(Error::Config(reason.to_owned()));
        if (self.style_map, self.modulation, self.shortcut) != (StyleMap::Sum, ModulationForm::Linear, false)
        {
            return fail(
                "architecture.style_map, architecture.modulation and architecture.shortcut have no meaning for image_generator = \"warp\": leave them out, \
                 or choose \"spade\"",
            );
        }
        if self.keypoints < 2 {
            return fail(
                "image_generator = \"warp\" takes statistics over parts: architecture.keypoints must be 2 or more",
            );
        }
        Ok(())
    }

    /// The sizes that the bundle contract needs.
    pub fn bundle_dims(&self) -> lkg_bundle::BundleDims {
        lkg_bundle::BundleDims {
            keypoints: self.keypoints as usize,
            latent: self.latent as usize,
            embedding: self.embedding as usize,
            image_size: self.image_size as usize,
            detector_size: self.detector_size as usize,
            tables: None,
            states: (self.states > 0).then_some(self.states as usize),
            portrait_size: None,
        }
    }
}

/// Position of a feature map's side in lists of widths that start at 4 px.
fn level(size: i64) -> usize {
    (size.trailing_zeros() as usize).saturating_sub(2)
}
