//! Stage 1 as an ONNX graph.

use lkg_bundle::Network;
use tch::Kind;

use super::fold::Affine;
use super::graph::{Exported, Graph, Value};
use crate::config::Architecture;
use crate::error::Result;
use crate::nets::keypoint_generator::{Family, Mlp, Product, Trunk};
use crate::nets::{KeypointGenerator, LEAKY_SLOPE};

/// Exports the keypoint generator, see [`Network::KeypointGenerator`] for its inputs and outputs.
///
/// # Errors
/// [`crate::Error::Export`] if the graph does not fit the contract, [`crate::Error::Torch`] if weights can't be
/// read.
pub fn build(net: &KeypointGenerator, arch: &Architecture) -> Result<Exported> {
    let mut g = Graph::new(Network::KeypointGenerator, arch.bundle_dims());
    let (raw, embeddings) = match &net.family {
        Family::Product(net) => product(&mut g, net, arch)?,
        Family::Trunk(net) => trunk(&mut g, net, arch)?,
    };
    let keypoints = g.map("Tanh", &raw);
    let keypoints = g.reshape(&keypoints, &[arch.keypoints, 2]);
    let z = g.input("z_background")?;
    let background = mlp(&mut g, &net.background, &z, 1.0)?;
    g.finish(&[("keypoints", keypoints), ("embeddings", embeddings), ("background", background)])
}

/// Values before tanh and embeddings, a network for each noise.
fn product(g: &mut Graph, net: &Product, arch: &Architecture) -> Result<(Value, Value)> {
    let z = g.input("z_pose")?;
    // Dividing the last layer's weights divides its output.
    let raw = mlp(g, &net.pose, &z, net.divisor)?;
    let z = g.input("z_appearance")?;
    let appearance = mlp(g, &net.appearance, &z, 1.0)?;
    let appearance = g.reshape(&appearance, &[1, arch.embedding]);
    let parts = g.tensor(&net.part_constants.unsqueeze(0))?;
    Ok((raw, g.zip("Mul", &appearance, &parts)))
}

/// The same from one trunk; its norm folds into the layer before it.
fn trunk(g: &mut Graph, net: &Trunk, arch: &Architecture) -> Result<(Value, Value)> {
    let (pose, appearance) = (g.input("z_pose")?, g.input("z_appearance")?);
    let z = g.concat(&[&pose, &appearance], 1);
    let norm = Affine::from(&net.norm);
    let weight = net.hidden.weight.to_kind(Kind::Double) * norm.scale.unsqueeze(1);
    let bias = net.hidden.bias.to_kind(Kind::Double) * &norm.scale + &norm.shift;
    let h = g.linear(&z, &weight, &bias)?;
    let h = g.leaky_relu(&h, LEAKY_SLOPE);
    let (weight, bias) = (&net.keypoints.weight / net.divisor, &net.keypoints.bias / net.divisor);
    let raw = g.linear(&h, &weight, &bias)?;
    let embeddings = g.linear(&h, &net.embeddings.weight, &net.embeddings.bias)?;
    Ok((raw, g.reshape(&embeddings, &[arch.keypoints, arch.embedding])))
}

/// Three fully connected layers, the result divided by `divisor`.
fn mlp(g: &mut Graph, net: &Mlp, x: &Value, divisor: f64) -> Result<Value> {
    let [a, b, c] = &net.layers;
    let x = g.linear(x, &a.weight, &a.bias)?;
    let x = g.leaky_relu(&x, LEAKY_SLOPE);
    let x = g.linear(&x, &b.weight, &b.bias)?;
    let x = g.leaky_relu(&x, LEAKY_SLOPE);
    g.linear(&x, &(&c.weight / divisor), &(&c.bias / divisor))
}
