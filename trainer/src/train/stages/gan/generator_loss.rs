//! What the generator, the detector and the encoder minimise. The discriminators are frozen meanwhile.

use super::context::{Context, Frame};
use super::features::{self, FeatureMaps};
use super::generated::{DiversityPairs, Generated};
use super::real::{self, RealBatch};
use super::{cycles, poses};
use crate::losses::named::gan as named;
use crate::losses::{self, Terms, due};

/// The terms of this step.
pub(super) fn terms(
    context: &Context,
    real: &RealBatch,
    generated: &Generated,
    maps: Option<&FeatureMaps>,
) -> Terms {
    let gan = context.gan();
    let Frame { alpha, kind, .. } = context.frame;
    let mut terms = Terms::default();

    let image = &context.networks.discriminators.image;
    let fake = image.logits_and_maps(&context.augmented(&generated.images, &gan.augment), alpha, kind);
    terms.add(&named::GENERATOR, 1.0, losses::generator(&fake.logits));
    add_variations(&mut terms, context, generated);
    if gan.feature_matching.weight > 0.0 {
        let wanted = tch::no_grad(|| image.maps(&context.augmented(real.images, &gan.augment), alpha, kind));
        let loss = losses::features::matching(&fake.maps, &wanted, context.frame.groups.size());
        terms.add(&named::FEATURE_MATCHING, gan.feature_matching.weight, loss);
    }
    add_pairs(&mut terms, context, real, generated);
    poses::add(&mut terms, context);
    cycles::add(&mut terms, context, generated);
    cycles::add_part_moves(&mut terms, context, generated);
    real::add(&mut terms, context, real);
    features::add_generator(&mut terms, context, maps);
    terms
}

/// Images that were generated again with something changed: the background, the keypoints, the noise.
fn add_variations(terms: &mut Terms, context: &Context, generated: &Generated) {
    let (gan, step) = (context.gan(), context.frame.step);
    let config = &gan.background;
    if let (Some(others), Some(weight)) =
        (&generated.other_backgrounds, due(config.weight, config.every, step))
    {
        let (images, parts) = context.first_images(generated, others.size()[0]);
        terms.add(&named::BACKGROUND, weight, losses::background(&images, others, &parts));
    }
    let config = &gan.generator_equivariance;
    if let (Some(deformed), Some(weight)) = (&generated.deformed, due(config.weight, config.every, step)) {
        let (images, parts) = context.first_images(generated, deformed.images.size()[0]);
        let again = deformed.elastic.images(&deformed.images);
        let counts = parts * deformed.elastic.inside();
        terms.add(&named::GENERATOR_EQUIVARIANCE, weight, losses::moved(&images, &again, &counts));
    }
    let config = &gan.diversity;
    if let (Some(others), Some(weight)) = (&generated.others, due(config.weight, config.every, step)) {
        let DiversityPairs { images, noise, other_noise } = others;
        let loss = losses::diversity::mode_seeking(&generated.images, images, noise, other_noise);
        terms.add(&named::DIVERSITY, weight, loss);
    }
}

/// What the discriminators of pairs ask, of generator and inference networks alike.
fn add_pairs(terms: &mut Terms, context: &Context, real: &RealBatch, generated: &Generated) {
    let gan = context.gan();
    let Frame { alpha, kind, .. } = context.frame;
    let (discriminators, latents) = (&context.networks.discriminators, &generated.latents);
    if let (Some(net), Some(keypoints)) = (&discriminators.keypoints, &real.inferred.keypoints) {
        let augment = gan.augment.keeping_poses();
        let real_logits = net.forward(&context.augmented(real.images, &augment), keypoints, alpha, kind);
        let fake = context.augmented(&generated.images, &augment);
        let fake_logits = net.forward(&fake, &latents.keypoints, alpha, kind);
        let loss = losses::pair(&real_logits, &fake_logits);
        terms.add(&named::KEYPOINTS, gan.keypoint_discriminator.weight, loss);
    }
    if let (Some(net), Some(appearance)) = (&discriminators.appearance, &real.inferred.appearance) {
        let augment = gan.augment.keeping_appearance();
        let seen = context.augmented(real.images, &augment);
        let real_logits = net.forward(&seen, &appearance.embeddings, &appearance.background, alpha, kind);
        let fake = context.augmented(&generated.images, &augment);
        let fake_logits = net.forward(&fake, &latents.embeddings, &latents.background, alpha, kind);
        let loss = losses::pair(&real_logits, &fake_logits);
        terms.add(&named::APPEARANCE, gan.appearance_discriminator.weight, loss);
    }
}
