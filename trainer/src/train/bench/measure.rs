//! Size, memory and speed of training, by real steps on pictures of noise.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::config::Config;
use crate::error::Result;
use crate::train::bench::memory::Gauge;
use crate::train::run::checkpoint;
use crate::train::stages::gan::Gan;

/// Parameters of one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Where its tensors lie in a checkpoint.
    pub name: String,
    /// Trained numbers.
    pub parameters: u64,
}

/// Bytes held from the first step to the last, whatever the batch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Held {
    /// Networks and their averages.
    pub weights: u64,
    /// One gradient for each trained number.
    pub gradients: u64,
    /// The optimisers' moments.
    pub optimiser: u64,
}

/// The trained networks of `gan`, in the order of a checkpoint.
pub fn networks(gan: &Gan) -> Vec<Network> {
    let mut networks: Vec<Network> = Vec::new();
    for (name, tensor) in gan.tensors().into_iter().filter(|(name, t)| t.requires_grad() && is_live(name)) {
        let mut parts = name.split(['/', '.']);
        let first = parts.next().unwrap_or_default();
        // Stores hold several networks, that of the discriminators one without a name of its own.
        let name = match (first, parts.next()) {
            ("generator" | "inference", Some(part)) => format!("{first}/{part}"),
            ("discriminator", Some(part @ ("keypoints" | "appearance"))) => format!("{first}/{part}"),
            _ => first.to_owned(),
        };
        let count = tensor.numel() as u64;
        match networks.iter_mut().find(|n| n.name == name) {
            Some(network) => network.parameters += count,
            None => networks.push(Network { name, parameters: count }),
        }
    }
    networks
}

/// What `gan` holds between steps.
pub fn held(gan: &Gan) -> Held {
    let mut held = Held { weights: 0, gradients: 0, optimiser: 0 };
    for (name, tensor) in gan.tensors() {
        let bytes = (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64;
        if is_optimiser(&name) {
            held.optimiser += bytes;
        } else {
            held.weights += bytes;
            held.gradients += if is_live(&name) && tensor.requires_grad() { bytes } else { 0 };
        }
    }
    held
}

fn is_optimiser(name: &str) -> bool {
    name.split('/').next().is_some_and(|first| first.ends_with("_adam"))
}

fn is_live(name: &str) -> bool {
    !is_optimiser(name) && !name.starts_with("average")
}

/// Steps at one image size.
pub struct Bench<'a> {
    gan: &'a mut Gan,
    real: Tensor,
    /// The period of what is not done on every step (R1 and the like).
    period: u64,
}

/// Writes the live networks of `gan`, noise, and what they make of it in float32 at `size` pixels, in one safetensors
/// file: another implementation of the same networks can be compared with this one.
///
/// # Errors
/// [`crate::Error::Checkpoint`], [`crate::Error::Io`].
pub fn write_reference(path: &std::path::Path, gan: &Gan, config: &Config, size: i64) -> Result<()> {
    let mut tensors = gan.tensors();
    tensors.retain(|(name, _)| is_live(name));
    tensors.extend(tch::no_grad(|| gan.reference(size)));
    checkpoint::save(path, &tensors, &checkpoint::State::new("reference", config, 0))
}

/// Longest period that is looked for: intervals without a common multiple below it are unusual.
const LONGEST_PERIOD: u64 = 240;

/// The number of steps after which all that a step does only now and then has come round.
pub fn period(config: &Config) -> u64 {
    let gan = &config.gan;
    let every = [
        (gan.r1.weight > 0.0, gan.r1.every),
        (gan.background.weight > 0.0, gan.background.every),
        (gan.reconstructs(), gan.reconstruction.every),
        (gan.diversity.weight > 0.0, gan.diversity.every),
    ];
    let every: Vec<u64> = every.into_iter().filter(|(used, _)| *used).map(|(_, every)| every).collect();
    let common = |n: &u64| every.iter().all(|e| n.is_multiple_of(*e));
    (1..=LONGEST_PERIOD).find(common).unwrap_or(gan.r1.every)
}

