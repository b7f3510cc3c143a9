//! The encoder: what lies at the keypoints of a picture.

use lkg_bundle::{Bundle, Network};
use ndarray::{Array2, Array3, ArrayView4, Ix2, Ix3};

use super::EngineOptions;
use super::networks::{check_draws, typed};
use super::runner::{NetworkRunner, OrtRunner};
use crate::error::{Error, Result};

/// Image to embeddings.
pub struct Encoder {
    runner: Box<dyn NetworkRunner>,
}

impl Encoder {
    /// Loads the bundle's encoder.
    ///
    /// # Errors
    /// [`Error::NoGenerator`] or [`Error::NoEncoder`] if the bundle has none, and those of [`OrtRunner::load`].
    pub fn load(bundle: &Bundle, options: &EngineOptions) -> Result<Self> {
        check_draws(bundle)?;
        if !bundle.has(Network::Encoder) {
            return Err(Error::NoEncoder { bundle: bundle.manifest().name.clone() });
        }
        Ok(Self { runner: Box::new(OrtRunner::load(bundle, Network::Encoder, options)?) })
    }

    /// Embeddings `[N, K, E]` and background `[N, E]` of `image`, `[N, 3, S, S]`, RGB in [-1, 1].
    ///
    /// # Errors
    /// [`Error::Engine`] if the shape does not fit, [`Error::Network`] if an output is not a number.
    pub fn encode(&mut self, image: ArrayView4<'_, f32>) -> Result<(Array3<f32>, Array2<f32>)> {
        let mut outputs =
            self.runner.run(&[("image", image.into_dyn())], &["embeddings", "background"])?.into_iter();
        Ok((typed::<Ix3>(outputs.next(), "embeddings")?, typed::<Ix2>(outputs.next(), "background")?))
    }
}
