//! The encoder as an ONNX graph.

use lkg_bundle::Network;

use super::fold::Kernel;
use super::graph::{Exported, Graph};
use crate::config::Architecture;
use crate::error::Result;
use crate::nets::{Encoder, LEAKY_SLOPE};

/// Exports the encoder, see [`Network::Encoder`] for its input and outputs.
///
/// # Errors
/// [`crate::Error::Export`] if the graph does not fit the contract, [`crate::Error::Torch`] if weights can't be
/// read.
pub fn build(net: &Encoder, arch: &Architecture) -> Result<Exported> {
    let mut g = Graph::new(Network::Encoder, arch.bundle_dims());
    let mut x = g.input("image")?;
    for conv in &net.downs {
        x = g.conv(&x, &Kernel::plain(conv))?;
        x = g.leaky_relu(&x, LEAKY_SLOPE);
    }
    let x = g.reshape(&x, &[net.hidden.weight.size()[1]]);
    let x = g.linear(&x, &net.hidden.weight, &net.hidden.bias)?;
    let x = g.leaky_relu(&x, LEAKY_SLOPE);
    // Two products rather than one cut in two: each has its output's shape but for the axes.
    let (k, e) = (arch.keypoints, arch.embedding);
    let mut part = |start: i64, length: i64| {
        let (weight, bias) =
            (net.appearance.weight.narrow(0, start, length), net.appearance.bias.narrow(0, start, length));
        g.linear(&x, &weight, &bias)
    };
    let (embeddings, background) = (part(0, k * e)?, part(k * e, e)?);
    let embeddings = g.reshape(&embeddings, &[k, e]);
    g.finish(&[("embeddings", embeddings), ("background", background)])
}
