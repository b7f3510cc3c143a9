//! An encoder with its parameters.

use tch::Device;
use tch::nn::VarStore;

use super::STAGE;
use crate::config::Architecture;
use crate::error::Result;
use crate::nets::Encoder;
use crate::train::checkpoint::Checkpoint;
use crate::train::gan::Inference;
use crate::train::parameters;
use crate::train::run::Run;

/// An encoder over its own parameter store.
pub struct StoredEncoder {
    /// The parameters.
    pub store: VarStore,
    /// The network.
    pub net: Encoder,
}

impl StoredEncoder {
    /// A fresh network.
    pub fn new(arch: &Architecture, device: Device) -> Self {
        let store = VarStore::new(device);
        let net = Encoder::new(store.root(), arch);
        Self { store, net }
    }

    /// The averaged network of an `encoder` checkpoint.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn averaged(checkpoint: &Checkpoint, device: Device) -> Result<Self> {
        let encoder = Self::new(&checkpoint.state.config.architecture, device);
        let mut tensors = parameters::prefixed("average", parameters::all(&encoder.store));
        checkpoint.restore(&mut tensors)?;
        Ok(encoder)
    }

    /// The encoder that a run exports: that of its last stage, or else the one that was trained along with the
    /// generator of the checkpoint `gan`, if there was one.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn of_run(run: &Run, gan: &Checkpoint, device: Device) -> Result<Option<Encoder>> {
        let path = run.checkpoint(STAGE);
        if path.exists() {
            let stored = Checkpoint::open(&path)?;
            stored.check_architecture(&gan.state.config)?;
            return Ok(Some(Self::averaged(&stored, device)?.net));
        }
        Ok(Inference::averaged(gan, device)?.encoder)
    }
}
