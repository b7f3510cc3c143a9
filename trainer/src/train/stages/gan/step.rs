//! One step: what judges learns, then what is judged.

use tch::nn::VarStore;
use tch::{Kind, Tensor};

use super::Gan;
use super::draw::{Drawn, Others};
use super::poses::Poses;
use super::report::Measured;
use super::revisit::Shown;
use super::seen_features::SeenFeatures;
use super::terms::Terms;
use crate::augment::discriminator::{augment, disguise};
use crate::config::GanConfig;
use crate::error::Result;
use crate::losses::{self, due};
use crate::nets::heatmap::{self, Pose};
use crate::nets::keypoint_generator::Noise;
use crate::nets::layers::{Norm, TRAINING_MOMENTUM};
use crate::support::share::Share;
use crate::train::optim::adam::Adam;
use crate::train::optim::groups::Groups;
use crate::train::ranks::Ranks;
use crate::train::{average, parameters};

/// Images over which the average's half-life grows to its full length, as a fraction of images seen: at the start
/// the average must follow quickly.
const AVERAGE_RAMP: f64 = 0.05;

/// Drawn poses that are held against those of real pictures on a step.
const POSES_COMPARED: i64 = 128;

/// How the images of a step are drawn and judged.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    /// Side.
    pub size: i64,
    /// Blend of that side.
    pub alpha: f64,
    /// Arithmetic inside the networks.
    pub kind: Kind,
    /// This rank's part of the batch.
    pub share: Share,
    /// Its groups.
    pub groups: Groups,
}

impl Gan {
    /// One update of all networks with `real` `[N, 3, size, size]`, this rank's share of the batch. Nothing in it
    /// waits for the device, as long as this rank is alone.
    ///
    /// # Errors
    /// Those of [`Ranks::average`].
    pub fn step(&mut self, real: &Tensor, size: i64, alpha: f64) -> Result<Measured> {
        let gan = self.config.gan.clone();
        let share = self.ranks.share();
        let groups = Groups::new(real.size()[0], gan.norm_group);
        let frame = Frame { size, alpha, kind: self.config.precision.kind(self.device), share, groups };
        parameters::seed_step(self.config.seed, self.state.step);
        let step = self.state.step + 1;
        // Of all ranks.
        let batch = share.all(real.size()[0]);

        let drawn = self.draw_batch(real.size()[0], step, frame);
        let shown = self.look_at(real, step, frame);
        let features = self.see_features(real, &drawn.images, frame);

        let judging = self.judging_terms(&shown, &drawn, features.as_ref(), step, frame);
        let adams = &mut [(&mut self.critics_adam, gan.discriminator_rate)];
        update(adams, &judging, &*self.ranks, &[&self.critics.store])?;

        // The critics' own gradients are not wanted here, and cost a third of their backward pass.
        self.critics.store.freeze();
        let judged = self.judged_terms(&shown, &drawn, features.as_ref(), step, frame);
        let adams = &mut [
            (&mut self.generator_adam, gan.generator_rate),
            (&mut self.inference_adam, gan.inference_rate),
        ];
        update(adams, &judged, &*self.ranks, &[&self.generator.store, &self.inference.store])?;
        self.critics.store.unfreeze();

        self.state.step = step;
        self.state.images_seen += batch as u64;
        let half_life = gan.ema_half_life.min(self.state.images_seen as f64 * AVERAGE_RAMP);
        average::update(&self.average.store, &self.generator.store, batch, half_life);
        average::update(&self.average_inference.store, &self.inference.store, batch, half_life);

        let terms = judging.detached(judged);
        self.watch.look(step, &terms);
        let keypoints = drawn.latents.keypoints.detach();
        Ok(Measured { step, images: self.state.images_seen, size, alpha, terms, keypoints })
    }

