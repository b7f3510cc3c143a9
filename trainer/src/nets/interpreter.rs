//! Runs the convolutional part of an ONNX file on libtorch, differentiably: for frozen pretrained networks.

use std::collections::HashMap;

use lkg_bundle::onnx::{AttributeProto, FLOAT, INT64, ModelProto, NodeProto, TensorProto};
use prost::Message;
use tch::{Device, Kind, Tensor};

/// What a node does. Only what feature networks need; anything else is refused when the file is read.
#[derive(Debug)]
enum Operator {
    Add,
    Relu,
    Transpose(Vec<i64>),
    Reshape(Vec<i64>),
    Conv { weight: Tensor, bias: Option<Tensor>, window: Window, groups: i64 },
    MaxPool(Window),
    AveragePool(Window),
}

/// How a convolution or a pool walks over a map.
#[derive(Debug)]
struct Window {
    kernel: Vec<i64>,
    strides: Vec<i64>,
    dilations: Vec<i64>,
    /// Top, left, bottom, right.
    pads: Vec<i64>,
}

#[derive(Debug)]
struct Node {
    operator: Operator,
    inputs: Vec<usize>,
    output: usize,
}

/// A graph with one input, ready to run. Values are numbered; number 0 is the input.
#[derive(Debug)]
pub struct Interpreter {
    nodes: Vec<Node>,
    names: HashMap<String, usize>,
}

impl Interpreter {
    /// Reads an ONNX file as far as the values named `wanted` need it; its weights go to `device`.
    ///
    /// # Errors
    /// A sentence on what is wrong with the file, or on which operator is not known.
    pub fn read(content: &[u8], wanted: &[&str], device: Device) -> Result<Self, String> {
        let model = ModelProto::decode(content).map_err(|e| format!("not an ONNX file ({e})"))?;
        let graph = model.graph.ok_or("no graph in it")?;
        let constants: HashMap<&str, &TensorProto> =
            graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
        let mut inputs = graph.input.iter().filter(|v| !constants.contains_key(v.name.as_str()));
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return Err("it must have one input".into());
        };

        let needed = needed(&graph.node, wanted)?;
        let mut names = HashMap::from([(input.name.clone(), 0)]);
        let mut nodes = Vec::new();
        for node in needed.into_iter().map(|i| &graph.node[i]) {
            let operator = operator(node, &constants, device)?;
            let values = match operator {
                Operator::Add => 2,
                _ => 1,
            };
            let inputs = node.input.iter().take(values).map(|name| {
                names
                    .get(name)
                    .copied()
                    .ok_or_else(|| format!("{} reads {name:?}, which is not there", node.name))
            });
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            let [output] = node.output.as_slice() else {
                return Err(format!("{} {} has more than one output", node.op_type, node.name));
            };
            if inputs.len() != values {
                return Err(format!("{} {} has too few inputs", node.op_type, node.name));
            }
            let number = names.len();
            names.insert(output.clone(), number);
            nodes.push(Node { operator, inputs, output: number });
        }
        Ok(Self { nodes, names })
    }

    /// The values named `wanted` for one input; those that were not asked for when the file was read are left out.
    pub fn run(&self, input: &Tensor, wanted: &[&str]) -> Vec<Tensor> {
        let wanted: Vec<usize> = wanted.iter().filter_map(|name| self.names.get(*name).copied()).collect();
        let last = wanted.iter().copied().max().unwrap_or(0);
        let mut uses = vec![0usize; self.names.len()];
        let nodes = || self.nodes.iter().take_while(|node| node.output <= last);
        nodes().flat_map(|node| &node.inputs).chain(&wanted).for_each(|i| uses[*i] += 1);

        let mut values: Vec<Option<Tensor>> = uses.iter().map(|_| None).collect();
        values[0] = Some(input.shallow_clone());
        for node in nodes() {
            let output = {
                let inputs: Vec<&Tensor> = node.inputs.iter().filter_map(|i| values[*i].as_ref()).collect();
                node.operator.apply(&inputs)
            };
            values[node.output] = Some(output);
            // What nothing reads any more is given back at once: maps are large.
            for i in &node.inputs {
                uses[*i] -= 1;
                if uses[*i] == 0 {
                    values[*i] = None;
                }
            }
        }
        wanted.into_iter().filter_map(|i| values[i].as_ref().map(Tensor::shallow_clone)).collect()
    }
}

/// Numbers of the nodes that `wanted` depend on, in the file's order, which is topological.
fn needed(nodes: &[NodeProto], wanted: &[&str]) -> Result<Vec<usize>, String> {
    let makers: HashMap<&str, usize> =
        nodes.iter().enumerate().flat_map(|(i, n)| n.output.iter().map(move |o| (o.as_str(), i))).collect();
    let mut open: Vec<usize> = wanted
        .iter()
        .map(|name| makers.get(name).copied().ok_or_else(|| format!("no value named {name:?} in it")))
        .collect::<Result<_, _>>()?;
    let mut found = vec![false; nodes.len()];
    while let Some(i) = open.pop() {
        if !std::mem::replace(&mut found[i], true) {
            open.extend(nodes[i].input.iter().filter_map(|name| makers.get(name.as_str())));
        }
    }
    Ok((0..nodes.len()).filter(|i| found[*i]).collect())
}

