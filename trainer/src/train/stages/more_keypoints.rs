//! A detector that begins with another one's, and has more keypoints than that: further ones begin between two of those that
//! are there.

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use crate::augment::elastic::Elastic;
use crate::config::Architecture;
use crate::error::{Error, Result};
use crate::losses::cycle;
use crate::nets::layers::Norm;
use crate::nets::{Detector, resize};
use crate::support::share::Share;
use crate::train::optim::parameters;
use crate::train::run::stored::Stored;

/// How far towards the second of two keypoints further ones lie.
const STEPS: [f64; 3] = [1.0 / 3.0, 0.5, 2.0 / 3.0];
/// How much less steady under deformation than the ones that are there, at the median, a further keypoint may be.
const UNSTEADY: f64 = 1.5;
/// Distance from the middle of all keypoints, normalised coordinates, at which another one counts for `exp(-1/2)`: faces are there.
const MIDDLE: f64 = 0.5;
/// How far pictures are deformed to see which keypoints keep their place.
const DEFORMATION: f64 = 0.5;

/// A keypoint as a mixture of those that are there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixture {
    first: i64,
    second: i64,
    /// Share of the second.
    share: f64,
}

/// Makes the detector of `target`, whose parameters have names that begin with `prefix`, begin as `known`: trunk and first keypoints
/// as they are, further ones between two of those. Of all such places those are taken that keep to their place when `images`
/// `[N, 3, S, S]` are deformed, and lie far from the others and near the middle of all.
///
/// # Errors
/// [`Error::Config`] if the detectors are of other widths, or `known` has more keypoints.
pub fn begin_with(
    target: &VarStore,
    prefix: &str,
    known: &Stored<Detector>,
    (from, to): (&Architecture, &Architecture),
    images: &Tensor,
) -> Result<()> {
    check(from, to)?;
    tch::no_grad(|| {
        let further = (to.keypoints - from.keypoints) as usize;
        let mixtures = if further > 0 { choose(known, from, images, further)? } else { Vec::new() };
        copy(target, prefix, known, from.keypoints, &mixtures);
        Ok(())
    })
}

/// Refuses a detector of other widths, or with more keypoints than are wanted.
///
/// # Errors
/// [`Error::Config`] naming the keys.
pub fn check(from: &Architecture, to: &Architecture) -> Result<()> {
    match from.detector_channels == to.detector_channels && from.keypoints <= to.keypoints {
        true => Ok(()),
        false => Err(Error::Config(format!(
            "the detector to begin with has architecture.detector_channels = {:?} and {} keypoints; the run wants {:?} and {}",
            from.detector_channels, from.keypoints, to.detector_channels, to.keypoints
        ))),
    }
}

/// Rows of heat maps, then of confidences, `[2 K, ...]`, with those of `mixtures` behind each.
fn grown(head: &Tensor, keypoints: i64, mixtures: &[Mixture]) -> Tensor {
    let half = |start: i64| {
        let own = head.narrow(0, start, keypoints);
        let further = mixtures.iter().map(|m| {
            let (first, second) = (own.narrow(0, m.first, 1), own.narrow(0, m.second, 1));
            first * (1.0 - m.share) + second * m.share
        });
        let further: Vec<Tensor> = further.collect();
        Tensor::cat(&std::iter::once(own.shallow_clone()).chain(further).collect::<Vec<_>>(), 0)
    };
    Tensor::cat(&[half(0), half(keypoints)], 0)
}

