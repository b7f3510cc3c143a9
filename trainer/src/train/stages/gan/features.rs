//! What the feature discriminator sees of a step's images, and what it and the generator make of it.

use tch::Tensor;

use super::context::Context;
use crate::losses::named::gan as named;
use crate::losses::{self, Terms};
use crate::nets::FeatureDiscriminator;
use crate::train::stages::feature_discriminator;

/// Maps of one step's images, as [`FeatureDiscriminator::maps`] gives them: made once, as the network that makes them
/// does not learn.
pub(super) struct FeatureMaps {
    real: Vec<Tensor>,
    /// With the generator's graph.
    generated: Vec<Tensor>,
}

/// The maps of real and generated images `[N, 3, S, S]`, if there is a feature discriminator.
pub(super) fn maps(context: &Context, real: &Tensor, generated: &Tensor) -> Option<FeatureMaps> {
    let networks = context.networks;
    let net = networks.features.as_ref().filter(|_| networks.discriminators.features.is_some())?;
    let maps = |images: &Tensor| {
        let augmented = context.augmented(images, &context.gan().augment);
        FeatureDiscriminator::maps(net, &augmented, context.frame.kind)
    };
    Some(FeatureMaps { real: tch::no_grad(|| maps(real)), generated: maps(generated) })
}

/// What the feature discriminator minimises; `r1` is the weight of its penalty, if that is due.
pub(super) fn add_discriminator(
    terms: &mut Terms,
    context: &Context,
    maps: Option<&FeatureMaps>,
    r1: Option<f64>,
) {
    let kind = context.frame.kind;
    let Some((maps, net)) = maps.zip(context.networks.discriminators.features.as_ref()) else { return };
    let losses = [&named::FEATURE_DISCRIMINATOR, &named::R1_FEATURES];
    feature_discriminator::add_terms(terms, losses, net, (&maps.real, &maps.generated), r1, kind);
}

/// What it asks of the generator.
pub(super) fn add_generator(terms: &mut Terms, context: &Context, maps: Option<&FeatureMaps>) {
    let Some((maps, net)) = maps.zip(context.networks.discriminators.features.as_ref()) else { return };
    let logits = net.forward(&maps.generated, context.frame.kind);
    terms.add(&named::FEATURES, context.gan().feature_discriminator.weight, losses::generator(&logits));
}
