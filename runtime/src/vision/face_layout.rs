//! Where the keypoints of a face lie relative to each other, and the square that frames them.

use lkg_bundle::Manifest;

use super::crop::Crop;
use super::similarity::{Similarity, centre_and_square, fit};
use crate::frame::DetectedKeypoint;

/// Root mean square distance of the means from their centre, in normalised coordinates, below which they define no square.
const LEAST_SPREAD: f32 = 0.05;
/// Least weight of a keypoint: without any, keypoints of no confidence at all would have no place.
const LEAST_WEIGHT: f32 = 1e-3;
/// Most that a head is taken to be tilted, in radians (45 degrees): beyond, it is the keypoints that are wrong.
const MOST_TILT: f32 = std::f32::consts::FRAC_PI_4;

/// The mean layout of a bundle's keypoints, as its training pictures frame it.
#[derive(Clone, Debug)]
pub struct FaceLayout {
    /// Normalised coordinates.
    means: Vec<[f32; 2]>,
}

impl FaceLayout {
    /// That of a bundle.
    pub fn new(manifest: &Manifest) -> Self {
        let means: Vec<[f32; 2]> = manifest.keypoints.iter().map(|k| k.mean).collect();
        let (_, square) = centre_and_square(means.iter().map(|m| (*m, 1.0)));
        // Keypoints that all lie in one place can't be aligned: none are then.
        if square.sqrt() < LEAST_SPREAD { Self { means: Vec::new() } } else { Self { means } }
    }

    /// The square in which `keypoints` lie as the mean layout does in a training picture: the similarity that takes
    /// the means to them with the least squares, weighted by confidence. Its angle is the head's tilt.
    pub fn frame(&self, keypoints: &[DetectedKeypoint]) -> Crop {
        let weight = |k: &DetectedKeypoint| k.confidence.max(LEAST_WEIGHT);
        let pairs = self.means.iter().zip(keypoints).map(|(m, k)| (*m, [k.x, k.y], weight(k)));
        let fitted =
            if self.means.len() == keypoints.len() { fit(pairs, LEAST_SPREAD.powi(2)) } else { None };
        let Some(Similarity { from, to: [cx, cy], turn, scale }) = fitted else {
            // Keypoints fill the middle half of the square.
            let ([cx, cy], square) = centre_and_square(keypoints.iter().map(|k| ([k.x, k.y], weight(k))));
            return Crop { cx, cy, side: 4.0 * square.sqrt(), angle: 0.0 };
        };
        let angle = turn.clamp(-MOST_TILT, MOST_TILT);
        let (sin, cos) = angle.sin_cos();
        Crop {
            cx: cx - scale * (cos * from[0] - sin * from[1]),
            cy: cy - scale * (sin * from[0] + cos * from[1]),
            side: 2.0 * scale,
            angle,
        }
    }

    /// The same square upright and no smaller than a pixel. Not a tracker's crop: that one comes a frame late, and recorded
    /// motion has none.
    pub(crate) fn upright(&self, keypoints: &[DetectedKeypoint]) -> Crop {
        let frame = self.frame(keypoints);
        Crop { angle: 0.0, side: frame.side.max(1.0), ..frame }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEANS: [[f32; 2]; 4] = [[-0.5, -0.2], [0.4, -0.3], [0.1, 0.1], [0.0, 0.7]];

    fn layout() -> FaceLayout {
        FaceLayout { means: MEANS.to_vec() }
    }

    fn seen(crop: &Crop) -> Vec<DetectedKeypoint> {
        let confidences = [0.9, 0.4, 0.1, 0.6];
        let at = |(m, confidence): ([f32; 2], f32)| {
            let [x, y] = crop.to_picture(m);
            DetectedKeypoint { x, y, confidence }
        };
        MEANS.into_iter().zip(confidences).map(at).collect()
    }

    fn assert_close(a: &Crop, b: &Crop) {
        let close = |a: f32, b: f32| (a - b).abs() < 1e-2;
        assert!(close(a.cx, b.cx) && close(a.cy, b.cy) && close(a.side, b.side), "{a:?} {b:?}");
        assert!((a.angle - b.angle).abs() < 1e-4, "{a:?} {b:?}");
    }

    #[test]
    fn the_square_of_the_mean_face_is_found_whatever_its_place_size_and_tilt() {
        for angle in [0.0, 0.3, -0.7] {
            let crop = Crop { cx: 300.0, cy: 220.0, side: 150.0, angle };
            assert_close(&layout().frame(&seen(&crop)), &crop);
        }
    }

    #[test]
    fn a_keypoint_of_low_confidence_hardly_moves_the_square() {
        let crop = Crop { cx: 300.0, cy: 220.0, side: 150.0, angle: 0.1 };
        let mut keypoints = seen(&crop);
        keypoints[1] = DetectedKeypoint { x: 20.0, y: 20.0, confidence: 0.0 };
        let found = layout().frame(&keypoints);
        assert!((found.cx - crop.cx).abs() < 2.0 && (found.side - crop.side).abs() < 2.0, "{found:?}");
    }

    #[test]
    fn a_face_on_its_head_is_not_believed_to_be_one() {
        let crop = Crop { cx: 300.0, cy: 220.0, side: 150.0, angle: 3.0 };
        assert_eq!(layout().frame(&seen(&crop)).angle, MOST_TILT);
    }

    #[test]
    fn without_usable_means_keypoints_fill_the_middle_half() {
        let none = FaceLayout { means: Vec::new() };
        let at = |x: f32, y: f32| DetectedKeypoint { x, y, confidence: 0.5 };
        let found = none.frame(&[at(90.0, 40.0), at(110.0, 40.0)]);
        assert_close(&found, &Crop { cx: 100.0, cy: 40.0, side: 40.0, angle: 0.0 });
    }
}
