//! What each part looks like now, in a few numbers: whether a mouth is open, an eye closed. Keypoints say where, states
//! say what; they are used as differences between two pictures of one person, so they need not tell who it is.

use std::borrow::Borrow;

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

/// Side of the square, in pixels of the heat maps, that each heat map is spread over: a part is larger than its keypoint.
pub const SPREAD: i64 = 7;
/// Added to the sum of weights that features are divided by.
pub const TOTAL: f64 = 1e-8;

/// Features pooled under each part's heat map, then a linear layer of each part's own.
#[derive(Debug)]
pub struct StateHead {
    /// `[K, C, S]`.
    pub weight: Tensor,
    /// `[K, S]`.
    pub bias: Tensor,
}

impl StateHead {
    /// `states` numbers for each of `keypoints` parts, from features of `channels` in all.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, keypoints: i64, channels: i64, states: i64) -> Self {
        let p = path.borrow();
        let stdev = (1.0 / channels as f64).sqrt();
        Self {
            weight: p.var("weight", &[keypoints, channels, states], Init::Randn { mean: 0.0, stdev }),
            bias: p.zeros("bias", &[keypoints, states]),
        }
    }

    /// States `[N, K, S]` in [-1, 1], float32, from heat maps `[N, K, H, H]` that each sum to 1 and feature maps
    /// `[N, C, H, H]`, `[N, C', H/2, H/2]`, each as large as the one before or half of it.
    pub fn forward(&self, heat: &Tensor, features: &[&Tensor]) -> Tensor {
        let mut spread =
            heat.avg_pool2d([SPREAD, SPREAD], [1, 1], [SPREAD / 2, SPREAD / 2], false, true, None);
        let mut pooled = Vec::with_capacity(features.len());
        for map in features {
            let side = map.size()[3];
            if spread.size()[3] != side {
                spread = spread.avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None);
            }
            let weights = spread.flatten(2, 3);
            let total = weights.sum_dim_intlist([-1i64].as_slice(), true, Kind::Float);
            let map = map.to_kind(Kind::Float).contiguous().flatten(2, 3).transpose(1, 2);
            pooled.push((weights / (total + TOTAL)).matmul(&map));
        }
        // [K, N, C] by [K, C, S].
        let pooled = Tensor::cat(&pooled, 2).transpose(0, 1);
        (pooled.matmul(&self.weight).transpose(0, 1) + &self.bias).tanh()
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use tch::nn::VarStore;

    use super::*;

    /// A heat map of one pixel.
    fn peak(side: i64, x: i64, y: i64) -> Tensor {
        let heat = Tensor::zeros([side, side], (Kind::Float, Device::Cpu));
        let _ = heat.get(y).get(x).fill_(1.0);
        heat
    }

    #[test]
    fn a_state_is_of_what_lies_around_its_keypoint() {
        tch::manual_seed(3);
        let store = VarStore::new(Device::Cpu);
        let head = StateHead::new(store.root(), 2, 5 + 4, 3);
        let heat = Tensor::stack(&[peak(32, 8, 8), peak(32, 24, 24)], 0).unsqueeze(0);
        let fine = Tensor::randn([1, 5, 32, 32], (Kind::Float, Device::Cpu));
        let coarse = Tensor::randn([1, 4, 16, 16], (Kind::Float, Device::Cpu));
        let states = head.forward(&heat, &[&fine, &coarse]);
        assert_eq!(states.size(), [1, 2, 3]);
        assert!(states.abs().max().double_value(&[]) < 1.0);
        let changed = |x: i64, y: i64| {
            let other = fine.copy();
            let _ = other.narrow(2, y, 1).narrow(3, x, 1).fill_(9.0);
            let off = (head.forward(&heat, &[&other, &coarse]) - &states).abs().amax([0i64, 2], false);
            [off.double_value(&[0]) > 1e-3, off.double_value(&[1]) > 1e-3]
        };
        assert_eq!(changed(10, 6), [true, false]);
        assert_eq!(changed(24, 26), [false, true]);
        assert_eq!(changed(16, 16), [false, false]);
    }
}
