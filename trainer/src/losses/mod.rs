//! What the networks minimise: formulas, each a function of tensors; the losses by [`named`] that trainings add up as
//! [`terms`].

pub mod confidence;
pub mod cycle;
pub mod diversity;
pub mod energy;
pub mod features;
pub mod named;
pub mod portrait;
pub mod separation;
pub mod terms;

use tch::{Kind, Tensor};

pub use named::Loss;
pub use terms::{Term, Terms, Watch};

/// In float32, or float64 where it is that already: what losses are computed in.
fn wide(x: &Tensor) -> Tensor {
    if x.kind() == Kind::Double { x.shallow_clone() } else { x.to_kind(Kind::Float) }
}

/// Mean over everything, in the tensor's own kind: in float64 losses can be held against finite differences.
fn mean(x: &Tensor) -> Tensor {
    x.mean(x.kind())
}

/// Non-saturating loss of the generator: `softplus(-D(G(z)))`, from logits `[N]` (Goodfellow et al., 2014).
pub fn generator(fake: &Tensor) -> Tensor {
    mean(&(-fake).softplus())
}

/// Logistic loss of the discriminator: `softplus(D(fake)) + softplus(-D(real))`, from logits `[N]`.
pub fn discriminator(real: &Tensor, fake: &Tensor) -> Tensor {
    mean(&fake.softplus()) + mean(&(-real).softplus())
}

/// What the other side of a pair discriminator minimises: `softplus(-D(fake)) + softplus(D(real))`, from logits `[N]`.
/// The first part trains the generator, the second the inference networks, whose outputs the real pairs hold
/// (Donahue et al., "Adversarial Feature Learning", 2017).
pub fn pair(real: &Tensor, fake: &Tensor) -> Tensor {
    discriminator(fake, real)
}

/// R1 gradient penalty `|grad D(x)|^2 / 2`, mean over the first axis (Mescheder et al., 2018). `inputs`, each
/// `[N, ...]`, must require a gradient and the logits `[N]` come from them.
pub fn r1(inputs: &[&Tensor], logits: &Tensor) -> Tensor {
    let gradients = Tensor::run_backward(&[logits.sum(logits.kind())], inputs, true, true);
    let squares =
        gradients.iter().map(|g| (g * g).flatten(1, -1).sum_dim_intlist([1i64].as_slice(), false, g.kind()));
    let each: Vec<Tensor> = squares.collect();
    mean(&Tensor::stack(&each, 0).sum_dim_intlist([0i64].as_slice(), false, logits.kind())) * 0.5
}

/// Background loss: two images that differ in the background alone must agree on the parts. `images` and `others`
/// `[N, 3, S, S]`, `parts` the background's complement `1 - H_bg`, `[N, 1, S, S]`.
pub fn background(images: &Tensor, others: &Tensor, parts: &Tensor) -> Tensor {
    let d = (images - others) * parts;
    mean(&(&d * &d))
}

/// Equivariance of the generator: an image generated from keypoints that were taken back through a deformation, then
/// deformed (`again`), is the image generated from the keypoints themselves. `images` and `again` `[N, 3, S, S]`; `seen`
/// `[N, 1, S, S]`: how much each pixel counts. `images` is a constant: it has an adversarial loss of its own, and would grow as
/// soft as what was resampled.
pub fn moved(images: &Tensor, again: &Tensor, seen: &Tensor) -> Tensor {
    background(&images.detach(), again, seen)
}

/// By how much the weight of a loss that is due every `every` steps must grow on step number `step` (from 1), or
/// nothing where it is not due or switched off. On average a loss counts as often as it would at every step (lazy
/// regularisation, Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020).
pub fn due(weight: f64, every: u64, step: u64) -> Option<f64> {
    (weight > 0.0 && step.is_multiple_of(every)).then_some(weight * every as f64)
}

#[cfg(test)]
mod gradients;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_the_formulas() {
        let logits = Tensor::from_slice(&[0.5f32, -1.0]);
        let softplus = |x: f64| (1.0 + x.exp()).ln();
        let want = (softplus(-0.5) + softplus(1.0)) / 2.0;
        assert!((generator(&logits).double_value(&[]) - want).abs() < 1e-6);
        let real = Tensor::from_slice(&[2.0f32, 2.0]);
        let want = (softplus(0.5) + softplus(-1.0)) / 2.0 + softplus(-2.0);
        assert!((discriminator(&real, &logits).double_value(&[]) - want).abs() < 1e-6);
    }

    #[test]
    fn r1_of_a_linear_function_is_half_its_squared_slope_and_can_be_differentiated() {
        let x = Tensor::randn([3, 3, 4, 4], (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
        let w = Tensor::full([1], 0.5, (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
        let logits = (&x * &w).sum_dim_intlist([1i64, 2, 3].as_slice(), false, Kind::Float);
        let penalty = r1(&[&x], &logits);
        assert!((penalty.double_value(&[]) - 0.5 * 48.0 * 0.25).abs() < 1e-4);
        penalty.backward();
        assert!((w.grad().double_value(&[0]) - 48.0 * 0.5).abs() < 1e-3);
    }

    #[test]
    fn background_differences_outside_the_parts_cost_nothing() {
        let a = Tensor::zeros([1, 3, 2, 2], (Kind::Float, tch::Device::Cpu));
        let b = Tensor::ones([1, 3, 2, 2], (Kind::Float, tch::Device::Cpu));
        let parts = Tensor::from_slice(&[1f32, 0.0, 0.0, 0.5]).view([1, 1, 2, 2]);
        assert!((background(&a, &b, &parts).double_value(&[]) - (1.0 + 0.25) / 4.0).abs() < 1e-6);
    }

    #[test]
    fn r1_adds_up_over_inputs_and_does_not_depend_on_the_number_of_images() {
        let penalty = |n: i64| {
            let x = Tensor::ones([n, 3, 4, 4], (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
            let k = Tensor::ones([n, 5, 2], (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
            let sum = |t: &Tensor| t.flatten(1, -1).sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
            r1(&[&x, &k], &(sum(&x) * 0.5 + sum(&k) * 2.0)).double_value(&[])
        };
        let want = 0.5 * (48.0 * 0.25 + 10.0 * 4.0);
        assert!((penalty(2) - want).abs() < 1e-4 && (penalty(7) - want).abs() < 1e-4);
    }

    #[test]
    fn a_lazy_loss_counts_as_often_as_one_at_every_step() {
        for every in [1, 3, 16] {
            let total: f64 = (1..=48).filter_map(|step| due(0.2, every, step)).sum();
            assert!((total - 48.0 * 0.2).abs() < 1e-9, "{every}: {total}");
        }
        assert_eq!(due(0.2, 16, 16), Some(0.2 * 16.0));
        assert_eq!((due(0.2, 16, 15), due(0.0, 1, 1)), (None, None));
    }
}
