//! What holds of every crop, every motion and every signal.

use std::time::Duration;

use proptest::prelude::*;

use super::crop::Crop;
use super::similarity::{fit, turned};
use super::smooth::{KeypointSmoother, OneEuroOptions};
use crate::frame::DetectedKeypoint;

/// A crop of a picture of up to 8192 pixels a side.
fn crop() -> impl Strategy<Value = Crop> {
    (-500.0..8700.0f32, -500.0..8700.0f32, 2.0..9000.0f32, -7.0..7.0f32)
        .prop_map(|(cx, cy, side, angle)| Crop { cx, cy, side, angle })
}

fn point() -> impl Strategy<Value = [f32; 2]> {
    [-1.5..1.5f32, -1.5..1.5f32]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// There and back is the same place: to a thousandth of the crop beside what f32 can tell in the picture.
    #[test]
    fn picture_and_network_coordinates_invert_each_other(crop in crop(), point in point()) {
        let back = crop.to_network(crop.to_picture(point));
        let allowed = 1e-3 + 4.0 * (crop.cx.abs().max(crop.cy.abs()) + crop.side) * f32::EPSILON / crop.side;
        prop_assert!((back[0] - point[0]).abs() <= allowed && (back[1] - point[1]).abs() <= allowed, "{back:?}");
    }

    /// Distances keep their ratio: half a side for each unit.
    #[test]
    fn a_crop_is_a_similarity(crop in crop(), a in point(), b in point()) {
        let (p, q) = (crop.to_picture(a), crop.to_picture(b));
        let (far, wide) = ((a[0] - b[0]).hypot(a[1] - b[1]), (p[0] - q[0]).hypot(p[1] - q[1]));
        let allowed = 1e-3 * (1.0 + crop.side) + 1e-6 * (crop.cx.abs() + crop.cy.abs());
        prop_assert!((wide - far * crop.side / 2.0).abs() <= allowed, "{wide} {far}");
    }

    /// A track moves from one crop towards another and nowhere else.
    #[test]
    fn between_two_crops_lies_every_one_on_the_way(a in crop(), b in crop(), amount in 0.0..=1.0f32) {
        let between = a.towards(&b, amount);
        let within = |v: f32, p: f32, q: f32| v >= p.min(q) - 1e-2 && v <= p.max(q) + 1e-2;
        prop_assert!(within(between.cx, a.cx, b.cx) && within(between.cy, a.cy, b.cy));
        prop_assert!(within(between.side, a.side, b.side) && within(between.angle, a.angle, b.angle));
        prop_assert!(between.side > 0.0);
    }

    /// A shift, a turn and a scale are found again from where they take points.
    #[test]
    fn a_similarity_is_found_from_its_points(
        points in prop::collection::vec(point(), 3..12),
        shift in point(),
        turn in -3.0..3.0f32,
        scale in 0.3..3.0f32,
    ) {
        let taken = |p: &[f32; 2]| turned(*p, turn).map(|v| v * scale);
        let to: Vec<[f32; 2]> = points.iter().map(|p| { let [x, y] = taken(p); [x + shift[0], y + shift[1]] }).collect();
        let pairs = points.iter().zip(&to).map(|(p, q)| (*p, *q, 1.0));
        // Points that lie together tell no turn.
        let Some(found) = fit(pairs, 1e-2) else { return Ok(()) };
        prop_assert!((found.scale / scale - 1.0).abs() < 1e-2, "{} {scale}", found.scale);
        let apart = (found.turn - turn).rem_euclid(std::f32::consts::TAU);
        prop_assert!(apart.min(std::f32::consts::TAU - apart) < 1e-2, "{} {turn}", found.turn);
        for (p, q) in points.iter().zip(&to) {
            let back = found.back(*q);
            prop_assert!((back[0] - p[0]).hypot(back[1] - p[1]) < 1e-2, "{back:?} {p:?}");
        }
    }

    /// Whatever comes, the filter stays between the least and the greatest it was given, and at rest it does not move.
    #[test]
    fn a_filtered_point_never_leaves_what_was_seen(
        seen in prop::collection::vec((0.0..2000.0f32, 0u64..500), 1..40),
        size in 1.0..2000.0f32,
        min_cutoff in 0.01..10.0f32,
        beta in 0.0..200.0f32,
    ) {
        let mut smoother = KeypointSmoother::new(OneEuroOptions { min_cutoff, beta, d_cutoff: 1.0 });
        let (mut time, mut least, mut most) = (Duration::ZERO, f32::MAX, f32::MIN);
        for (x, ms) in seen {
            time += Duration::from_millis(ms);
            (least, most) = (least.min(x), most.max(x));
            let mut keypoint = [DetectedKeypoint { x, y: 5.0, confidence: 1.0 }];
            smoother.apply(&mut keypoint, size, time);
            let slack = 1e-3 * (1.0 + most.abs());
            prop_assert!(keypoint[0].x >= least - slack && keypoint[0].x <= most + slack, "{}", keypoint[0].x);
            prop_assert_eq!(keypoint[0].y, 5.0);
        }
    }
}
