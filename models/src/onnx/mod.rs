//! The part of the ONNX protocol-buffer schema that the exporter writes, and the check of a graph before it reaches
//! ONNX Runtime.

mod schema;

use std::collections::BTreeMap;

use prost::Message;

use crate::contract::{BundleDims, Network};
use crate::error::{Error, Result};
use crate::operators;

pub use schema::{
    AttributeProto, Dimension, DimensionValue, FLOAT, GraphProto, INT64, ModelProto, NodeProto, Opaque,
    OperatorSetId, TensorProto, TensorShape, TensorType, TypeProto, ValueInfo,
};

/// Most nodes of a graph: ONNX Runtime takes a minute to load some ten thousand. Ours have a few hundred.
const MAX_NODES: usize = 5000;

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

    if graph.node.len() > MAX_NODES {
        return Err(fail(format!("{} nodes, at most {MAX_NODES} are loaded", graph.node.len())));
    }
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
        // All of its numbers must lie in the file.
        let count = tensor.dims.iter().try_fold(1u64, |n, d| n.checked_mul(u64::try_from(*d).ok()?));
        if count.and_then(|n| n.checked_mul(4)).is_none_or(|bytes| bytes > content.len() as u64) {
            let (name, dims) = (&tensor.name, &tensor.dims);
            return Err(fail(format!("tensor {name:?} is said to be {dims:?}, more than lies in the file")));
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
    use crate::contract::TensorSpec;

    pub(crate) const DIMS: BundleDims = BundleDims {
        keypoints: 2,
        latent: 4,
        embedding: 3,
        image_size: 8,
        detector_size: 8,
        tables: None,
        states: None,
        portrait_size: None,
    };

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

    /// A graph of 40,000 nodes took a minute to load.
    #[test]
    fn graphs_and_tensors_of_any_size_are_refused() {
        let many = check(|m| {
            let graph = m.graph.as_mut().unwrap();
            graph.node = vec![graph.node[0].clone(); MAX_NODES + 1];
        });
        assert!(many.contains("5001 nodes"), "{many}");
        for dims in [vec![1 << 40, 1 << 40], vec![-3], vec![1 << 20]] {
            let huge = check(|m| m.graph.as_mut().unwrap().initializer[0].dims = dims.clone());
            assert!(huge.contains("tensor \"w\" is said to be"), "{huge}");
        }
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
