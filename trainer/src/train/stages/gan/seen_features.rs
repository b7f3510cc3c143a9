//! What the feature discriminator sees of a step's images, and what it and the generator make of it.

use tch::{Kind, Tensor};

use super::Gan;
use super::step::{Frame, input};
use super::terms::Terms;
use crate::augment::discriminator::augment;
use crate::losses;
use crate::nets::FeatureDiscriminator;

/// Maps of one step's images, as [`FeatureDiscriminator::look`] gives them: made once, as the network that makes them
/// does not learn.
pub(super) struct SeenFeatures {
    real: Vec<Tensor>,
    /// With the generator's graph.
    drawn: Vec<Tensor>,
}

impl Gan {
    /// The maps of real and drawn images `[N, 3, S, S]`, if there is a feature discriminator.
    pub(super) fn see_features(&self, real: &Tensor, drawn: &Tensor, frame: Frame) -> Option<SeenFeatures> {
        let net = self.features.as_ref().filter(|_| self.critics.features.is_some())?;
        let gan = &self.config.gan;
        let look =
            |images: &Tensor| FeatureDiscriminator::look(net, &augment(images, gan, frame.share), frame.kind);
        Some(SeenFeatures { real: tch::no_grad(|| look(real)), drawn: look(drawn) })
    }

    /// What the feature discriminator minimises.
    pub(super) fn add_features_judging(
        &self,
        terms: &mut Terms,
        seen: Option<&SeenFeatures>,
        r1: Option<f64>,
        frame: Frame,
    ) {
        let Some((seen, net)) = seen.zip(self.critics.features.as_ref()) else { return };
        let drawn: Vec<Tensor> = seen.drawn.iter().map(Tensor::detach).collect();
        let (real, fake) = (net.forward(&seen.real, frame.kind), net.forward(&drawn, frame.kind));
        terms.add("feature_discriminator", 1.0, losses::discriminator(&real, &fake));
        if let Some(weight) = r1 {
            // By features, not by pixels: the network between them is not what must be kept from being too sharp.
            let maps: Vec<Tensor> = seen.real.iter().map(input).collect();
            let logits = net.forward(&maps, Kind::Float);
            // The mean over patches of each one's squared gradient, as far as they see different places.
            let patches = logits.size()[1] as f64;
            let sums = logits.sum_dim_intlist([1i64].as_slice(), false, Kind::Float) / patches.sqrt();
            terms.add("r1_features", weight, losses::r1(&maps.iter().collect::<Vec<_>>(), &sums));
        }
    }

    /// What it asks of the generator.
    pub(super) fn add_features_judged(&self, terms: &mut Terms, seen: Option<&SeenFeatures>, frame: Frame) {
        let Some((seen, net)) = seen.zip(self.critics.features.as_ref()) else { return };
        let weight = self.config.gan.feature_discriminator_weight;
        terms.add("features", weight, losses::generator(&net.forward(&seen.drawn, frame.kind)));
    }
}