fn operator(
    node: &NodeProto,
    constants: &HashMap<&str, &TensorProto>,
    device: Device,
) -> Result<Operator, String> {
    let attribute = |name: &str| node.attribute.iter().find(|a| a.name == name);
    let constant = |i: usize| node.input.get(i).and_then(|name| constants.get(name.as_str()).copied());
    let lacks = |what: &str| format!("{} {} has no {what}", node.op_type, node.name);
    Ok(match node.op_type.as_str() {
        "Add" => Operator::Add,
        "Relu" => Operator::Relu,
        "Transpose" => Operator::Transpose(attribute("perm").ok_or_else(|| lacks("perm"))?.ints.clone()),
        "Reshape" => Operator::Reshape(integers(constant(1).ok_or_else(|| lacks("constant shape"))?)?),
        "Conv" => Operator::Conv {
            weight: floats(constant(1).ok_or_else(|| lacks("constant weight"))?, device)?,
            bias: constant(2).map(|t| floats(t, device)).transpose()?,
            window: Window::new(node)?,
            groups: attribute("group").map_or(1, |a| a.i),
        },
        "MaxPool" => Operator::MaxPool(Window::new(node)?),
        "AveragePool" => {
            let window = Window::new(node)?;
            if window.pads.iter().any(|p| *p != 0) {
                return Err(format!("AveragePool {} is padded, which is not supported", node.name));
            }
            Operator::AveragePool(window)
        }
        other => return Err(format!("operator {other} is not supported")),
    })
}

impl Window {
    fn new(node: &NodeProto) -> Result<Self, String> {
        let find = |name: &str| node.attribute.iter().find(|a: &&AttributeProto| a.name == name);
        let list = |name: &str, usual: &[i64]| find(name).map_or(usual.to_vec(), |a| a.ints.clone());
        let automatic = find("auto_pad").is_some_and(|a| a.s != b"NOTSET");
        let kernel = list("kernel_shape", &[]);
        if automatic || kernel.len() != 2 || find("ceil_mode").is_some_and(|a| a.i != 0) {
            return Err(format!("{} {} is of a form that is not supported", node.op_type, node.name));
        }
        Ok(Self {
            kernel,
            strides: list("strides", &[1, 1]),
            dilations: list("dilations", &[1, 1]),
            pads: list("pads", &[0, 0, 0, 0]),
        })
    }

    /// `x` with `value` round it, where libtorch's own padding, which is symmetric, is not enough.
    fn padded(&self, x: &Tensor, value: f64) -> Tensor {
        let [top, left, bottom, right] = self.pads[..] else { return x.shallow_clone() };
        if top + left + bottom + right == 0 {
            return x.shallow_clone();
        }
        x.pad([left, right, top, bottom], "constant", value)
    }
}

impl Operator {
    fn apply(&self, inputs: &[&Tensor]) -> Tensor {
        let x = inputs[0];
        match self {
            Self::Add => x + inputs[1],
            Self::Relu => x.relu(),
            Self::Transpose(axes) => x.permute(axes),
            Self::Reshape(shape) => x.reshape(shape),
            Self::Conv { weight, bias, window: w, groups } => {
                let (x, pads) = match w.pads[..] {
                    [top, left, bottom, right] if top == bottom && left == right => {
                        (x.shallow_clone(), [top, left])
                    }
                    _ => (w.padded(x, 0.0), [0, 0]),
                };
                let (weight, bias) = (weight.to_kind(x.kind()), bias.as_ref().map(|b| b.to_kind(x.kind())));
                x.conv2d(&weight, bias, &w.strides, pads, &w.dilations, *groups)
            }
            Self::MaxPool(w) => {
                w.padded(x, f64::NEG_INFINITY).max_pool2d(&w.kernel, &w.strides, [0, 0], &w.dilations, false)
            }
            Self::AveragePool(w) => x.avg_pool2d(&w.kernel, &w.strides, [0, 0], false, true, None),
        }
    }
}

fn floats(tensor: &TensorProto, device: Device) -> Result<Tensor, String> {
    let elements = tensor.dims.iter().product::<i64>();
    if tensor.data_type != FLOAT || tensor.raw_data.len() as i64 != 4 * elements {
        return Err(format!("constant {:?} is not float32, or cut short", tensor.name));
    }
    let copy = Tensor::f_from_data_size(&tensor.raw_data, &tensor.dims, Kind::Float);
    Ok(copy.map_err(|e| e.to_string())?.to_device(device))
}

fn integers(tensor: &TensorProto) -> Result<Vec<i64>, String> {
    let (chunks, rest) = tensor.raw_data.as_chunks::<8>();
    if tensor.data_type != INT64 || !rest.is_empty() {
        return Err(format!("constant {:?} is not int64", tensor.name));
    }
    Ok(chunks.iter().map(|c| i64::from_le_bytes(*c)).collect())
}
