//! Images to another side.

use std::cmp::Ordering;

use tch::Tensor;

/// `images` `[N, C, S, S]` at `[N, C, side, side]`, differentiably: bilinear, antialiased on the way down.
pub fn resize(images: &Tensor, side: i64) -> Tensor {
    match images.size()[2].cmp(&side) {
        Ordering::Equal => images.shallow_clone(),
        Ordering::Less => images.upsample_bilinear2d([side, side], false, None, None),
        // Without antialiasing, fine texture would turn into coarse patterns that no picture has.
        Ordering::Greater => images.internal_upsample_bilinear2d_aa([side, side], false, None, None),
    }
}
