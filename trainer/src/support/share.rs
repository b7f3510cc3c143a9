//! Which images of a step's batch a process computes. Image `i` of a step is the same whichever process computes it:
//! each draws the random numbers of the whole batch, in the same order from the same seed, and keeps its own.

use tch::Tensor;

/// One of `count` equal, consecutive parts of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// From 0.
    pub index: i64,
    /// Parts in all.
    pub count: i64,
}

impl Share {
    /// The whole batch.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Images of the whole batch, where a part has `n`.
    pub fn all(self, n: i64) -> i64 {
        n * self.count
    }

    /// This part of `whole` `[N, …]`; `N` is a multiple of the number of parts.
    pub fn of(self, whole: &Tensor) -> Tensor {
        let n = whole.size()[0] / self.count;
        whole.narrow(0, self.index * n, n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_up_the_whole() {
        let whole = Tensor::arange(12, (tch::Kind::Int64, tch::Device::Cpu)).view([6, 2]);
        let parts: Vec<Tensor> = (0..3).map(|index| Share { index, count: 3 }.of(&whole)).collect();
        assert_eq!(Tensor::cat(&parts, 0), whole);
        assert_eq!(Share::WHOLE.of(&whole), whole);
        assert_eq!(Share { index: 1, count: 3 }.all(2), 6);
    }
}