impl<'a> Bench<'a> {
    /// Steps of `gan` on `batch` pictures of `size` pixels.
    pub fn new(gan: &'a mut Gan, config: &Config, size: i64, batch: i64, device: Device) -> Self {
        tch::manual_seed(config.seed as i64);
        let real = Tensor::rand([batch, 3, size, size], (Kind::Float, device)) * 2.0 - 1.0;
        Self { gan, real, period: period(config) }
    }

    /// Steps that are not counted: the common one and the one where everything is due.
    ///
    /// # Errors
    /// [`crate::Error::Diverged`].
    pub fn warm_up(&mut self) -> Result<()> {
        self.step(1)?;
        self.step(self.period)
    }

    /// Seconds for `steps` steps that begin after a step where everything was due.
    ///
    /// # Errors
    /// [`crate::Error::Diverged`].
    pub fn seconds(&mut self, steps: u64) -> Result<f64> {
        let begun = Instant::now();
        for step in 0..steps {
            self.step(self.period + 1 + step)?;
        }
        self.wait();
        Ok(begun.elapsed().as_secs_f64())
    }

    /// Seconds for a step as it is on average, estimated from a few: the common one and the one where everything is
    /// due, in their shares.
    ///
    /// # Errors
    /// [`crate::Error::Diverged`].
    pub fn estimate(&mut self) -> Result<f64> {
        let timed = |bench: &mut Self, step: u64| {
            let begun = Instant::now();
            bench.step(step)?;
            bench.wait();
            Ok::<_, crate::Error>(begun.elapsed().as_secs_f64())
        };
        let common = timed(self, 1)?.min(timed(self, 1)?);
        let due = timed(self, self.period)?;
        Ok(common + (due - common).max(0.0) / self.period as f64)
    }

    fn step(&mut self, number: u64) -> Result<()> {
        self.gan.bench_step(&self.real, number)
    }

    fn wait(&self) {
        if let Device::Cuda(index) = self.real.device() {
            tch::Cuda::synchronize(index as i64);
        }
    }
}

/// Time and memory of one image size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SizeEstimate {
    /// Pixels on a side.
    pub size: i64,
    /// Images planned at this size.
    pub images: u64,
    /// Batch of the measured steps.
    pub measured_batch: i64,
    /// Seconds for 1,000 images.
    pub seconds_per_1000: f64,
    /// Bytes for what a step keeps for its backward pass, at the full batch.
    pub activations: u64,
}

/// Largest batch that is measured: a thousand images take about as long in small batches as in large ones.
const MEASURED_BATCH: i64 = 8;

/// Estimates each size of `config` by a few steps.
///
/// # Errors
/// [`crate::Error::Diverged`].
pub fn estimate(gan: &mut Gan, config: &Config, device: Device) -> Result<Vec<SizeEstimate>> {
    let batch = config.gan.batch.min(MEASURED_BATCH);
    let sizes = config.architecture.sizes();
    let gradients = held(gan).gradients;
    // What an earlier size gave back may be used again unseen, so all count from what was there before the first.
    let base = Gauge::start(device).start_bytes() + gradients;
    let each = sizes.into_iter().zip(&config.gan.images).map(|(size, images)| {
        eprintln!("measuring a few steps of {batch} images at {size} px");
        crate::support::interrupt::check()?;
        let mut bench = Bench::new(gan, config, size, batch, device);
        let gauge = Gauge::start(device);
        bench.warm_up()?;
        let activations = gauge.peak_bytes().saturating_sub(base);
        let seconds = bench.estimate()?;
        Ok(SizeEstimate {
            size,
            images: *images,
            measured_batch: batch,
            seconds_per_1000: seconds / batch as f64 * 1000.0,
            activations: activations * config.gan.batch as u64 / batch as u64,
        })
    });
    each.collect()
}
