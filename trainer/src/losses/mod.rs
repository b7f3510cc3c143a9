//! What the networks minimise.

pub mod augment;

use tch::{Kind, Tensor};

/// Non-saturating loss of the generator: `softplus(-D(G(z)))`, from logits `[N]`.
pub fn generator(fake: &Tensor) -> Tensor {
    (-fake).softplus().mean(Kind::Float)
}

/// Logistic loss of the discriminator: `softplus(D(fake)) + softplus(-D(real))`, from logits `[N]`.
pub fn discriminator(real: &Tensor, fake: &Tensor) -> Tensor {
    fake.softplus().mean(Kind::Float) + (-real).softplus().mean(Kind::Float)
}

/// R1 gradient penalty `|grad D(x)|^2 / 2`, mean over images (Mescheder et al., 2018). `images` must require a
/// gradient and `logits` come from them.
pub fn r1(images: &Tensor, logits: &Tensor) -> Tensor {
    let gradients = Tensor::run_backward(&[logits.sum(Kind::Float)], &[images], true, true);
    let g = &gradients[0];
    (g * g).sum_dim_intlist([1i64, 2, 3].as_slice(), false, Kind::Float).mean(Kind::Float) * 0.5
}

/// Background loss: two images that differ in the background alone must agree on the parts. `images` and `others`
/// `[N, 3, S, S]`, `parts` the background's complement `1 - H_bg`, `[N, 1, S, S]`.
pub fn background(images: &Tensor, others: &Tensor, parts: &Tensor) -> Tensor {
    let d = (images - others) * parts;
    (&d * &d).mean(Kind::Float)
}

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
        let penalty = r1(&x, &logits);
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
}
