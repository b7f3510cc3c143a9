//! Random changes of pictures, on tensors: what discriminators see, what cameras do, deformations that keypoints follow.
//! Every number is drawn from libtorch's generator. (The corruptions of evaluation sets are functions of single pictures and of
//! their landmarks, with random numbers of their own: `dataset`.)

pub mod accessories;
pub mod camera;
pub mod discriminator;
pub mod elastic;
pub mod jitter;
pub mod local_warp;
pub mod part_move;
pub mod scenes;
pub mod similarity;

use tch::{Device, Kind, Tensor};

/// Uniform in [low, high].
pub(crate) fn uniform(shape: &[i64], low: f64, high: f64, device: Device) -> Tensor {
    Tensor::rand(shape, (Kind::Float, device)) * (high - low) + low
}

/// True for about `share` of `n` images: `[n, 1, 1, 1]`.
pub(crate) fn chosen(n: i64, share: f64, device: Device) -> Tensor {
    uniform(&[n, 1, 1, 1], 0.0, 1.0, device).lt(share)
}

/// About `share` of `others`, and `images` where it is not them.
pub(crate) fn mixed(images: &Tensor, others: &Tensor, share: f64) -> Tensor {
    let (n, device) = (images.size()[0], images.device());
    others.where_self(&chosen(n, share, device), images)
}
