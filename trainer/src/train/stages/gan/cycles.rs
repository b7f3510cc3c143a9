//! From latents to an image and back, and one part moved alone.

use super::context::{Context, Frame};
use super::generated::Generated;
use crate::losses::named::gan as named;
use crate::losses::{self, Terms, due};
use crate::nets::layers::TRAINING_MOMENTUM;

/// Keypoints and embeddings come back as they went in.
pub(super) fn add(terms: &mut Terms, context: &Context, generated: &Generated) {
    let (config, inference) = (&context.gan().cycle, &context.networks.inference);
    let Frame { kind, groups, .. } = context.frame;
    let latents = &generated.latents;
    let (detect, encode) = (config.keypoints_weight > 0.0, config.embeddings_weight > 0.0);
    let norm = groups.norm(generated.images.size()[0], TRAINING_MOMENTUM);
    let infer = |detect: bool, encode: bool, teach: bool| {
        let images = if teach { generated.images.shallow_clone() } else { generated.images.detach() };
        let images = if detect { context.as_detector_sees(&images) } else { images };
        inference.forward(&images, detect, encode, kind, norm)
    };
    // A detector that is fixed can't agree with the generator on signs that no real picture has.
    let teaches = config.teach_generator || inference.detector_is_fixed;
    if let Some(keypoints) = infer(detect, false, teaches).keypoints {
        let loss = losses::cycle::keypoints(&keypoints, &latents.keypoints);
        terms.add(&named::CYCLE_KEYPOINTS, config.keypoints_weight, loss);
    }
    if let Some(appearance) = infer(false, encode, config.teach_generator).appearance {
        let loss = losses::cycle::embeddings(
            (&appearance.embeddings, &latents.embeddings),
            (&appearance.background, &latents.background),
        );
        terms.add(&named::CYCLE_EMBEDDINGS, config.embeddings_weight, loss);
    }
}

/// One part moved alone: it is seen where it went, and the rest of the picture stays.
pub(super) fn add_part_moves(terms: &mut Terms, context: &Context, generated: &Generated) {
    let Some((part_move, after)) = &generated.part_moved else { return };
    let (config, n) = (&context.gan().part_move, after.size()[0]);
    let Frame { step, size, kind, groups, .. } = context.frame;
    if let Some(weight) = due(config.weight, config.every, step) {
        let norm = groups.norm(n, TRAINING_MOMENTUM);
        let shown = context.as_detector_sees(after);
        let inferred = context.networks.inference.forward(&shown, true, false, kind, norm);
        if let Some(found) = inferred.keypoints {
            let loss = losses::cycle::moved_part(&found, &part_move.asked, &part_move.moved);
            terms.add(&named::MOVE, weight, loss);
        }
    }
    if let Some(weight) = due(config.rest_weight, config.every, step) {
        let rest = part_move.rest(context.part_width(), size);
        let images = groups.firsts(&generated.images, n);
        terms.add(&named::MOVE_REST, weight, losses::moved(&images, after, &rest));
    }
}