    /// What the critics minimise.
    fn judging_terms(
        &self,
        shown: &Shown,
        drawn: &Drawn,
        features: Option<&SeenFeatures>,
        step: u64,
        frame: Frame,
    ) -> Terms {
        let Shown { images: real, seen, .. } = shown;
        let gan = &self.config.gan;
        let Frame { alpha, kind, .. } = frame;
        let fake = drawn.images.detach();
        let r1 = due(gan.r1_weight, gan.r1_every, step);
        let mut terms = Terms::default();

        let net = &self.critics.image;
        let real_logits = net.forward(&augment(real, gan, frame.share), alpha, kind);
        let fake_logits = net.forward(&augment(&fake, gan, frame.share), alpha, kind);
        terms.add("discriminator", 1.0, losses::discriminator(&real_logits, &fake_logits));
        if let Some(weight) = r1 {
            let images = input(&augment(real, gan, frame.share));
            // Second derivatives lose too much in bfloat16.
            let logits = net.forward(&images, alpha, Kind::Float);
            terms.add("r1", weight, losses::r1(&[&images], &logits));
        }
        if let (Some(net), Some(keypoints)) = (&self.critics.keypoints, &seen.keypoints) {
            let safe = pose_safe(gan);
            let keypoints = keypoints.detach();
            let real_logits = net.forward(&augment(real, &safe, frame.share), &keypoints, alpha, kind);
            let fake_logits = net.forward(
                &augment(&fake, &safe, frame.share),
                &drawn.latents.keypoints.detach(),
                alpha,
                kind,
            );
            terms.add("keypoint_discriminator", 1.0, losses::discriminator(&real_logits, &fake_logits));
            if let Some(weight) = r1 {
                let (images, keypoints) = (input(&augment(real, &safe, frame.share)), input(&keypoints));
                let logits = net.forward(&images, &keypoints, alpha, Kind::Float);
                terms.add("r1_keypoints", weight, losses::r1(&[&images, &keypoints], &logits));
            }
        }
        if let (Some(net), Some(looks)) = (&self.critics.appearance, &seen.looks) {
            let safe = look_safe(gan);
            let (parts, background) = (looks.embeddings.detach(), looks.background.detach());
            let real_logits =
                net.forward(&augment(real, &safe, frame.share), &parts, &background, alpha, kind);
            let (fake_parts, fake_background) =
                (drawn.latents.embeddings.detach(), drawn.latents.background.detach());
            let fake_logits =
                net.forward(&augment(&fake, &safe, frame.share), &fake_parts, &fake_background, alpha, kind);
            terms.add("appearance_discriminator", 1.0, losses::discriminator(&real_logits, &fake_logits));
            if let Some(weight) = r1 {
                let (images, parts, background) =
                    (input(&augment(real, &safe, frame.share)), input(&parts), input(&background));
                let logits = net.forward(&images, &parts, &background, alpha, Kind::Float);
                terms.add("r1_appearance", weight, losses::r1(&[&images, &parts, &background], &logits));
            }
        }
        self.add_features_judging(&mut terms, features, r1, frame);
        terms
    }

