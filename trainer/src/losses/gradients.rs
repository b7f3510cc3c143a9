//! Every loss against finite differences, in float64.

use tch::{Device, Kind, Tensor};

use super::{background, cycle, discriminator, diversity, features, generator, moved, pair, r1};

fn randn(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Double, Device::Cpu))
}

/// Central differences of `loss` at every element of every input against its gradients. Inputs in `constant` must
/// have none, whatever their differences.
fn check(name: &str, loss: impl Fn(&[Tensor]) -> Tensor, inputs: Vec<Tensor>, constant: &[usize]) {
    const STEP: f64 = 1e-6;
    let inputs: Vec<Tensor> = inputs.into_iter().map(|t| t.set_requires_grad(true)).collect();
    loss(&inputs).backward();
    for (i, input) in inputs.iter().enumerate() {
        let gradient = input.grad();
        if constant.contains(&i) {
            assert!(!gradient.defined(), "{name}: input {i} must be a constant");
            continue;
        }
        for j in 0..input.numel() as i64 {
            let at = |offset: f64| {
                let moved: Vec<Tensor> = inputs.iter().map(|t| t.detach().copy()).collect();
                let _ = moved[i].view(-1).get(j).g_add_scalar_(offset);
                let moved: Vec<Tensor> = moved.into_iter().map(|t| t.set_requires_grad(true)).collect();
                loss(&moved).double_value(&[])
            };
            let want = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let have = gradient.view(-1).double_value(&[j]);
            let tolerance = 1e-6 + 1e-5 * want.abs();
            assert!((have - want).abs() < tolerance, "{name}: input {i}, element {j}: {have} for {want}");
        }
    }
}

#[test]
fn gradients_of_every_loss_are_its_finite_differences() {
    tch::manual_seed(8);
    let image = || randn(&[2, 3, 3, 3]);
    let maps = || vec![randn(&[3, 4, 2, 2]), randn(&[3, 5, 1, 1])];
    check("generator", |x| generator(&x[0]), vec![randn(&[5])], &[]);
    check("discriminator", |x| discriminator(&x[0], &x[1]), vec![randn(&[5]), randn(&[5])], &[]);
    check("pair", |x| pair(&x[0], &x[1]), vec![randn(&[5]), randn(&[5])], &[]);
    let parts = || Tensor::rand([2, 1, 3, 3], (Kind::Double, Device::Cpu));
    check("background", |x| background(&x[0], &x[1], &x[2]), vec![image(), image(), parts()], &[]);
    check("moved", |x| moved(&x[0], &x[1], &x[2]), vec![image(), image(), parts()], &[0]);
    let keypoints = || randn(&[2, 3, 2]);
    check("cycle keypoints", |x| cycle::keypoints(&x[0], &x[1]), vec![keypoints(), keypoints()], &[1]);
    let one = || Tensor::from_slice(&[1f64, 0.0, 0.0, 0.0, 1.0, 0.0]).view([2, 3, 1]);
    check("moved part", |x| cycle::moved_part(&x[0], &x[1], &one()), vec![keypoints(), keypoints()], &[1]);
    check(
        "cycle embeddings",
        |x| cycle::embeddings((&x[0], &x[1]), (&x[2], &x[3])),
        vec![randn(&[2, 3, 4]), randn(&[2, 3, 4]), randn(&[2, 4]), randn(&[2, 4])],
        &[1, 3],
    );
    check("cycle image", |x| cycle::image(&x[0], &x[1]), vec![image(), image()], &[]);
    let inside = || Tensor::from_slice(&[1f64, 0.0, 1.0, 1.0, 1.0, 0.0]).view([2, 3]);
    check(
        "equivariance",
        |x| cycle::equivariance(&x[0], &x[1], &inside()),
        vec![keypoints(), keypoints()],
        &[],
    );
    let four = || maps().into_iter().chain(maps()).collect();
    check("perceptual", |x| features::perceptual(&x[..2], &x[2..]), four(), &[2, 3]);
    check("feature matching", |x| features::matching(&x[..2], &x[2..], 3), four(), &[2, 3]);
    let noise = || randn(&[2, 4]);
    check(
        "diversity",
        |x| diversity::mode_seeking(&x[0], &x[1], &x[2], &x[3]),
        vec![image(), image(), noise(), noise()],
        &[],
    );
}

#[test]
fn the_gradient_penalty_can_be_differentiated_by_weights_and_inputs() {
    tch::manual_seed(9);
    let penalty = |x: &[Tensor]| {
        let logits = ((&x[0] * &x[2]).tanh().flatten(1, -1).sum_dim_intlist(1, false, Kind::Double)
            * (&x[1] * &x[1]).flatten(1, -1).sum_dim_intlist(1, false, Kind::Double))
        .tanh();
        r1(&[&x[0], &x[1]], &logits)
    };
    check("r1", penalty, vec![randn(&[3, 2, 2, 2]) * 0.3, randn(&[3, 4]) * 0.3, randn(&[1])], &[]);
}
