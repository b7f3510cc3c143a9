//! Generator against discriminators.
//!
//! | what | where |
//! |---|---|
//! | holds networks | `networks::Networks` of generator, `discriminators` and `inference` networks; `optional`: which a loss needs |
//! | computes losses | functions of a step's `context::Context`: `generated` and `real` images first, then `discriminator_loss`, then `generator_loss` with `cycles`, `features` and `poses` |
//! | steps | `Gan`: `step.rs` one update of all, `training.rs` the loop, here what a checkpoint holds |
//! | reports | `report` for log and progress line, `probe` for measurements |

mod context;
mod cycles;
mod discriminator_loss;
mod discriminators;
mod features;
mod generated;
mod generator_loss;
mod inference;
mod networks;
mod optional;
mod poses;
mod probe;
mod real;
mod report;
mod step;
mod training;

use std::rc::Rc;

use tch::{Device, Tensor};

use crate::config::Config;
use crate::error::Result;
use crate::losses::Watch;
use crate::nets::{Detector, FeatureNet};
use crate::train::optim::adam::Adam;
use crate::train::optim::parameters;
use crate::train::ranks::{self, Ranks, Single};
use crate::train::run::Run;
use crate::train::run::checkpoint::{Checkpoint, State};
use crate::train::run::sheet::Sheet;
use crate::train::run::stored::Stored;

pub use discriminators::ImageDiscriminator;
pub use inference::Inference;
use networks::Networks;
use poses::Poses;
pub use report::{Measured, StepReport};
pub use training::Schedule;

/// The stage's name in files.
pub const STAGE: &str = "gan";

/// The sheet of samples that is written now and then.
pub const SHEET: Sheet = Sheet { columns: 10, rows: 6, seed: 0, keypoints: true };

/// Everything that is trained, averaged and saved.
pub struct Gan {
    config: Config,
    networks: Networks,
    generator_adam: Adam,
    discriminator_adam: Adam,
    inference_adam: Adam,
    /// Those of real pictures, where a fixed detector tells them.
    poses: Option<Poses>,
    watch: Watch,
    state: State,
    /// Step of the checkpoint that is there.
    saved: Option<u64>,
    device: Device,
    ranks: Rc<dyn Ranks>,
}

impl Gan {
    /// Fresh networks.
    ///
    /// # Errors
    /// Those of [`FeatureNet::load_if`].
    pub fn new(config: &Config, dataset_size: u64, device: Device) -> Result<Self> {
        let networks = Networks::new(config, device)?;
        Ok(Self {
            generator_adam: Adam::new(&networks.generator.store, config.gan.betas),
            discriminator_adam: Adam::new(&networks.discriminators.store, config.gan.betas),
            inference_adam: Adam::new(&networks.inference.store, config.gan.betas),
            networks,
            poses: None,
            watch: Watch::default(),
            state: State::new(STAGE, config, dataset_size),
            saved: None,
            config: config.clone(),
            device,
            ranks: Rc::new(Single),
        })
    }

    /// Takes over the detector of the keypoints' own training, which stays as it is.
    pub fn adopt(&self, detector: &Stored<Detector>) {
        self.networks.inference.adopt(detector);
        self.networks.average_inference.adopt(detector);
    }

    /// Trains together with `ranks`, all of which must have the same networks; each takes its share of the batch.
    ///
    /// # Errors
    /// [`crate::Error::Config`] if the batch can't be shared out evenly.
    pub fn join(&mut self, ranks: Rc<dyn Ranks>) -> Result<()> {
        self.config.gan.share(ranks.size())?;
        self.ranks = ranks;
        Ok(())
    }

