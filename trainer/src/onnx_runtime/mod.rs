//! ONNX Runtime on the CPU: finds the library, loads it once, runs graphs on named tensors.

mod library;
mod session;

use std::collections::BTreeMap;

use lkg_bundle::golden;
use tch::{Device, Kind, Tensor};

pub use session::OnnxSession;

use crate::error::{Error, Result};

/// Tensors by name: the inputs or the outputs of a network.
pub type Tensors = BTreeMap<String, golden::Tensor>;

/// A tensor of libtorch as graphs take it.
///
/// # Errors
/// [`Error::Torch`] if its elements can't be read.
pub fn from_torch(tensor: &Tensor) -> Result<golden::Tensor> {
    let shape = tensor.size().iter().map(|d| *d as usize).collect();
    Ok(golden::Tensor { shape, data: elements(tensor)? })
}

/// A graph's tensor for libtorch, on the CPU.
///
/// # Errors
/// [`Error::Torch`] if the elements do not fill the shape.
pub fn to_torch(tensor: &golden::Tensor) -> Result<Tensor> {
    let shape: Vec<i64> = tensor.shape.iter().map(|d| *d as i64).collect();
    Ok(Tensor::f_from_slice(&tensor.data)?.f_view(&*shape)?)
}

/// Takes the output `name` for libtorch.
///
/// # Errors
/// [`Error::Ort`] if there is none; those of [`to_torch`].
pub fn take(outputs: &mut Tensors, name: &str) -> Result<Tensor> {
    let tensor = outputs.remove(name).ok_or_else(|| Error::Ort(format!("the graph has no output {name}")))?;
    to_torch(&tensor)
}

/// Elements of a tensor in row-major order, as float32.
///
/// # Errors
/// [`Error::Torch`] if they can't be read.
pub fn elements(tensor: &Tensor) -> Result<Vec<f32>> {
    let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous().view([-1]);
    Ok(Vec::try_from(&flat)?)
}
