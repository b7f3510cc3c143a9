//! Layers that cast their float32 weights to the kind of their input.

use std::borrow::Borrow;

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

use super::{BATCH_NORM_EPS, LEAKY_SLOPE};

/// Whose statistics batch norms use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// The running ones: inference.
    Running,
    /// The batch's, which replace this fraction of the running ones.
    Batch(f64),
    /// Those of each run of `images` consecutive images by itself; their mean replaces `momentum` of the running ones.
    Groups {
        /// Divides the batch.
        images: i64,
        /// 0 to 1.
        momentum: f64,
    },
}

/// Fraction of the running statistics that a training step replaces.
pub const TRAINING_MOMENTUM: f64 = 0.1;

impl Norm {
    /// That of pass number `pass`, from 0, over data to calibrate with: the first replaces the running statistics, each
    /// further one weighs as much as all before it.
    pub fn calibrating(pass: u64) -> Self {
        Self::Batch(1.0 / (pass + 1) as f64)
    }

    /// How training uses them.
    pub const TRAINING: Self = Self::Batch(TRAINING_MOMENTUM);
}

/// He initialisation for a fan-in, for rectified activations.
fn he(fan_in: i64) -> Init {
    Init::Randn { mean: 0.0, stdev: (2.0 / fan_in as f64).sqrt() }
}

/// LeakyReLU of slope 0.2.
pub fn leaky(x: &Tensor) -> Tensor {
    // tch's leaky_relu has no slope argument. This blend has the same values to the bit, and its backward pass takes
    // four vectorised passes over memory; that of a maximum takes ten, some of them scalar, and was a third of a step.
    x.relu().lerp(x, LEAKY_SLOPE)
}

/// A fully connected layer, `[N, in] -> [N, out]`.
#[derive(Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Tensor,
}

impl Linear {
    /// Registers the layer's parameters under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, inputs: i64, outputs: i64) -> Self {
        let p = path.borrow();
        Self { weight: p.var("weight", &[outputs, inputs], he(inputs)), bias: p.zeros("bias", &[outputs]) }
    }

    /// Applies the layer.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight.to_kind(x.kind()), Some(&self.bias.to_kind(x.kind())))
    }
}

/// A square convolution that keeps the size (stride 1) or halves it (stride 2), `[N, in, H, W] -> [N, out, H', W']`.
#[derive(Debug)]
pub struct Conv {
    /// `[out, in / groups, k, k]`.
    pub weight: Tensor,
    /// `[out]`, absent before a batch norm.
    pub bias: Option<Tensor>,
    /// 1 or 2.
    pub stride: i64,
    /// 1, or the number of channels for a depthwise convolution.
    pub groups: i64,
}

impl Conv {
    /// A `k` x `k` convolution with bias.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, inputs: i64, outputs: i64, k: i64, stride: i64) -> Self {
        let p = path.borrow();
        Self {
            weight: p.var("weight", &[outputs, inputs, k, k], he(inputs * k * k)),
            bias: Some(p.zeros("bias", &[outputs])),
            stride,
            groups: 1,
        }
    }

    /// A `k` x `k` convolution without bias, to be followed by a batch norm.
    pub fn without_bias<'a>(
        path: impl Borrow<Path<'a>>,
        inputs: i64,
        outputs: i64,
        k: i64,
        stride: i64,
        groups: i64,
    ) -> Self {
        let weight =
            path.borrow().var("weight", &[outputs, inputs / groups, k, k], he(inputs / groups * k * k));
        Self { weight, bias: None, stride, groups }
    }

    /// Padding on each side that keeps or halves the size.
    pub fn padding(&self) -> i64 {
        (self.weight.size()[2] - 1) / 2
    }

    /// Applies the convolution.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let p = self.padding();
        let bias = self.bias.as_ref().map(|b| b.to_kind(x.kind()));
        x.conv2d(
            &self.weight.to_kind(x.kind()),
            bias,
            [self.stride, self.stride],
            [p, p],
            [1, 1],
            self.groups,
        )
    }
}

/// Batch norm without scale and shift: what modulation follows.
#[derive(Debug)]
pub struct PlainBatchNorm {
    /// `[C]`, not trained.
    pub running_mean: Tensor,
    /// `[C]`, not trained.
    pub running_var: Tensor,
}

impl PlainBatchNorm {
    /// Registers the running statistics under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, channels: i64) -> Self {
        let p = path.borrow();
        Self {
            running_mean: p.zeros_no_train("running_mean", &[channels]),
            running_var: p.ones_no_train("running_var", &[channels]),
        }
    }

    /// Normalises `[N, C, H, W]`.
    pub fn forward(&self, x: &Tensor, norm: Norm) -> Tensor {
        batch_norm(x, None, &self.running_mean, &self.running_var, norm)
    }
}

/// Batch norm with scale and shift.
#[derive(Debug)]
pub struct BatchNorm {
    /// `[C]`.
    pub weight: Tensor,
    /// `[C]`.
    pub bias: Tensor,
    /// The normalisation before scale and shift.
    pub plain: PlainBatchNorm,
}