    /// The networks of a checkpoint, to be trained on with `config`, whose architecture must be the same or grow from it
    /// ([`crate::config::Architecture::grows_from`]). What the checkpoint was trained without starts afresh, and networks that
    /// `config` has no use for are dropped.
    ///
    /// # Errors
    /// [`crate::Error::Checkpoint`], and those of [`Gan::new`].
    pub fn resume(
        checkpoint: &Checkpoint,
        config: &Config,
        dataset_size: u64,
        device: Device,
    ) -> Result<Self> {
        let grows = checkpoint.check_grows(config)?;
        let mut gan = Self::new(config, dataset_size, device)?;
        let added = optional::added(&checkpoint.state.config.gan, &config.gan);
        for network in &added {
            eprintln!("the {} starts afresh: the checkpoint was trained without it", network.title);
        }
        let mut tensors = gan.tensors();
        tensors.retain(|(name, _)| !added.iter().any(|network| network.owns(name)));
        if checkpoint.is_weights_only()? {
            eprintln!("the optimisers start afresh: the checkpoint is without their state");
            tensors.retain(|(name, _)| !name.contains("_adam/"));
        }
        if grows {
            let (before, now) = (&checkpoint.state.config.architecture, &config.architecture);
            if before.image_size < now.image_size {
                eprintln!("what the checkpoint lacks for {} px starts afresh", now.image_size);
            }
            if before.style_map != now.style_map {
                eprintln!("from here on each part's embedding is read by weights of its own");
            }
            if before.generator_channels.iter().zip(&now.generator_channels).any(|(had, has)| had < has) {
                eprintln!(
                    "the image generator is wider: old channels read the new ones with weights of zero at first"
                );
            }
            checkpoint.retain_fitting(&mut tensors)?;
        }
        checkpoint.restore(&mut tensors)?;
        gan.saved = Some(checkpoint.state.step);
        gan.state = State { config: config.clone(), dataset_size, ..checkpoint.state.clone() };
        Ok(gan)
    }

    /// Step counts and configuration.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Everything that a checkpoint holds, by name, sharing memory.
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let optimisers = [
            parameters::prefixed("generator_adam", self.generator_adam.state()),
            parameters::prefixed("discriminator_adam", self.discriminator_adam.state()),
            parameters::prefixed("inference_adam", self.inference_adam.state()),
        ];
        self.networks.tensors().into_iter().chain(optimisers.into_iter().flatten()).collect()
    }

    /// The gradients of the last step, over all ranks.
    pub fn gradients(&self) -> Vec<(String, Tensor)> {
        let parts = [
            parameters::prefixed("generator", parameters::gradients(&self.networks.generator.store)),
            parameters::prefixed("discriminator", parameters::gradients(&self.networks.discriminators.store)),
            parameters::prefixed("inference", parameters::gradients(&self.networks.inference.store)),
        ];
        parts.into_iter().flatten().collect()
    }

    /// Writes the checkpoint, unless anything in it is not a finite number or ranks would write different ones.
    ///
    /// # Errors
    /// [`crate::Error::Diverged`] naming the losses or the tensor, [`crate::Error::Shared`] naming a rank that went astray, and
    /// those of [`Run::save`].
    pub fn save(&mut self, run: &Run) -> Result<()> {
        let tensors = self.tensors();
        let sound = self
            .watch
            .check(self.saved)
            .and_then(|()| parameters::check_finite(&tensors, self.state.step, self.saved));
        ranks::together(&*self.ranks, sound)?;
        ranks::check_equal(&*self.ranks, &tensors)?;
        if self.ranks.leads() {
            run.save(STAGE, &tensors, &self.state)?;
        }
        self.saved = Some(self.state.step);
        Ok(())
    }

    /// Size and blend for the images seen so far.
    pub fn resolution(&self) -> (i64, f64) {
        let gan = &self.config.gan;
        let mut begun = 0;
        let sizes = self.config.architecture.sizes();
        for (i, (size, images)) in sizes.iter().zip(&gan.images).enumerate() {
            let here = self.state.images_seen - begun;
            if here < *images || i + 1 == sizes.len() {
                let fades = i > 0 && here < gan.fade_images;
                // Never 0: the new size's networks must get a gradient from their first step.
                let alpha = if fades { ((here + 1) as f64 / gan.fade_images as f64).min(1.0) } else { 1.0 };
                return (*size, alpha);
            }
            begun += images;
        }
        (self.config.architecture.image_size, 1.0)
    }
}

/// Whether what `config` asks for is there: the feature network's file, if a loss needs it.
///
/// # Errors
/// [`crate::Error::Usage`] naming the command that fetches it.
pub fn check_requirements(config: &Config) -> Result<()> {
    match config.gan.needs_features() || config.keypoints.needs_features() {
        true => FeatureNet::find().map(drop),
        false => Ok(()),
    }
}
