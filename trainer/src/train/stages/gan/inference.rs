//! The networks that go from an image back to what it is generated from, over one parameter store.

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use crate::config::Config;
use crate::error::Result;
use crate::nets::encoder::Appearance;
use crate::nets::layers::Norm;
use crate::nets::resize::resize;
use crate::nets::{Detector, Encoder};
use crate::train::optim::parameters;
use crate::train::run::checkpoint::Checkpoint;
use crate::train::run::stored::Stored;

/// A detector and an encoder, as far as some loss needs them.
pub struct Inference {
    /// The parameters of both.
    pub store: VarStore,
    /// Image to keypoints. It is a beginning only: the second part of the training makes the one that is exported.
    pub detector: Option<Detector>,
    /// Image to embeddings.
    pub encoder: Option<Encoder>,
    /// Whether the detector is one that had a training of its own and learns no more.
    pub detector_is_fixed: bool,
    detector_size: i64,
}

/// What was inferred from images.
pub(super) struct Inferred {
    /// `[N, K, 2]`, normalised coordinates.
    pub keypoints: Option<Tensor>,
    /// Embeddings.
    pub appearance: Option<Appearance>,
}

/// The detector's tensors of `store`, in the order that a store of its own has them.
fn detectors(store: &VarStore) -> impl Iterator<Item = (String, Tensor)> {
    parameters::all(store).into_iter().filter(|(name, _)| name.starts_with("detector."))
}

impl Inference {
    /// Fresh networks.
    pub fn new(config: &Config, device: Device) -> Self {
        let store = VarStore::new(device);
        let (root, arch, gan) = (store.root(), &config.architecture, &config.gan);
        let detector = gan.trains_detector().then(|| Detector::new(&root / "detector", arch));
        let encoder = gan.trains_encoder().then(|| Encoder::new(&root / "encoder", arch));
        let detector_is_fixed = detector.is_some() && config.keypoints.is_on();
        if detector_is_fixed {
            for (_, tensor) in detectors(&store) {
                let _ = tensor.set_requires_grad(false);
            }
        }
        Self { store, detector, encoder, detector_is_fixed, detector_size: arch.detector_size }
    }

    /// Takes over what `detector` has learned.
    pub fn adopt(&self, detector: &Stored<Detector>) {
        tch::no_grad(|| {
            for ((_, mut tensor), (_, value)) in detectors(&self.store).zip(parameters::all(&detector.store))
            {
                tensor.copy_(&value);
            }
        });
    }

    /// The averaged networks of a `gan` checkpoint.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn averaged(checkpoint: &Checkpoint, device: Device) -> Result<Self> {
        let inference = Self::new(&checkpoint.state.config, device);
        let mut tensors = parameters::prefixed("average_inference", parameters::all(&inference.store));
        checkpoint.restore(&mut tensors)?;
        Ok(inference)
    }

    /// Keypoints and embeddings of images `[N, 3, S, S]` in [-1, 1] of any side, both networks as they are when
    /// training, the norms of a detector that learns by `norm`. The detector sees them at the side that it has in use.
    pub(super) fn forward(
        &self,
        images: &Tensor,
        detect: bool,
        encode: bool,
        kind: Kind,
        norm: Norm,
    ) -> Inferred {
        let detector = self.detector.as_ref().filter(|_| detect);
        let keypoints = detector.map(|net| {
            let images = resize(images, self.detector_size).to_kind(kind);
            let norm = if self.detector_is_fixed { Norm::Running } else { norm };
            net.forward(&images, norm).keypoints
        });
        let appearance = self.encoder.as_ref().filter(|_| encode).map(|net| net.forward(images, kind));
        Inferred { keypoints, appearance }
    }
}
