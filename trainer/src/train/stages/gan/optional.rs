//! The networks that a training may do without.

use crate::config::GanConfig;

/// A network that is made only when some loss needs it.
#[derive(Debug)]
pub struct Network {
    /// As people call it.
    pub title: &'static str,
    /// The store that it is in, as checkpoints name it.
    store: &'static str,
    /// Its path in that store.
    path: &'static str,
    needed: fn(&GanConfig) -> bool,
}

const NETWORKS: [Network; 5] = [
    Network {
        title: "keypoint discriminator",
        store: "discriminator",
        path: "keypoints.",
        needed: |gan| gan.keypoint_discriminator.weight > 0.0,
    },
    Network {
        title: "appearance discriminator",
        store: "discriminator",
        path: "appearance.",
        needed: |gan| gan.appearance_discriminator.weight > 0.0,
    },
    Network {
        title: "feature discriminator",
        store: "discriminator",
        path: "features.",
        needed: |gan| gan.feature_discriminator.weight > 0.0,
    },
    Network { title: "detector", store: "inference", path: "detector.", needed: GanConfig::trains_detector },
    Network { title: "encoder", store: "inference", path: "encoder.", needed: GanConfig::trains_encoder },
];

impl Network {
    /// Whether a checkpoint's tensor is the network's, its average's or its optimiser's.
    pub fn owns(&self, tensor: &str) -> bool {
        let Some((store, name)) = tensor.split_once('/') else { return false };
        let store = store.strip_suffix("_adam").unwrap_or(store);
        let store = store.strip_prefix("average_").unwrap_or(store);
        store == self.store && name.starts_with(self.path)
    }
}

/// Networks that `new` needs and `old` did without.
pub fn added(old: &GanConfig, new: &GanConfig) -> Vec<Network> {
    NETWORKS.into_iter().filter(|network| (network.needed)(new) && !(network.needed)(old)).collect()
}
