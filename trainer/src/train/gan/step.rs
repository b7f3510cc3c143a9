//! One step: what judges learns, then what is judged.

use tch::{Kind, Tensor};

use super::report::Measured;
use super::terms::Terms;
use super::{Gan, inference::Seen};
use crate::config::{GanConfig, Perceptual};
use crate::losses::{self, augment::augment, due};
use crate::nets::encoder::Looks;
use crate::nets::heatmap::{self, Pose};
use crate::nets::image_generator::Mode;
use crate::nets::keypoint_generator::{Latents, Noise};
use crate::nets::layers::Norm;
use crate::train::adam::Adam;
use crate::train::{average, parameters};

/// Images over which the average's half-life grows to its full length, as a fraction of images seen: at the start
/// the average must follow quickly.
const AVERAGE_RAMP: f64 = 0.05;

/// How the images of a step are drawn and judged.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    /// Side.
    pub size: i64,
    /// Blend of that side.
    pub alpha: f64,
    /// Arithmetic inside the networks.
    pub kind: Kind,
}

/// A step's generated images.
struct Drawn {
    latents: Latents,
    /// `[N, 3, S, S]`.
    images: Tensor,
    /// The first of them once more before other backgrounds, if the background loss is due.
    other_backgrounds: Option<Tensor>,
    /// All once more with other noise, if the diversity loss is due.
    others: Option<Others>,
}

/// Each image of a step once more: half of them with another pose, the rest with another appearance.
struct Others {
    images: Tensor,
    /// `[N, Z]`: the noise vector that was changed, before and after.
    noise: Tensor,
    other_noise: Tensor,
}

impl Gan {
    /// One update of all networks with `real` `[N, 3, size, size]`. Nothing in it waits for the device.
    pub fn step(&mut self, real: &Tensor, size: i64, alpha: f64) -> Measured {
        let gan = self.config.gan.clone();
        let frame = Frame { size, alpha, kind: self.config.precision.kind() };
        parameters::seed_step(self.config.seed, self.state.step);
        let step = self.state.step + 1;
        let batch = real.size()[0];

        let drawn = self.draw_batch(batch, step, frame);
        let reconstruct = gan.reconstructs() && step.is_multiple_of(gan.reconstruction_every);
        let seen = self.inference.forward(
            real,
            gan.keypoint_weight > 0.0 || reconstruct,
            gan.appearance_weight > 0.0 || reconstruct,
            frame.kind,
        );

        let judging = self.judging_terms(real, &drawn, &seen, step, frame);
        update(&mut [(&mut self.critics_adam, gan.discriminator_rate)], &judging);

        // The critics' own gradients are not wanted here, and cost a third of their backward pass.
        self.critics.store.freeze();
        let judged = self.judged_terms(real, &drawn, &seen, step, frame);
        let adams = &mut [
            (&mut self.generator_adam, gan.generator_rate),
            (&mut self.inference_adam, gan.inference_rate),
        ];
        update(adams, &judged);
        self.critics.store.unfreeze();

        self.state.step = step;
        self.state.images_seen += batch as u64;
        let half_life = gan.ema_half_life.min(self.state.images_seen as f64 * AVERAGE_RAMP);
        average::update(&self.average.store, &self.generator.store, batch, half_life);
        average::update(&self.average_inference.store, &self.inference.store, batch, half_life);

        let terms = judging.detached(judged);
        self.watch.look(step, &terms);
        let keypoints = drawn.latents.keypoints.detach();
        Measured { step, images: self.state.images_seen, size, alpha, terms, keypoints }
    }

