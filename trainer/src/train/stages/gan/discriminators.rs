//! What tells real images from generated ones, over one parameter store.

use tch::Device;
use tch::nn::VarStore;

use crate::config::Config;
use crate::error::Result;
use crate::nets::{AppearanceDiscriminator, Discriminator, FeatureDiscriminator, KeypointDiscriminator};
use crate::train::optim::parameters;
use crate::train::run::checkpoint::Checkpoint;

/// The image discriminator and those others that have a weight.
pub(super) struct Discriminators {
    /// The parameters of all.
    pub store: VarStore,
    /// `D(X)`.
    pub image: Discriminator,
    /// `D_k(X, K)`.
    pub keypoints: Option<KeypointDiscriminator>,
    /// `D_e(X, E)`.
    pub appearance: Option<AppearanceDiscriminator>,
    /// `D(F(X))` of a pretrained network's features.
    pub features: Option<FeatureDiscriminator>,
}

impl Discriminators {
    /// Fresh networks.
    pub fn new(config: &Config, device: Device) -> Self {
        let store = VarStore::new(device);
        let (root, arch, gan) = (store.root(), &config.architecture, &config.gan);
        let mut image = Discriminator::new(&root, arch);
        image.group = gan.norm_group;
        let keypoints = (gan.keypoint_discriminator.weight > 0.0)
            .then(|| KeypointDiscriminator::new(&root / "keypoints", arch));
        let appearance = (gan.appearance_discriminator.weight > 0.0)
            .then(|| AppearanceDiscriminator::new(&root / "appearance", arch));
        let features = (gan.feature_discriminator.weight > 0.0).then(|| {
            let mut net = FeatureDiscriminator::new(&root / "features");
            net.group = gan.norm_group;
            net
        });
        Self { store, image, keypoints, appearance, features }
    }
}

/// The image discriminator alone.
pub struct ImageDiscriminator {
    /// Its parameters.
    pub store: VarStore,
    /// `D(X)`.
    pub net: Discriminator,
}

impl ImageDiscriminator {
    /// That of a `gan` checkpoint, as it was at its last step.
    ///
    /// # Errors
    /// [`crate::Error::Checkpoint`].
    pub fn restored(checkpoint: &Checkpoint, device: Device) -> Result<Self> {
        let store = VarStore::new(device);
        let net = Discriminator::new(store.root(), &checkpoint.state.config.architecture);
        checkpoint.restore(&mut parameters::prefixed("discriminator", parameters::all(&store)))?;
        Ok(Self { store, net })
    }
}
