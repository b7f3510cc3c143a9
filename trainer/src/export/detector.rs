//! The detector as an ONNX graph, every batch norm folded into the convolution before it.

use lkg_bundle::Network;
use lkg_bundle::conventions::pixel_centre;

use super::fold::{Affine, Kernel};
use super::graph::{ExportedGraph, Graph, Value};
use super::part_states;
use crate::config::Architecture;
use crate::error::Result;
use crate::nets::Detector;
use crate::nets::detector::{ConvNorm, Separable, StateMaps};

/// Exports the detector, see [`Network::Detector`] for its input and outputs.
///
/// # Errors
/// [`crate::Error::Export`] if the graph does not fit the contract, [`crate::Error::Torch`] if weights can't be
/// read.
pub fn build(net: &Detector, arch: &Architecture) -> Result<ExportedGraph> {
    let mut g = Graph::new(Network::Detector, arch.bundle_dims());
    let image = g.input("image")?;
    let mut x = conv_norm(&mut g, &net.stem, &image)?;
    let mut skips = Vec::new();
    for level in &net.levels {
        for block in level {
            x = separable(&mut g, block, &x)?;
        }
        skips.push(x.clone());
    }
    // The lowest level's map is where the way up starts, not a skip.
    skips.pop();
    let mut below = x.clone();
    for (up, skip) in net.ups.iter().zip(skips.iter().rev()) {
        below = x.clone();
        x = conv_norm(&mut g, &up.lateral, &x)?;
        x = g.upsample(&x);
        x = g.zip("Add", &x, skip);
        x = separable(&mut g, &up.refine, &x)?;
    }

    let (k, side) = (arch.keypoints, arch.detector_size / 2);
    let head = Kernel::plain(&net.head);
    // Two convolutions rather than one cut in two: the cut would copy the maps.
    let heat = g.conv(&x, &head.outputs(0, k))?;
    let heat = g.reshape(&heat, &[k, side * side]);
    let heat = g.softmax(&heat);
    let confidence_map = g.conv(&x, &head.outputs(k, k))?;
    let confidence_map = g.reshape(&confidence_map, &[k, side * side]);

    let centre = |i: i64| pixel_centre(i as usize, side as usize);
    let centres: Vec<f32> = (0..side * side).flat_map(|i| [centre(i % side), centre(i / side)]).collect();
    let centres = g.floats(&[side * side, 2], &centres);
    let keypoints = g.matmul(&heat, &centres);
    let weighted = g.zip("Mul", &heat, &confidence_map);
    let logits = g.sum_last(&weighted);
    let confidence = g.map("Sigmoid", &logits);
    let mut outputs = vec![("keypoints", keypoints), ("confidence", confidence)];
    if let Some(states) = &net.states {
        let heat = g.reshape(&heat, &[k, side, side]);
        let maps = net.state_maps.as_ref().map(|maps| state_maps(&mut g, maps, &x, &below)).transpose()?;
        let features: Vec<&Value> = [&x, &below].into_iter().chain(&maps).collect();
        outputs.push(("states", part_states::build(&mut g, states, &heat, &features)?));
    }
    g.finish(&outputs)
}

/// A convolution with its norm folded in.
///
/// # Errors
/// [`crate::Error::Torch`] if weights can't be read.
pub fn conv_norm(g: &mut Graph, layer: &ConvNorm, x: &Value) -> Result<Value> {
    let x = g.conv(x, &Kernel::folded(&layer.conv, &Affine::from(&layer.norm)))?;
    Ok(if layer.relu { g.map("Relu", &x) } else { x })
}

fn state_maps(g: &mut Graph, maps: &StateMaps, large: &Value, small: &Value) -> Result<Value> {
    let halved = conv_norm(g, &maps.halve, large)?;
    let lateral = conv_norm(g, &maps.lateral, small)?;
    let sum = g.zip("Add", &halved, &lateral);
    let mut x = g.map("Relu", &sum);
    for block in &maps.refine {
        x = separable(g, block, &x)?;
    }
    Ok(x)
}

fn separable(g: &mut Graph, block: &Separable, x: &Value) -> Result<Value> {
    let y = conv_norm(g, &block.depthwise, x)?;
    let y = conv_norm(g, &block.pointwise, &y)?;
    Ok(if block.residual { g.zip("Add", &y, x) } else { y })
}
