//! Which operators a bundle may use: those that every provider that it may meet runs on 32-bit floats, in every version.
//!
//! Read off the providers' own lists: `docs/OperatorKernels.md` of ONNX Runtime at 1.16.1 (what 1.17 has at least) and at
//! 1.23.0, `docs/operators.md` of onnx-tensorrt at its releases 8.5, 8.6 and 10.0 (which 10.1 repeats). A kernel that
//! is listed as `13+` serves the operator as opset 13 defines it, up to the opset that defines it anew.

use std::collections::BTreeSet;

use crate::onnx::{FLOAT, GraphProto, INT64, NodeProto};

/// Oldest operator set that bundles are written in; every range below begins with it.
pub const OLDEST_OPSET: i64 = 13;

/// A provider in a range of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The processor, with any ONNX Runtime that the runtime loads.
    Cpu,
    /// CUDA with ONNX Runtime 1.17 to 1.22, as on JetPack 5 and 6.
    Cuda117,
    /// CUDA with ONNX Runtime 1.23 and newer.
    Cuda123,
    /// TensorRT 8.5, JetPack 5.
    TensorRt85,
    /// TensorRT 8.6.
    TensorRt86,
    /// TensorRT 10, JetPack 6 and newer.
    TensorRt10,
}

impl Target {
    /// Every one of them.
    pub const ALL: [Target; 6] = [
        Target::Cpu,
        Target::Cuda117,
        Target::Cuda123,
        Target::TensorRt85,
        Target::TensorRt86,
        Target::TensorRt10,
    ];

    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Target::Cpu => "the CPU",
            Target::Cuda117 => "CUDA (ONNX Runtime 1.17 to 1.22)",
            Target::Cuda123 => "CUDA (ONNX Runtime 1.23 on)",
            Target::TensorRt85 => "TensorRT 8.5",
            Target::TensorRt86 => "TensorRT 8.6",
            Target::TensorRt10 => "TensorRT 10",
        }
    }

    /// Newest operator set that it runs `operator` in, if it does at all.
    fn newest_opset(self, operator: &Operator) -> Option<i64> {
        match self {
            Target::Cpu => Some(19),
            Target::Cuda117 => operator.cuda_1_16,
            Target::Cuda123 => operator.cuda_1_23,
            Target::TensorRt85 => operator.tensorrt_8_5.then_some(17),
            Target::TensorRt86 => Some(17),
            Target::TensorRt10 => Some(20),
        }
    }
}

/// An operator, and the newest operator set that has it on CUDA.
struct Operator {
    name: &'static str,
    cuda_1_16: Option<i64>,
    cuda_1_23: Option<i64>,
    tensorrt_8_5: bool,
}

const fn on(name: &'static str, cuda_1_16: i64, cuda_1_23: i64) -> Operator {
    Operator { name, cuda_1_16: Some(cuda_1_16), cuda_1_23: Some(cuda_1_23), tensorrt_8_5: true }
}

/// What the networks are made of, and what the small ones of tests are.
const OPERATORS: &[Operator] = &[
    on("Add", 19, 23),
    on("AveragePool", 18, 18),
    on("Cast", 19, 23),
    on("Concat", 19, 23),
    on("Conv", 19, 21),
    on("DepthToSpace", 19, 23),
    on("Div", 19, 23),
    on("Exp", 19, 23),
    on("Flatten", 19, 20),
    on("Floor", 19, 23),
    on("GatherElements", 19, 23),
    on("GatherND", 19, 23),
    on("Gemm", 19, 23),
    on("GlobalAveragePool", 19, 21),
    // CUDA has no kernel of the standard operator until 1.24, only of one of ONNX Runtime's own domain and one for maps of
    // channels last; the nodes would go to the processor and back. Gathers sample faster there, too.
    Operator { name: "GridSample", cuda_1_16: None, cuda_1_23: None, tensorrt_8_5: true },
    // A function of other operators: CUDA has no kernel of it, and TensorRT 8.5 does not know it. Named for those who look.
    Operator { name: "HardSwish", cuda_1_16: None, cuda_1_23: None, tensorrt_8_5: false },
    on("LeakyRelu", 19, 23),
    on("MatMul", 19, 23),
    on("Max", 19, 23),
    on("Min", 19, 23),
    on("Mul", 19, 23),
    on("Pad", 17, 18),
    on("ReduceMax", 17, 19),
    on("ReduceMean", 17, 23),
    on("ReduceSum", 19, 23),
    on("Relu", 19, 23),
    on("Reshape", 19, 20),
    on("Resize", 17, 18),
    on("Sigmoid", 19, 23),
    on("Softmax", 19, 23),
    on("SpaceToDepth", 19, 23),
    on("Split", 19, 23),
    on("Sqrt", 19, 23),
    on("Sub", 19, 23),
    on("Tanh", 19, 23),
    on("Transpose", 19, 20),
];

