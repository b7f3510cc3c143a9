//! The portrait networks as two graphs: what depends on the photo alone, and what is computed every frame. Every norm is
//! folded into the convolution before it.

use lkg_bundle::{BundleDims, Network};
use tch::{Device, Kind, Tensor};

use super::detector::conv_norm;
use super::flow::{self, Drive};
use super::fold::{Affine, Kernel};
use super::graph::{ExportedGraph, Graph, Value};
use super::sampling::{Places, gaussians};
use crate::error::Result;
use crate::nets::portrait::renderer::{Block, KEEP};
use crate::nets::portrait::{COARSE, FINE, FlowNet, PLACE, REACH, Renderer};

/// The photo's half, see [`Network::PortraitSource`] for its inputs and outputs.
///
/// # Errors
/// [`crate::Error::Export`] if the graph does not fit the contract, [`crate::Error::Torch`] if weights can't be read.
pub fn source(net: &Renderer, dims: BundleDims) -> Result<ExportedGraph> {
    let mut g = Graph::new(Network::PortraitSource, dims);
    let image = g.input("image")?;
    let side = image.length(3);
    let small = shrunk(&mut g, &image, side)?;

    let enter = Kernel::folded(&net.enter.conv, &Affine::from(&net.enter.norm)).of_pixels(side / FINE);
    let fine = g.conv(&image, &enter)?;
    let fine = g.map("Relu", &fine);
    let mut coarse = conv_norm(&mut g, &net.down, &fine)?;
    for block in &net.encode {
        coarse = residual(&mut g, block, &coarse)?;
    }
    let keypoints = g.input("keypoints")?;
    let placed = gaussians(&mut g, &keypoints, &[PLACE], COARSE).swap_remove(0);
    let coarse = g.concat(&[&coarse, &placed], 1);
    g.finish(&[("small", small), ("coarse", coarse), ("fine", fine)])
}

/// The frame's half, see [`Network::Portrait`].
///
/// # Errors
/// Those of [`source`].
pub fn frame(flow_net: &FlowNet, net: &Renderer, dims: BundleDims) -> Result<ExportedGraph> {
    let mut g = Graph::new(Network::Portrait, dims);
    let drive = drive(&mut g)?;
    let small = g.input("small")?;
    let motion = flow::build(&mut g, flow_net, &small, &drive)?;

    let trust = g.map("Sigmoid", &motion.trust);
    let coarse = g.input("coarse")?;
    let placed = drive.placed.length(1);
    let features = coarse.length(1) - placed;
    let coarse = Places::new(&mut g, &motion.flow).sample(&mut g, &coarse);
    let coarse = g.split(&coarse, 1, &[features, placed]);
    let trusted = g.zip("Mul", &coarse[0], &trust);
    let shown = g.concat(&[&trusted, &drive.placed, &coarse[1]], 1);
    let x = g.conv(&shown, &Kernel::folded(&net.merge.conv, &Affine::from(&net.merge.norm)))?;
    let x = g.map("Relu", &x);
    let change = drive.states(&mut g, &net.states)?;
    let mut x = g.zip("Add", &x, &change);
    for block in &net.blocks {
        x = residual(&mut g, block, &x)?;
    }
    let x = conv_norm(&mut g, &net.narrow, &x)?;
    let x = g.upsample_nearest(&x);

    let (flow, trust) = enlarged(&mut g, &motion.flow, &trust, FINE);
    let fine = g.input("fine")?;
    let fine = Places::new(&mut g, &flow).gated(&mut g, &trust).sample(&mut g, &fine);
    let image = g.input("image")?;
    let factor = image.length(3) / FINE;
    let (flow, keep) = enlarged(&mut g, &motion.flow, &motion.keep, image.length(3));
    let pixels = Places::new(&mut g, &flow).sample(&mut g, &image);
    let pixels = g.space_to_depth(&pixels, factor);
    let order = up_order(x.length(1) + fine.length(1), factor * factor);
    let x = g.concat(&[&x, &fine, &pixels], 1);
    let up = Kernel::folded(&net.up.conv, &Affine::from(&net.up.norm)).inputs(&order);
    let x = g.conv(&x, &up)?;
    let x = g.map("Relu", &x);
    let x = conv_norm(&mut g, &net.refine, &x)?;

    let head = Kernel::plain(&net.head);
    let (colours, masks) =
        (head.outputs(0, 3 * factor * factor), head.outputs(3 * factor * factor, factor * factor));
    let colour = g.conv(&x, &colours)?;
    let colour = g.map("Tanh", &colour);
    let colour = g.depth_to_space(&colour, factor);
    let mask = g.conv(&x, &Kernel { bias: &masks.bias + KEEP, ..masks })?;
    let mask = g.depth_to_space(&mask, factor);
    let mask = g.zip("Add", &mask, &keep);
    let mask = g.map("Sigmoid", &mask);
    g.finish(&[("flow", motion.flow), ("mask", mask), ("colour", colour)])
}

