//! Distance of distributions from samples.

use tch::Tensor;

use super::mean;

/// Energy distance of two samples `[N, D]` and `[M, D]`: `2 E|X - Y| - E|X - X'| - E|Y - Y'|`, 0 where they come from
/// one distribution, but for chance (Székely and Rizzo, "Energy statistics: a class of statistics based on distances",
/// 2013). `known` is a constant.
pub fn energy(generated: &Tensor, known: &Tensor) -> Tensor {
    let known = known.detach();
    let apart = |a: &Tensor, b: &Tensor| {
        let square = (a.unsqueeze(1) - b.unsqueeze(0)).square();
        // The constant keeps the gradient finite at 0, where a point meets itself.
        (square.sum_dim_intlist([-1i64].as_slice(), false, a.kind()) + 1e-8).sqrt()
    };
    mean(&apart(generated, &known)) * 2.0 - mean(&apart(generated, generated)) - mean(&apart(&known, &known))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn it_is_0_for_one_distribution_and_pulls_the_other_one_nearer() {
        tch::manual_seed(3);
        let normal = |n: i64| Tensor::randn([n, 3], (Kind::Double, Device::Cpu));
        let (a, b) = (normal(400), normal(400));
        let same = energy(&a, &b).double_value(&[]);
        let wider = energy(&(&a * 2.0), &b).double_value(&[]);
        let shifted = (&a + 1.0).set_requires_grad(true);
        let loss = energy(&shifted, &b);
        assert!(same < 0.02 && wider > 0.2 && loss.double_value(&[]) > 0.5, "{same} {wider} {loss}");
        assert!(energy(&b, &b).double_value(&[]).abs() < 1e-6);
        loss.backward();
        assert!(shifted.grad().sum(Kind::Double).double_value(&[]) > 0.0, "a step against it goes back");
    }
}
