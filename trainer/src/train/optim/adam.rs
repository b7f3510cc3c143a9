//! Adam (Kingma and Ba, 2015) whose whole state can be saved: tch's optimisers can't save theirs.

use std::collections::BTreeMap;

use tch::nn::VarStore;
use tch::{Kind, Tensor};

use crate::train::optim::parameters;

const EPSILON: f64 = 1e-8;

/// The optimiser of one network.
pub struct Adam {
    slots: Vec<Slot>,
    betas: (f64, f64),
    groups: Vec<Group>,
}

struct Slot {
    name: String,
    value: Tensor,
    /// Its learning rate, as a multiple of the others'.
    rate: f64,
    mean: Tensor,
    square: Tensor,
    /// Updates so far, a float64 scalar on the processor. Each parameter has its own: those of a size not yet reached
    /// start late.
    steps: Tensor,
}

/// Parameters with the same number of updates and the same learning rate, laid end to end: a handful of operations updates them all, where one
/// by one would cost a GPU a dozen launches each.
struct Group {
    members: Vec<usize>,
    rate: f64,
    value: Tensor,
    mean: Tensor,
    square: Tensor,
}

impl Adam {
    /// An optimiser of every trained tensor of `store`.
    pub fn new(store: &VarStore, betas: (f64, f64)) -> Self {
        let slots = parameters::trained(store)
            .into_iter()
            .map(|(name, value)| Slot {
                mean: value.zeros_like().set_requires_grad(false),
                square: value.zeros_like().set_requires_grad(false),
                steps: Tensor::zeros([], (Kind::Double, tch::Device::Cpu)),
                name,
                value,
                rate: 1.0,
            })
            .collect();
        Self { slots, betas, groups: Vec::new() }
    }

    /// Multiplies the learning rate of parameters whose names begin with `prefix`.
    pub fn multiply_rate(&mut self, prefix: &str, factor: f64) {
        for slot in self.slots.iter_mut().filter(|slot| slot.name.starts_with(prefix)) {
            slot.rate *= factor;
        }
    }

    /// Forgets all gradients.
    pub fn zero_grad(&mut self) {
        for slot in &mut self.slots {
            slot.value.zero_grad();
        }
    }

    /// One update of every parameter that has a gradient, or had one before: a gradient once there is set to zero but
    /// stays, so without the latter a resumed run would not update what an uninterrupted one does.
    pub fn step(&mut self, learning_rate: f64) {
        tch::no_grad(|| {
            let gradients: Vec<Tensor> = self.slots.iter().map(|slot| slot.value.grad()).collect();
            self.regroup(&gradients);
            let (b1, b2) = self.betas;
            for group in &mut self.groups {
                let each = group.members.iter().map(|&i| match &gradients[i] {
                    gradient if gradient.defined() => gradient.reshape([-1]),
                    _ => self.slots[i].value.zeros_like().reshape([-1]),
                });
                let gradient = Tensor::cat(&each.collect::<Vec<_>>(), 0);
                let t = self.slots[group.members[0]].steps.double_value(&[]) + 1.0;
                for &i in &group.members {
                    let _ = self.slots[i].steps.fill_(t);
                }
                let _ = group.mean.lerp_(&gradient, 1.0 - b1);
                let _ = group.square.lerp_(&(&gradient * &gradient), 1.0 - b2);
                if learning_rate == 0.0 {
                    continue;
                }
                // learning_rate * mean / (1 - b1^t) / (sqrt(square / (1 - b2^t)) + epsilon), subtracted, in three passes.
                let (c1, c2) = (1.0 - b1.powf(t), (1.0 - b2.powf(t)).sqrt());
                let scale = -c1 / (learning_rate * group.rate * c2);
                let mut divisor = group.square.sqrt();
                let _ = divisor.g_mul_scalar_(scale).g_add_scalar_(EPSILON * c2 * scale);
                let _ = group.value.addcdiv_(&group.mean, &divisor);
            }
        });
    }

