//! Exponential moving averages of networks: what gets evaluated and exported.

use tch::nn::VarStore;

use crate::train::optim::parameters;

/// Moves every trained tensor of `average` towards that of `live`, so that after `half_life` images half of it is
/// replaced; `batch` images were seen since the last call. Running statistics are copied.
pub fn update(average: &VarStore, live: &VarStore, batch: i64, half_life: f64) {
    let decay = 0.5f64.powf(batch as f64 / half_life);
    tch::no_grad(|| {
        for ((_, mut a), (_, l)) in parameters::all(average).into_iter().zip(parameters::all(live)) {
            if l.requires_grad() {
                let _ = a.lerp_(&l, 1.0 - decay);
            } else {
                a.copy_(&l);
            }
        }
    });
}

/// Makes `average` equal to `live`.
pub fn copy(average: &VarStore, live: &VarStore) {
    tch::no_grad(|| {
        for ((_, mut a), (_, l)) in parameters::all(average).into_iter().zip(parameters::all(live)) {
            a.copy_(&l);
        }
    });
}

/// Moves every trained tensor of `average` towards that of `other` by `share` of the way, 0 to 1. Running statistics stay:
/// those of a mixture are to be estimated anew.
pub fn mix(average: &VarStore, other: &VarStore, share: f64) {
    tch::no_grad(|| {
        for ((_, mut a), (_, o)) in parameters::all(average).into_iter().zip(parameters::all(other)) {
            if a.requires_grad() {
                let _ = a.lerp_(&o, share);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn half_is_replaced_after_the_half_life() {
        let (average, live) = (VarStore::new(Device::Cpu), VarStore::new(Device::Cpu));
        let a = average.root().zeros("w", &[1]);
        let _ = live.root().ones("w", &[1]);
        for _ in 0..100 {
            update(&average, &live, 10, 1000.0);
        }
        assert!((a.double_value(&[0]) - 0.5).abs() < 1e-4);
        copy(&average, &live);
        assert_eq!(a.double_value(&[0]), 1.0);
    }

    #[test]
    fn a_mixture_has_its_share_of_the_other_weights_and_none_of_its_statistics() {
        let [average, other] = [(); 2].map(|()| VarStore::new(Device::Cpu));
        let a = average.root().zeros("w", &[1]);
        let statistics = average.root().zeros_no_train("running_mean", &[1]);
        let _ = other.root().ones("w", &[1]);
        let _ = other.root().ones_no_train("running_mean", &[1]);
        mix(&average, &other, 0.25);
        assert_eq!([a.double_value(&[0]), statistics.double_value(&[0])], [0.25, 0.0]);
    }

    #[test]
    fn running_statistics_are_copied_and_not_averaged() {
        let (average, live) = (VarStore::new(Device::Cpu), VarStore::new(Device::Cpu));
        let a = average.root().zeros_no_train("running_mean", &[2]);
        let mut l = live.root().ones_no_train("running_mean", &[2]);
        let _ = live.root().ones("w", &[1]);
        let _ = average.root().zeros("w", &[1]);
        let _ = l.fill_(7.0);
        update(&average, &live, 1, 1e9);
        assert_eq!(a, l);
        // A copy, not the same memory: what the live network does next must not show.
        let _ = l.fill_(9.0);
        assert_eq!(a.double_value(&[0]), 7.0);
    }
}
