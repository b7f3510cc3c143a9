//! The portrait networks: a photo's own features, carried to other keypoints and states.

use lkg_bundle::contract::PORTRAIT_COARSE;
use lkg_bundle::{Bundle, BundleDims, Network};
use ndarray::{Array3, Array4, ArrayD};

use super::EngineOptions;
use super::networks::{EngineSummary, bad_output};
use super::provider::Attempt;
use super::runner::{NetworkRunner, OrtRunner};
use crate::error::{Error, Result};

/// What is made of a photo once, with the photo itself and its keypoints.
#[derive(Clone, Debug)]
pub struct PhotoFeatures {
    /// `[1, 3, P, P]`, RGB in [-1, 1].
    image: Array4<f32>,
    /// `[1, K, 2]`, normalised coordinates.
    keypoints: Array3<f32>,
    /// `small`, `coarse` and `fine` of [`Network::PortraitSource`].
    maps: Vec<ArrayD<f32>>,
}

impl PhotoFeatures {
    /// The photo's square as the networks see it, `[1, 3, P, P]`, RGB in [-1, 1].
    pub fn image(&self) -> &Array4<f32> {
        &self.image
    }
}

/// A photo with its keypoints to features: runs once a photo.
pub struct PortraitSource {
    runner: Box<dyn NetworkRunner>,
    dims: BundleDims,
}

/// Names of what [`Network::PortraitSource`] makes, in the order of [`PhotoFeatures::maps`].
const MAPS: [&str; 3] = ["small", "coarse", "fine"];

fn check_carries(bundle: &Bundle) -> Result<()> {
    match bundle.has_portrait() {
        true => Ok(()),
        false => Err(Error::NoPortrait { bundle: bundle.manifest().name.clone() }),
    }
}

impl PortraitSource {
    /// Loads the network.
    ///
    /// # Errors
    /// [`Error::NoPortrait`] if the bundle has none, and those of [`OrtRunner::load`].
    pub fn load(bundle: &Bundle, options: &EngineOptions) -> Result<Self> {
        check_carries(bundle)?;
        let runner = OrtRunner::load(bundle, Network::PortraitSource, options)?;
        Ok(Self::from_runner(Box::new(runner), bundle.manifest().dims))
    }

    /// The same around any runner, for instance a mock.
    pub fn from_runner(runner: Box<dyn NetworkRunner>, dims: BundleDims) -> Self {
        Self { runner, dims }
    }

    /// Side of the square photo, in pixels.
    pub fn size(&self) -> usize {
        self.dims.portrait_size.unwrap_or_default()
    }

    /// The features of `image`, `[1, 3, P, P]`, RGB in [-1, 1], a face with `keypoints` in normalised coordinates.
    ///
    /// # Errors
    /// [`Error::Engine`] if a shape does not fit or the network fails.
    pub fn run(&mut self, image: Array4<f32>, keypoints: &[[f32; 2]]) -> Result<PhotoFeatures> {
        let mut points = Array3::zeros((1, keypoints.len(), 2));
        points.iter_mut().zip(keypoints.as_flattened()).for_each(|(to, from)| *to = *from);
        let inputs = [("image", image.view().into_dyn()), ("keypoints", points.view().into_dyn())];
        let maps = self.runner.run(&inputs, &MAPS)?;
        Ok(PhotoFeatures { image, keypoints: points, maps })
    }
}

/// How a photo is carried along, in the network's own memory until its next run.
#[derive(Clone, Copy, Debug)]
pub struct Carried<'a> {
    /// P: side of mask and colour.
    pub side: usize,
    /// `[2, 32, 32]`: how far from each place lies what shows there, normalised coordinates, x then y.
    pub flow: &'a [f32],
    /// `[P, P]`, 0 to 1: how much of the photo's own pixels shows.
    pub mask: &'a [f32],
    /// `[3, P, P]`, RGB in [-1, 1]: what shows elsewhere.
    pub colour: &'a [f32],
}

/// A photo's features, carried to other keypoints and states: runs every frame.
pub struct Portrait {
    runner: Box<dyn NetworkRunner>,
    dims: BundleDims,
    attempts: Vec<Attempt>,
    outputs: Vec<ArrayD<f32>>,
    keypoints: Array3<f32>,
    change: Array3<f32>,
}

impl Portrait {
    /// Loads the network.
    ///
    /// # Errors
    /// [`Error::NoPortrait`] if the bundle has none, and those of [`OrtRunner::load`].
    pub fn load(bundle: &Bundle, options: &EngineOptions) -> Result<Self> {
        check_carries(bundle)?;
        let runner = OrtRunner::load(bundle, Network::Portrait, options)?;
        let attempts = runner.attempts().to_vec();
        Ok(Self { attempts, ..Self::from_runner(Box::new(runner), bundle.manifest().dims) })
    }

    /// The same around any runner, for instance a mock.
    pub fn from_runner(runner: Box<dyn NetworkRunner>, dims: BundleDims) -> Self {
        Self {
            runner,
            dims,
            attempts: Vec::new(),
            outputs: Vec::new(),
            keypoints: Array3::zeros((1, dims.keypoints, 2)),
            change: Array3::zeros((1, dims.keypoints, dims.states.unwrap_or_default())),
        }
    }

    /// The provider in use, and why better ones are not.
    pub fn summary(&self) -> EngineSummary {
        EngineSummary::of(&self.attempts)
    }

    /// The providers tried, the last of which is the one in use; none for a mock.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Carries the photo to `keypoints`, K of them in normalised coordinates, with states that differ from its own by `change`,
    /// `K S` numbers. Allocates nothing of its own after the first run.
    ///
    /// # Errors
    /// [`Error::Engine`] if a shape does not fit, [`Error::Network`] if the network fails or an output is not a number.
    pub fn run(
        &mut self,
        photo: &PhotoFeatures,
        keypoints: &[[f32; 2]],
        change: &[f32],
    ) -> Result<Carried<'_>> {
        if keypoints.len() != self.dims.keypoints || change.len() != self.change.len() {
            let (k, s) = (keypoints.len(), change.len());
            return Err(bad_output(format!("{k} keypoints and {s} states are not what the bundle has")));
        }
        self.keypoints.iter_mut().zip(keypoints.as_flattened()).for_each(|(to, from)| *to = *from);
        self.change.iter_mut().zip(change).for_each(|(to, from)| *to = *from);
        let [small, coarse, fine] = &photo.maps[..] else {
            return Err(bad_output("a photo's features are missing"));
        };
        let inputs = [
            ("image", photo.image.view().into_dyn()),
            (MAPS[0], small.view()),
            (MAPS[1], coarse.view()),
            (MAPS[2], fine.view()),
            ("source_keypoints", photo.keypoints.view().into_dyn()),
            ("keypoints", self.keypoints.view().into_dyn()),
            ("change", self.change.view().into_dyn()),
        ];
        self.runner.run_into(&inputs, &["flow", "mask", "colour"], &mut self.outputs)?;
        let side = self.dims.portrait_size.unwrap_or_default();
        let slice = |i: usize, name: &str, length: usize| {
            let whole = self.outputs.get(i).and_then(|a| a.as_slice()).filter(|s| s.len() == length);
            whole.ok_or_else(|| bad_output(format!("{name} is not as large as it must be")))
        };
        Ok(Carried {
            side,
            flow: slice(0, "flow", 2 * PORTRAIT_COARSE * PORTRAIT_COARSE)?,
            mask: slice(1, "mask", side * side)?,
            colour: slice(2, "colour", 3 * side * side)?,
        })
    }
}
