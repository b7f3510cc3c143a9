//! What begins with a real image: what is inferred from it, its reconstruction, and the image deformed.

use tch::Tensor;

use super::context::{Context, Frame};
use super::inference::Inferred;
use crate::augment::elastic::Elastic;
use crate::config::Perceptual;
use crate::losses::named::gan as named;
use crate::losses::{self, Terms, due};
use crate::nets::encoder::Appearance;
use crate::nets::layers::TRAINING_MOMENTUM;

/// Real images of a step and what was inferred from them.
pub(super) struct RealBatch<'a> {
    /// `[N, 3, S, S]`.
    pub images: &'a Tensor,
    /// What some loss needs of them.
    pub inferred: Inferred,
    /// Their deformation and what was inferred from them then, if a loss asks for it.
    deformed: Option<(Elastic, Inferred)>,
}

/// Whether real images are reconstructed on this step, and whether they are held against deformed ones.
fn due_now(context: &Context) -> (bool, bool) {
    let gan = context.gan();
    let due = context.frame.step.is_multiple_of(gan.reconstruction.every);
    (due && gan.reconstructs(), due && gan.equivariance.weight > 0.0)
}

/// Infers from real images what the losses of this step need.
pub(super) fn infer<'a>(context: &Context, images: &'a Tensor) -> RealBatch<'a> {
    let (gan, inference) = (context.gan(), &context.networks.inference);
    let Frame { kind, groups, size, share, .. } = context.frame;
    let n = images.size()[0];
    let norm = groups.norm(n, TRAINING_MOMENTUM);
    let (reconstruct, compare) = due_now(context);
    let inferred = inference.forward(
        images,
        gan.keypoint_discriminator.weight > 0.0 || reconstruct || compare,
        gan.appearance_discriminator.weight > 0.0 || (reconstruct && gan.deformation == 0.0),
        kind,
        norm,
    );
    let deformed = ((reconstruct || compare) && gan.deformation > 0.0).then(|| {
        let elastic = Elastic::random(n, size, gan.deformation, share, context.device);
        let inferred = inference.forward(&elastic.images(images), compare, reconstruct, kind, norm);
        (elastic, inferred)
    });
    RealBatch { images, inferred, deformed }
}

/// Deformed, a real image's keypoints move along; and it is reconstructed from its keypoints, with the appearance of the
/// deformed one.
pub(super) fn add(terms: &mut Terms, context: &Context, real: &RealBatch) {
    let gan = context.gan();
    let RealBatch { images, inferred, deformed } = real;
    let Some(keypoints) = &inferred.keypoints else { return };
    if let (Some((elastic, Inferred { keypoints: Some(moved), .. })), Some(weight)) =
        (deformed, due(gan.equivariance.weight, gan.reconstruction.every, context.frame.step))
    {
        let (sources, inside) = elastic.sources(moved);
        let loss = losses::cycle::equivariance(&sources, keypoints, &inside);
        terms.add(&named::EQUIVARIANCE, weight, loss);
    }
    let appearance =
        deformed.as_ref().map_or(&inferred.appearance, |(_, of_deformed)| &of_deformed.appearance);
    if let Some(appearance) = appearance.as_ref().filter(|_| due_now(context).0) {
        add_reconstruction(terms, context, images, (keypoints, appearance));
    }
}

/// From a real image's keypoints and appearance back to the image.
fn add_reconstruction(
    terms: &mut Terms,
    context: &Context,
    real: &Tensor,
    (keypoints, appearance): (&Tensor, &Appearance),
) {
    let config = &context.gan().reconstruction;
    let Frame { step, alpha, kind, groups, .. } = context.frame;
    let Appearance { embeddings, background } = appearance;
    // The running statistics are those of generated images alone, which is what is generated later.
    let reconstruction = context.render(keypoints, embeddings, background, groups.norm(real.size()[0], 0.0));
    if let Some(weight) = due(config.image_weight, config.every, step) {
        terms.add(&named::CYCLE_IMAGE, weight, losses::cycle::image(&reconstruction, real));
    }
    if let Some(weight) = due(config.perceptual_weight, config.every, step) {
        let maps = |images: &Tensor| match (config.perceptual, &context.networks.features) {
            (Perceptual::OpenNsfw, Some(net)) => net.layers(images),
            _ => context.networks.discriminators.image.maps(images, alpha, kind),
        };
        let wanted = tch::no_grad(|| maps(real));
        let loss = losses::features::perceptual(&maps(&reconstruction), &wanted);
        terms.add(&named::PERCEPTUAL, weight, loss);
    }
}
