//! What begins with a real image: its keypoints, the image drawn again from them, and the image deformed.

use tch::Tensor;

use super::Gan;
use super::inference::Seen;
use super::step::Frame;
use super::terms::Terms;
use crate::augment::elastic::Elastic;
use crate::config::Perceptual;
use crate::losses::{self, due};
use crate::nets::encoder::Looks;
use crate::nets::layers::TRAINING_MOMENTUM;

/// Real images of a step and what was seen in them.
pub(super) struct Shown<'a> {
    /// `[N, 3, S, S]`.
    pub images: &'a Tensor,
    /// What some loss needs of them.
    pub seen: Seen,
    /// Their deformation and what was seen in them then, if a loss asks for it.
    deformed: Option<(Elastic, Seen)>,
}

impl Gan {
    /// Whether real images are drawn again on this step, and whether they are held against deformed ones.
    fn revisits(&self, step: u64) -> (bool, bool) {
        let gan = &self.config.gan;
        let due = step.is_multiple_of(gan.reconstruction_every);
        (due && gan.reconstructs(), due && gan.equivariance_weight > 0.0)
    }

    /// Infers from real images what the losses of this step need.
    pub(super) fn look_at<'a>(&self, images: &'a Tensor, step: u64, frame: Frame) -> Shown<'a> {
        let gan = &self.config.gan;
        let n = images.size()[0];
        let norm = frame.groups.norm(n, TRAINING_MOMENTUM);
        let (reconstruct, compare) = self.revisits(step);
        let seen = self.inference.forward(
            images,
            gan.keypoint_weight > 0.0 || reconstruct || compare,
            gan.appearance_weight > 0.0 || (reconstruct && gan.deformation == 0.0),
            frame.kind,
            norm,
        );
        let deformed = ((reconstruct || compare) && gan.deformation > 0.0).then(|| {
            let elastic = Elastic::random(n, frame.size, gan.deformation, frame.share, self.device);
            let seen =
                self.inference.forward(&elastic.images(images), compare, reconstruct, frame.kind, norm);
            (elastic, seen)
        });
        Shown { images, seen, deformed }
    }

    /// Deformed, a real image's keypoints move along; and it is drawn again from its keypoints, with the looks of the
    /// deformed one.
    pub(super) fn add_revisits(&self, terms: &mut Terms, shown: &Shown, step: u64, frame: Frame) {
        let gan = &self.config.gan;
        let Shown { images, seen, deformed } = shown;
        let Some(keypoints) = &seen.keypoints else { return };
        if let (Some((elastic, Seen { keypoints: Some(moved), .. })), Some(weight)) =
            (deformed, due(gan.equivariance_weight, gan.reconstruction_every, step))
        {
            let (sources, inside) = elastic.sources(moved);
            terms.add("equivariance", weight, losses::cycle::equivariance(&sources, keypoints, &inside));
        }
        let looks = deformed.as_ref().map_or(&seen.looks, |(_, seen)| &seen.looks);
        if let Some(looks) = looks.as_ref().filter(|_| self.revisits(step).0) {
            self.add_reconstruction(terms, images, (keypoints, looks), step, frame);
        }
    }

    /// From a real image's keypoints and looks back to the image.
    fn add_reconstruction(
        &self,
        terms: &mut Terms,
        real: &Tensor,
        (keypoints, looks): (&Tensor, &Looks),
        step: u64,
        frame: Frame,
    ) {
        let gan = &self.config.gan;
        let Looks { embeddings, background } = looks;
        // The running statistics are those of generated images alone, which is what is drawn later.
        let again =
            self.render(keypoints, embeddings, background, frame.groups.norm(real.size()[0], 0.0), frame);
        if let Some(weight) = due(gan.cycle_image_weight, gan.reconstruction_every, step) {
            terms.add("cycle_image", weight, losses::cycle::image(&again, real));
        }
        if let Some(weight) = due(gan.perceptual_weight, gan.reconstruction_every, step) {
            let maps = |images: &Tensor| match (gan.perceptual, &self.features) {
                (Perceptual::OpenNsfw, Some(net)) => net.layers(images),
                _ => self.critics.image.maps(images, frame.alpha, frame.kind),
            };
            let wanted = tch::no_grad(|| maps(real));
            let loss = losses::features::perceptual(&maps(&again), &wanted);
            terms.add("perceptual", weight, loss);
        }
    }
}
