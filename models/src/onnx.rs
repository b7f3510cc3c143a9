//! The part of the ONNX protocol-buffer schema that the exporter writes and the runtime checks before a graph
//! reaches ONNX Runtime. Field numbers are those of `onnx.proto3` (IR version 8).

use std::collections::BTreeMap;

use prost::Message;

use crate::contract::{BundleDims, Network, TensorSpec};
use crate::error::{Error, Result};
use crate::operators;

/// `TensorProto.DataType` of 32-bit floats.
pub const FLOAT: i32 = 1;
/// `TensorProto.DataType` of 64-bit integers.
pub const INT64: i32 = 7;

/// `ModelProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    /// Version of the IR.
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// The program that wrote the model.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// That program's version.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// The graph.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    /// Operator sets used.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetId>,
    /// Model-local functions, never written by us and refused when read.
    #[prost(message, repeated, tag = "25")]
    pub functions: Vec<Opaque>,
}

/// A message whose content does not matter, only its presence.
#[derive(Clone, PartialEq, Message)]
pub struct Opaque {}

/// `OperatorSetIdProto`.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSetId {
    /// Empty for the standard operators.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Version of the set.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// `GraphProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GraphProto {
    /// Nodes in topological order.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    /// The graph's name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Constants.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    /// Inputs.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    /// Outputs.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
    /// Sparse constants, never written by us and refused when read.
    #[prost(message, repeated, tag = "15")]
    pub sparse_initializer: Vec<Opaque>,
}

/// `NodeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct NodeProto {
    /// Names of the values read.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the values made.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// The node's name.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The operator.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// Attributes.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    /// Operator domain, empty for the standard one.
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// `AttributeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeProto {
    /// The attribute's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A float.
    #[prost(float, tag = "2")]
    pub f: f32,
    /// An integer.
    #[prost(int64, tag = "3")]
    pub i: i64,
    /// A string.
    #[prost(bytes = "vec", tag = "4")]
    pub s: Vec<u8>,
    /// A tensor.
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    /// A sub-graph, never written by us and refused when read.
    #[prost(message, optional, tag = "6")]
    pub g: Option<Opaque>,
    /// Floats.
    #[prost(float, repeated, tag = "7")]
    pub floats: Vec<f32>,
    /// Integers.
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    /// Tensors, never written by us and refused when read.
    #[prost(message, repeated, tag = "10")]
    pub tensors: Vec<Opaque>,
    /// Sub-graphs, never written by us and refused when read.
    #[prost(message, repeated, tag = "11")]
    pub graphs: Vec<Opaque>,
    /// `AttributeProto.AttributeType`.
    #[prost(int32, tag = "20")]
    pub r#type: i32,
    /// A sparse tensor, never written by us and refused when read.
    #[prost(message, optional, tag = "22")]
    pub sparse_tensor: Option<Opaque>,
}

/// `TensorProto`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    /// Shape.
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    /// `TensorProto.DataType`.
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    /// The tensor's name.
    #[prost(string, tag = "8")]
    pub name: String,
    /// Little-endian elements.
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    /// Where outside the file the elements lie: refused when present.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<Opaque>,
    /// 1 if the elements lie outside the file: refused.
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

/// `ValueInfoProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    /// The value's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The value's type.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
}

/// `TypeProto`, tensors only.
#[derive(Clone, PartialEq, Message)]
pub struct TypeProto {
    /// The tensor's type.
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

/// `TypeProto.Tensor`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    /// `TensorProto.DataType`.
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    /// The shape.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShape>,
}

/// `TensorShapeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorShape {
    /// Axes.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// `TensorShapeProto.Dimension`: a length, or a name for a length free at run time.
#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    /// One of the two forms.
    #[prost(oneof = "DimensionValue", tags = "1, 2")]
    pub value: Option<DimensionValue>,
}

/// The two forms of a [`Dimension`].
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum DimensionValue {
    /// A fixed length.
    #[prost(int64, tag = "1")]
    Fixed(i64),
    /// A named, free length.
    #[prost(string, tag = "2")]
    Named(String),
}