    /// Generates the step's images in one pass, so that the norms see them together.
    fn draw_batch(&self, n: i64, step: u64, frame: Frame) -> Drawn {
        let gan = &self.config.gan;
        let nets = &self.generator.keypoints;
        let randn = |n: i64| Tensor::randn([n, self.config.architecture.latent], (Kind::Float, self.device));
        let noise = Noise::sample(n, self.config.architecture.latent, self.device);
        let latents = nets.forward(&noise, Norm::TRAINING);
        let mut parts =
            vec![[&latents.keypoints, &latents.embeddings, &latents.background].map(Tensor::shallow_clone)];

        let share = (n as f64 * gan.background_fraction).round() as i64;
        let twice = due(gan.background_weight, gan.background_every, step).map_or(0, |_| share.clamp(0, n));
        if twice > 0 {
            let background = nets.background_embedding(&randn(twice));
            parts.push([
                latents.keypoints.narrow(0, 0, twice),
                latents.embeddings.narrow(0, 0, twice),
                background,
            ]);
        }
        let diverse = due(gan.diversity_weight, gan.diversity_every, step).map(|_| {
            let half = n / 2;
            let (pose, appearance) = (randn(half), randn(n - half));
            let changed = [(&noise.pose, 0, half), (&noise.appearance, half, n - half)]
                .map(|(noise, from, count)| noise.narrow(0, from, count));
            let other = nets.forward(
                &Noise {
                    pose: Tensor::cat(&[&pose, &noise.pose.narrow(0, half, n - half)], 0),
                    appearance: Tensor::cat(&[&noise.appearance.narrow(0, 0, half), &appearance], 0),
                    background: noise.background.shallow_clone(),
                },
                Norm::TRAINING,
            );
            parts.push([other.keypoints, other.embeddings, other.background]);
            (Tensor::cat(&changed, 0), Tensor::cat(&[pose, appearance], 0))
        });

        let joined = |i: usize| Tensor::cat(&parts.iter().map(|p| &p[i]).collect::<Vec<_>>(), 0);
        let images = self.render(&joined(0), &joined(1), &joined(2), Norm::TRAINING, frame);
        Drawn {
            images: images.narrow(0, 0, n),
            other_backgrounds: (twice > 0).then(|| images.narrow(0, n, twice)),
            others: diverse.map(|(noise, other_noise)| Others {
                images: images.narrow(0, n + twice, n),
                noise,
                other_noise,
            }),
            latents,
        }
    }

    /// The images of latents by the live generator.
    fn render(
        &self,
        keypoints: &Tensor,
        embeddings: &Tensor,
        background: &Tensor,
        norm: Norm,
        frame: Frame,
    ) -> Tensor {
        let Frame { size, alpha, kind } = frame;
        let pose = Pose::natural(keypoints.shallow_clone());
        self.generator.images.forward(&pose, embeddings, background, Mode { size, alpha, kind, norm })
    }

    /// What the critics minimise.
    fn judging_terms(&self, real: &Tensor, drawn: &Drawn, seen: &Seen, step: u64, frame: Frame) -> Terms {
        let gan = &self.config.gan;
        let Frame { alpha, kind, .. } = frame;
        let fake = drawn.images.detach();
        let r1 = due(gan.r1_weight, gan.r1_every, step);
        let mut terms = Terms::default();

        let net = &self.critics.image;
        let real_logits = net.forward(&augment(real, gan), alpha, kind);
        let fake_logits = net.forward(&augment(&fake, gan), alpha, kind);
        terms.add("discriminator", 1.0, losses::discriminator(&real_logits, &fake_logits));
        if let Some(weight) = r1 {
            let images = input(&augment(real, gan));
            // Second derivatives lose too much in bfloat16.
            let logits = net.forward(&images, alpha, Kind::Float);
            terms.add("r1", weight, losses::r1(&[&images], &logits));
        }
        if let (Some(net), Some(keypoints)) = (&self.critics.keypoints, &seen.keypoints) {
            let shown = pose_safe(gan);
            let keypoints = keypoints.detach();
            let real_logits = net.forward(&augment(real, &shown), &keypoints, alpha, kind);
            let fake_logits =
                net.forward(&augment(&fake, &shown), &drawn.latents.keypoints.detach(), alpha, kind);
            terms.add("keypoint_discriminator", 1.0, losses::discriminator(&real_logits, &fake_logits));
            if let Some(weight) = r1 {
                let (images, keypoints) = (input(&augment(real, &shown)), input(&keypoints));
                let logits = net.forward(&images, &keypoints, alpha, Kind::Float);
                terms.add("r1_keypoints", weight, losses::r1(&[&images, &keypoints], &logits));
            }
        }
        if let (Some(net), Some(looks)) = (&self.critics.appearance, &seen.looks) {
            let shown = look_safe(gan);
            let (parts, background) = (looks.embeddings.detach(), looks.background.detach());
            let real_logits = net.forward(&augment(real, &shown), &parts, &background, alpha, kind);
            let (fake_parts, fake_background) =
                (drawn.latents.embeddings.detach(), drawn.latents.background.detach());
            let fake_logits =
                net.forward(&augment(&fake, &shown), &fake_parts, &fake_background, alpha, kind);
            terms.add("appearance_discriminator", 1.0, losses::discriminator(&real_logits, &fake_logits));
            if let Some(weight) = r1 {
                let (images, parts, background) =
                    (input(&augment(real, &shown)), input(&parts), input(&background));
                let logits = net.forward(&images, &parts, &background, alpha, Kind::Float);
                terms.add("r1_appearance", weight, losses::r1(&[&images, &parts, &background], &logits));
            }
        }
        terms
    }