    /// What the generator, the detector and the encoder minimise. The critics are frozen.
    fn judged_terms(
        &self,
        shown: &Shown,
        drawn: &Drawn,
        features: Option<&SeenFeatures>,
        step: u64,
        frame: Frame,
    ) -> Terms {
        let Shown { images: real, seen, .. } = shown;
        let gan = &self.config.gan;
        let Frame { alpha, kind, .. } = frame;
        let latents = &drawn.latents;
        let mut terms = Terms::default();

        let judged = self.critics.image.judge(&augment(&drawn.images, gan, frame.share), alpha, kind);
        terms.add("generator", 1.0, losses::generator(&judged.logits));
        if let (Some(others), Some(weight)) =
            (&drawn.other_backgrounds, due(gan.background_weight, gan.background_every, step))
        {
            let (images, parts) = self.first_images(drawn, others.size()[0], frame);
            terms.add("background", weight, losses::background(&images, others, &parts));
        }
        if let (Some(moved), Some(weight)) =
            (&drawn.deformed, due(gan.generator_equivariance_weight, gan.generator_equivariance_every, step))
        {
            let (images, parts) = self.first_images(drawn, moved.images.size()[0], frame);
            let again = moved.elastic.images(&moved.images);
            let seen = parts * moved.elastic.inside();
            terms.add("generator_equivariance", weight, losses::moved(&images, &again, &seen));
        }
        if let (Some(others), Some(weight)) =
            (&drawn.others, due(gan.diversity_weight, gan.diversity_every, step))
        {
            let Others { images, noise, other_noise } = others;
            let loss = losses::diversity::mode_seeking(&drawn.images, images, noise, other_noise);
            terms.add("diversity", weight, loss);
        }
        if gan.feature_matching_weight > 0.0 {
            let real =
                tch::no_grad(|| self.critics.image.maps(&augment(real, gan, frame.share), alpha, kind));
            terms.add(
                "feature_matching",
                gan.feature_matching_weight,
                losses::features::matching(&judged.maps, &real, frame.groups.size()),
            );
        }
        if let (Some(net), Some(keypoints)) = (&self.critics.keypoints, &seen.keypoints) {
            let safe = pose_safe(gan);
            let real_logits = net.forward(&augment(real, &safe, frame.share), keypoints, alpha, kind);
            let fake_logits =
                net.forward(&augment(&drawn.images, &safe, frame.share), &latents.keypoints, alpha, kind);
            terms.add("keypoints", gan.keypoint_weight, losses::pair(&real_logits, &fake_logits));
        }
        if let (Some(net), Some(looks)) = (&self.critics.appearance, &seen.looks) {
            let safe = look_safe(gan);
            let real_logits = net.forward(
                &augment(real, &safe, frame.share),
                &looks.embeddings,
                &looks.background,
                alpha,
                kind,
            );
            let fake = augment(&drawn.images, &safe, frame.share);
            let fake_logits = net.forward(&fake, &latents.embeddings, &latents.background, alpha, kind);
            terms.add("appearance", gan.appearance_weight, losses::pair(&real_logits, &fake_logits));
        }
        if let Some(poses) = &self.poses {
            terms.add("poses", gan.pose_weight, self.pose_distance(poses));
        }
        self.add_cycles(&mut terms, drawn, frame);
        self.add_part_moves(&mut terms, drawn, step, frame);
        self.add_revisits(&mut terms, shown, step, frame);
        self.add_features_judged(&mut terms, features, frame);
        terms
    }

    /// The first of each group's images, `n` in all, and where their parts are: `1 - H_bg`, as wide as the background loss
    /// has them, `[n, 1, S, S]`.
    fn first_images(&self, drawn: &Drawn, n: i64, frame: Frame) -> (Tensor, Tensor) {
        let pose = Pose::natural(frame.groups.firsts(&drawn.latents.keypoints, n));
        let tau = self.config.architecture.tau * self.config.gan.background_reach;
        let parts = 1.0 - heatmap::background(&heatmap::parts(&pose, tau, frame.size).detach());
        (frame.groups.firsts(&drawn.images, n), parts)
    }

    /// Energy distance between drawn poses and as many of those of real pictures. All ranks draw the same.
    fn pose_distance(&self, poses: &Poses) -> Tensor {
        let noise = Noise::sample(POSES_COMPARED, self.config.architecture.latent, self.device);
        poses.distance(&self.generator.keypoints.forward(&noise, Norm::Batch(0.0)).keypoints)
    }

