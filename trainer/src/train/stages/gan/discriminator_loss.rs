//! What the discriminators minimise.

use tch::Kind;

use super::context::{Context, Frame, input};
use super::features::{self, FeatureMaps};
use super::generated::Generated;
use super::real::RealBatch;
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
    let r1 = due(gan.r1.weight, gan.r1.every, context.frame.step);
    let mut terms = Terms::default();
    add_image(&mut terms, context, real, generated, r1);
    add_keypoints(&mut terms, context, real, generated, r1);
    add_appearance(&mut terms, context, real, generated, r1);
    features::add_discriminator(&mut terms, context, maps, r1);
    terms
}

/// Images alone.
fn add_image(terms: &mut Terms, context: &Context, real: &RealBatch, generated: &Generated, r1: Option<f64>) {
    let Frame { alpha, kind, .. } = context.frame;
    let (net, augment) = (&context.networks.discriminators.image, &context.gan().augment);
    let fake = generated.images.detach();
    let real_logits = net.forward(&context.augmented(real.images, augment), alpha, kind);
    let fake_logits = net.forward(&context.augmented(&fake, augment), alpha, kind);
    terms.add(&named::DISCRIMINATOR, 1.0, losses::discriminator(&real_logits, &fake_logits));
    if let Some(weight) = r1 {
        let images = input(&context.augmented(real.images, augment));
        // Second derivatives lose too much in bfloat16.
        let logits = net.forward(&images, alpha, Kind::Float);
        terms.add(&named::R1, weight, losses::r1(&[&images], &logits));
    }
}

/// Images with keypoints.
fn add_keypoints(
    terms: &mut Terms,
    context: &Context,
    real: &RealBatch,
    generated: &Generated,
    r1: Option<f64>,
) {
    let Frame { alpha, kind, .. } = context.frame;
    let (Some(net), Some(keypoints)) = (&context.networks.discriminators.keypoints, &real.inferred.keypoints)
    else {
        return;
    };
    let augment = context.gan().augment.keeping_poses();
    let (fake, keypoints) = (generated.images.detach(), keypoints.detach());
    let real_logits = net.forward(&context.augmented(real.images, &augment), &keypoints, alpha, kind);
    let fake_keypoints = generated.latents.keypoints.detach();
    let fake_logits = net.forward(&context.augmented(&fake, &augment), &fake_keypoints, alpha, kind);
    terms.add(&named::KEYPOINT_DISCRIMINATOR, 1.0, losses::discriminator(&real_logits, &fake_logits));
    if let Some(weight) = r1 {
        let (images, keypoints) = (input(&context.augmented(real.images, &augment)), input(&keypoints));
        let logits = net.forward(&images, &keypoints, alpha, Kind::Float);
        terms.add(&named::R1_KEYPOINTS, weight, losses::r1(&[&images, &keypoints], &logits));
    }
}

/// Images with embeddings.
fn add_appearance(
    terms: &mut Terms,
    context: &Context,
    real: &RealBatch,
    generated: &Generated,
    r1: Option<f64>,
) {
    let Frame { alpha, kind, .. } = context.frame;
    let (Some(net), Some(appearance)) =
        (&context.networks.discriminators.appearance, &real.inferred.appearance)
    else {
        return;
    };
    let augment = context.gan().augment.keeping_appearance();
    let fake = generated.images.detach();
    let (parts, background) = (appearance.embeddings.detach(), appearance.background.detach());
    let real_logits =
        net.forward(&context.augmented(real.images, &augment), &parts, &background, alpha, kind);
    let latents = &generated.latents;
    let (fake_parts, fake_background) = (latents.embeddings.detach(), latents.background.detach());
    let fake_logits =
        net.forward(&context.augmented(&fake, &augment), &fake_parts, &fake_background, alpha, kind);
    terms.add(&named::APPEARANCE_DISCRIMINATOR, 1.0, losses::discriminator(&real_logits, &fake_logits));
    if let Some(weight) = r1 {
        let images = input(&context.augmented(real.images, &augment));
        let (parts, background) = (input(&parts), input(&background));
        let logits = net.forward(&images, &parts, &background, alpha, Kind::Float);
        terms.add(&named::R1_APPEARANCE, weight, losses::r1(&[&images, &parts, &background], &logits));
    }
}
