//! The square of a picture that a network sees.

use lkg_bundle::conventions::{from_pixels, to_pixels};

/// A square in a picture's pixel coordinates, where 0 and width (or height) are the outer edges. It may reach
/// beyond the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    /// Centre, to the right.
    pub cx: f32,
    /// Centre, downwards.
    pub cy: f32,
    /// Side in pixels, positive.
    pub side: f32,
    /// Rotation in radians: how far the square's x axis is turned from right towards down.
    pub angle: f32,
}

impl Crop {
    /// The largest centred square inside a picture.
    pub fn inside(width: u32, height: u32) -> Self {
        Self::centred(width, height, width.min(height))
    }

    /// The smallest centred square around a picture.
    pub fn around(width: u32, height: u32) -> Self {
        Self::centred(width, height, width.max(height))
    }

    fn centred(width: u32, height: u32, side: u32) -> Self {
        Self { cx: width as f32 / 2.0, cy: height as f32 / 2.0, side: side as f32, angle: 0.0 }
    }

    /// A point of the picture for a point in the network's normalised coordinates.
    pub fn to_picture(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let half = self.side / 2.0;
        let (u, v) = (to_pixels(x, self.side) - half, to_pixels(y, self.side) - half);
        let (sin, cos) = self.angle.sin_cos();
        [self.cx + u * cos - v * sin, self.cy + u * sin + v * cos]
    }

    /// The network's normalised coordinates for a point of the picture.
    pub fn to_network(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let half = self.side / 2.0;
        let (dx, dy) = (x - self.cx, y - self.cy);
        let (sin, cos) = self.angle.sin_cos();
        [
            from_pixels(dx * cos + dy * sin + half, self.side),
            from_pixels(dy * cos - dx * sin + half, self.side),
        ]
    }

    /// Distance of the centres of two crops, in pixels.
    pub(crate) fn distance(&self, other: &Crop) -> f32 {
        (self.cx - other.cx).hypot(self.cy - other.cy)
    }

    /// Which of `crops` a point of the picture is in: the one whose centre is nearest, in sides, and no further away than its
    /// corners.
    pub(crate) fn nearest<T>([x, y]: [f32; 2], crops: impl Iterator<Item = (T, Crop)>) -> Option<T> {
        let apart = |crop: &Crop| (crop.cx - x).hypot(crop.cy - y) / crop.side;
        let nearest = crops.min_by(|(_, a), (_, b)| apart(a).total_cmp(&apart(b)));
        nearest.filter(|(_, crop)| apart(crop) < std::f32::consts::FRAC_1_SQRT_2).map(|(which, _)| which)
    }

    /// A crop that lies `amount` (0 to 1) of the way from this one to `other`.
    pub fn towards(&self, other: &Crop, amount: f32) -> Self {
        let mix = |a: f32, b: f32| a + (b - a) * amount;
        Self {
            cx: mix(self.cx, other.cx),
            cy: mix(self.cy, other.cy),
            side: mix(self.side, other.side),
            angle: mix(self.angle, other.angle),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: [f32; 2], b: [f32; 2]) -> bool {
        (a[0] - b[0]).abs() < 1e-3 && (a[1] - b[1]).abs() < 1e-3
    }

    #[test]
    fn a_square_picture_maps_edge_to_edge() {
        let crop = Crop::inside(64, 64);
        assert_eq!(crop, Crop::around(64, 64));
        assert!(close(crop.to_picture([-1.0, 1.0]), [0.0, 64.0]));
        assert!(close(crop.to_network([32.0, 16.0]), [0.0, -0.5]));
    }

    #[test]
    fn wide_pictures_lose_their_sides_inside_and_gain_bands_around() {
        assert!(close(Crop::inside(640, 480).to_picture([-1.0, -1.0]), [80.0, 0.0]));
        assert!(close(Crop::around(640, 480).to_picture([-1.0, -1.0]), [0.0, -80.0]));
    }

    #[test]
    fn the_two_mappings_invert_each_other_when_turned_too() {
        let crop = Crop { cx: 310.0, cy: 95.5, side: 123.0, angle: 0.7 };
        for point in [[-1.0, -1.0], [0.3, -0.8], [0.0, 0.0], [1.0, 0.25]] {
            assert!(close(crop.to_network(crop.to_picture(point)), point));
        }
    }

    #[test]
    fn a_quarter_turn_points_the_x_axis_down() {
        let crop = Crop { cx: 0.0, cy: 0.0, side: 2.0, angle: std::f32::consts::FRAC_PI_2 };
        assert!(close(crop.to_picture([1.0, 0.0]), [0.0, 1.0]));
    }
}
