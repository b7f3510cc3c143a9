//! Where each place of a driven picture comes from, as part of a graph.

use super::detector::conv_norm;
use super::fold::Kernel;
use super::graph::{Graph, Value};
use super::{heat, sampling};
use crate::error::Result;
use crate::nets::layers::Conv;
use crate::nets::portrait::flow::FREE;
use crate::nets::portrait::{COARSE, FlowNet};

/// What a driven picture is made from besides the photo's features.
#[derive(Debug)]
pub struct Drive {
    /// `[N, K, 2]`: from each driven keypoint to the photo's.
    pub shifts: Value,
    /// `[N, K, 32, 32]`: Gaussians of the driven keypoints, as wide as the networks are told where parts are.
    pub placed: Value,
    /// `[N, K, 32, 32]`: the photo's.
    pub source_placed: Value,
    /// `[N, K, 1024]`: Gaussians of the driven keypoints, as wide as parts are.
    pub reach: Value,
    /// `[N, 1, K, S]`: change of states.
    pub change: Value,
}

impl Drive {
    /// A 1x1 convolution `[O, K S, 1, 1]` of the maps of changed states: `[N, O, 32, 32]`. Each part's change is read into O
    /// numbers first, so that the K S maps are never made.
    ///
    /// # Errors
    /// [`crate::Error::Torch`] if weights can't be read.
    pub fn states(&self, g: &mut Graph, conv: &Conv) -> Result<Value> {
        let (k, s, outputs) = (self.change.length(2), self.change.length(3), conv.weight.size()[0]);
        let weight = g.tensor(&conv.weight.view([outputs, k, s]))?;
        let read = g.zip("Mul", &self.change, &weight);
        let read = g.sum_last(&read);
        let maps = g.matmul(&read, &self.reach);
        Ok(g.reshape(&maps, &[outputs, COARSE, COARSE]))
    }
}

/// Motion from photo to driven picture.
#[derive(Debug)]
pub struct Motion {
    /// `[N, 2, 32, 32]`: how far from each place what shows there lies in the photo, normalised coordinates.
    pub flow: Value,
    /// `[N, 1, 32, 32]`, logits: how far to trust the photo's features.
    pub trust: Value,
    /// The same of its pixels.
    pub keep: Value,
}

/// The flow network; `small` is the photo, `[N, 3, 32, 32]`.
///
/// # Errors
/// [`crate::Error::Torch`] if weights can't be read.
pub fn build(g: &mut Graph, net: &FlowNet, small: &Value, drive: &Drive) -> Result<Motion> {
    let k = drive.shifts.length(1);
    let moved = sampling::shifted(g, small, &drive.shifts);
    let moved = g.reshape(&moved, &[3 * k, COARSE, COARSE]);
    let heat = g.zip("Sub", &drive.placed, &drive.source_placed);
    let change = drive.states(g, &net.states)?;
    let shown = g.concat(&[&heat, &moved, small, &change], 1);
    let stem =
        Kernel::folded(&net.stem.conv, &(&net.stem.norm).into()).inputs(&stem_order(k, change.length(1)));
    let mut x = g.conv(&shown, &stem)?;
    x = g.map("Relu", &x);
    let mut skips = vec![];
    for [halve, refine] in &net.downs {
        skips.push(x.clone());
        x = conv_norm(g, halve, &x)?;
        x = conv_norm(g, refine, &x)?;
    }
    for (up, skip) in net.ups.iter().zip(skips.iter().rev()) {
        x = g.upsample_nearest(&x);
        x = g.concat(&[&x, skip], 1);
        x = conv_norm(g, up, &x)?;
    }
    let out = g.conv(&x, &Kernel::plain(&net.head))?;
    let parts = g.split(&out, 1, &[k + 1, 2, 1, 1]);
    let flow = blend(g, &parts[0], &drive.shifts);
    let free = g.map("Tanh", &parts[1]);
    let most = g.scalar(FREE as f32);
    let free = g.zip("Mul", &free, &most);
    Ok(Motion { flow: g.zip("Add", &flow, &free), trust: parts[2].clone(), keep: parts[3].clone() })
}

/// The mean of the parts' shifts and of no motion, which comes first, under the softmax of `masks` `[N, K + 1, 32, 32]`:
/// `[N, 2, 32, 32]`. Both sums of a softmax are divided at the end, not each of its elements.
fn blend(g: &mut Graph, masks: &Value, shifts: &Value) -> Value {
    let k = shifts.length(1);
    let most = g.max_channel(masks);
    let exponent = g.zip("Sub", masks, &most);
    let counts = heat::falloff(g, &exponent);
    let counts = g.reshape(&counts, &[k + 1, COARSE * COARSE]);
    let still: Vec<f32> = (0..k * (k + 1)).map(|i| f32::from(i % (k + 1) == i / (k + 1) + 1)).collect();
    let still = g.floats(&[k, k + 1], &still);
    let shifts = g.transpose(shifts);
    let shifts = g.matmul(&shifts, &still);
    let sum = g.matmul(&shifts, &counts);
    let total = g.sum_channels(&counts);
    let mean = g.zip("Div", &sum, &total);
    g.reshape(&mean, &[2, COARSE, COARSE])
}

/// Channels of the stem's input in the order of the graph: the parts' Gaussians, the photo moved with each, the photo where
/// it is, then the `states` maps. In libtorch each part's four lie together, and before them those of no motion, whose
/// Gaussian is 0.
fn stem_order(k: i64, states: i64) -> Vec<i64> {
    let gaussians = (1..=k).map(|part| 4 * part);
    let moved = (1..=k).flat_map(|part| (1..4).map(move |colour| 4 * part + colour));
    let states = (0..states).map(|i| 4 * (k + 1) + i);
    gaussians.chain(moved).chain(1..4).chain(states).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stem_reads_all_but_the_gaussian_of_no_motion() {
        let order = stem_order(2, 3);
        assert_eq!(order, [4, 8, 5, 6, 7, 9, 10, 11, 1, 2, 3, 12, 13, 14]);
    }
}
