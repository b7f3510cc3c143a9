//! What learns in a stage: a network, its average, its optimiser, and how far they have come.

use tch::{Device, Tensor};

use crate::config::Config;
use crate::error::Result;
use crate::losses::{Terms, Watch};
use crate::train::optim::adam::Adam;
use crate::train::optim::{average, parameters};
use crate::train::run::checkpoint::State;
use crate::train::run::stored::{Staged, Stored};
use crate::train::stages::stage::StepReport;

/// Part of the images seen that the average's half-life has at most: at the start it must follow quickly.
const AVERAGE_RAMP: f64 = 0.1;

/// A network in training.
pub struct Learner<N> {
    /// The network that learns.
    pub live: Stored<N>,
    /// Its average, which is what gets used.
    pub average: Stored<N>,
    adam: Adam,
    /// Step counts and configuration.
    pub state: State,
    /// Whether what was minimised stayed finite.
    watch: Watch,
    /// Step of the checkpoint that is there.
    pub saved: Option<u64>,
}

impl<N: Staged> Learner<N> {
    /// Begins with `start`, or with a fresh network.
    pub fn new(
        config: &Config,
        start: Option<&Stored<N>>,
        betas: (f64, f64),
        dataset_size: u64,
        device: Device,
    ) -> Self {
        let live = Stored::<N>::new(&config.architecture, device);
        let average = Stored::<N>::new(&config.architecture, device);
        if let Some(start) = start {
            average::copy(&live.store, &start.store);
        }
        average::copy(&average.store, &live.store);
        let adam = Adam::new(&live.store, betas);
        let state = State::new(N::NAME, config, dataset_size);
        Self { live, average, adam, state, watch: Watch::default(), saved: None }
    }

    /// Multiplies the learning rate of parameters whose names begin with `prefix`.
    pub fn multiply_rate(&mut self, prefix: &str, factor: f64) {
        self.adam.multiply_rate(prefix, factor);
    }

    /// Everything that a checkpoint holds, by name, sharing memory.
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let parts = [
            parameters::prefixed("live", parameters::all(&self.live.store)),
            parameters::prefixed("average", parameters::all(&self.average.store)),
            parameters::prefixed("adam", self.adam.state()),
        ];
        parts.into_iter().flatten().collect()
    }

    /// Images seen after a step of `batch` more.
    fn images_after(&self, batch: i64) -> u64 {
        self.state.images_seen + batch as u64
    }

    /// One update at `learning_rate` by the gradient of the sum of `terms` over `batch` images, half of the average replaced
    /// after `half_life` of them. Returns the report of a step that `measured` this besides.
    pub fn learn<M>(
        &mut self,
        terms: Terms,
        learning_rate: f64,
        batch: i64,
        half_life: f64,
        measured: M,
    ) -> StepReport<M> {
        let loss = self.update(terms, learning_rate, batch, half_life);
        let (step, images) = (self.state.step + 1, self.images_after(batch));
        StepReport { step, images, loss, measured, learning_rate }
    }

    fn update(&mut self, terms: Terms, learning_rate: f64, batch: i64, half_life: f64) -> f64 {
        let Some(loss) = terms.total() else { return 0.0 };
        self.adam.zero_grad();
        loss.backward();
        self.adam.step(learning_rate);
        self.watch(terms);
        let half_life = half_life.min(AVERAGE_RAMP * self.images_after(batch) as f64);
        average::update(&self.average.store, &self.live.store, batch, half_life);
        parameters::value(&loss)
    }

    /// Notes what this step minimised.
    pub fn watch(&mut self, terms: Terms) {
        self.watch.note(self.state.step + 1, &terms.detached());
    }

    /// Stops if something that was minimised so far was not a finite number.
    ///
    /// # Errors
    /// [`crate::Error::Diverged`] naming the terms.
    pub fn check_losses(&self) -> Result<()> {
        self.watch.check(self.saved)
    }
}
