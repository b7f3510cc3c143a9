//! Cuts an image generator's graph in two: what depends on the appearance alone, computed once a face, and what draws
//! a frame from that and the pose.

use std::collections::HashSet;
use std::path::Path;

use lkg_bundle::bundle::{MANIFEST, describe_files};
use lkg_bundle::files::write_atomically;
use lkg_bundle::manifest::{Manifest, NetworkInfo};
use lkg_bundle::onnx::{self, FLOAT, GraphProto, ModelProto, NodeProto, TensorProto};
use lkg_bundle::{Bundle, BundleDims, Network};
use prost::Message;

use super::graph::value_info;
use super::parity::{self, BATCHES, SEEDS};
use super::{cases, check_bundle, heat, target};
use crate::error::{Error, Result};
use crate::onnx_runtime::OnnxSession;
use crate::support::staged::StagedFolder;

/// An image generator in two graphs.
#[derive(Clone, Debug)]
pub struct Halves {
    /// [`Network::Style`].
    pub style: ModelProto,
    /// [`Network::Render`].
    pub render: ModelProto,
    /// The bundle's sizes with that of the tables.
    pub dims: BundleDims,
    /// Multiply-accumulates of `style` for one image.
    pub style_macs: u64,
}

/// Cuts the graph of [`Network::ImageGenerator`] where everything that the appearance alone decides is one table, which
/// `export::modulation` then splits into layers. `None` of a graph of another form: the published modulation and the
/// warp family make more than that of the appearance.
pub fn cut(model: &ModelProto, dims: &BundleDims) -> Option<Halves> {
    let graph = model.graph.as_ref()?;
    let table = table(graph, dims)?;
    let lengths = graph.initializer.iter().find(|t| Some(&t.name) == table.input.get(1))?;
    let rows: i64 = lengths.raw_data.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).sum();
    // Gamma and beta of each part, of the background and of the map that carries the bias.
    let dims = BundleDims { tables: Some([usize::try_from(rows).ok()?, dims.keypoints + 2]), ..*dims };
    let cut = table.input.first()?;
    // What one half makes and the other takes.
    let shared = Network::Style.outputs(&dims).first()?.name;
    let style = half(model, Network::Style, &dims, |node| rename(&mut node.output, cut, shared));
    let render = half(model, Network::Render, &dims, |node| rename(&mut node.input, cut, shared));
    let style_macs = products(style.graph.as_ref()?, dims.keypoints as u64 + 2);
    Some(Halves { style, render, dims, style_macs })
}

/// The node that hands to the layers all that the pose does not change.
fn table<'a>(graph: &'a GraphProto, dims: &BundleDims) -> Option<&'a NodeProto> {
    let names = |network: Network| network.inputs(dims).into_iter().map(|spec| spec.name);
    let mut appearance: HashSet<&str> = names(Network::Style).collect();
    let mut posed: HashSet<&str> =
        names(Network::ImageGenerator).filter(|name| !appearance.contains(name)).collect();
    let mut seam = HashSet::new();
    for node in &graph.node {
        let inputs = || node.input.iter().map(String::as_str);
        let outputs = node.output.iter().map(String::as_str);
        if inputs().any(|i| posed.contains(i)) {
            seam.extend(inputs().filter(|i| appearance.contains(i)));
            posed.extend(outputs);
        } else if inputs().any(|i| appearance.contains(i)) {
            appearance.extend(outputs);
        }
    }
    let splits = |n: &&NodeProto| n.op_type == "Split" && seam.contains(n.output.first().map_or("", |o| o));
    let node = graph.node.iter().find(splits)?;
    let all = seam.len() == node.output.len() && node.output.iter().all(|o| seam.contains(o.as_str()));
    all.then_some(node)
}

fn rename(names: &mut [String], from: &str, to: &str) {
    names.iter_mut().filter(|n| *n == from).for_each(|n| *n = to.to_owned());
}

/// The part of the graph that makes the outputs of `network`.
fn half(
    model: &ModelProto,
    network: Network,
    dims: &BundleDims,
    seam: impl Fn(&mut NodeProto),
) -> ModelProto {
    let whole = model.graph.clone().unwrap_or_default();
    let outputs = network.outputs(dims);
    let mut needed: HashSet<String> = outputs.iter().map(|s| s.name.to_owned()).collect();
    let mut node = Vec::new();
    for mut n in whole.node.into_iter().rev() {
        seam(&mut n);
        if n.output.iter().any(|o| needed.contains(o)) {
            needed.extend(n.input.iter().cloned());
            node.push(n);
        }
    }
    node.reverse();
    let initializer = whole.initializer.into_iter().filter(|t| needed.contains(&t.name)).collect();
    let graph = GraphProto {
        name: network.name().to_owned(),
        node,
        initializer,
        input: network.inputs(dims).iter().map(value_info).collect(),
        output: outputs.iter().map(value_info).collect(),
        ..GraphProto::default()
    };
    ModelProto { graph: Some(graph), ..model.clone() }
}

/// Multiply-accumulates of products with constants: `[T, E]` times `columns`, or one row for each appearance.
fn products(graph: &GraphProto, columns: u64) -> u64 {
    let constant = |name: Option<&String>| graph.initializer.iter().find(|t| Some(&t.name) == name);
    let elements = |t: &TensorProto| t.dims.iter().product::<i64>().unsigned_abs();
    let macs = |n: &NodeProto| match (constant(n.input.first()), constant(n.input.get(1))) {
        (Some(left), _) => elements(left) * columns,
        (None, Some(right)) => elements(right),
        _ => 0,
    };
    graph.node.iter().filter(|n| n.op_type == "MatMul").map(macs).sum()
}

