//! The spade family as an ONNX graph, in the form that costs the fewest passes over memory.
//!
//! Every batch norm folds away: into the convolutions before it, also through the bilinear upsampling between them
//! (which keeps constants, so a factor and an addend a channel may move to its other side), and the first into the
//! learned start.

use tch::Tensor;

use super::fold::{Affine, Kernel};
use super::graph::{Graph, Value};
use super::heat;
use super::modulation::Modulator;
use crate::config::Architecture;
use crate::error::Result;
use crate::nets::LEAKY_SLOPE;
use crate::nets::image_generator::{START_SIZE, Spade};

/// The last feature map, `[N, C, size, size]`.
///
/// # Errors
/// [`crate::Error::Export`] if the graph can't be built, [`crate::Error::Torch`] if weights can't be read.
pub fn features(g: &mut Graph, net: &Spade, arch: &Architecture) -> Result<Value> {
    let mut sizes = vec![START_SIZE];
    sizes.extend(net.blocks.iter().map(|s| s.size));
    let heat = heat::maps(g, net.tau, arch.keypoints, &sizes)?;
    // In the order in which they are applied.
    let modulations = net.blocks.iter().flat_map(|s| {
        let shortcut = s.shortcut.as_ref().map(|s| &s.modulation);
        [Some(&s.spade_in.modulation), shortcut, Some(&s.spade_out.modulation)].into_iter().flatten()
    });
    let mut modulator = Modulator::new(g, &heat, modulations, arch)?;

    let mut x = g.tensor(&start(net))?;
    for (i, block) in net.blocks.iter().enumerate() {
        // What the last convolutions are followed by: the next block's norm; the head has none.
        let channels = block.conv_out.weight.size()[0];
        let after = match net.blocks.get(i + 1) {
            Some(next) => Affine::from(&next.spade_in.norm),
            None => Affine::identity(channels),
        };
        let y = modulator.apply(g, &x, i)?;
        let y = g.leaky_relu(&y, LEAKY_SLOPE);
        let shortcut = match &block.shortcut {
            Some(shortcut) => {
                let round = modulator.apply(g, &x, i)?;
                let round = g.conv(&round, &Kernel::folded(&shortcut.conv, &after.without_shift()))?;
                Some(g.upsample(&round))
            }
            None => None,
        };
        let y = g.conv(&y, &Kernel::folded(&block.conv_in, &Affine::from(&block.spade_out.norm)))?;
        let y = g.upsample(&y);
        let y = modulator.apply(g, &y, i + 1)?;
        let y = g.leaky_relu(&y, LEAKY_SLOPE);
        let y = g.conv(&y, &Kernel::folded(&block.conv_out, &after))?;
        x = match shortcut {
            Some(round) => g.zip("Add", &y, &round),
            None => y,
        };
    }
    Ok(x)
}

/// The learned start `[1, C, 4, 4]` with the first norm applied.
fn start(net: &Spade) -> Tensor {
    match net.blocks.first() {
        Some(block) => {
            let norm = Affine::from(&block.spade_in.norm);
            &net.start * norm.scale.view([1, -1, 1, 1]) + norm.shift.view([1, -1, 1, 1])
        }
        None => net.start.shallow_clone(),
    }
}
