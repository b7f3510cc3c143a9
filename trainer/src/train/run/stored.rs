//! A network that goes from an image back to what it is generated from, with its parameters.

use std::path::PathBuf;

use tch::Device;
use tch::nn::{Path, VarStore};

use crate::config::{Architecture, GanConfig};
use crate::error::Result;
use crate::nets::{Detector, Encoder};
use crate::train::optim::parameters;
use crate::train::run::Run;
use crate::train::run::checkpoint::Checkpoint;

/// A network that may be trained along with the generator, and then in a stage of its own.
pub trait Staged: Sized {
    /// The stage's name, and the network's path where it is trained along.
    const NAME: &'static str;

    /// Registers the network under `root`.
    fn register(root: Path, arch: &Architecture) -> Self;
    /// Whether a generator's training with `gan` trains it along.
    fn is_trained_along(gan: &GanConfig) -> bool;
}

impl Staged for Detector {
    const NAME: &'static str = "detector";

    fn register(root: Path, arch: &Architecture) -> Self {
        Self::new(root, arch)
    }

    fn is_trained_along(gan: &GanConfig) -> bool {
        gan.trains_detector()
    }
}

impl Staged for Encoder {
    const NAME: &'static str = "encoder";

    fn register(root: Path, arch: &Architecture) -> Self {
        Self::new(root, arch)
    }

    fn is_trained_along(gan: &GanConfig) -> bool {
        gan.trains_encoder()
    }
}

/// A network over its own parameter store.
pub struct Stored<N> {
    /// The parameters.
    pub store: VarStore,
    /// The network.
    pub net: N,
}

impl<N: Staged> Stored<N> {
    /// A fresh network.
    pub fn new(arch: &Architecture, device: Device) -> Self {
        let store = VarStore::new(device);
        let net = N::register(store.root(), arch);
        Self { store, net }
    }

    /// The averaged network of a checkpoint of its own stage.
    ///
    /// # Errors
    /// [`crate::Error::Checkpoint`].
    pub fn averaged(checkpoint: &Checkpoint, device: Device) -> Result<Self> {
        Self::restored(checkpoint, "average/", device)
    }

    /// The averaged network that was trained along with the generator of a `gan` checkpoint, if there was one.
    ///
    /// # Errors
    /// [`crate::Error::Checkpoint`].
    pub fn trained_along(checkpoint: &Checkpoint, device: Device) -> Result<Option<Self>> {
        let prefix = format!("average_inference/{}.", N::NAME);
        let trained = N::is_trained_along(&checkpoint.state.config.gan);
        trained.then(|| Self::restored(checkpoint, &prefix, device)).transpose()
    }

    /// What a run uses: the network of its own stage, or else the one that was trained along with the generator of the
    /// checkpoint `gan`, if there was one.
    ///
    /// # Errors
    /// [`crate::Error::Checkpoint`].
    pub fn of_run(run: &Run, gan: &Checkpoint, device: Device) -> Result<Option<Self>> {
        let path: PathBuf = run.checkpoint(N::NAME);
        if !path.exists() {
            return Self::trained_along(gan, device);
        }
        let stored = Checkpoint::open(&path)?;
        stored.check_architecture(&gan.state.config)?;
        Self::averaged(&stored, device).map(Some)
    }

    /// The network whose tensors a checkpoint has under `prefix`.
    ///
    /// # Errors
    /// [`crate::Error::Checkpoint`].
    pub fn restored(checkpoint: &Checkpoint, prefix: &str, device: Device) -> Result<Self> {
        let network = Self::new(&checkpoint.state.config.architecture, device);
        let tensors = parameters::all(&network.store).into_iter();
        checkpoint
            .restore(&mut tensors.map(|(name, t)| (format!("{prefix}{name}"), t)).collect::<Vec<_>>())?;
        Ok(network)
    }
}