/// Puts the floor of [`heat::FLOOR`] under every exponential that has none.
fn floor_exponents(model: &mut ModelProto) {
    let Some(graph) = &mut model.graph else { return };
    let name = "exponent_floor".to_owned();
    let floored = |n: &NodeProto| n.op_type == "Max";
    if graph.node.iter().any(floored) || graph.initializer.iter().any(|t| t.name == name) {
        return;
    }
    let mut nodes = Vec::new();
    for mut node in std::mem::take(&mut graph.node) {
        if node.op_type == "Exp" {
            let output = format!("{}_floored", node.input[0]);
            nodes.push(NodeProto {
                input: vec![node.input[0].clone(), name.clone()],
                output: vec![output.clone()],
                name: output.clone(),
                op_type: "Max".to_owned(),
                ..NodeProto::default()
            });
            node.input[0] = output;
        }
        nodes.push(node);
    }
    graph.node = nodes;
    let raw_data = heat::FLOOR.to_le_bytes().to_vec();
    graph.initializer.push(TensorProto { data_type: FLOAT, name, raw_data, ..TensorProto::default() });
}

/// Brings the image generator of the bundle in `dir` into the form that exports have now: no exponential small enough to
/// be slow, and in two files. Both forms are run on the same inputs, and the new bundle is checked against its golden
/// tensors, before it is put in `out`. Returns its manifest and the largest difference between the forms.
///
/// # Errors
/// [`Error::Output`] if the bundle has the two files already or `out` is taken, [`Error::Export`] if the graph is of another
/// form or the halves draw something else, and those of ONNX Runtime and the file system.
pub fn split_bundle(dir: &Path, out: &Path, force: bool) -> Result<(Manifest, f32)> {
    let bundle = Bundle::open(dir)?;
    bundle.verify_files()?;
    if bundle.draws_in_two() {
        let reason = "its image generator is in two files already".to_owned();
        return Err(Error::Output { path: dir.to_owned(), reason });
    }
    let network = Network::ImageGenerator;
    let content = bundle.read_network(network)?;
    let unreadable = |e: prost::DecodeError| Error::Export(format!("{network}: {e}"));
    let mut model = ModelProto::decode(&*content).map_err(unreadable)?;
    floor_exponents(&mut model);
    let halves = cut(&model, &bundle.manifest().dims).ok_or_else(|| {
        Error::Export(format!(
            "{}: what the appearance decides in this image generator is not one table, so it stays in one file",
            dir.display()
        ))
    })?;
    let contents = [(Network::Style, &halves.style), (Network::Render, &halves.render)]
        .map(|(n, model)| (n, model.encode_to_vec()));
    let mut parts = OnnxSession::in_two(&contents[0].1, &contents[1].1, &halves.dims)?;
    let mut whole = OnnxSession::new(network, &content)?;
    let mut worst = 0.0f32;
    for (batch, seed) in BATCHES.into_iter().flat_map(|b| SEEDS.map(|s| (b, s))) {
        let inputs = cases::random(network, &bundle.manifest().dims, batch, seed);
        let found = parity::differences(&whole.run(&inputs)?, &parts.run(&inputs)?);
        parity::require(network, &found, bundle.manifest().tolerance)?;
        worst = found.into_values().fold(worst, f32::max);
    }

    let mut manifest = bundle.manifest().clone();
    let was = manifest.networks.remove(&network).unwrap_or_default();
    manifest.files.remove(&network.file_name());
    manifest.dims = halves.dims;
    target::check(out, force)?;
    let staged = StagedFolder::create(out)?;
    copy_rest(dir, staged.dir())?;
    for (half, content) in &contents {
        write_atomically(&staged.dir().join(half.file_name()), content)?;
        manifest.files.extend(describe_files(staged.dir(), &[half.file_name()])?);
        manifest.networks.insert(*half, info(*half, content, &halves, &was)?);
    }
    let path = staged.dir().join(MANIFEST);
    write_atomically(&path, manifest.to_json(&path)?.as_bytes())?;
    check_bundle(staged.dir(), None)?;
    // The checks took a while: look again.
    target::check(out, force)?;
    staged.publish()?;
    Ok((manifest, worst))
}

/// Copies what else lies in the bundle, also what its manifest does not name.
fn copy_rest(from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(from).map_err(Error::io(from))? {
        let path = entry.map_err(Error::io(from))?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_file() && name != MANIFEST && *name != *Network::ImageGenerator.file_name() {
            std::fs::copy(&path, to.join(name)).map_err(Error::io(&path))?;
        }
    }
    Ok(())
}

/// What the manifest says of a half, given what is known of the whole.
///
/// # Errors
/// [`Error::Bundle`] if the graph is not as the contract asks.
pub fn info(half: Network, content: &[u8], halves: &Halves, whole: &NetworkInfo) -> Result<NetworkInfo> {
    let summary = onnx::check_model(content, half, &halves.dims)?;
    let style = half == Network::Style;
    Ok(NetworkInfo {
        opset: summary.opset,
        operators: summary.operators,
        parameters: summary.parameters,
        macs: if style { halves.style_macs } else { whole.macs.saturating_sub(halves.style_macs) },
        parity: if style { parity::Differences::new() } else { whole.parity.clone() },
    })
}