/// Both sets of keypoints and the change of states, as the networks see them.
fn drive(g: &mut Graph) -> Result<Drive> {
    let (source, driven) = (g.input("source_keypoints")?, g.input("keypoints")?);
    let change = g.input("change")?;
    let [k, s] = [1, 2].map(|axis| change.length(axis));
    let source_placed = gaussians(g, &source, &[PLACE], COARSE).swap_remove(0);
    let mut placed = gaussians(g, &driven, &[PLACE, REACH], COARSE);
    let (reach, placed) = (placed.swap_remove(1), placed.swap_remove(0));
    Ok(Drive {
        shifts: g.zip("Sub", &source, &driven),
        placed,
        source_placed,
        reach: g.reshape(&reach, &[k, COARSE * COARSE]),
        change: g.reshape(&change, &[1, k, s]),
    })
}

/// `image` at 32 px as [`crate::nets::resize::resize`] makes it: two products with what it makes of single pixels.
fn shrunk(g: &mut Graph, image: &Value, side: i64) -> Result<Value> {
    let pixels = Tensor::eye(side, (Kind::Double, Device::Cpu)).view([1, 1, side, side]);
    let columns =
        pixels.internal_upsample_bilinear2d_aa([side, COARSE], false, None, None).view([side, COARSE]);
    let (across, down) = (g.tensor(&columns)?, g.tensor(&columns.transpose(0, 1))?);
    let narrow = g.matmul(image, &across);
    Ok(g.matmul(&down, &narrow))
}

/// Motion `[N, 2, 32, 32]` and one map beside it, bilinearly at `side`.
fn enlarged(g: &mut Graph, motion: &Value, map: &Value, side: i64) -> (Value, Value) {
    let both = g.concat(&[motion, map], 1);
    let both = g.enlarge(&both, (side / COARSE) as usize);
    let parts = g.split(&both, 1, &[2, 1]);
    (parts[0].clone(), parts[1].clone())
}

fn residual(g: &mut Graph, block: &Block, x: &Value) -> Result<Value> {
    let y = conv_norm(g, &block.first, x)?;
    let y = conv_norm(g, &block.second, &y)?;
    let sum = g.zip("Add", &y, x);
    Ok(g.map("Relu", &sum))
}

/// Channels of what is read beside the photo's pixels, of which there are `features`, then of these: in the graph the three
/// colours of each of `places` lie together, in libtorch the places of each colour.
fn up_order(features: i64, places: i64) -> Vec<i64> {
    let pixels = (0..places).flat_map(|place| (0..3).map(move |colour| features + colour * places + place));
    (0..features).chain(pixels).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_read_in_the_order_of_the_graph() {
        assert_eq!(up_order(2, 4), [0, 1, 2, 6, 10, 3, 7, 11, 4, 8, 12, 5, 9, 13]);
        assert_eq!(up_order(1, 1), [0, 1, 2, 3]);
    }
}
