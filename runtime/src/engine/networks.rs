//! The networks of a bundle with typed inputs and outputs.

use std::fmt;

use lkg_bundle::{Bundle, BundleDims, Network};
use ndarray::{Array2, Array3, Array4, ArrayD, ArrayView2, ArrayView3, ArrayView4, Dimension, Ix2, Ix3, Ix4};

use super::EngineOptions;
use super::noise::Noise;
use super::provider::Attempt;
use super::runner::{NetworkRunner, OrtRunner};
use super::split;
use crate::error::{Error, Result};

/// The detector's output.
#[derive(Clone, Debug)]
pub struct Detection {
    /// `[N, K, 2]`, (x, y) in normalised coordinates of the network's input.
    pub keypoints: Array3<f32>,
    /// `[N, K]`, 0 to 1.
    pub confidence: Array2<f32>,
    /// `[N, K, S]` in [-1, 1], where the bundle reads them.
    pub states: Option<Array3<f32>>,
}

/// The same in the detector's own memory, until its next run.
#[derive(Clone, Copy, Debug)]
pub struct DetectionView<'a> {
    /// `[N, K, 2]`, (x, y) in normalised coordinates of the network's input.
    pub keypoints: ArrayView3<'a, f32>,
    /// `[N, K]`, 0 to 1.
    pub confidence: ArrayView2<'a, f32>,
    /// `[N, K, S]` in [-1, 1], where the bundle reads them.
    pub states: Option<ArrayView3<'a, f32>>,
}

/// Image to keypoints.
pub struct Detector {
    runner: Box<dyn NetworkRunner>,
    outputs: Vec<ArrayD<f32>>,
    dims: BundleDims,
    attempts: Vec<Attempt>,
}

impl Detector {
    /// Loads the bundle's detector.
    ///
    /// # Errors
    /// Those of [`OrtRunner::load`].
    pub fn load(bundle: &Bundle, options: &EngineOptions) -> Result<Self> {
        let runner = OrtRunner::load(bundle, Network::Detector, options)?;
        let attempts = runner.attempts().to_vec();
        Ok(Self { runner: Box::new(runner), outputs: Vec::new(), dims: bundle.manifest().dims, attempts })
    }

    /// A detector around any runner, for instance a mock.
    pub fn from_runner(runner: Box<dyn NetworkRunner>, dims: BundleDims) -> Self {
        Self { runner, outputs: Vec::new(), dims, attempts: Vec::new() }
    }

    /// Side of the square input, in pixels.
    pub fn size(&self) -> usize {
        self.dims.detector_size
    }

    /// How many keypoints it finds.
    pub fn keypoints(&self) -> usize {
        self.dims.keypoints
    }

    /// How many numbers tell the state of each keypoint's part; 0 where the bundle reads none.
    pub fn states(&self) -> usize {
        self.dims.states.unwrap_or_default()
    }

    /// The provider in use, and why better ones are not.
    pub fn summary(&self) -> EngineSummary {
        EngineSummary::of(&self.attempts)
    }

    /// The providers tried, the last of which is the one in use; none for a mock.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Finds keypoints in `image`, `[N, 3, S, S]`, RGB in [-1, 1].
    ///
    /// # Errors
    /// [`Error::Engine`] if the shape does not fit, [`Error::Network`] if an output is not a number.
    pub fn detect(&mut self, image: ArrayView4<'_, f32>) -> Result<Detection> {
        let DetectionView { keypoints, confidence, states } = self.detect_view(image)?;
        Ok(Detection {
            keypoints: keypoints.to_owned(),
            confidence: confidence.to_owned(),
            states: states.map(|s| s.to_owned()),
        })
    }

