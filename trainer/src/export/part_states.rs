//! The detector's states in a graph.

use super::graph::{Graph, Value};
use crate::error::Result;
use crate::nets::part_states::{SPREAD, StateHead, TOTAL};

/// States `[N, K, S]` from heat maps `[N, K, H, H]` that each sum to 1 and feature maps, each as large as the one before or
/// half of it.
///
/// # Errors
/// [`crate::Error::Torch`] if weights can't be read.
pub fn build(g: &mut Graph, head: &StateHead, heat: &Value, features: &[&Value]) -> Result<Value> {
    let k = heat.length(1);
    let states = head.weight.size()[2];
    // A mean over a square is one over rows of one over columns, which is cheaper.
    let spread = g.mean_around(heat, [1, SPREAD]);
    let mut spread = g.mean_around(&spread, [SPREAD, 1]);
    let (mut sum, mut start) = (None, 0);
    for map in features {
        let (channels, pixels) = (map.length(1), map.length(2) * map.length(3));
        if spread.length(3) != map.length(3) {
            spread = g.halve(&spread);
        }
        let weights = g.reshape(&spread, &[k, pixels]);
        let total = g.sum_last(&weights);
        let least = g.scalar(TOTAL as f32);
        let total = g.zip("Add", &total, &least);
        let total = g.reshape(&total, &[k, 1]);
        let map = g.reshape(map, &[channels, pixels]);
        let map = g.transpose(&map);
        let pooled = g.matmul(&weights, &map);
        let pooled = g.zip("Div", &pooled, &total);
        let pooled = g.reshape(&pooled, &[k, 1, channels]);
        // Each part's own layer, the share of it that reads this map.
        let weight = g.tensor(&head.weight.narrow(1, start, channels))?;
        let read = g.matmul(&pooled, &weight);
        start += channels;
        sum = Some(match sum {
            Some(sum) => g.zip("Add", &sum, &read),
            None => read,
        });
    }
    let sum = sum.ok_or_else(|| crate::Error::Export("no features to read states from".to_owned()))?;
    let sum = g.reshape(&sum, &[k, states]);
    let bias = g.tensor(&head.bias)?;
    let sum = g.zip("Add", &sum, &bias);
    Ok(g.map("Tanh", &sum))
}
