//! Golden tensors: a few inputs with the outputs libtorch computed for them, kept in `golden.safetensors` under
//! the names `NETWORK/input/TENSOR` and `NETWORK/output/TENSOR`, checked again wherever the bundle is run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View};

use crate::contract::{BundleDims, Network, TensorSpec};
use crate::error::{Error, Result};
use crate::files;

/// The golden file's name in a bundle.
pub const FILE_NAME: &str = "golden.safetensors";

/// A float32 tensor with its shape, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Axes.
    pub shape: Vec<usize>,
    /// Elements.
    pub data: Vec<f32>,
}

/// Inputs and outputs of one network, by tensor name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Case {
    /// What goes in.
    pub inputs: BTreeMap<String, Tensor>,
    /// What libtorch made of it.
    pub outputs: BTreeMap<String, Tensor>,
}

/// One [`Case`] a network, of an image generator in two files one for both together.
pub type Cases = BTreeMap<Network, Case>;

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.data.iter().flat_map(|v| v.to_le_bytes()).collect())
    }
    fn data_len(&self) -> usize {
        self.data.len() * 4
    }
}

impl Tensor {
    /// Largest absolute difference of two tensors: infinite if their shapes differ, or where only one of two
    /// elements is a number.
    pub fn max_abs_difference(&self, other: &Tensor) -> f32 {
        if self.shape != other.shape {
            return f32::INFINITY;
        }
        self.data.iter().zip(&other.data).fold(0.0, |worst: f32, (a, b)| {
            let d = (a - b).abs();
            if d.is_nan() { f32::INFINITY } else { worst.max(d) }
        })
    }
}

/// Writes the cases atomically.
///
/// # Errors
/// [`Error::Golden`] or [`Error::Io`].
pub fn write(path: &Path, cases: &Cases) -> Result<()> {
    let mut tensors = BTreeMap::new();
    for (network, case) in cases {
        for (kind, side) in [("input", &case.inputs), ("output", &case.outputs)] {
            for (name, tensor) in side {
                tensors.insert(format!("{network}/{kind}/{name}"), tensor);
            }
        }
    }
    let content = safetensors::serialize(tensors, None)
        .map_err(|e| Error::Golden { path: path.to_owned(), reason: e.to_string() })?;
    files::write_atomically(path, &content)
}

/// Parses the cases of `networks` and holds their names and shapes against the contract; `path` is named in errors.
///
/// # Errors
/// [`Error::Golden`] if a tensor is missing, is not float32 or has another shape.
pub fn parse(content: &[u8], path: &Path, networks: &[Network], dims: &BundleDims) -> Result<Cases> {
    let fail = |reason: String| Error::Golden { path: path.to_owned(), reason };
    let file = SafeTensors::deserialize(content).map_err(|e| fail(format!("not a safetensors file: {e}")))?;
    let read = |network: Network, kind: &str, specs: Vec<TensorSpec>| -> Result<BTreeMap<String, Tensor>> {
        let mut side = BTreeMap::new();
        for spec in specs {
            let name = format!("{network}/{kind}/{}", spec.name);
            let view = file.tensor(&name).map_err(|_| fail(format!("no tensor {name}")))?;
            let batch = view.shape().first().copied().unwrap_or(0);
            if view.dtype() != Dtype::F32 || batch == 0 || view.shape() != spec.with_batch(batch) {
                return Err(fail(format!("{name} is not float32 {}", spec.shape_text())));
            }
            let data =
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            side.insert(spec.name.to_owned(), Tensor { shape: view.shape().to_vec(), data });
        }
        Ok(side)
    };
    networks
        .iter()
        .map(|&n| {
            let inputs = read(n, "input", n.inputs(dims))?;
            let outputs = read(n, "output", n.outputs(dims))?;
            Ok((n, Case { inputs, outputs }))
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::onnx::tests::DIMS;

    pub(crate) fn zeros(networks: &[Network]) -> Cases {
        let side = |specs: Vec<TensorSpec>| {
            specs
                .iter()
                .map(|s| {
                    let shape = s.with_batch(2);
                    let data = vec![0.0; shape.iter().product()];
                    (s.name.to_owned(), Tensor { shape, data })
                })
                .collect()
        };
        networks
            .iter()
            .map(|&n| (n, Case { inputs: side(n.inputs(&DIMS)), outputs: side(n.outputs(&DIMS)) }))
            .collect()
    }

    #[test]
    fn cases_survive_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let networks = [Network::Detector, Network::ImageGenerator];
        let mut cases = zeros(&networks);
        let detector = cases.get_mut(&Network::Detector).unwrap();
        detector.outputs.get_mut("confidence").unwrap().data = vec![0.5, -0.25, 1e-8, 3.0];
        write(&path, &cases).unwrap();
        let content = std::fs::read(&path).unwrap();
        assert_eq!(parse(&content, &path, &networks, &DIMS).unwrap(), cases);
        let missing = parse(&content, &path, &[Network::Encoder], &DIMS).unwrap_err().to_string();
        assert!(missing.contains("no tensor encoder/input/image"), "{missing}");
    }

    #[test]
    fn differences_in_shape_or_nan_are_infinite() {
        let a = Tensor { shape: vec![2], data: vec![1.0, 2.0] };
        let b = Tensor { shape: vec![2], data: vec![1.0, 2.5] };
        assert_eq!(a.max_abs_difference(&b), 0.5);
        assert_eq!(a.max_abs_difference(&Tensor { shape: vec![1, 2], ..b.clone() }), f32::INFINITY);
        assert_eq!(a.max_abs_difference(&Tensor { data: vec![1.0, f32::NAN], ..b }), f32::INFINITY);
    }
}
