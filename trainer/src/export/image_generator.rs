//! Stage 2 as an ONNX graph: the feature map is the family's, the head the same for all.

use lkg_bundle::Network;

use super::fold::Kernel;
use super::graph::{ExportedGraph, Graph};
use super::{spade, warp};
use crate::config::Architecture;
use crate::error::{Error, Result};
use crate::nets::image_generator::Family;
use crate::nets::{ImageGenerator, LEAKY_SLOPE};

/// Exports the image generator at its full size, see [`Network::ImageGenerator`] for its inputs and output.
///
/// # Errors
/// [`Error::Export`] if the network has no head for `arch.image_size` or the graph does not fit the contract,
/// [`Error::Torch`] if weights can't be read.
pub fn build(net: &ImageGenerator, arch: &Architecture) -> Result<ExportedGraph> {
    let mut g = Graph::new(Network::ImageGenerator, arch.bundle_dims());
    let (_, to_rgb) = net.to_rgb.iter().find(|(size, _)| *size == arch.image_size).ok_or_else(|| {
        Error::Export(format!("the image generator has no head for {} px", arch.image_size))
    })?;
    let x = match &net.family {
        Family::Spade(net) => spade::features(&mut g, net, arch)?,
        Family::Warp(net) => warp::features(&mut g, net, arch)?,
    };
    let x = g.leaky_relu(&x, LEAKY_SLOPE);
    let x = g.conv(&x, &Kernel::plain(to_rgb))?;
    let image = g.map("Tanh", &x);
    g.finish(&[("image", image)])
}
