//! The tensors of a network by name, in an order that depends on names only.

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::losses::terms;

/// Every tensor of `store`, trained or not, sorted by name.
pub fn all(store: &VarStore) -> Vec<(String, Tensor)> {
    let mut named: Vec<_> = store.variables().into_iter().collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    named
}

/// The trained tensors of `store`, sorted by name.
pub fn trained(store: &VarStore) -> Vec<(String, Tensor)> {
    all(store).into_iter().filter(|(_, t)| t.requires_grad()).collect()
}

/// The gradients that the last backward pass left in `store`, sorted by name.
pub fn gradients(store: &VarStore) -> Vec<(String, Tensor)> {
    let gradients = all(store).into_iter().map(|(name, t)| (name, t.grad()));
    gradients.filter(|(_, gradient)| gradient.defined()).collect()
}

/// The running statistics of `store`, sorted by name.
pub fn statistics(store: &VarStore) -> Vec<Tensor> {
    all(store).into_iter().map(|(_, t)| t).filter(|t| !t.requires_grad()).collect()
}

/// The tensors under `prefix/`: how those of several networks share a checkpoint.
pub fn prefixed(prefix: &str, tensors: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
    tensors.into_iter().map(|(name, tensor)| (format!("{prefix}/{name}"), tensor)).collect()
}

/// Seeds libtorch's generator with a function of the run's seed and the step: a resumed run needs no generator state.
pub fn seed_step(seed: u64, step: u64) {
    // The multiplier spreads neighbouring seeds, so that one run's steps are not the next one's shifted.
    tch::manual_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(step) as i64);
}

/// The name of the first tensor that holds anything but finite numbers, fetched from the device at once.
///
/// # Errors
/// [`crate::Error::Torch`].
pub fn first_not_finite(tensors: &[(String, Tensor)]) -> Result<Option<String>> {
    if tensors.is_empty() {
        return Ok(None);
    }
    let device = tensors.iter().map(|(_, t)| t.device()).find(|d| *d != Device::Cpu).unwrap_or(Device::Cpu);
    let each: Vec<Tensor> =
        tensors.iter().map(|(_, t)| t.isfinite().all().to_device(device).to_kind(Kind::Float)).collect();
    let sound = Vec::<f32>::try_from(&Tensor::stack(&each, 0).to_device(Device::Cpu))?;
    Ok(tensors.iter().zip(sound).find(|(_, s)| *s == 0.0).map(|((name, _), _)| name.clone()))
}

/// Stops where a tensor holds anything but finite numbers though all losses up to `step` were finite; `saved` is the step of
/// the last checkpoint.
///
/// # Errors
/// [`crate::Error::Diverged`] naming the tensor, and [`crate::Error::Torch`].
pub fn check_finite(tensors: &[(String, Tensor)], step: u64, saved: Option<u64>) -> Result<()> {
    match first_not_finite(tensors)? {
        Some(name) => Err(terms::spoiled(&name, step, saved)),
        None => Ok(()),
    }
}

/// A float32 scalar's value.
pub fn value(x: &Tensor) -> f64 {
    x.to_kind(Kind::Double).double_value(&[])
}
