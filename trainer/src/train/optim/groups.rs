//! A generator's batch in groups that batch norm treats each by itself ("ghost batch norm", Hoffer et al., "Train
//! longer, generalize better", 2017). A group is what the smallest process could hold: statistics never reach beyond
//! it, so several processes compute what one with the whole batch does.
//!
//! A step generates more than `N` images, some of them again with something changed. Each group's come one after the
//! other, so that a group is consecutive in what the generator is given: `[g0 g1 g2 g3 g0' g4 g5 g6 g7 g4']`.

use tch::{Device, Kind, Tensor};

use crate::nets::layers::Norm;

/// How a batch is cut into groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    count: i64,
    size: i64,
}

impl Groups {
    /// `batch` images in groups of `size`, which divides it (0: one group).
    pub fn new(batch: i64, size: i64) -> Self {
        let size = if size == 0 { batch } else { size };
        Self { count: batch / size, size }
    }

    /// Images of a group.
    pub fn size(self) -> i64 {
        self.size
    }

    /// About `fraction` of the batch, the same number of each group.
    pub fn part(self, fraction: f64) -> i64 {
        self.count * ((self.size as f64 * fraction).round() as i64).clamp(0, self.size)
    }

    /// The first of each group of `[N, …]`, `n` in all.
    pub fn firsts(self, whole: &Tensor, n: i64) -> Tensor {
        self.split(whole, &[n]).swap_remove(0)
    }

    /// 1 (true) for the first half of each group, `[N, 1]`.
    pub fn first_halves(self, device: Device) -> Tensor {
        let within = Tensor::arange(self.count * self.size, (Kind::Int64, device)).remainder(self.size);
        within.lt(self.size / 2).unsqueeze(1)
    }

    /// Tensors with a number of images each that is the same for all groups, group by group.
    pub fn join(self, parts: &[&Tensor]) -> Tensor {
        let parts: Vec<Tensor> = parts.iter().map(|t| t.unflatten(0, [self.count, -1])).collect();
        Tensor::cat(&parts, 1).flatten(0, 1)
    }

    /// The first parts that were joined, of `sizes` images each.
    pub fn split(self, joined: &Tensor, sizes: &[i64]) -> Vec<Tensor> {
        let groups = joined.unflatten(0, [self.count, -1]);
        let mut begin = 0;
        let part = |size: &i64| {
            let n = size / self.count;
            begin += n;
            groups.narrow(1, begin - n, n).flatten(0, 1)
        };
        sizes.iter().map(part).collect()
    }

    /// How to normalise `n` images, joined from all groups.
    pub fn norm(self, n: i64, momentum: f64) -> Norm {
        match self.count {
            1 => Norm::Batch(momentum),
            count => Norm::Groups { images: n / count, momentum },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(t: &Tensor) -> Vec<i64> {
        Vec::try_from(t.flatten(0, -1)).unwrap()
    }

    fn eight() -> Tensor {
        Tensor::arange(8, (Kind::Int64, Device::Cpu)).view([8, 1])
    }

    #[test]
    fn a_group_is_followed_by_its_own_second_drawings() {
        let groups = Groups::new(8, 4);
        let twice = groups.part(0.375);
        assert_eq!((groups.size(), twice), (4, 4));
        let firsts = groups.firsts(&eight(), twice);
        assert_eq!(numbers(&firsts), [0, 1, 4, 5]);
        let joined = groups.join(&[&eight(), &(firsts + 10)]);
        assert_eq!(numbers(&joined), [0, 1, 2, 3, 10, 11, 4, 5, 6, 7, 14, 15]);
        let parts = groups.split(&joined, &[8, 4]);
        assert_eq!(numbers(&parts[0]), numbers(&eight()));
        assert_eq!(numbers(&parts[1]), [10, 11, 14, 15]);
        assert_eq!(groups.norm(12, 0.1), Norm::Groups { images: 6, momentum: 0.1 });
        assert_eq!(numbers(&groups.first_halves(Device::Cpu).to_kind(Kind::Int64)), [1, 1, 0, 0, 1, 1, 0, 0]);
    }

    #[test]
    fn one_group_is_the_batch_followed_by_its_first_images() {
        let groups = Groups::new(8, 0);
        let joined = groups.join(&[&eight(), &groups.firsts(&eight(), groups.part(0.375))]);
        assert_eq!(numbers(&joined), [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2]);
        assert_eq!(groups.norm(11, 0.1), Norm::Batch(0.1));
        assert_eq!(Groups::new(8, 4).part(0.0), 0);
    }
}
