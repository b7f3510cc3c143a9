//! Parts of a set as batches of tensors, with progress.

use std::ops::Range;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tch::Tensor;

use super::crop::Crop;
use super::store::Store;
use crate::config::CropConfig;
use crate::error::Result;
use crate::support::interrupt;
use crate::support::progress::Progress;

/// Pictures a batch.
pub const BATCH: usize = 32;

/// Calls `take` for the parts of `0..n`, [`BATCH`] long, and joins what it returns along the first axis.
///
/// # Errors
/// Those of `take`; [`crate::Error::Interrupted`].
pub fn in_batches(
    label: &str,
    n: usize,
    mut take: impl FnMut(Range<usize>) -> Result<Tensor>,
) -> Result<Tensor> {
    let mut progress = Progress::new(label, n as u64);
    let mut parts = vec![];
    for start in (0..n).step_by(BATCH) {
        interrupt::check()?;
        let range = start..(start + BATCH).min(n);
        parts.push(tch::no_grad(|| take(range.clone()))?);
        progress.advance(range.len() as u64, "");
    }
    progress.finish("");
    Ok(Tensor::f_cat(&parts, 0)?)
}

/// Crops `[len, 3, size, size]` in [-1, 1] of the pictures in `range`, one of each, as training cuts them: a function
/// of the seed and the picture's place.
pub fn crops(store: &Store, config: &CropConfig, seed: u64, range: Range<usize>, size: i64) -> Tensor {
    let (count, side) = (range.len() as i64, size as usize);
    let each = 3 * side * side;
    let mut data = vec![0f32; range.len() * each];
    data.par_chunks_mut(each).zip(range).for_each(|(out, i)| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(i as u64);
        Crop::random(&mut rng, config).cut(store.picture(i), store.side(), side, out);
    });
    Tensor::from_slice(&data).view([count, 3, size, size])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_everything_once_in_order() {
        let all = in_batches("", 70, |r| Ok(Tensor::from_slice(&r.map(|i| i as i64).collect::<Vec<_>>())));
        assert_eq!(Vec::<i64>::try_from(all.unwrap()).unwrap(), (0..70).collect::<Vec<_>>());
    }
}