/// The `count` best mixtures.
fn choose(
    known: &Stored<Detector>,
    arch: &Architecture,
    images: &Tensor,
    count: usize,
) -> Result<Vec<Mixture>> {
    let k = arch.keypoints;
    let mixture = |first, second| STEPS.map(|share| Mixture { first, second, share });
    let all: Vec<Mixture> = (0..k).flat_map(|i| (i + 1..k).flat_map(move |j| mixture(i, j))).collect();
    if all.len() < count {
        return Err(Error::Config(format!("{k} keypoints are too few to begin {count} more between them")));
    }
    // A detector of all candidates.
    let wide = Architecture { keypoints: k + all.len() as i64, states: 0, ..arch.clone() };
    let candidates = Stored::<Detector>::new(&wide, images.device());
    copy(&candidates.store, "", known, k, &all);
    let images = resize::resize(images, arch.detector_size);
    let (n, side) = (images.size()[0], images.size()[2]);
    let elastic = Elastic::random(n, side, DEFORMATION, Share::WHOLE, images.device());
    let seen = candidates.net.forward(&images, Norm::Running).keypoints;
    let deformed = candidates.net.forward(&elastic.images(&images), Norm::Running).keypoints;
    let (sources, inside) = elastic.sources(&deformed);
    let unsteady = |i: i64| {
        let [a, b, w] = [&sources, &seen, &inside].map(|x| x.narrow(1, i, 1));
        cycle::equivariance(&a, &b, &w).double_value(&[])
    };
    let mut known_ones: Vec<f64> = (0..k).map(unsteady).collect();
    known_ones.sort_by(f64::total_cmp);
    let most = UNSTEADY * known_ones[known_ones.len() / 2];
    let mean = seen.mean_dim([0i64].as_slice(), false, Kind::Float).to_device(Device::Cpu);
    let place = |i: i64| [mean.double_value(&[i, 0]), mean.double_value(&[i, 1])];
    let distance = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let middle = [0, 1].map(|axis| (0..k).map(|i| place(i)[axis]).sum::<f64>() / k as f64);
    let mut taken: Vec<[f64; 2]> = (0..k).map(place).collect();
    let mut left: Vec<(Mixture, [f64; 2], f64)> = (k..)
        .zip(all)
        .map(|(i, m)| {
            let weight = (-0.5 * (distance(place(i), middle) / MIDDLE).powi(2)).exp();
            // Where too few are steady, the others come last.
            (m, place(i), if unsteady(i) <= most { weight } else { 1e-3 * weight })
        })
        .collect();
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count {
        let worth = |(_, at, weight): &(Mixture, [f64; 2], f64)| {
            taken.iter().map(|t| distance(*t, *at)).fold(f64::INFINITY, f64::min) * weight
        };
        let best = (0..left.len()).max_by(|a, b| worth(&left[*a]).total_cmp(&worth(&left[*b])));
        let Some(best) = best else { break };
        let (mixture, at, _) = left.swap_remove(best);
        taken.push(at);
        chosen.push(mixture);
    }
    Ok(chosen)
}

/// Makes the tensors of `target` whose names begin with `prefix` those of `known`, which has `keypoints`, with `mixtures` of them in
/// the head. What `known` lacks, such as states, stays.
fn copy(target: &VarStore, prefix: &str, known: &Stored<Detector>, keypoints: i64, mixtures: &[Mixture]) {
    let own = parameters::all(&known.store);
    for (name, mut tensor) in parameters::all(target) {
        let Some(name) = name.strip_prefix(prefix) else { continue };
        let Some((_, value)) = own.iter().find(|(own, _)| own == name) else { continue };
        match name.starts_with("head.") {
            true => tensor.copy_(&grown(value, keypoints, mixtures)),
            false => tensor.copy_(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arch(keypoints: i64) -> Architecture {
        Architecture { keypoints, detector_size: 32, detector_channels: vec![8, 8], ..Default::default() }
    }

    #[test]
    fn known_keypoints_stay_and_further_ones_lie_between_two() {
        tch::manual_seed(3);
        let known = Stored::<Detector>::new(&arch(4), Device::Cpu);
        let target = Stored::<Detector>::new(&Architecture { states: 2, ..arch(7) }, Device::Cpu);
        let images = Tensor::rand([6, 3, 32, 32], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        begin_with(&target.store, "", &known, (&arch(4), &arch(7)), &images).unwrap();
        let [before, after] = [&known, &target].map(|d| d.net.forward(&images, Norm::Running));
        let same = (&before.keypoints - after.keypoints.narrow(1, 0, 4)).abs().max();
        assert!(same.double_value(&[]) < 1e-6);
        let same = (&before.confidence - after.confidence.narrow(1, 0, 4)).abs().max();
        assert!(same.double_value(&[]) < 1e-6);
        // A third, a half or two thirds on the way from one row to another.
        let (own, rows) = (&known.net.head.weight, &target.net.head.weight);
        let mut seen = Vec::new();
        for i in 4..7 {
            let row = rows.get(i);
            let found = (0..4).flat_map(|a| (0..4).map(move |b| (a, b))).find_map(|(a, b)| {
                STEPS.into_iter().find_map(|t| {
                    let mixed = own.get(a) * (1.0 - t) + own.get(b) * t;
                    ((mixed - &row).abs().max().double_value(&[]) < 1e-6 && a != b).then_some((a, b, t))
                })
            });
            let found = found.unwrap();
            assert!(!seen.contains(&found));
            seen.push(found);
        }
        assert!(target.net.states.is_some());
    }

    #[test]
    fn another_detector_is_refused_with_what_differs() {
        let known = Stored::<Detector>::new(&arch(4), Device::Cpu);
        let images = Tensor::zeros([2, 3, 32, 32], (Kind::Float, Device::Cpu));
        let other = Architecture { detector_channels: vec![8, 16], ..arch(4) };
        let target = Stored::<Detector>::new(&other, Device::Cpu);
        let refused = begin_with(&target.store, "", &known, (&arch(4), &other), &images).unwrap_err();
        assert!(refused.to_string().contains("[8, 8] and 4 keypoints"), "{refused}");
    }
}