    /// What the generator, the detector and the encoder minimise. The critics are frozen.
    fn judged_terms(&self, real: &Tensor, drawn: &Drawn, seen: &Seen, step: u64, frame: Frame) -> Terms {
        let gan = &self.config.gan;
        let Frame { size, alpha, kind } = frame;
        let latents = &drawn.latents;
        let mut terms = Terms::default();

        let judged = self.critics.image.judge(&augment(&drawn.images, gan), alpha, kind);
        terms.add("generator", 1.0, losses::generator(&judged.logits));
        if let (Some(others), Some(weight)) =
            (&drawn.other_backgrounds, due(gan.background_weight, gan.background_every, step))
        {
            let twice = others.size()[0];
            let pose = Pose::natural(latents.keypoints.narrow(0, 0, twice));
            let tau = self.config.architecture.tau * gan.background_reach;
            let parts = 1.0 - heatmap::background(&heatmap::parts(&pose, tau, size).detach());
            let images = drawn.images.narrow(0, 0, twice);
            terms.add("background", weight, losses::background(&images, others, &parts));
        }
        if let (Some(others), Some(weight)) =
            (&drawn.others, due(gan.diversity_weight, gan.diversity_every, step))
        {
            let Others { images, noise, other_noise } = others;
            let loss = losses::diversity::mode_seeking(&drawn.images, images, noise, other_noise);
            terms.add("diversity", weight, loss);
        }
        if gan.feature_matching_weight > 0.0 {
            let real = tch::no_grad(|| self.critics.image.maps(&augment(real, gan), alpha, kind));
            terms.add(
                "feature_matching",
                gan.feature_matching_weight,
                losses::features::matching(&judged.maps, &real),
            );
        }
        if let (Some(net), Some(keypoints)) = (&self.critics.keypoints, &seen.keypoints) {
            let shown = pose_safe(gan);
            let real_logits = net.forward(&augment(real, &shown), keypoints, alpha, kind);
            let fake_logits = net.forward(&augment(&drawn.images, &shown), &latents.keypoints, alpha, kind);
            terms.add("keypoints", gan.keypoint_weight, losses::pair(&real_logits, &fake_logits));
        }
        if let (Some(net), Some(looks)) = (&self.critics.appearance, &seen.looks) {
            let shown = look_safe(gan);
            let real_logits =
                net.forward(&augment(real, &shown), &looks.embeddings, &looks.background, alpha, kind);
            let fake = augment(&drawn.images, &shown);
            let fake_logits = net.forward(&fake, &latents.embeddings, &latents.background, alpha, kind);
            terms.add("appearance", gan.appearance_weight, losses::pair(&real_logits, &fake_logits));
        }
        self.add_cycles(&mut terms, drawn, frame);
        if gan.reconstructs() && step.is_multiple_of(gan.reconstruction_every) {
            self.add_reconstruction(&mut terms, real, seen, step, frame);
        }
        terms
    }

    /// From latents to an image and back.
    fn add_cycles(&self, terms: &mut Terms, drawn: &Drawn, frame: Frame) {
        let gan = &self.config.gan;
        let latents = &drawn.latents;
        let (detect, encode) = (gan.cycle_keypoints_weight > 0.0, gan.cycle_embeddings_weight > 0.0);
        let found = self.inference.forward(&drawn.images, detect, encode, frame.kind);
        if let Some(keypoints) = &found.keypoints {
            let loss = losses::cycle::keypoints(keypoints, &latents.keypoints);
            terms.add("cycle_keypoints", gan.cycle_keypoints_weight, loss);
        }
        if let Some(looks) = &found.looks {
            let loss = losses::cycle::embeddings(
                (&looks.embeddings, &latents.embeddings),
                (&looks.background, &latents.background),
            );
            terms.add("cycle_embeddings", gan.cycle_embeddings_weight, loss);
        }
    }

    /// From a real image to latents and back.
    fn add_reconstruction(&self, terms: &mut Terms, real: &Tensor, seen: &Seen, step: u64, frame: Frame) {
        let gan = &self.config.gan;
        let (Some(keypoints), Some(Looks { embeddings, background })) = (&seen.keypoints, &seen.looks) else {
            return;
        };
        // The running statistics are those of generated images alone, which is what is drawn later.
        let again = self.render(keypoints, embeddings, background, Norm::Batch(0.0), frame);
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

/// A copy to take the gradient at.
fn input(x: &Tensor) -> Tensor {
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

/// One update of the networks of `adams`, each at its step length, by the sum of `terms`.
fn update(adams: &mut [(&mut Adam, f64)], terms: &Terms) {
    let Some(total) = terms.total() else { return };
    for (adam, _) in adams.iter_mut() {
        adam.zero_grad();
    }
    total.backward();
    for (adam, rate) in adams.iter_mut() {
        adam.step(*rate);
    }
}
