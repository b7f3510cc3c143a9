//! Adam (Kingma and Ba, 2015) whose whole state can be saved: tch's optimisers can't save theirs.

use tch::nn::VarStore;
use tch::{Kind, Tensor};

use super::parameters;

const EPSILON: f64 = 1e-8;

/// The optimiser of one network.
pub struct Adam {
    parameters: Vec<Slot>,
    betas: (f64, f64),
}

struct Slot {
    name: String,
    value: Tensor,
    mean: Tensor,
    square: Tensor,
    /// Updates so far, a float64 scalar. Each parameter has its own: those of a size not yet reached start late.
    steps: Tensor,
}

impl Adam {
    /// An optimiser of every trained tensor of `store`.
    pub fn new(store: &VarStore, betas: (f64, f64)) -> Self {
        let parameters = parameters::trained(store)
            .into_iter()
            .map(|(name, value)| Slot {
                mean: value.zeros_like().set_requires_grad(false),
                square: value.zeros_like().set_requires_grad(false),
                steps: Tensor::zeros([], (Kind::Double, tch::Device::Cpu)),
                name,
                value,
            })
            .collect();
        Self { parameters, betas }
    }

    /// Forgets all gradients.
    pub fn zero_grad(&mut self) {
        for slot in &mut self.parameters {
            slot.value.zero_grad();
        }
    }

    /// One update of every parameter that has a gradient.
    pub fn step(&mut self, rate: f64) {
        let (b1, b2) = self.betas;
        tch::no_grad(|| {
            for slot in &mut self.parameters {
                let gradient = slot.value.grad();
                if !gradient.defined() {
                    continue;
                }
                let t = slot.steps.double_value(&[]) + 1.0;
                let _ = slot.steps.fill_(t);
                let _ = slot.mean.g_mul_scalar_(b1).g_add_(&(&gradient * (1.0 - b1)));
                let _ = slot.square.g_mul_scalar_(b2).g_add_(&(&gradient * &gradient * (1.0 - b2)));
                let size = rate / (1.0 - b1.powf(t));
                let scale = (&slot.square / (1.0 - b2.powf(t))).sqrt() + EPSILON;
                let _ = slot.value.g_sub_(&(&slot.mean / scale * size));
            }
        });
    }

    /// The optimiser's state by name, sharing memory: copying into these restores it.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        self.parameters
            .iter()
            .flat_map(|s| {
                [("mean", &s.mean), ("square", &s.square), ("steps", &s.steps)]
                    .map(|(kind, t)| (format!("{}/{kind}", s.name), t.shallow_clone()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, nn};

    use super::*;

    #[test]
    fn updates_are_those_of_the_paper_and_of_libtorch() {
        let run = |own: bool| {
            tch::manual_seed(3);
            let store = VarStore::new(Device::Cpu);
            let w = store.root().var("w", &[5], nn::Init::Randn { mean: 0.0, stdev: 1.0 });
            let betas = (0.5, 0.9);
            let mut ours = Adam::new(&store, betas);
            let config = nn::Adam { beta1: betas.0, beta2: betas.1, wd: 0.0, eps: EPSILON, amsgrad: false };
            let mut theirs = nn::OptimizerConfig::build(config, &store, 0.1).unwrap();
            for _ in 0..20 {
                let loss = ((&w - 1.0) * (&w - 1.0)).sum(Kind::Float);
                if own {
                    ours.zero_grad();
                    loss.backward();
                    ours.step(0.1);
                } else {
                    theirs.backward_step(&loss);
                }
            }
            Vec::<f32>::try_from(&w.detach()).unwrap()
        };
        for (a, b) in run(true).into_iter().zip(run(false)) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn parameters_without_a_gradient_stay_as_they_are() {
        let store = VarStore::new(Device::Cpu);
        let used = store.root().ones("used", &[2]);
        let idle = store.root().ones("idle", &[2]);
        let mut adam = Adam::new(&store, (0.0, 0.99));
        used.sum(Kind::Float).backward();
        adam.step(0.1);
        assert_eq!(idle, Tensor::ones([2], (Kind::Float, Device::Cpu)));
        assert!((used.double_value(&[0]) - 0.9).abs() < 1e-5);
    }
}