impl ValueInfo {
    /// Whether the value is a float32 tensor of the shape that `spec` asks for.
    fn fits(&self, spec: &TensorSpec) -> bool {
        let Some(tensor) = self.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()) else { return false };
        let Some(shape) = &tensor.shape else { return false };
        let declared: Vec<i64> = shape
            .dim
            .iter()
            .map(|d| match &d.value {
                Some(DimensionValue::Fixed(n)) => *n,
                _ => -1,
            })
            .collect();
        tensor.elem_type == FLOAT && spec.accepts(&declared)
    }
}

/// What [`check_model`] found in a graph that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSummary {
    /// Version of the standard operator set.
    pub opset: i64,
    /// Operators used and how often.
    pub operators: BTreeMap<String, usize>,
    /// Elements in the float constants.
    pub parameters: u64,
}

/// Parses an ONNX file and checks that it is self-contained, that every provider runs its
/// [operators], and that it has the inputs and outputs that the contract asks of `network`.
///
/// # Errors
/// [`Error::Onnx`] naming the first thing wrong.
pub fn check_model(content: &[u8], network: Network, dims: &BundleDims) -> Result<ModelSummary> {
    let fail = |reason: String| Error::Onnx { file: network.file_name(), reason };
    let model = ModelProto::decode(content).map_err(|e| fail(format!("not an ONNX file ({e})")))?;
    let graph = model.graph.as_ref().ok_or_else(|| fail("no graph in it".to_owned()))?;

    if !model.functions.is_empty() || !graph.sparse_initializer.is_empty() {
        return Err(fail("functions and sparse tensors are not allowed in a bundle".to_owned()));
    }
    let attributes = || graph.node.iter().flat_map(|n| &n.attribute);
    if attributes()
        .any(|a| a.g.is_some() || !a.graphs.is_empty() || !a.tensors.is_empty() || a.sparse_tensor.is_some())
    {
        return Err(fail("sub-graphs and tensor lists are not allowed in a bundle".to_owned()));
    }
    for tensor in graph.initializer.iter().chain(attributes().filter_map(|a| a.t.as_ref())) {
        if tensor.data_location != 0 || !tensor.external_data.is_empty() {
            return Err(fail(format!(
                "tensor {:?} keeps its data outside the file; a bundle must be self-contained",
                tensor.name
            )));
        }
    }

    let opset = model
        .opset_import
        .iter()
        .find(|o| o.domain.is_empty() || o.domain == "ai.onnx")
        .map(|o| o.version)
        .ok_or_else(|| fail("no operator set named".to_owned()))?;
    operators::check(graph, opset).map_err(fail)?;
    let mut operators = BTreeMap::new();
    for node in &graph.node {
        *operators.entry(node.op_type.clone()).or_default() += 1;
    }

    for (kind, have, want) in
        [("input", &graph.input, network.inputs(dims)), ("output", &graph.output, network.outputs(dims))]
    {
        for spec in &want {
            match have.iter().find(|v| v.name == spec.name) {
                None => return Err(fail(format!("no {kind} named {:?}", spec.name))),
                Some(value) if !value.fits(spec) => {
                    return Err(fail(format!("{kind} {:?} is not float32 {}", spec.name, spec.shape_text())));
                }
                Some(_) => {}
            }
        }
        if have.len() != want.len() {
            return Err(fail(format!("{} {kind}s, the contract has {}", have.len(), want.len())));
        }
    }

    let parameters = graph
        .initializer
        .iter()
        .filter(|t| t.data_type == FLOAT)
        .map(|t| t.dims.iter().product::<i64>().unsigned_abs())
        .sum();
    Ok(ModelSummary { opset, operators, parameters })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const DIMS: BundleDims =
        BundleDims { keypoints: 2, latent: 4, embedding: 3, image_size: 8, detector_size: 8, tables: None };

    fn value(name: &str, spec: &TensorSpec) -> ValueInfo {
        let dim = spec
            .shape
            .iter()
            .map(|d| {
                let value = match d {
                    crate::contract::Dim::Batch => DimensionValue::Named("N".to_owned()),
                    crate::contract::Dim::Fixed(n) => DimensionValue::Fixed(*n as i64),
                };
                Dimension { value: Some(value) }
            })
            .collect();
        let tensor = TensorType { elem_type: FLOAT, shape: Some(TensorShape { dim }) };
        ValueInfo { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
    }

    /// A graph with the right signature and no meaning.
    pub(crate) fn skeleton(network: Network) -> ModelProto {
        let values = |specs: Vec<TensorSpec>| specs.iter().map(|s| value(s.name, s)).collect();
        ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetId { domain: String::new(), version: 17 }],
            graph: Some(GraphProto {
                name: network.name().to_owned(),
                node: vec![NodeProto { op_type: "Relu".to_owned(), ..Default::default() }],
                initializer: vec![TensorProto {
                    name: "w".to_owned(),
                    data_type: FLOAT,
                    dims: vec![2, 3],
                    ..Default::default()
                }],
                input: values(network.inputs(&DIMS)),
                output: values(network.outputs(&DIMS)),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn check(change: impl FnOnce(&mut ModelProto)) -> String {
        let mut model = skeleton(Network::Detector);
        change(&mut model);
        match check_model(&model.encode_to_vec(), Network::Detector, &DIMS) {
            Ok(summary) => format!("{summary:?}"),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn a_sound_graph_is_summarised() {
        let model = skeleton(Network::ImageGenerator).encode_to_vec();
        let summary = check_model(&model, Network::ImageGenerator, &DIMS).unwrap();
        assert_eq!((summary.opset, summary.parameters, summary.operators["Relu"]), (17, 6, 1));
    }

    #[test]
    fn external_data_is_refused_in_initialisers_and_attributes() {
        let outside =
            || TensorProto { external_data: vec![Opaque {}], data_location: 1, ..Default::default() };
        assert!(
            check(|m| m.graph.as_mut().unwrap().initializer.push(outside())).contains("outside the file")
        );
        let attribute = AttributeProto { t: Some(outside()), ..Default::default() };
        assert!(
            check(|m| m.graph.as_mut().unwrap().node[0].attribute.push(attribute))
                .contains("outside the file")
        );
    }

    #[test]
    fn subgraphs_foreign_operators_and_functions_are_refused() {
        let attribute = AttributeProto { g: Some(Opaque {}), ..Default::default() };
        assert!(
            check(|m| m.graph.as_mut().unwrap().node[0].attribute.push(attribute)).contains("sub-graphs")
        );
        assert!(
            check(|m| m.graph.as_mut().unwrap().node[0].op_type = "Loop".to_owned())
                .contains("operator Loop")
        );
        assert!(
            check(|m| m.graph.as_mut().unwrap().node[0].domain = "com.x".to_owned()).contains("com.x.Relu")
        );
        assert!(check(|m| m.functions.push(Opaque {})).contains("functions"));
    }

    #[test]
    fn names_and_shapes_are_held_against_the_contract() {
        assert!(
            check(|m| m.graph.as_mut().unwrap().input[0].name = "x".to_owned())
                .contains("no input named \"image\"")
        );
        assert!(
            check(|m| m.graph.as_mut().unwrap().output.truncate(1))
                .contains("no output named \"confidence\"")
        );
        let smaller = Network::Detector.inputs(&BundleDims { detector_size: 4, ..DIMS });
        let wrong = value("image", &smaller[0]);
        assert!(
            check(|m| m.graph.as_mut().unwrap().input[0] = wrong).contains("is not float32 [N, 3, 8, 8]")
        );
    }

    #[test]
    fn text_and_truncated_files_are_not_onnx() {
        assert!(check_model(b"<html>not found</html>", Network::Detector, &DIMS).is_err());
        let model = skeleton(Network::Detector).encode_to_vec();
        assert!(check_model(&model[..model.len() / 2], Network::Detector, &DIMS).is_err());
        assert!(check_model(b"", Network::Detector, &DIMS).is_err());
    }
}
