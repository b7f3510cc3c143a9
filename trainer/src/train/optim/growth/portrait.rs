//! Portrait networks of pictures with a multiple of the side. They see and draw pictures by pixel unshuffle and shuffle
//! ([`crate::nets::portrait::Renderer`]), so only what reads or writes pixels becomes larger: a grown network reads the mean of
//! the pixels that were one, and draws the same into all of them.

use tch::Tensor;

use crate::nets::portrait::renderer::{PIXEL_READERS, PIXEL_WRITER};

/// Colours that a photo is read with, and with the mask those that are drawn.
const READ: i64 = 3;
const WRITTEN: i64 = 4;

/// What a tensor does with pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A weight `[O, I + 3 f f, k, k]` with `I` inputs besides pixels.
    Reads {
        /// `I`.
        besides: i64,
        /// `f`, before and now.
        factors: [i64; 2],
    },
    /// A weight `[4 f f, I, k, k]` or a bias `[4 f f]`.
    Writes {
        /// `f`, before and now.
        factors: [i64; 2],
    },
}

/// What the tensor `name` of the shape `have` does with pixels, if it can become one of the shape `want` for larger pictures.
pub(super) fn enlarges(name: &str, have: &[i64], want: &[i64]) -> Option<Kind> {
    let (store, parameter) = name.split_once('/')?;
    let layer = parameter.strip_prefix("renderer.").filter(|_| matches!(store, "live" | "average"))?;
    let axis = usize::from(PIXEL_READERS.iter().any(|reader| layer.starts_with(&format!("{reader}."))));
    if axis == 0 && !layer.starts_with(&format!("{PIXEL_WRITER}.")) {
        return None;
    }
    let same = |at: usize| have.len() == want.len() && (0..have.len()).all(|d| d == at || have[d] == want[d]);
    if have.len() <= axis || !same(axis) {
        return None;
    }
    if axis == 0 {
        let factors = [root(have[0], WRITTEN)?, root(want[0], WRITTEN)?];
        return (factors[1] % factors[0] == 0).then_some(Kind::Writes { factors });
    }
    // Of all ways to split inputs into pixels and others the one with the same number of others before and after.
    let more = want[1] - have[1];
    let with = |f: i64| {
        let now = root(more + READ * f * f, READ).filter(|now| *now > f && now % f == 0)?;
        Some(Kind::Reads { besides: have[1] - READ * f * f, factors: [f, now] })
    };
    (1..).take_while(|f| READ * f * f <= have[1]).find_map(with)
}

/// `f` where `channels` is `colours f f`.
fn root(channels: i64, colours: i64) -> Option<i64> {
    let f = ((channels / colours) as f64).sqrt().round() as i64;
    (f > 0 && colours * f * f == channels).then_some(f)
}

/// Copies `old` into `target`.
pub(super) fn copy(kind: Kind, old: &Tensor, target: &mut Tensor) {
    match kind {
        Kind::Reads { besides, factors: [f, now] } => {
            let others = old.narrow(1, 0, besides);
            let pixels = spread(&old.narrow(1, besides, READ * f * f), 1, f, now / f);
            let share = (now / f) as f64;
            target.copy_(&Tensor::cat(&[others, pixels / (share * share)], 1));
        }
        Kind::Writes { factors: [f, now] } => target.copy_(&spread(old, 0, f, now / f)),
    }
}

/// Each of the `f x f` pixels on `axis`, one colour after the other, as `times x times` of them.
fn spread(pixels: &Tensor, axis: i64, f: i64, times: i64) -> Tensor {
    let grid = pixels.unflatten(axis, [-1, f, f]);
    let grid = grid.repeat_interleave_self_int(times, axis + 1, None);
    grid.repeat_interleave_self_int(times, axis + 2, None).flatten(axis, axis + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_or_writes_pixels_grows() {
        let reads = |besides, factors| Some(Kind::Reads { besides, factors });
        assert_eq!(
            enlarges("average/renderer.enter.conv.weight", &[48, 12, 3, 3], &[48, 48, 3, 3]),
            reads(0, [2, 4])
        );
        assert_eq!(
            enlarges("live/renderer.up.conv.weight", &[64, 108, 3, 3], &[64, 144, 3, 3]),
            reads(96, [2, 4])
        );
        assert_eq!(
            enlarges("average/renderer.head.bias", &[16], &[64]),
            Some(Kind::Writes { factors: [2, 4] })
        );
        for (name, have, want) in [
            ("average/renderer.enter.conv.weight", [48, 48, 3, 3], [48, 12, 3, 3]),
            ("average/renderer.enter.conv.weight", [48, 12, 3, 3], [96, 48, 3, 3]),
            ("average/renderer.down.conv.weight", [48, 12, 3, 3], [48, 48, 3, 3]),
            ("adam/renderer.enter.conv.weight", [48, 12, 3, 3], [48, 48, 3, 3]),
            ("average/renderer.head.weight", [16, 32, 3, 3], [20, 32, 3, 3]),
        ] {
            assert_eq!(enlarges(name, &have, &want), None, "{name} {want:?}");
        }
    }

    #[test]
    fn pixels_become_blocks() {
        let old = Tensor::arange(8, (tch::Kind::Float, tch::Device::Cpu)).view([2, 4, 1, 1]);
        // One row of one colour: 0 1 / 2 3.
        let spread = spread(&old, 1, 2, 2);
        let row: Vec<f32> = Vec::try_from(spread.get(0).flatten(0, -1)).unwrap();
        assert_eq!(row, [0., 0., 1., 1., 0., 0., 1., 1., 2., 2., 3., 3., 2., 2., 3., 3.]);
    }
}
