//! How tensors of a checkpoint become those of networks that have grown: [`crate::config::Architecture::grows_from`].
//! Portrait networks grow to larger pictures (`portrait.rs`). What there was goes on as it did. New channels of a wider generator begin at random, as in a new one, but change nothing
//! at first: weights by which old channels read them are zero-initialised. So are those by which states read further maps.

mod portrait;

use tch::Tensor;

/// Whether the tensor `name` (`STORE/PARAMETER`) of the shape `have` can become one of the shape `want`.
pub fn fits(name: &str, have: &[i64], want: &[i64]) -> bool {
    have == want
        || splits(name, have, want)
        || widens(name, have, want)
        || reads_more_maps(name, have, want)
        || portrait::enlarges(name, have, want).is_some()
}

/// What reads the embeddings of all parts ([`crate::nets::image_generator::modulation::Style`]), once for each part.
fn splits(name: &str, have: &[i64], want: &[i64]) -> bool {
    let readers = have.len() == 3 && want.len() == 3 && have[0] == 1 && have[1..] == want[1..];
    readers && name.ends_with(".style")
}

/// What has more channels now.
fn widens(name: &str, have: &[i64], want: &[i64]) -> bool {
    let of_images = name.split_once('/').is_some_and(|(store, parameter)| {
        matches!(store, "generator" | "average") && parameter.starts_with("images.")
    });
    of_images && have.len() == want.len() && have.iter().zip(want).all(|(h, w)| h <= w)
}

/// States that are read from more maps now ([`crate::nets::part_states::StateHead`]): `[K, C, S]` of more channels.
fn reads_more_maps(name: &str, have: &[i64], want: &[i64]) -> bool {
    let [parts, channels, states] = [0, 1, 2].map(|axis| (have.get(axis), want.get(axis)));
    name.ends_with("detector.states.weight")
        && !name.contains("adam/")
        && have.len() == 3
        && want.len() == 3
        && parts.0 == parts.1
        && states.0 == states.1
        && channels.0 < channels.1
}

/// Copies `old` into `target`, whose shape it [`fits`]; what else is in `target` is taken as its start.
pub fn copy(name: &str, old: &Tensor, target: &mut Tensor) {
    let (have, want) = (old.size(), target.size());
    if have == want || splits(name, &have, &want) {
        target.copy_(old);
        return;
    }
    if let Some(kind) = portrait::enlarges(name, &have, &want) {
        return portrait::copy(kind, old, target);
    }
    // A layer that modulates makes all its factors, then all its addends: each half grows on its own.
    let last = have.len() as i64 - 1;
    let modulates = name.ends_with(".style") || (name.ends_with(".bias") && have.len() == 2);
    let halves = if modulates { 2 } else { 1 };
    let (from, to) = (have[last as usize] / halves, want[last as usize] / halves);
    for half in 0..halves {
        let mut place = target.narrow(last, half * to, from);
        for (d, n) in have.iter().enumerate().take(last as usize) {
            place = place.narrow(d as i64, 0, *n);
        }
        place.copy_(&old.narrow(last, half * from, from));
    }
    if name.ends_with(".weight") && have.len() >= 3 && want[1] > have[1] {
        let _ = target.narrow(0, 0, have[0]).narrow(1, have[1], want[1] - have[1]).zero_();
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn grown(name: &str, have: &[i64], want: &[i64]) -> Tensor {
        assert!(fits(name, have, want), "{name}");
        let old = Tensor::arange(have.iter().product::<i64>(), (Kind::Float, Device::Cpu)).view(have) + 1.0;
        let mut target = Tensor::full(want, -1.0, (Kind::Float, Device::Cpu));
        copy(name, &old, &mut target);
        target
    }

    fn values(t: &Tensor) -> Vec<f32> {
        Vec::try_from(t.flatten(0, -1)).unwrap()
    }

    #[test]
    fn a_reader_of_all_embeddings_becomes_one_for_each_part() {
        let split = grown("generator/x.style", &[1, 2, 3], &[4, 2, 3]);
        assert!((0..4).all(|k| values(&split.get(k)) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        // Not the other way round, and nothing else.
        assert!(!fits("x.style", &[4, 2, 3], &[1, 2, 3]) && !fits("x.bias", &[1, 2, 3], &[4, 2, 3]));
    }

    #[test]
    fn weights_of_old_channels_for_new_ones_are_zero_initialised() {
        let conv = grown("generator/images.stage8.conv_in.weight", &[1, 2, 1, 1], &[2, 3, 1, 1]);
        assert_eq!(values(&conv), [1.0, 2.0, 0.0, -1.0, -1.0, -1.0]);
        let factors = grown("average/images.stage8.spade_in.style", &[1, 1, 4], &[1, 1, 6]);
        assert_eq!(values(&factors), [1.0, 2.0, -1.0, 3.0, 4.0, -1.0]);
        assert_eq!(
            values(&grown("generator/images.stage8.spade_in.bias", &[1, 2], &[1, 4])),
            [1.0, -1.0, 2.0, -1.0]
        );
        assert_eq!(values(&grown("generator/images.stage8.conv_in.bias", &[1], &[3])), [1.0, -1.0, -1.0]);
        // The learned start is nothing that reads.
        assert_eq!(values(&grown("generator/images.start", &[1, 1, 1, 1], &[1, 2, 1, 1])), [1.0, -1.0]);
    }

    #[test]
    fn states_are_read_from_further_maps_with_zeros_at_first() {
        let states = grown("average/detector.states.weight", &[1, 1, 2], &[1, 2, 2]);
        assert_eq!(values(&states), [1.0, 2.0, 0.0, 0.0]);
        assert!(!fits("average/detector.states.weight", &[1, 2, 2], &[1, 1, 2]));
        assert!(!fits("average/detector.states.weight", &[1, 1, 2], &[2, 2, 2]));
        assert!(!fits("adam/detector.states.weight/mean", &[1, 1, 2], &[1, 2, 2]));
    }

    #[test]
    fn only_the_image_generator_becomes_wider() {
        assert!(!fits("discriminator/head.weight", &[1, 2, 1, 1], &[2, 3, 1, 1]));
        assert!(!fits("generator/keypoints.a.weight", &[1, 2], &[2, 2]));
        assert!(!fits("generator_adam/images.x.weight/mean", &[1, 2, 1, 1], &[2, 3, 1, 1]));
        assert!(!fits("generator/images.x.weight", &[2, 2, 1, 1], &[1, 3, 1, 1]));
    }
}
