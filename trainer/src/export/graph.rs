//! Builds an ONNX graph node by node. Every value knows its shape, so that multiply-accumulates are counted while
//! building and a graph whose outputs do not fit the contract is refused before anything runs it.

use models::onnx::{
    AttributeProto, Dimension, DimensionValue, FLOAT, GraphProto, INT64, ModelProto, NodeProto,
    OperatorSetId, TensorProto, TensorShape, TensorType, TypeProto, ValueInfo,
};
use models::{BundleDims, Dim, Network, TensorSpec};
use tch::{Device, Kind, Tensor};

use super::fold::Kernel;
use crate::error::{Error, Result};

/// Version of the standard operator set that graphs are written in: the newest that a Jetson's older ONNX Runtime
/// and TensorRT know in full.
pub const OPSET: i64 = 17;

/// Version of the file format that goes with [`OPSET`].
const IR_VERSION: i64 = 8;

/// Name of the batch axis of every input and output.
const BATCH_AXIS: &str = "N";

/// `AttributeProto.AttributeType` of the attributes written.
mod attribute_type {
    pub const FLOAT: i32 = 1;
    pub const INT: i32 = 2;
    pub const STRING: i32 = 3;
    pub const INTS: i32 = 7;
}

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
}

/// A finished network.
#[derive(Clone, Debug)]
pub struct Exported {
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
    pub fn finish(mut self, outputs: &[(&str, Value)]) -> Result<Exported> {
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
        Ok(Exported { model, macs: self.macs })
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

    /// `op` of one value, element by element, without attributes: `Exp`, `Relu`, `Sigmoid`, `Tanh`.
    pub fn map(&mut self, op: &str, x: &Value) -> Value {
        self.node(op, &[x], vec![], x.shape.clone())
    }

    /// LeakyReLU of the given slope.
    pub fn leaky_relu(&mut self, x: &Value, slope: f64) -> Value {
        self.node("LeakyRelu", &[x], vec![float("alpha", slope as f32)], x.shape.clone())
    }

    /// `op` of two values with broadcasting: `Add`, `Sub`, `Mul`, `Div`.
    pub fn zip(&mut self, op: &str, a: &Value, b: &Value) -> Value {
        self.node(op, &[a, b], vec![], broadcast(&a.shape, &b.shape))
    }

    /// Matrix product over the last two axes, broadcasting the others.
    pub fn matmul(&mut self, a: &Value, b: &Value) -> Value {
        let (a_lead, a_last) = a.shape.split_at(a.shape.len() - 2);
        let (b_lead, b_last) = b.shape.split_at(b.shape.len() - 2);
        let mut shape = broadcast(a_lead, b_lead);
        shape.extend([a_last[0], b_last[1]]);
        self.macs += per_image(&shape) * per_image(&a_last[1..]);
        self.node("MatMul", &[a, b], vec![], shape)
    }

    /// `x` `[N, in]` times the transpose of `weight` `[out, in]`, plus `bias` `[out]`.
    ///
    /// # Errors
    /// [`Error::Torch`] if the weights can't be read.
    pub fn linear(&mut self, x: &Value, weight: &Tensor, bias: &Tensor) -> Result<Value> {
        let (weight, bias) = (self.tensor(weight)?, self.tensor(bias)?);
        let shape = vec![x.shape[0], weight.shape[0]];
        self.macs += per_image(&weight.shape);
        Ok(self.node("Gemm", &[x, &weight, &bias], vec![int("transB", 1)], shape))
    }

    /// Convolution of `x` `[N, C, H, W]`, padded to keep the size (stride 1) or halve it (stride 2).
    ///
    /// # Errors
    /// [`Error::Torch`] if the weights can't be read.
    pub fn conv(&mut self, x: &Value, kernel: &Kernel) -> Result<Value> {
        let size = kernel.weight.size();
        let (outputs, side, pad, stride) = (size[0], size[2], kernel.padding, kernel.stride);
        let (weight, bias) = (self.tensor(&kernel.weight)?, self.tensor(&kernel.bias)?);
        let shrink = |d: &Dim| match d {
            Dim::Fixed(n) => Dim::Fixed((*n + 2 * pad as usize - side as usize) / stride as usize + 1),
            Dim::Batch => Dim::Batch,
        };
        let mut shape = vec![x.shape[0], Dim::Fixed(outputs as usize)];
        shape.extend(x.shape[2..].iter().map(shrink));
        self.macs += per_image(&shape) * per_image(&weight.shape[1..]);
        let attributes = vec![
            ints("kernel_shape", &[side, side]),
            ints("strides", &[stride, stride]),
            ints("pads", &[pad; 4]),
            int("group", kernel.groups),
        ];
        Ok(self.node("Conv", &[x, &weight, &bias], attributes, shape))
    }

    /// Bilinear upsampling of `[N, C, H, W]` by two, as [`crate::nets::layers::upsample`] does it.
    pub fn upsample(&mut self, x: &Value) -> Value {
        let scales = self.floats(&[4], &[1.0, 1.0, 2.0, 2.0]);
        // The optional region of interest is left out by an empty name.
        let none = Value { name: String::new(), shape: vec![] };
        let double = |d: &Dim| match d {
            Dim::Fixed(n) => Dim::Fixed(2 * n),
            Dim::Batch => Dim::Batch,
        };
        let shape = x.shape[..2].iter().copied().chain(x.shape[2..].iter().map(double)).collect();
        let attributes = vec![text("mode", "linear"), text("coordinate_transformation_mode", "half_pixel")];
        self.node("Resize", &[x, &none, &scales], attributes, shape)
    }

    /// The same elements under other axes; `axes` are those after the batch.
    pub fn reshape(&mut self, x: &Value, axes: &[i64]) -> Value {
        let shape = std::iter::once(Dim::Batch).chain(axes.iter().map(|d| Dim::Fixed(*d as usize))).collect();
        // Zero keeps the batch, whatever it is.
        let target: Vec<i64> = std::iter::once(0).chain(axes.iter().copied()).collect();
        let target = self.integers(&target);
        self.node("Reshape", &[x, &target], vec![], shape)
    }

    /// Swaps the last two of three axes.
    pub fn transpose(&mut self, x: &Value) -> Value {
        self.node("Transpose", &[x], vec![ints("perm", &[0, 2, 1])], vec![x.shape[0], x.shape[2], x.shape[1]])
    }

    /// Joins values along `axis`, which is not the batch.
    pub fn concat(&mut self, values: &[&Value], axis: usize) -> Value {
        let mut shape = values[0].shape.clone();
        shape[axis] = Dim::Fixed(values.iter().map(|v| per_image(&v.shape[axis..=axis]) as usize).sum());
        self.node("Concat", values, vec![int("axis", axis as i64)], shape)
    }

    /// Appends one zero to the last of three axes.
    pub fn pad_last(&mut self, x: &Value) -> Value {
        let pads = self.integers(&[0, 0, 0, 0, 0, 1]);
        let mut shape = x.shape.clone();
        shape[2] = Dim::Fixed(per_image(&x.shape[2..]) as usize + 1);
        self.node("Pad", &[x, &pads], vec![text("mode", "constant")], shape)
    }

    /// Cuts a value along `axis` into pieces of the given lengths.
    pub fn split(&mut self, x: &Value, axis: usize, lengths: &[i64]) -> Vec<Value> {
        let shapes = lengths
            .iter()
            .map(|n| {
                let mut shape = x.shape.clone();
                shape[axis] = Dim::Fixed(*n as usize);
                shape
            })
            .collect();
        let lengths = self.integers(lengths);
        self.nodes("Split", &[x, &lengths], vec![int("axis", axis as i64)], shapes)
    }

    /// Softmax over the last axis.
    pub fn softmax(&mut self, x: &Value) -> Value {
        self.node("Softmax", &[x], vec![int("axis", -1)], x.shape.clone())
    }

    /// Largest element along the channel axis, which is kept with length 1.
    pub fn max_channel(&mut self, x: &Value) -> Value {
        let mut shape = x.shape.clone();
        shape[1] = Dim::Fixed(1);
        // Until opset 18 ReduceMax takes its axes as an attribute.
        self.node("ReduceMax", &[x], vec![ints("axes", &[1]), int("keepdims", 1)], shape)
    }

    /// Sum over the last axis, which is dropped.
    pub fn sum_last(&mut self, x: &Value) -> Value {
        let shape = x.shape[..x.shape.len() - 1].to_vec();
        // ReduceSum takes its axes as an input from opset 13 on.
        let axes = self.integers(&[-1]);
        self.node("ReduceSum", &[x, &axes], vec![int("keepdims", 0)], shape)
    }
}

/// Elements of a tensor in row-major order, as float32.
///
/// # Errors
/// [`Error::Torch`] if they can't be read.
pub fn elements(tensor: &Tensor) -> Result<Vec<f32>> {
    let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous().view([-1]);
    Ok(Vec::try_from(&flat)?)
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

/// Shape of an element-wise result, axes aligned at the end.
fn broadcast(a: &[Dim], b: &[Dim]) -> Vec<Dim> {
    let rank = a.len().max(b.len());
    let at = |shape: &[Dim], i: usize| match (i + shape.len()).checked_sub(rank) {
        Some(i) => shape[i],
        None => Dim::Fixed(1),
    };
    (0..rank).map(|i| if at(a, i) == Dim::Fixed(1) { at(b, i) } else { at(a, i) }).collect()
}

fn value_info(spec: &TensorSpec) -> ValueInfo {
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

fn attribute(name: &str, kind: i32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind, ..Default::default() }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..attribute(name, attribute_type::INT) }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, attribute_type::INTS) }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f, ..attribute(name, attribute_type::FLOAT) }
}

fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: value.as_bytes().to_vec(), ..attribute(name, attribute_type::STRING) }
}
