//! Where heat maps are: the mean of their pixels' centres (soft-argmax, once a softmax made them of logits).

use tch::{Kind, Tensor};

use super::heatmap::pixel_centres;

/// Heat maps `[N, K, S, S]`, each of sum 1, to places `[N, K, 2]` in normalised coordinates, x first.
pub fn mean_place(heat: &Tensor) -> Tensor {
    let side = heat.size()[3];
    let centres = pixel_centres(side, heat.device());
    let along = |other: i64| heat.sum_dim_intlist([other].as_slice(), false, Kind::Float).matmul(&centres);
    // Summing over rows (axis 2) leaves columns, hence x; over columns (axis 3) rows, hence y.
    Tensor::stack(&[along(2), along(3)], -1)
}

#[cfg(test)]
mod tests {
    use lkg_bundle::conventions::pixel_centre;
    use proptest::prelude::*;

    use super::*;

    /// The place of the softmax of logits, rows top to bottom.
    fn place(logits: &[f32], side: i64) -> [f32; 2] {
        let heat = Tensor::from_slice(logits).softmax(0, Kind::Float).view([1, 1, side, side]);
        let place: Vec<f32> = mean_place(&heat).flatten(0, -1).try_into().unwrap();
        [place[0], place[1]]
    }

    fn logits(side: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-8.0..8.0f32, side * side)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// A mean lies between the outermost centres, and a constant in the logits means nothing.
        #[test]
        fn a_place_lies_in_the_picture_whatever_the_logits(logits in logits(8), shift in -50.0..50.0f32) {
            let here = place(&logits, 8);
            prop_assert!(here.iter().all(|v| v.abs() <= pixel_centre(7, 8) + 1e-5), "{here:?}");
            let shifted: Vec<f32> = logits.iter().map(|l| l + shift).collect();
            let there = place(&shifted, 8);
            prop_assert!((here[0] - there[0]).abs() < 1e-4 && (here[1] - there[1]).abs() < 1e-4);
        }

        /// One hot pixel is the place of its centre, x from its column and y from its row.
        #[test]
        fn one_hot_pixel_is_its_own_place(x in 0usize..16, y in 0usize..16) {
            let mut logits = vec![0.0; 256];
            logits[16 * y + x] = 60.0;
            let found = place(&logits, 16);
            prop_assert!((found[0] - pixel_centre(x, 16)).abs() < 1e-4, "{found:?}");
            prop_assert!((found[1] - pixel_centre(y, 16)).abs() < 1e-4, "{found:?}");
        }

        /// A mirrored map has a mirrored place.
        #[test]
        fn mirrored_maps_have_mirrored_places(logits in logits(6)) {
            let mirrored: Vec<f32> = logits.chunks(6).flat_map(|row| row.iter().rev().copied()).collect();
            let (here, there) = (place(&logits, 6), place(&mirrored, 6));
            prop_assert!((here[0] + there[0]).abs() < 1e-4 && (here[1] - there[1]).abs() < 1e-4);
        }
    }
}