/// Types that values are converted to, of `TensorProto.DataType`: float32, and the whole numbers that gathering takes.
const CASTS: [i64; 2] = [FLOAT as i64, INT64 as i64];

/// Inputs that say how, not what: if one were computed, CUDA would leave that to the processor, and TensorRT refuse it.
const SETTINGS: &[(&str, &[usize])] =
    &[("Pad", &[1, 2, 3]), ("ReduceSum", &[1]), ("Reshape", &[1]), ("Resize", &[1, 2, 3]), ("Split", &[1])];

/// Values of `Resize`'s attributes that TensorRT knows.
const RESIZE: &[(&str, &[&str])] = &[
    ("mode", &["nearest", "linear"]),
    (
        "coordinate_transformation_mode",
        &["half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric", "align_corners"],
    ),
    ("nearest_mode", &["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]),
];

/// Holds every node of `graph`, written in the operator set `opset`, against what the providers run.
///
/// # Errors
/// Names the first node that one of them cannot run, its operator, and the providers concerned.
pub fn check(graph: &GraphProto, opset: i64) -> Result<(), String> {
    let constants: BTreeSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    if let Some(tensor) = graph.initializer.iter().find(|t| ![FLOAT, INT64].contains(&t.data_type)) {
        return Err(format!("constant {:?} is neither float32 nor int64", tensor.name));
    }
    graph.node.iter().try_for_each(|node| {
        check_node(node, opset, &constants).map_err(|reason| {
            let name = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
            let domain = if node.domain.is_empty() { String::new() } else { format!("{}.", node.domain) };
            let name = name.map_or("without a name", String::as_str);
            format!("node {name}, operator {domain}{}, {reason}", node.op_type)
        })
    })
}

fn check_node(node: &NodeProto, opset: i64, constants: &BTreeSet<&str>) -> Result<(), String> {
    let standard = node.domain.is_empty() || node.domain == "ai.onnx";
    let operator = OPERATORS.iter().find(|o| standard && o.name == node.op_type).ok_or_else(|| {
        let names: Vec<_> = Target::ALL.iter().map(|t| t.name()).collect();
        format!("is not known to run on each of {}", names.join(", "))
    })?;
    let runs = |target: &Target| {
        target.newest_opset(operator).is_some_and(|newest| (OLDEST_OPSET..=newest).contains(&opset))
    };
    let lacking: Vec<_> = Target::ALL.iter().filter(|t| !runs(t)).map(|t| t.name()).collect();
    if !lacking.is_empty() {
        return Err(format!("does not run in operator set {opset} on {}", lacking.join(", ")));
    }
    for (_, inputs) in SETTINGS.iter().filter(|(name, _)| *name == node.op_type) {
        let mut given = inputs.iter().filter_map(|i| node.input.get(*i)).filter(|name| !name.is_empty());
        if let Some(computed) = given.find(|name| !constants.contains(name.as_str())) {
            let (cuda, tensorrt) = (Target::Cuda117.name(), Target::TensorRt85.name());
            return Err(format!(
                "has a computed input {computed:?}, which {cuda} and {tensorrt} want constant"
            ));
        }
    }
    match node.op_type.as_str() {
        "Resize" => check_resize(node),
        "Cast" => check_cast(node),
        _ => Ok(()),
    }
}

fn check_cast(node: &NodeProto) -> Result<(), String> {
    match node.attribute.iter().find(|a| a.name == "to" && !CASTS.contains(&a.i)) {
        Some(to) => Err(format!("converts to type {}, neither float32 nor int64", to.i)),
        None => Ok(()),
    }
}

fn check_resize(node: &NodeProto) -> Result<(), String> {
    for attribute in &node.attribute {
        let value = String::from_utf8_lossy(&attribute.s);
        let known = RESIZE.iter().find(|(name, _)| *name == attribute.name).map(|(_, known)| *known);
        if known.is_some_and(|known| !known.contains(&&*value)) {
            return Err(format!("has {} {value:?}, which TensorRT 8.5 to 10 do not run", attribute.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{AttributeProto, TensorProto};

    fn graph(op: &str, inputs: &[&str], attributes: &[(&str, &str)]) -> GraphProto {
        let attribute = |(name, value): &(&str, &str)| AttributeProto {
            name: (*name).to_owned(),
            s: value.as_bytes().to_vec(),
            ..Default::default()
        };
        GraphProto {
            node: vec![NodeProto {
                name: format!("{op}_7"),
                op_type: op.to_owned(),
                input: inputs.iter().map(|s| (*s).to_owned()).collect(),
                output: vec!["y".to_owned()],
                attribute: attributes.iter().map(attribute).collect(),
                ..Default::default()
            }],
            initializer: vec![TensorProto { name: "c".to_owned(), data_type: INT64, ..Default::default() }],
            ..Default::default()
        }
    }

    fn refused(graph: &GraphProto, opset: i64, parts: &[&str]) {
        let reason = check(graph, opset).unwrap_err();
        assert!(parts.iter().all(|p| reason.contains(p)), "{reason}");
    }

    #[test]
    fn what_every_provider_runs_passes() {
        for operator in OPERATORS.iter().filter(|o| o.tensorrt_8_5 && o.cuda_1_16.is_some()) {
            for opset in [OLDEST_OPSET, 17] {
                check(&graph(operator.name, &["x", "c"], &[]), opset).unwrap();
            }
        }
        let half = ("coordinate_transformation_mode", "half_pixel");
        check(&graph("Resize", &["x", "", "c"], &[("mode", "linear"), half]), 17).unwrap();
    }

    /// It was allowed, though CUDA has no kernel of it and TensorRT 8.5 does not know it.
    #[test]
    fn an_operator_that_some_lack_is_refused_with_node_and_providers() {
        let parts =
            ["node HardSwish_7", "operator HardSwish", "CUDA (ONNX Runtime 1.17 to 1.22)", "TensorRT 8.5"];
        refused(&graph("HardSwish", &["x"], &[]), 17, &parts);
        let reason = check(&graph("HardSwish", &["x"], &[]), 17).unwrap_err();
        assert!(!reason.contains("TensorRT 8.6") && !reason.contains("the CPU"), "{reason}");
        refused(&graph("Loop", &["x"], &[]), 17, &["operator Loop", "not known to run", "TensorRT 10"]);
        let mut foreign = graph("Relu", &["x"], &[]);
        foreign.node[0].domain = "com.x".to_owned();
        refused(&foreign, 17, &["operator com.x.Relu"]);
        let mut nameless = graph("Loop", &["x"], &[]);
        nameless.node[0].name.clear();
        refused(&nameless, 17, &["node y,"]);
    }

    /// CUDA would hand it to the processor.
    #[test]
    fn grid_sample_is_refused_for_cuda_alone() {
        let reason = check(&graph("GridSample", &["x", "y"], &[]), 17).unwrap_err();
        assert!(reason.contains("CUDA (ONNX Runtime 1.17") && reason.contains("1.23"), "{reason}");
        assert!(!reason.contains("TensorRT") && !reason.contains("the CPU"), "{reason}");
    }

    #[test]
    fn values_become_floats_or_whole_numbers_and_nothing_else() {
        let cast = |to: i64| {
            let mut graph = graph("Cast", &["x"], &[("to", "")]);
            graph.node[0].attribute[0].i = to;
            graph
        };
        check(&cast(INT64.into()), 17).unwrap();
        check(&cast(FLOAT.into()), 17).unwrap();
        refused(&cast(10), 17, &["Cast_7", "converts to type 10"]);
    }

    #[test]
    fn operator_sets_end_where_a_provider_knows_no_newer_one() {
        refused(
            &graph("Resize", &["x", "", "c"], &[]),
            18,
            &["operator set 18", "CUDA (ONNX Runtime 1.17", "8.6"],
        );
        refused(&graph("Relu", &["x"], &[]), 18, &["TensorRT 8.5, TensorRT 8.6"]);
        refused(&graph("Relu", &["x"], &[]), 12, &["operator set 12", "the CPU"]);
    }

    #[test]
    fn shapes_must_be_constant_and_resizing_of_a_known_kind() {
        refused(&graph("Reshape", &["x", "shape"], &[]), 17, &["Reshape_7", "computed input \"shape\""]);
        refused(
            &graph("Resize", &["x", "", "c"], &[("mode", "cubic")]),
            17,
            &["mode \"cubic\"", "TensorRT 8.5"],
        );
        let mut half = graph("Relu", &["x"], &[]);
        half.initializer[0].data_type = 10;
        refused(&half, 17, &["neither float32 nor int64"]);
    }
}
