//! A detector with its parameters.

use tch::Device;
use tch::nn::VarStore;

use crate::config::Architecture;
use crate::error::Result;
use crate::nets::Detector;
use crate::train::checkpoint::Checkpoint;
use crate::train::parameters;

/// A detector over its own parameter store.
pub struct StoredDetector {
    /// The parameters.
    pub store: VarStore,
    /// The network.
    pub net: Detector,
}

impl StoredDetector {
    /// A fresh network.
    pub fn new(arch: &Architecture, device: Device) -> Self {
        let store = VarStore::new(device);
        let net = Detector::new(store.root(), arch);
        Self { store, net }
    }

    /// The averaged network of a `detector` checkpoint.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn averaged(checkpoint: &Checkpoint, device: Device) -> Result<Self> {
        let detector = Self::new(&checkpoint.state.config.architecture, device);
        let mut tensors = parameters::prefixed("average", parameters::all(&detector.store));
        checkpoint.restore(&mut tensors)?;
        Ok(detector)
    }

    /// The averaged detector that was trained along with the generator of a `gan` checkpoint, if there was one.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn trained_along(checkpoint: &Checkpoint, device: Device) -> Result<Option<Self>> {
        if !checkpoint.state.config.gan.trains_detector() {
            return Ok(None);
        }
        let detector = Self::new(&checkpoint.state.config.architecture, device);
        let mut tensors =
            parameters::prefixed("average_inference/detector", parameters::all(&detector.store))
                .into_iter()
                .map(|(name, tensor)| (name.replacen("detector/", "detector.", 1), tensor))
                .collect::<Vec<_>>();
        checkpoint.restore(&mut tensors)?;
        Ok(Some(detector))
    }
}
