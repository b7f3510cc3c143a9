//! The discriminator of driven pictures, with its optimiser.

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use crate::config::Config;
use crate::losses::named::portrait as named;
use crate::losses::{self, Terms, due};
use crate::nets::FeatureDiscriminator;
use crate::train::optim::adam::Adam;
use crate::train::optim::parameters;
use crate::train::stages::feature_discriminator;

/// Sees pictures through the feature network.
pub(super) struct Discriminator {
    store: VarStore,
    net: FeatureDiscriminator,
    adam: Adam,
    device: Device,
}

impl Discriminator {
    /// A fresh one.
    pub fn new(config: &Config, device: Device) -> Self {
        let store = VarStore::new(device);
        let net = FeatureDiscriminator::new(store.root());
        let adam = Adam::new(&store, config.gan.betas);
        Self { store, net, adam, device }
    }

    /// Its parameters, by name as in a checkpoint.
    pub fn networks(&self) -> Vec<(String, Tensor)> {
        parameters::prefixed("discriminator", parameters::all(&self.store))
    }

    /// Its optimiser's state, the same way.
    pub fn optimiser(&self) -> Vec<(String, Tensor)> {
        parameters::prefixed("discriminator_adam", self.adam.state())
    }

    /// What it asks of pictures with the feature maps `found`, by what it has learned so far. It is given no gradient.
    pub fn asks(&mut self, found: &[Tensor], kind: Kind) -> Tensor {
        self.store.freeze();
        let loss = losses::generator(&self.net.forward(found, kind));
        self.store.unfreeze();
        loss
    }

    /// One update on the maps of real and driven pictures in step number `step`. What was minimised, its loss first.
    pub fn learn(&mut self, config: &Config, step: u64, real: &[Tensor], driven: &[Tensor]) -> Terms {
        let r1 = due(config.gan.r1.weight, config.gan.r1.every, step);
        let mut terms = Terms::default();
        let losses = [&named::DISCRIMINATOR, &named::R1];
        let kind = config.precision.kind(self.device);
        feature_discriminator::add_terms(&mut terms, losses, &self.net, (real, driven), r1, kind);
        if let Some(total) = terms.total() {
            self.adam.zero_grad();
            total.backward();
            self.adam.step(config.portrait.adversarial.learning_rate);
        }
        terms
    }
}