    /// Lays the parameters that this step updates end to end, unless they are.
    fn regroup(&mut self, gradients: &[Tensor]) {
        let mut wanted: BTreeMap<(u64, u64), Vec<usize>> = BTreeMap::new();
        for (i, slot) in self.slots.iter().enumerate() {
            let steps = slot.steps.double_value(&[]);
            if steps > 0.0 || gradients[i].defined() {
                wanted.entry((steps as u64, slot.rate.to_bits())).or_default().push(i);
            }
        }
        if wanted.values().eq(self.groups.iter().map(|group| &group.members)) {
            return;
        }
        self.groups.clear();
        for members in wanted.into_values() {
            let mut lay = |part: fn(&mut Slot) -> &mut Tensor, as_data: bool| {
                let each: Vec<Tensor> =
                    members.iter().map(|&i| part(&mut self.slots[i]).detach().reshape([-1])).collect();
                let flat = Tensor::cat(&each, 0);
                let mut start = 0;
                for &i in &members {
                    let tensor = part(&mut self.slots[i]);
                    let length = tensor.numel() as i64;
                    let view = flat.narrow(0, start, length).view_as(tensor);
                    // The networks hold the same variables, which from here on are views of the flat tensor.
                    if as_data {
                        tensor.set_data(&view)
                    } else {
                        *tensor = view
                    }
                    start += length;
                }
                flat
            };
            let value = lay(|slot| &mut slot.value, true);
            let mean = lay(|slot| &mut slot.mean, false);
            let square = lay(|slot| &mut slot.square, false);
            let rate = self.slots[members[0]].rate;
            self.groups.push(Group { members, rate, value, mean, square });
        }
    }

    /// The optimiser's state by name, sharing memory until the next step: copying into these restores it.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        self.slots
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
            let store = VarStore::new(Device::Cpu);
            // No random numbers: tests beside this one draw from the same generator.
            let w = store.root().var_copy("w", &Tensor::from_slice(&[-1.5f32, -0.2, 0.0, 0.6, 3.0]));
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

    /// A detector's warm-up begins at a learning rate of 0: its parameters whose gradient was 0 (a dead unit's) turned into NaN.
    #[test]
    fn a_learning_rate_of_zero_changes_no_parameter() {
        let store = VarStore::new(Device::Cpu);
        let w = store.root().ones("w", &[3]);
        let mut adam = Adam::new(&store, (0.9, 0.999));
        (&w * Tensor::from_slice(&[0.0f32, 1.0, -2.0])).sum(Kind::Float).backward();
        adam.step(0.0);
        assert_eq!(w, Tensor::ones([3], (Kind::Float, Device::Cpu)));
        adam.step(0.1);
        let moved = Vec::<f32>::try_from(&w.detach()).unwrap();
        assert!(moved[0] == 1.0 && moved[1] < 1.0 && moved[2] > 1.0, "{moved:?}");
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

    #[test]
    fn late_parameters_count_their_own_steps_and_a_restored_state_goes_on_bit_by_bit() {
        let make = || {
            tch::manual_seed(4);
            let store = VarStore::new(Device::Cpu);
            let random = nn::Init::Randn { mean: 0.0, stdev: 1.0 };
            let parts = ["a", "b", "c"].map(|name| store.root().var(name, &[7, 5], random));
            let adam = Adam::new(&store, (0.5, 0.9));
            (store, parts, adam)
        };
        // "b" joins at the fourth step, "c" is left after the sixth, as sizes are when training grows.
        let step = |parts: &[Tensor; 3], adam: &mut Adam, i: usize| {
            let [a, b, c] = parts;
            let mut loss = (a * a).sum(Kind::Float);
            if i >= 3 {
                loss += (b * a).sum(Kind::Float);
            }
            if i < 6 {
                loss += (c - 1.0).square().sum(Kind::Float);
            }
            adam.zero_grad();
            loss.backward();
            adam.step(0.1);
        };
        let (store, parts, mut adam) = make();
        (0..8).for_each(|i| step(&parts, &mut adam, i));
        let saved: Vec<_> = [parameters::all(&store), adam.state()].into_iter().flatten().collect::<Vec<_>>();
        let saved: Vec<_> = saved.into_iter().map(|(name, t)| (name, t.detach().copy())).collect();
        (8..12).for_each(|i| step(&parts, &mut adam, i));

        let (again, again_parts, mut again_adam) = make();
        tch::no_grad(|| {
            let targets =
                [parameters::all(&again), again_adam.state()].into_iter().flatten().collect::<Vec<_>>();
            for ((name, mut target), (saved_name, value)) in targets.into_iter().zip(saved) {
                assert_eq!(name, saved_name);
                target.copy_(&value);
            }
        });
        (8..12).for_each(|i| step(&again_parts, &mut again_adam, i));
        for ((name, x), (_, y)) in [parameters::all(&store), adam.state()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .iter()
            .zip([parameters::all(&again), again_adam.state()].into_iter().flatten().collect::<Vec<_>>())
        {
            assert_eq!(x.detach(), y.detach(), "{name}");
        }
        let steps = |i: usize| adam.slots[i].steps.double_value(&[]);
        assert_eq!([steps(0), steps(1), steps(2)], [12.0, 9.0, 12.0]);
    }
}
