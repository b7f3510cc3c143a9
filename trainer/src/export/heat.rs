//! Heat maps in a graph, see [`lkg_bundle::conventions`] for the formula: outer products of one exponential a row and one a
//! column, all sizes in one go.

use lkg_bundle::conventions::pixel_centre;

use super::graph::{Graph, Value};
use crate::error::Result;

/// Least exponent. Without it the far ends of a Gaussian, and products of two, are denormal numbers, with which many
/// processors are up to a hundred times slower; e^-40 is nothing beside the 1 of the peak.
pub const FLOOR: f32 = -40.0;

/// `exp` of exponents of at most 0.
pub fn falloff(g: &mut Graph, exponent: &Value) -> Value {
    let floor = g.scalar(FLOOR);
    let floored = g.zip("Max", exponent, &floor);
    g.map("Exp", &floored)
}

/// Heat maps of one size.
#[derive(Debug)]
pub struct Heat {
    /// `[N, K, size, size]`.
    pub parts: Value,
    /// `[N, 1, size, size]`: the largest of the parts, which is 1 minus the background.
    pub largest: Value,
    /// `[N, 1, size, size]`.
    pub background: Value,
    /// Side.
    pub size: i64,
}

/// Heat maps of `keypoints` parts at each of `sizes`, from the inputs `keypoints`, `scales` and `visible`.
///
/// # Errors
/// [`crate::Error::Export`] if the network has no such inputs.
pub fn maps(g: &mut Graph, tau: f64, keypoints: i64, sizes: &[i64]) -> Result<Vec<Heat>> {
    let k = keypoints;
    let keypoints = g.input("keypoints")?;
    let keypoints = g.reshape(&keypoints, &[k, 2, 1]);
    let scales = g.input("scales")?;
    let squared = g.zip("Mul", &scales, &scales);
    let minus_inverse_tau = g.scalar((-1.0 / tau) as f32);
    let factor = g.zip("Div", &minus_inverse_tau, &squared);
    let factor = g.reshape(&factor, &[k, 1, 1]);
    let visible = g.input("visible")?;
    let visible = g.reshape(&visible, &[k, 1, 1]);

    let centres = centres(sizes);
    let centres = g.floats(&[centres.len() as i64], &centres);
    let distance = g.zip("Sub", &keypoints, &centres);
    let squared = g.zip("Mul", &distance, &distance);
    let exponent = g.zip("Mul", &squared, &factor);
    let falloff = falloff(g, &exponent);
    let axes = g.split(&falloff, 2, &[1, 1]);
    let rows = g.split(&axes[0], 3, sizes);
    let columns = g.zip("Mul", &axes[1], &visible);
    let columns = g.split(&columns, 3, sizes);

    let one = g.scalar(1.0);
    let mut heat = Vec::new();
    for ((row, column), &size) in rows.iter().zip(&columns).zip(sizes) {
        let column = g.reshape(column, &[k, size, 1]);
        let parts = g.zip("Mul", &column, row);
        let largest = g.max_channel(&parts);
        let background = g.zip("Sub", &one, &largest);
        heat.push(Heat { parts, largest, background, size });
    }
    Ok(heat)
}

/// Pixel centres of each of `sizes`, one size after the other, normalised coordinates.
pub fn centres(sizes: &[i64]) -> Vec<f32> {
    sizes.iter().flat_map(|&s| (0..s).map(move |i| pixel_centre(i as usize, s as usize))).collect()
}
