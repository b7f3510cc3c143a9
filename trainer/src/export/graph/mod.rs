//! Builds an ONNX graph node by node. Every value knows its shape, so that multiply-accumulates are counted while
//! building and a graph whose outputs do not fit the contract is refused before anything runs it.

mod ops;
mod places;

use lkg_bundle::onnx::{
    AttributeProto, Dimension, DimensionValue, FLOAT, GraphProto, INT64, ModelProto, NodeProto,
    OperatorSetId, TensorProto, TensorShape, TensorType, TypeProto, ValueInfo,
};
use lkg_bundle::{BundleDims, Dim, Network, TensorSpec};
use tch::Tensor;

use crate::error::{Error, Result};
use crate::onnx_runtime::elements;

/// Version of the standard operator set that graphs are written in: the newest that a Jetson's older ONNX Runtime
/// and TensorRT know in full.
pub const OPSET: i64 = 17;

/// Version of the file format that goes with [`OPSET`].
const IR_VERSION: i64 = 8;

/// Name of the batch axis of every input and output.
const BATCH_AXIS: &str = "N";

/// A value of the graph: an input, a constant, or what a node made.
#[derive(Clone, Debug)]
pub struct Value {
    name: String,
    shape: Vec<Dim>,
}

impl Value {
    /// The value's axes.
    pub fn shape(&self) -> &[Dim] {
        &self.shape
    }

    /// Length of an axis, the batch counting as one.
    pub fn length(&self, axis: usize) -> i64 {
        per_image(&self.shape[axis..=axis]) as i64
    }
}

/// A finished network.
#[derive(Clone, Debug)]
pub struct ExportedGraph {
    /// The graph, ready to be encoded.
    pub model: ModelProto,
    /// Multiply-accumulates for one image, convolutions and matrix products only.
    pub macs: u64,
}

/// A graph under construction.
#[derive(Debug)]
pub struct Graph {
    network: Network,
    dims: BundleDims,
    proto: GraphProto,
    made: usize,
    macs: u64,
}

impl Graph {
    /// An empty graph of `network` whose inputs are those of the contract.
    pub fn new(network: Network, dims: BundleDims) -> Self {
        let input = network.inputs(&dims).iter().map(value_info).collect();
        let proto = GraphProto { name: network.name().to_owned(), input, ..Default::default() };
        Self { network, dims, proto, made: 0, macs: 0 }
    }

    /// The contract's input called `name`.
    ///
    /// # Errors
    /// [`Error::Export`] if the contract has none of that name.
    pub fn input(&self, name: &str) -> Result<Value> {
        let specs = self.network.inputs(&self.dims);
        let spec = specs
            .iter()
            .find(|s| s.name == name)
            .ok_or_else(|| Error::Export(format!("{}: no input {name:?} in the contract", self.network)))?;
        Ok(Value { name: spec.name.to_owned(), shape: spec.shape.clone() })
    }

    /// Gives the contract's outputs their names and closes the graph.
    ///
    /// # Errors
    /// [`Error::Export`] if `outputs` are not those of the contract in name and shape.
    pub fn finish(mut self, outputs: &[(&str, Value)]) -> Result<ExportedGraph> {
        let specs = self.network.outputs(&self.dims);
        for spec in &specs {
            let value = outputs.iter().find(|(name, _)| *name == spec.name).map(|(_, v)| v);
            if value.is_none_or(|v| v.shape != spec.shape) {
                return Err(Error::Export(format!(
                    "{}: output {:?} must be {}, the graph makes {:?}",
                    self.network,
                    spec.name,
                    spec.shape_text(),
                    value.map(|v| &v.shape)
                )));
            }
        }
        for (name, value) in outputs {
            for node in &mut self.proto.node {
                for used in node.input.iter_mut().chain(&mut node.output).filter(|n| **n == value.name) {
                    *used = (*name).to_owned();
                }
            }
        }
        self.proto.output = specs.iter().map(value_info).collect();
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: env!("CARGO_PKG_NAME").to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(self.proto),
            opset_import: vec![OperatorSetId { domain: String::new(), version: OPSET }],
            functions: vec![],
        };
        Ok(ExportedGraph { model, macs: self.macs })
    }

    /// A float constant of the given shape.
    pub fn floats(&mut self, shape: &[i64], data: &[f32]) -> Value {
        self.constant(shape, FLOAT, data.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// A float constant without axes.
    pub fn scalar(&mut self, value: f32) -> Value {
        self.floats(&[], &[value])
    }

    /// A float constant with the shape and elements of `tensor`.
    ///
    /// # Errors
    /// [`Error::Torch`] if the elements can't be read.
    pub fn tensor(&mut self, tensor: &Tensor) -> Result<Value> {
        Ok(self.floats(&tensor.size(), &elements(tensor)?))
    }

    fn integers(&mut self, data: &[i64]) -> Value {
        self.constant(&[data.len() as i64], INT64, data.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    fn constant(&mut self, dims: &[i64], data_type: i32, raw_data: Vec<u8>) -> Value {
        let name = format!("c{}", self.proto.initializer.len());
        let shape = dims.iter().map(|d| Dim::Fixed(*d as usize)).collect();
        let tensor = TensorProto { dims: dims.to_vec(), data_type, name, raw_data, ..Default::default() };
        let value = Value { name: tensor.name.clone(), shape };
        self.proto.initializer.push(tensor);
        value
    }

    /// Appends a node with one output for each of `shapes`.
    fn nodes(
        &mut self,
        op: &str,
        inputs: &[&Value],
        attribute: Vec<AttributeProto>,
        shapes: Vec<Vec<Dim>>,
    ) -> Vec<Value> {
        let outputs: Vec<Value> = shapes
            .into_iter()
            .map(|shape| {
                self.made += 1;
                Value { name: format!("v{}", self.made), shape }
            })
            .collect();
        self.proto.node.push(NodeProto {
            input: inputs.iter().map(|v| v.name.clone()).collect(),
            output: outputs.iter().map(|v| v.name.clone()).collect(),
            name: format!("{op}_{}", self.proto.node.len()),
            op_type: op.to_owned(),
            attribute,
            domain: String::new(),
        });
        outputs
    }

    fn node(
        &mut self,
        op: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
        shape: Vec<Dim>,
    ) -> Value {
        self.nodes(op, inputs, attributes, vec![shape]).swap_remove(0)
    }
}

/// Product of the axes' lengths, the batch counting as one.
fn per_image(shape: &[Dim]) -> u64 {
    shape
        .iter()
        .map(|d| match d {
            Dim::Batch => 1,
            Dim::Fixed(n) => *n as u64,
        })
        .product()
}

/// A tensor of the contract as a graph declares it.
pub fn value_info(spec: &TensorSpec) -> ValueInfo {
    let dim = spec
        .shape
        .iter()
        .map(|d| {
            let value = match d {
                Dim::Batch => DimensionValue::Named(BATCH_AXIS.to_owned()),
                Dim::Fixed(n) => DimensionValue::Fixed(*n as i64),
            };
            Dimension { value: Some(value) }
        })
        .collect();
    let tensor = TensorType { elem_type: FLOAT, shape: Some(TensorShape { dim }) };
    ValueInfo { name: spec.name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}