impl BatchNorm {
    /// Registers the parameters and running statistics under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, channels: i64) -> Self {
        let p = path.borrow();
        Self {
            weight: p.ones("weight", &[channels]),
            bias: p.zeros("bias", &[channels]),
            plain: PlainBatchNorm::new(p, channels),
        }
    }

    /// Normalises, scales and shifts `[N, C, H, W]`.
    pub fn forward(&self, x: &Tensor, norm: Norm) -> Tensor {
        let affine = Some((&self.weight, &self.bias));
        batch_norm(x, affine, &self.plain.running_mean, &self.plain.running_var, norm)
    }
}

fn batch_norm(
    x: &Tensor,
    affine: Option<(&Tensor, &Tensor)>,
    mean: &Tensor,
    var: &Tensor,
    norm: Norm,
) -> Tensor {
    let (weight, bias) = affine.unzip();
    let normalise = |x: &Tensor, mean: &Tensor, var: &Tensor, train: bool, momentum: f64| {
        x.batch_norm(weight, bias, Some(mean), Some(var), train, momentum, BATCH_NORM_EPS, true)
    };
    match norm {
        Norm::Running => normalise(x, mean, var, false, 0.0),
        Norm::Batch(momentum) => normalise(x, mean, var, true, momentum),
        Norm::Groups { images, momentum } => {
            // Each group updates statistics of its own from the same start; what stays is their mean.
            let groups: Vec<_> = x
                .split(images, 0)
                .into_iter()
                .map(|group| {
                    let (mean, var) = (mean.copy(), var.copy());
                    (normalise(&group, &mean, &var, true, momentum), mean, var)
                })
                .collect();
            let average = |each: Vec<&Tensor>, running: &Tensor| {
                tch::no_grad(|| {
                    running.shallow_clone().copy_(&Tensor::stack(&each, 0).mean_dim(
                        [0i64].as_slice(),
                        false,
                        Kind::Float,
                    ));
                });
            };
            average(groups.iter().map(|g| &g.1).collect(), mean);
            average(groups.iter().map(|g| &g.2).collect(), var);
            Tensor::cat(&groups.iter().map(|g| &g.0).collect::<Vec<_>>(), 0)
        }
    }
}

/// Bilinear upsampling by two, edges aligned as pixel areas (`align_corners = false`).
pub fn upsample(x: &Tensor) -> Tensor {
    let size = x.size();
    x.upsample_bilinear2d([size[2] * 2, size[3] * 2], false, None, None)
}

/// The same values in channels-last memory order, the one in which oneDNN needs no reordering.
pub fn channels_last(x: &Tensor) -> Tensor {
    x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use tch::nn::VarStore;

    use super::*;

    #[test]
    fn leaky_and_its_gradients_are_the_formula() {
        for kind in [Kind::Float, Kind::BFloat16] {
            let values = Tensor::from_slice(&[-3.0f32, -0.5, 0.0, 0.7, 2.0]).to_kind(kind);
            let x = values.detach().set_requires_grad(true);
            let y = leaky(&x);
            assert_eq!(y.detach(), values.maximum(&(&values * LEAKY_SLOPE)));
            // Once differentiable in the weight of a sum, hence twice in all: what R1 needs.
            let gradient = Tensor::run_backward(&[(&y * &y).sum(kind)], &[&x], true, true).remove(0);
            let slope = Tensor::from_slice(&[0.2f32, 0.2, 0.2, 1.0, 1.0]).to_kind(kind);
            let off = (gradient.detach() - &values * &slope * &slope * 2.0).abs().max().double_value(&[]);
            assert!(off < 0.02, "{off}");
            gradient.sum(kind).backward();
            let off = (x.grad() - &slope * &slope * 2.0).abs().select(0, 0).double_value(&[]);
            assert!(off < 0.01, "{off}");
        }
    }

    #[test]
    fn groups_are_normalised_like_batches_of_their_own() {
        tch::manual_seed(8);
        let x = Tensor::randn([6, 2, 3, 3], (Kind::Float, Device::Cpu)) * 3.0 + 1.0;
        let store = VarStore::new(Device::Cpu);
        let layer = BatchNorm::new(store.root() / "grouped", 2);
        let y = layer.forward(&x, Norm::Groups { images: 2, momentum: 0.25 });
        let (mut mean, mut var) = (0.0, 0.0);
        for (i, (x, y)) in x.split(2, 0).iter().zip(y.split(2, 0)).enumerate() {
            let alone = BatchNorm::new(store.root() / format!("alone{i}"), 2);
            assert_eq!(alone.forward(x, Norm::Batch(0.25)), y);
            mean += alone.plain.running_mean.double_value(&[1]) / 3.0;
            var += alone.plain.running_var.double_value(&[1]) / 3.0;
        }
        assert!((layer.plain.running_mean.double_value(&[1]) - mean).abs() < 1e-6);
        assert!((layer.plain.running_var.double_value(&[1]) - var).abs() < 1e-6);
    }
}