    /// The same without an allocation of its own once a picture of this shape was seen.
    ///
    /// # Errors
    /// Those of [`Detector::detect`].
    pub fn detect_view(&mut self, image: ArrayView4<'_, f32>) -> Result<DetectionView<'_>> {
        const NAMES: [&str; 3] = ["keypoints", "confidence", "states"];
        let names = if self.dims.states.is_some() { &NAMES[..] } else { &NAMES[..2] };
        self.runner.run_into(&[("image", image.into_dyn())], names, &mut self.outputs)?;
        let mut outputs = self.outputs.iter();
        Ok(DetectionView {
            keypoints: viewed::<Ix3>(outputs.next(), NAMES[0])?,
            confidence: viewed::<Ix2>(outputs.next(), NAMES[1])?,
            states: names.get(2).map(|name| viewed::<Ix3>(outputs.next(), name)).transpose()?,
        })
    }
}

/// What the image generator makes an image from.
#[derive(Clone, Debug)]
pub struct Latents {
    /// `[N, K, 2]`, (x, y) in normalised coordinates.
    pub keypoints: Array3<f32>,
    /// `[N, K, E]`.
    pub embeddings: Array3<f32>,
    /// `[N, E]`.
    pub background: Array2<f32>,
}

/// Noise to keypoints and embeddings.
pub struct KeypointGenerator {
    runner: Box<dyn NetworkRunner>,
}

impl KeypointGenerator {
    /// Loads the bundle's keypoint generator.
    ///
    /// # Errors
    /// [`Error::NoGenerator`] if the bundle has none, and those of [`OrtRunner::load`].
    pub fn load(bundle: &Bundle, options: &EngineOptions) -> Result<Self> {
        check_draws(bundle)?;
        Ok(Self { runner: Box::new(OrtRunner::load(bundle, Network::KeypointGenerator, options)?) })
    }

    /// Keypoints and embeddings for `noise`.
    ///
    /// # Errors
    /// [`Error::Engine`] if a shape does not fit.
    pub fn run(&mut self, noise: &Noise) -> Result<Latents> {
        let inputs = [
            ("z_pose", noise.pose.view().into_dyn()),
            ("z_appearance", noise.appearance.view().into_dyn()),
            ("z_background", noise.background.view().into_dyn()),
        ];
        let mut outputs = self.runner.run(&inputs, &["keypoints", "embeddings", "background"])?.into_iter();
        Ok(Latents {
            keypoints: typed::<Ix3>(outputs.next(), "keypoints")?,
            embeddings: typed::<Ix3>(outputs.next(), "embeddings")?,
            background: typed::<Ix2>(outputs.next(), "background")?,
        })
    }
}

/// Keypoints and embeddings to an image. Where a bundle has it in two files, the style of an unchanged
/// appearance is computed only once.
pub struct ImageGenerator {
    runner: Box<dyn NetworkRunner>,
    attempts: Vec<Attempt>,
}

impl ImageGenerator {
    /// Loads the bundle's image generator.
    ///
    /// # Errors
    /// [`Error::NoGenerator`] if the bundle has none, and those of [`OrtRunner::load`].
    pub fn load(bundle: &Bundle, options: &EngineOptions) -> Result<Self> {
        check_draws(bundle)?;
        let (runner, attempts) = split::load(bundle, Network::ImageGenerator, options)?;
        Ok(Self { runner, attempts })
    }

    /// The provider in use, and why better ones are not.
    pub fn summary(&self) -> EngineSummary {
        EngineSummary::of(&self.attempts)
    }

    /// The providers tried, the last of which is the one in use; none for a mock.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Images `[N, 3, S, S]` in [-1, 1] for `latents`; `scales` and `visible` are `[N, K]`, 1 by default.
    ///
    /// # Errors
    /// [`Error::Engine`] if a shape does not fit.
    pub fn run(
        &mut self,
        latents: &Latents,
        scales: ArrayView2<'_, f32>,
        visible: ArrayView2<'_, f32>,
    ) -> Result<Array4<f32>> {
        let inputs = [
            ("keypoints", latents.keypoints.view().into_dyn()),
            ("scales", scales.into_dyn()),
            ("visible", visible.into_dyn()),
            ("embeddings", latents.embeddings.view().into_dyn()),
            ("background", latents.background.view().into_dyn()),
        ];
        typed::<Ix4>(self.runner.run(&inputs, &["image"])?.into_iter().next(), "image")
    }
}

/// What computes, and why nothing better does. [`fmt::Display`] writes both on one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineSummary {
    /// What computes, in a few words.
    pub chosen: String,
    /// Providers that were tried before, each with why it cannot be used.
    pub refused: Vec<String>,
}

impl EngineSummary {
    pub(super) fn of(attempts: &[Attempt]) -> Self {
        let provider = attempts.last().map_or("a mock", |a| a.provider.name());
        let reason = |a: &Attempt| Some(format!("{}: {}", a.provider, a.failure.as_ref()?));
        Self {
            chosen: format!("computing on {provider}"),
            refused: attempts.iter().filter_map(reason).collect(),
        }
    }
}

impl fmt::Display for EngineSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chosen)?;
        self.refused.iter().try_for_each(|reason| write!(f, "; not {reason}"))
    }
}

