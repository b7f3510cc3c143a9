//! A network in ONNX Runtime.

use lkg_bundle::golden::Tensor;
use lkg_bundle::{Bundle, BundleDims, Network};
use ort::session::SessionInputValue;
use ort::value::TensorRef;

use super::library::environment;
use super::{Tensors, from_torch};
use crate::error::{Error, Result};

/// A network in ONNX Runtime, on one thread.
#[derive(Debug)]
pub struct OnnxSession {
    network: Network,
    inner: ort::session::Session,
    /// The half of an image generator that is run before `inner`, and the names of its inputs.
    style: Option<(Box<OnnxSession>, Vec<&'static str>)>,
}

impl OnnxSession {
    /// Loads the ONNX file `content` of `network`.
    ///
    /// # Errors
    /// [`Error::Ort`] if ONNX Runtime is not there or refuses the graph.
    pub fn new(network: Network, content: &[u8]) -> Result<Self> {
        let inner = ort::session::Session::builder(environment()?)
            .and_then(|b| Ok(b.with_intra_threads(1)?))
            .and_then(|mut b| b.commit_from_memory(content))
            .map_err(fail(network))?;
        Ok(Self { network, inner, style: None })
    }

    /// Loads the two ONNX files of an image generator in a bundle of sizes `dims`, which together take and make what
    /// the whole does.
    ///
    /// # Errors
    /// Those of [`OnnxSession::new`].
    pub fn in_two(style: &[u8], render: &[u8], dims: &BundleDims) -> Result<Self> {
        let inputs = Network::Style.inputs(dims).iter().map(|spec| spec.name).collect();
        let style = Some((Box::new(Self::new(Network::Style, style)?), inputs));
        Ok(Self { style, ..Self::new(Network::Render, render)? })
    }

    /// Loads one of the bundle's [`Bundle::functions`].
    ///
    /// # Errors
    /// [`Error::Bundle`] if a file is not as it should be, and those of [`OnnxSession::new`].
    pub fn of_bundle(bundle: &Bundle, function: Network) -> Result<Self> {
        if function == Network::ImageGenerator && bundle.draws_in_two() {
            return Self::in_two(
                &bundle.read_network(Network::Style)?,
                &bundle.read_network(Network::Render)?,
                &bundle.manifest().dims,
            );
        }
        Self::new(function, &bundle.read_network(function)?)
    }

    /// Runs the graph: named inputs to all of its outputs.
    ///
    /// # Errors
    /// [`Error::Ort`] with ONNX Runtime's reason.
    pub fn run(&mut self, inputs: &Tensors) -> Result<Tensors> {
        let Some((style, names)) = &mut self.style else { return self.run_one(inputs) };
        let (appearance, mut pose): (Tensors, Tensors) = inputs
            .iter()
            .map(|(name, t)| (name.clone(), t.clone()))
            .partition(|(name, _)| names.contains(&name.as_str()));
        pose.extend(style.run_one(&appearance)?);
        self.run_one(&pose)
    }

    /// Runs the graph on tensors of libtorch.
    ///
    /// # Errors
    /// Those of [`OnnxSession::run`]; [`Error::Torch`].
    pub fn run_on(&mut self, inputs: &[(&str, &tch::Tensor)]) -> Result<Tensors> {
        let inputs = inputs
            .iter()
            .map(|(name, tensor)| Ok(((*name).to_owned(), from_torch(tensor)?)))
            .collect::<Result<_>>()?;
        self.run(&inputs)
    }

    fn run_one(&mut self, inputs: &Tensors) -> Result<Tensors> {
        let fail = fail(self.network);
        let values = inputs
            .iter()
            .map(|(name, t)| {
                let value = TensorRef::from_array_view((t.shape.clone(), &*t.data))?;
                Ok((name.as_str(), SessionInputValue::from(value)))
            })
            .collect::<ort::Result<Vec<_>>>()
            .map_err(&fail)?;
        let outputs = self.inner.run(values).map_err(&fail)?;
        outputs
            .iter()
            .map(|(name, value)| {
                let (shape, data) = value.try_extract_tensor::<f32>().map_err(&fail)?;
                let shape = shape.iter().map(|d| *d as usize).collect();
                Ok((name.to_owned(), Tensor { shape, data: data.to_vec() }))
            })
            .collect()
    }
}

fn fail(network: Network) -> impl Fn(ort::Error) -> Error {
    move |e| Error::Ort(format!("{network}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_graph_is_refused_with_the_networks_name() {
        let error = OnnxSession::new(Network::Detector, b"<html>").unwrap_err().to_string();
        assert!(error.starts_with("ONNX Runtime: detector: "), "{error}");
    }
}
