//! The images that a step generates, all in one pass: fakes, and some of them again with something changed.

use tch::{Kind, Tensor};

use super::context::{Context, Frame};
use crate::augment::elastic::Elastic;
use crate::augment::part_move::PartMove;
use crate::losses::due;
use crate::nets::keypoint_generator::{Latents, Noise};
use crate::nets::layers::TRAINING_MOMENTUM;

/// A step's generated images.
pub(super) struct Generated {
    pub latents: Latents,
    /// `[N, 3, S, S]`.
    pub images: Tensor,
    /// The first of them once more before other backgrounds, if the background loss is due.
    pub other_backgrounds: Option<Tensor>,
    /// The first of them once more from deformed keypoints, if the generator's equivariance is due.
    pub deformed: Option<Deformed>,
    /// The first of them once more with one part moved, if that is due.
    pub part_moved: Option<(PartMove, Tensor)>,
    /// All once more with other noise, if the diversity loss is due.
    pub others: Option<DiversityPairs>,
}

/// Images generated from keypoints that were taken back through a deformation.
pub(super) struct Deformed {
    /// `[n, 3, S, S]`.
    pub images: Tensor,
    /// The deformation.
    pub elastic: Elastic,
}

/// Each image of a step once more: half of them with another pose, the rest with another appearance.
pub(super) struct DiversityPairs {
    /// `[N, 3, S, S]`.
    pub images: Tensor,
    /// `[N, Z]`: the noise vector that was changed, before and after.
    pub noise: Tensor,
    /// See `noise`.
    pub other_noise: Tensor,
}

/// Generates the images of a step, `n` of this rank, in one pass, so that the norms see them together.
pub(super) fn generate(context: &Context, n: i64) -> Generated {
    let (gan, device) = (context.gan(), context.device);
    let nets = &context.networks.generator.keypoints;
    let Frame { step, share, groups, size, .. } = context.frame;
    let latent = context.config.architecture.latent;
    let randn = |n: i64| share.of(&Tensor::randn([share.all(n), latent], (Kind::Float, device)));
    let noise = Noise::sample(share.all(n), latent, device).share(share);
    let norm = groups.norm(n, TRAINING_MOMENTUM);
    let latents = nets.forward(&noise, norm);
    let mut parts =
        vec![[&latents.keypoints, &latents.embeddings, &latents.background].map(Tensor::shallow_clone)];

    let twice = due(gan.background.weight, gan.background.every, step)
        .map_or(0, |_| groups.part(gan.background.fraction));
    if twice > 0 {
        let background = nets.background_embedding(&randn(twice));
        parts.push([
            groups.firsts(&latents.keypoints, twice),
            groups.firsts(&latents.embeddings, twice),
            background,
        ]);
    }
    let deformed = due(gan.generator_equivariance.weight, gan.generator_equivariance.every, step)
        .map_or(0, |_| groups.part(gan.generator_equivariance.fraction));
    let elastic = (deformed > 0).then(|| Elastic::random(deformed, size, gan.deformation, share, device));
    if let Some(elastic) = &elastic {
        // Where the keypoints are is not this loss's to choose: all in one place would be the cheapest.
        let keypoints = groups.firsts(&latents.keypoints, deformed).detach();
        parts.push([
            elastic.sources(&keypoints).0,
            groups.firsts(&latents.embeddings, deformed),
            groups.firsts(&latents.background, deformed),
        ]);
    }
    let moves = &gan.part_move;
    let moving = due(moves.weight.max(moves.rest_weight), moves.every, step)
        .map_or(0, |_| groups.part(moves.fraction));
    let part_move = (moving > 0)
        .then(|| PartMove::random(&groups.firsts(&latents.keypoints, moving), moves.reach, share));
    if let Some(part_move) = &part_move {
        parts.push([
            part_move.asked.shallow_clone(),
            groups.firsts(&latents.embeddings, moving),
            groups.firsts(&latents.background, moving),
        ]);
    }
    let diverse = due(gan.diversity.weight, gan.diversity.every, step).map(|_| {
        let (fresh, poses) = (randn(n), groups.first_halves(device));
        let changed_noise = Noise {
            pose: fresh.where_self(&poses, &noise.pose),
            appearance: noise.appearance.where_self(&poses, &fresh),
            background: noise.background.shallow_clone(),
        };
        let other = nets.forward(&changed_noise, norm);
        parts.push([other.keypoints, other.embeddings, other.background]);
        (noise.pose.where_self(&poses, &noise.appearance), fresh)
    });

    let joined = |i: usize| groups.join(&parts.iter().map(|p| &p[i]).collect::<Vec<_>>());
    let sizes: Vec<i64> = parts.iter().map(|p| p[0].size()[0]).collect();
    let norm = groups.norm(sizes.iter().sum(), TRAINING_MOMENTUM);
    let images = context.render(&joined(0), &joined(1), &joined(2), norm);
    let mut images = groups.split(&images, &sizes).into_iter();
    Generated {
        images: images.next().unwrap_or_default(),
        other_backgrounds: if twice > 0 { images.next() } else { None },
        deformed: elastic.and_then(|elastic| Some(Deformed { images: images.next()?, elastic })),
        part_moved: part_move.and_then(|part_move| Some((part_move, images.next()?))),
        others: diverse.and_then(|(noise, other_noise)| {
            Some(DiversityPairs { images: images.next()?, noise, other_noise })
        }),
        latents,
    }
}
