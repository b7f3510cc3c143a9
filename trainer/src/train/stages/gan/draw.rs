//! The images that a step draws, all in one pass: fakes, and some of them again with something changed.

use tch::{Kind, Tensor};

use super::Gan;
use super::step::Frame;
use crate::augment::elastic::Elastic;
use crate::augment::part_move::PartMove;
use crate::losses::due;
use crate::nets::heatmap::Pose;
use crate::nets::image_generator::Mode;
use crate::nets::keypoint_generator::{Latents, Noise};
use crate::nets::layers::{Norm, TRAINING_MOMENTUM};

/// A step's generated images.
pub(super) struct Drawn {
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
    pub others: Option<Others>,
}

/// Images as the generator draws them from keypoints that were taken back through a deformation.
pub(super) struct Deformed {
    /// `[n, 3, S, S]`.
    pub images: Tensor,
    /// The deformation.
    pub elastic: Elastic,
}

/// Each image of a step once more: half of them with another pose, the rest with another appearance.
pub(super) struct Others {
    /// `[N, 3, S, S]`.
    pub images: Tensor,
    /// `[N, Z]`: the noise vector that was changed, before and after.
    pub noise: Tensor,
    /// See `noise`.
    pub other_noise: Tensor,
}

impl Gan {
    /// Generates the step's images in one pass, so that the norms see them together.
    pub(super) fn draw_batch(&self, n: i64, step: u64, frame: Frame) -> Drawn {
        let gan = &self.config.gan;
        let nets = &self.generator.keypoints;
        let Frame { share, groups, .. } = frame;
        let latent = self.config.architecture.latent;
        let randn = |n: i64| share.of(&Tensor::randn([share.all(n), latent], (Kind::Float, self.device)));
        let noise = Noise::sample(share.all(n), latent, self.device).share(share);
        let norm = groups.norm(n, TRAINING_MOMENTUM);
        let latents = nets.forward(&noise, norm);
        let mut parts =
            vec![[&latents.keypoints, &latents.embeddings, &latents.background].map(Tensor::shallow_clone)];

        let twice = due(gan.background_weight, gan.background_every, step)
            .map_or(0, |_| groups.part(gan.background_fraction));
        if twice > 0 {
            let background = nets.background_embedding(&randn(twice));
            parts.push([
                groups.firsts(&latents.keypoints, twice),
                groups.firsts(&latents.embeddings, twice),
                background,
            ]);
        }
        let again = due(gan.generator_equivariance_weight, gan.generator_equivariance_every, step)
            .map_or(0, |_| groups.part(gan.generator_equivariance_fraction));
        let elastic =
            (again > 0).then(|| Elastic::random(again, frame.size, gan.deformation, share, self.device));
        if let Some(elastic) = &elastic {
            // Where the keypoints are is not this loss's to choose: all in one place would be the cheapest.
            let keypoints = groups.firsts(&latents.keypoints, again).detach();
            parts.push([
                elastic.sources(&keypoints).0,
                groups.firsts(&latents.embeddings, again),
                groups.firsts(&latents.background, again),
            ]);
        }
        let moving = due(gan.move_weight.max(gan.move_rest_weight), gan.move_every, step)
            .map_or(0, |_| groups.part(gan.move_fraction));
        let part_move = (moving > 0)
            .then(|| PartMove::random(&groups.firsts(&latents.keypoints, moving), gan.move_reach, share));
        if let Some(part_move) = &part_move {
            parts.push([
                part_move.asked.shallow_clone(),
                groups.firsts(&latents.embeddings, moving),
                groups.firsts(&latents.background, moving),
            ]);
        }
        let diverse = due(gan.diversity_weight, gan.diversity_every, step).map(|_| {
            let (fresh, poses) = (randn(n), groups.first_halves(self.device));
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
        let images = self.render(&joined(0), &joined(1), &joined(2), norm, frame);
        let mut images = groups.split(&images, &sizes).into_iter();
        Drawn {
            images: images.next().unwrap_or_default(),
            other_backgrounds: if twice > 0 { images.next() } else { None },
            deformed: elastic.and_then(|elastic| Some(Deformed { images: images.next()?, elastic })),
            part_moved: part_move.and_then(|part_move| Some((part_move, images.next()?))),
            others: diverse
                .and_then(|(noise, other_noise)| Some(Others { images: images.next()?, noise, other_noise })),
            latents,
        }
    }

    /// The images of latents by the live generator.
    pub(super) fn render(
        &self,
        keypoints: &Tensor,
        embeddings: &Tensor,
        background: &Tensor,
        norm: Norm,
        frame: Frame,
    ) -> Tensor {
        let Frame { size, alpha, kind, .. } = frame;
        let pose = Pose::natural(keypoints.shallow_clone());
        self.generator.images.forward(&pose, embeddings, background, Mode { size, alpha, kind, norm })
    }
}