/// Refuses a bundle that has no generator.
pub(super) fn check_draws(bundle: &Bundle) -> Result<()> {
    match bundle.has_generator() {
        true => Ok(()),
        false => Err(Error::NoGenerator { bundle: bundle.manifest().name.clone() }),
    }
}

pub(super) fn bad_output(reason: impl Into<String>) -> Error {
    Error::Engine { what: "a network's output".to_owned(), reason: reason.into() }
}

/// A view of the array with the number of axes that the contract asks for.
fn viewed<'a, D: Dimension>(
    output: Option<&'a ArrayD<f32>>,
    name: &str,
) -> Result<ndarray::ArrayView<'a, f32, D>> {
    output
        .ok_or_else(|| bad_output(format!("{name} is missing")))?
        .view()
        .into_dimensionality::<D>()
        .map_err(|e| bad_output(format!("{name}: {e}")))
}

/// The array with the number of axes that the contract asks for.
pub(super) fn typed<D: Dimension>(output: Option<ArrayD<f32>>, name: &str) -> Result<ndarray::Array<f32, D>> {
    output
        .ok_or_else(|| bad_output(format!("{name} is missing")))?
        .into_dimensionality::<D>()
        .map_err(|e| bad_output(format!("{name}: {e}")))
}

#[cfg(test)]
mod tests {
    use lkg_bundle::testing::{DIMS, write_tiny_bundle};
    use ndarray::array;

    use super::*;
    use crate::engine::Provider;

    fn tiny() -> (tempfile::TempDir, Bundle) {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_bundle(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        (dir, bundle)
    }

    #[test]
    fn the_detector_takes_batches() {
        let (_dir, bundle) = tiny();
        let mut detector = Detector::load(&bundle, &EngineOptions::default()).unwrap();
        assert!(detector.summary().chosen.starts_with("computing on"));
        let mut images = Array4::zeros((3, 3, DIMS.detector_size, DIMS.detector_size));
        for (i, mut image) in images.outer_iter_mut().enumerate() {
            image.index_axis_mut(ndarray::Axis(0), 0).fill(0.3 * i as f32);
        }
        let found = detector.detect(images.view()).unwrap();
        assert_eq!((found.keypoints.dim(), found.confidence.dim()), ((3, 2, 2), (3, 2)));
        assert!((found.keypoints[[2, 0, 0]] - 0.6).abs() < 1e-5);
        assert!((found.keypoints[[2, 1, 0]] - 0.7).abs() < 1e-5);
    }

    #[test]
    fn wrong_shapes_and_values_are_errors() {
        let (_dir, bundle) = tiny();
        let mut detector = Detector::load(&bundle, &EngineOptions::default()).unwrap();
        let wrong = Array4::zeros((1, 3, 4, 5));
        assert!(matches!(detector.detect(wrong.view()), Err(Error::Engine { .. })));
        let nan = Array4::from_elem((1, 3, DIMS.detector_size, DIMS.detector_size), f32::NAN);
        assert!(detector.detect(nan.view()).unwrap_err().to_string().contains("not numbers"));
    }

    #[test]
    fn generators_chain_by_name() {
        let (_dir, bundle) = tiny();
        let options = EngineOptions { provider: Provider::Cpu, threads: Some(2), ..Default::default() };
        let noise = Noise {
            pose: Array2::zeros((2, DIMS.latent)),
            appearance: Array2::ones((2, DIMS.latent)),
            background: array![[0.1, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]],
        };
        let latents = KeypointGenerator::load(&bundle, &options).unwrap().run(&noise).unwrap();
        assert_eq!(latents.embeddings, Array3::from_elem((2, DIMS.keypoints, DIMS.embedding), 4.0));
        let ones = Array2::ones((2, DIMS.keypoints));
        let images =
            ImageGenerator::load(&bundle, &options).unwrap().run(&latents, ones.view(), ones.view()).unwrap();
        assert!((images[[0, 2, 7, 7]] - 0.3f32.tanh()).abs() < 1e-5);
        assert_eq!(images[[1, 0, 0, 0]], 0.0);
    }

    #[test]
    fn a_provider_that_was_asked_for_by_name_works_or_fails_loudly() {
        let (_dir, bundle) = tiny();
        for provider in [Provider::Cuda, Provider::TensorRt] {
            let options = EngineOptions { provider, ..Default::default() };
            match Detector::load(&bundle, &options) {
                Ok(detector) => assert!(detector.summary().chosen.contains(provider.name())),
                Err(Error::Provider { provider: name, reason }) => {
                    assert!(name == provider.name() && !reason.is_empty());
                }
                Err(e) => panic!("{e}"),
            }
        }
    }
}
