//! Features of pictures, batch by batch.

use std::ops::Range;

use tch::{Kind, Tensor};

use crate::dataset::batches::in_batches;
use crate::error::Result;
use crate::nets::features::FeatureNet;

/// Features `[n, D]`, float64 on the CPU, of the pictures `[_, 3, S, S]` that `take` makes.
///
/// # Errors
/// Those of [`in_batches`].
pub fn pooled(
    net: &FeatureNet,
    label: &str,
    n: usize,
    mut take: impl FnMut(Range<usize>) -> Result<Tensor>,
) -> Result<Tensor> {
    let to_features = |range| Ok(net.pooled(&take(range)?).to_kind(Kind::Double).to_device(tch::Device::Cpu));
    in_batches(label, n, to_features)
}
