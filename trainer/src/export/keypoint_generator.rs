//! Stage 1 as an ONNX graph.

use models::Network;

use super::graph::{Exported, Graph, Value};
use crate::config::Architecture;
use crate::error::Result;
use crate::nets::keypoint_generator::Mlp;
use crate::nets::{KeypointGenerator, LEAKY_SLOPE};

/// Exports the keypoint generator, see [`Network::KeypointGenerator`] for its inputs and outputs.
///
/// # Errors
/// [`crate::Error::Export`] if the graph does not fit the contract, [`crate::Error::Torch`] if weights can't be
/// read.
pub fn build(net: &KeypointGenerator, arch: &Architecture) -> Result<Exported> {
    let mut g = Graph::new(Network::KeypointGenerator, arch.bundle_dims());
    let (k, e) = (arch.keypoints, arch.embedding);

    let z = g.input("z_pose")?;
    // Dividing the last layer's weights divides its output.
    let raw = mlp(&mut g, &net.pose, &z, net.divisor())?;
    let keypoints = g.map("Tanh", &raw);
    let keypoints = g.reshape(&keypoints, &[k, 2]);

    let z = g.input("z_appearance")?;
    let look = mlp(&mut g, &net.appearance, &z, 1.0)?;
    let look = g.reshape(&look, &[1, e]);
    let parts = g.tensor(&net.part_constants.unsqueeze(0))?;
    let embeddings = g.zip("Mul", &look, &parts);

    let z = g.input("z_background")?;
    let background = mlp(&mut g, &net.background, &z, 1.0)?;
    g.finish(&[("keypoints", keypoints), ("embeddings", embeddings), ("background", background)])
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