    /// From latents to an image and back.
    fn add_cycles(&self, terms: &mut Terms, drawn: &Drawn, frame: Frame) {
        let gan = &self.config.gan;
        let latents = &drawn.latents;
        let (detect, encode) = (gan.cycle_keypoints_weight > 0.0, gan.cycle_embeddings_weight > 0.0);
        let norm = frame.groups.norm(drawn.images.size()[0], TRAINING_MOMENTUM);
        let seen = |detect: bool, encode: bool, teach: bool| {
            let images = if teach { drawn.images.shallow_clone() } else { drawn.images.detach() };
            let images = if detect { self.disguised(&images, frame) } else { images };
            self.inference.forward(&images, detect, encode, frame.kind, norm)
        };
        // A detector that is fixed can't agree with the generator on signs that no real picture has.
        let teaches = gan.cycles_teach_generator || self.inference.detector_is_fixed;
        if let Some(keypoints) = seen(detect, false, teaches).keypoints {
            let loss = losses::cycle::keypoints(&keypoints, &latents.keypoints);
            terms.add("cycle_keypoints", gan.cycle_keypoints_weight, loss);
        }
        if let Some(looks) = seen(false, encode, gan.cycles_teach_generator).looks {
            let loss = losses::cycle::embeddings(
                (&looks.embeddings, &latents.embeddings),
                (&looks.background, &latents.background),
            );
            terms.add("cycle_embeddings", gan.cycle_embeddings_weight, loss);
        }
    }

    /// Drawn images as the detector is to see them: one that learns along sees them as they are.
    fn disguised(&self, images: &Tensor, frame: Frame) -> Tensor {
        let fixed = self.inference.detector_is_fixed;
        disguise(images, if fixed { self.config.gan.cycle_disguise } else { 0.0 }, frame.share)
    }

    /// One part moved alone: it is seen where it went, and the rest of the picture stays.
    fn add_part_moves(&self, terms: &mut Terms, drawn: &Drawn, step: u64, frame: Frame) {
        let Some((part_move, after)) = &drawn.part_moved else { return };
        let (gan, n) = (&self.config.gan, after.size()[0]);
        if let Some(weight) = due(gan.move_weight, gan.move_every, step) {
            let norm = frame.groups.norm(n, TRAINING_MOMENTUM);
            let shown = self.disguised(after, frame);
            let seen = self.inference.forward(&shown, true, false, frame.kind, norm);
            if let Some(found) = seen.keypoints {
                let loss = losses::cycle::moved_part(&found, &part_move.asked, &part_move.moved);
                terms.add("move", weight, loss);
            }
        }
        if let Some(weight) = due(gan.move_rest_weight, gan.move_every, step) {
            let rest = part_move.rest(self.config.architecture.tau * gan.background_reach, frame.size);
            let images = frame.groups.firsts(&drawn.images, n);
            terms.add("move_rest", weight, losses::moved(&images, after, &rest));
        }
    }
}

/// A copy to take the gradient at.
pub(super) fn input(x: &Tensor) -> Tensor {
    x.detach().set_requires_grad(true)
}

/// The augmentation that leaves keypoints where they are.
fn pose_safe(gan: &GanConfig) -> GanConfig {
    GanConfig { augment_translation: 0.0, augment_cutout: 0.0, ..gan.clone() }
}

/// The augmentation that leaves looks as they are.
fn look_safe(gan: &GanConfig) -> GanConfig {
    GanConfig { augment_colour: 0.0, augment_cutout: 0.0, ..gan.clone() }
}

/// One update of the networks of `adams`, each at its step length, by the sum of `terms`, over all ranks: gradients
/// and running statistics in `stores`, where those networks are, become the mean of all.
fn update(
    adams: &mut [(&mut Adam, f64)],
    terms: &Terms,
    ranks: &dyn Ranks,
    stores: &[&VarStore],
) -> Result<()> {
    let Some(total) = terms.total() else { return Ok(()) };
    for (adam, _) in adams.iter_mut() {
        adam.zero_grad();
    }
    total.backward();
    if ranks.size() > 1 {
        let gradients = stores.iter().flat_map(|s| parameters::gradients(s)).map(|(_, gradient)| gradient);
        let statistics = stores.iter().flat_map(|s| parameters::statistics(s));
        ranks.average(&gradients.chain(statistics).collect::<Vec<_>>())?;
    }
    for (adam, rate) in adams.iter_mut() {
        adam.step(*rate);
    }
    Ok(())
}
