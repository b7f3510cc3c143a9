//! Which parts lie around each eye. No label says where eyes are: one is where states tell most of their closing, the other
//! is its mirror image.

use super::fit::{self, Columns};
use super::{DEFINITIONS, Half, Picture};
use crate::error::Result;
use crate::semantics::align::{centre, distance, radius};
use crate::semantics::mirror::Mirror;

/// Parts this far from an eye belong to it, in sizes of the whole layout.
const REACH: f64 = 0.9;

/// Parts around the eye on the left of the picture, and those around the other.
///
/// # Errors
/// [`crate::Error::Torch`].
pub fn around(
    pictures: &[&Picture],
    layout: &[[f64; 2]],
    mirror: &Mirror,
) -> Result<(Vec<usize>, Vec<usize>)> {
    let mut told = vec![];
    for part in 0..layout.len() {
        told.push(tells(pictures, layout.len(), part)?);
    }
    let axis = axis(layout, mirror);
    let reach = REACH * radius(layout);
    let most = (0..layout.len()).max_by(|a, b| told[*a].total_cmp(&told[*b])).unwrap_or_default();
    let [x, y] = layout.get(most).copied().unwrap_or_default();
    let beside = (x - axis).abs();
    let side = |half: Half| -> Vec<usize> {
        let sign = if half == Half::Left { -1.0 } else { 1.0 };
        let eye = [axis + sign * beside, y];
        let around = |part: &usize| {
            let at = layout[*part];
            // What lies on the axis is of both eyes, so of neither.
            (at[0] - axis) * sign > 0.0 && !mirror.axis.contains(part) && distance(at, eye) <= reach
        };
        (0..layout.len()).filter(around).collect()
    };
    Ok((side(Half::Left), side(Half::Right)))
}

/// How well the states of one part alone tell whether eyes are open: a correlation.
fn tells(pictures: &[&Picture], k: usize, part: usize) -> Result<f64> {
    let Some(eye) = DEFINITIONS.iter().find(|d| d.half.is_some()) else { return Ok(0.0) };
    let s = pictures.first().map_or(0, |p| p.states.len() / k.max(1));
    let own = |p: &&Picture| p.states[part * s..(part + 1) * s].to_vec();
    let values: Vec<f64> = pictures.iter().map(|p| eye.value(&p.amounts)).collect();
    let reading = fit::reading(&Columns::of(pictures.iter().map(own)), &values, &[])?;
    let read = |p: &Picture| {
        let sum: f64 = reading.weights.iter().zip(&p.states[part * s..]).map(|(w, s)| w * s).sum();
        reading.bias + sum
    };
    let pairs: Vec<(f64, f64)> = pictures.iter().zip(&values).map(|(p, v)| (*v, read(p))).collect();
    Ok(fit::correlation(&pairs))
}

/// Where left ends, x: the middle of what mirrors each other, or of all.
fn axis(layout: &[[f64; 2]], mirror: &Mirror) -> f64 {
    let middles = mirror.pairs.iter().map(|[a, b]| [(layout[*a][0] + layout[*b][0]) / 2.0, 0.0]);
    let middles: Vec<[f64; 2]> = middles.collect();
    centre(if middles.is_empty() { layout } else { &middles })[0]
}
