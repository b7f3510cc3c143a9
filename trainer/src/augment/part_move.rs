//! One part of a generated picture moved alone: its keypoint goes elsewhere, the rest of its pose does not.

use tch::{Kind, Tensor};

use crate::nets::heatmap::{self, Pose};
use crate::support::share::Share;

/// Where parts were moved, one an image.
#[derive(Debug)]
pub struct PartMove {
    /// `[n, K, 2]`: where parts were.
    from: Tensor,
    /// `[n, K, 2]`: where they are asked to be.
    pub asked: Tensor,
    /// `[n, K, 1]`: 1 for the part that was moved, 0 for the others.
    pub moved: Tensor,
}

/// The steps, each coordinate of which that would take `keypoints` out of the picture turned round. Shapes that broadcast.
pub fn kept_inside(keypoints: &Tensor, step: &Tensor) -> Tensor {
    let leaves = (keypoints + step).abs().gt(1.0);
    step.where_self(&leaves.logical_not(), &-step)
}

impl PartMove {
    /// Moves a random part of each of `keypoints` `[n, K, 2]` by up to `reach` along each axis, as a function of libtorch's
    /// seed. A coordinate that would leave the picture goes the other way. Keypoints are constants from here on: where
    /// they are is not these losses' to choose.
    pub fn random(keypoints: &Tensor, reach: f64, share: Share) -> Self {
        let from = keypoints.detach();
        let (n, k) = (share.all(from.size()[0]), from.size()[1]);
        let kind = (Kind::Float, from.device());
        let part = Tensor::randint(k, [n], (Kind::Int64, from.device()));
        let moved = share.of(&part.one_hot(k).to_kind(Kind::Float)).unsqueeze(2);
        let step = share.of(&((Tensor::rand([n, 1, 2], kind) * 2.0 - 1.0) * reach));
        let step = kept_inside(&from, &step);
        Self { asked: &from + step * &moved, from, moved }
    }

    /// How much each pixel belongs to the rest of the picture, `[n, 1, size, size]`, 0 where the moved part was or is, to 1.
    pub fn rest(&self, tau: f64, size: i64) -> Tensor {
        let map = |keypoints: &Tensor| {
            let part = (keypoints * &self.moved).sum_dim_intlist([1i64].as_slice(), true, Kind::Float);
            heatmap::parts(&Pose::natural(part), tau, size)
        };
        1.0 - map(&self.from).maximum(&map(&self.asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn keypoints() -> Tensor {
        Tensor::rand([64, 5, 2], (Kind::Float, Device::Cpu)) * 1.9 - 0.95
    }

    #[test]
    fn one_part_of_each_picture_is_moved_and_stays_inside() {
        tch::manual_seed(3);
        let from = keypoints();
        let moves = PartMove::random(&from, 0.2, Share::WHOLE);
        let went = (&moves.asked - &from).abs();
        let parts = went.amax([-1i64].as_slice(), false).gt(0.0).sum_dim_intlist(
            [1i64].as_slice(),
            false,
            Kind::Int64,
        );
        assert_eq!(Vec::<i64>::try_from(parts).unwrap(), [1; 64]);
        assert!(went.max().double_value(&[]) <= 0.2 && moves.asked.abs().max().double_value(&[]) <= 1.0);
        // Every part is moved in some picture.
        assert!(
            moves.moved.sum_dim_intlist([0i64].as_slice(), false, Kind::Float).min().double_value(&[]) > 0.0
        );
    }

    #[test]
    fn processes_move_what_one_would() {
        let from = keypoints();
        tch::manual_seed(3);
        let whole = PartMove::random(&from, 0.2, Share::WHOLE).asked;
        tch::manual_seed(3);
        let share = Share { index: 1, count: 2 };
        let half = PartMove::random(&share.of(&from), 0.2, share).asked;
        assert_eq!(half, share.of(&whole));
    }

    #[test]
    fn only_the_places_of_the_moved_part_may_change() {
        let from = Tensor::from_slice(&[-0.5f32, -0.5, 0.5, 0.5]).view([1, 2, 2]);
        let moved = Tensor::from_slice(&[1f32, 0.0]).view([1, 2, 1]);
        let asked = Tensor::from_slice(&[0.5f32, -0.5, 0.5, 0.5]).view([1, 2, 2]);
        let rest = PartMove { from, asked, moved }.rest(0.02, 32);
        let at = |x: i64, y: i64| rest.double_value(&[0, 0, y, x]);
        assert!(at(8, 8) < 0.1 && at(23, 8) < 0.1, "{} {}", at(8, 8), at(23, 8));
        assert!(at(23, 23) > 0.99 && at(16, 8) > 0.9);
    }
}
