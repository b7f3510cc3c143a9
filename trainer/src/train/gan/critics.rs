//! Everything that judges, over one parameter store.

use tch::Device;
use tch::nn::VarStore;

use crate::config::Config;
use crate::nets::{AppearanceDiscriminator, Discriminator, KeypointDiscriminator};

/// The image discriminator and those of pairs that have a weight.
pub struct Critics {
    /// The parameters of all.
    pub store: VarStore,
    /// `D(X)`.
    pub image: Discriminator,
    /// `D_k(X, K)`.
    pub keypoints: Option<KeypointDiscriminator>,
    /// `D_e(X, E)`.
    pub appearance: Option<AppearanceDiscriminator>,
}

impl Critics {
    /// Fresh networks.
    pub fn new(config: &Config, device: Device) -> Self {
        let store = VarStore::new(device);
        let (root, arch, gan) = (store.root(), &config.architecture, &config.gan);
        let mut image = Discriminator::new(&root, arch);
        image.group = gan.norm_group;
        let keypoints =
            (gan.keypoint_weight > 0.0).then(|| KeypointDiscriminator::new(&root / "keypoints", arch));
        let appearance =
            (gan.appearance_weight > 0.0).then(|| AppearanceDiscriminator::new(&root / "appearance", arch));
        Self { store, image, keypoints, appearance }
    }
}
