//! One step: what discriminates learns, then what generates and infers.

use tch::Tensor;
use tch::nn::VarStore;

use super::context::{Context, Frame};
use super::report::Measured;
use super::{Gan, discriminator_loss, features, generated, generator_loss, real};
use crate::error::Result;
use crate::losses::Terms;
use crate::train::optim::adam::Adam;
use crate::train::optim::groups::Groups;
use crate::train::optim::parameters;
use crate::train::ranks::Ranks;

/// Images over which the average's half-life grows to its full length, as a fraction of images seen: at the start
/// the average must follow quickly.
const AVERAGE_RAMP: f64 = 0.05;

impl Gan {
    /// One update of all networks with `real` `[N, 3, size, size]`, this rank's share of the batch. Nothing in it
    /// waits for the device, as long as this rank is alone.
    ///
    /// # Errors
    /// Those of [`Ranks::average`].
    pub fn step(&mut self, real: &Tensor, size: i64, alpha: f64) -> Result<Measured> {
        let gan = self.config.gan.clone();
        let share = self.ranks.share();
        let n = real.size()[0];
        let groups = Groups::new(n, gan.norm_group);
        let step = self.state.step + 1;
        let kind = self.config.precision.kind(self.device);
        let frame = Frame { step, size, alpha, kind, share, groups };
        parameters::seed_step(self.config.seed, self.state.step);

        let context = self.context(frame);
        let generated = generated::generate(&context, n);
        let real = real::infer(&context, real);
        let maps = features::maps(&context, real.images, &generated.images);

        let of_discriminators = discriminator_loss::terms(&context, &real, &generated, maps.as_ref());
        let adams = &mut [(&mut self.discriminator_adam, gan.discriminator_learning_rate)];
        update(adams, &of_discriminators, &*self.ranks, &[&self.networks.discriminators.store])?;

        // The discriminators' own gradients are not wanted here, and cost a third of their backward pass.
        self.networks.discriminators.store.freeze();
        let of_generator = generator_loss::terms(&self.context(frame), &real, &generated, maps.as_ref());
        let adams = &mut [
            (&mut self.generator_adam, gan.generator_learning_rate),
            (&mut self.inference_adam, gan.inference_learning_rate),
        ];
        let stores = [&self.networks.generator.store, &self.networks.inference.store];
        update(adams, &of_generator, &*self.ranks, &stores)?;
        self.networks.discriminators.store.unfreeze();

        // Of all ranks.
        let batch = share.all(n);
        self.state.step = step;
        self.state.images_seen += batch as u64;
        let half_life = gan.ema_half_life.min(self.state.images_seen as f64 * AVERAGE_RAMP);
        self.networks.update_averages(batch, half_life);

        let mut terms = of_discriminators.detached();
        terms.extend(of_generator.detached());
        self.watch.note(step, &terms);
        let keypoints = generated.latents.keypoints.detach();
        Ok(Measured { step, images: self.state.images_seen, size, alpha, terms, keypoints })
    }

    fn context(&self, frame: Frame) -> Context<'_> {
        Context {
            config: &self.config,
            networks: &self.networks,
            poses: self.poses.as_ref(),
            frame,
            device: self.device,
        }
    }
}

/// One update of the networks of `adams`, each at its learning rate, by the sum of `terms`, over all ranks: gradients
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
    for (adam, learning_rate) in adams.iter_mut() {
        adam.step(*learning_rate);
    }
    Ok(())
}
