//! How much the picture changed since the last frame, where the face is: tells stillness from motion whatever the
//! keypoints say.

use image::RgbImage;

use crate::vision::crop::Crop;

/// Every so many-th pixel of a row, and every so many-th row, is compared.
const STEP: usize = 2;

/// Remembers the last frame.
#[derive(Debug, Default)]
pub struct Change {
    /// Green of every [`STEP`]-th pixel: most of what the eye sees as brightness.
    before: Vec<u8>,
    size: (u32, u32),
}

impl Change {
    /// Mean absolute difference from the last frame inside `crop` (its turn is ignored), in steps of 255. `None` for
    /// the first frame, and where the size changed or the crop lies outside.
    pub fn of(&mut self, picture: &RgbImage, crop: &Crop) -> Option<f32> {
        let same = self.size == picture.dimensions();
        self.size = picture.dimensions();
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let columns = width.div_ceil(STEP);
        self.before.resize(columns * height.div_ceil(STEP), 0);
        let inside = |v: usize, c: f32| (v as f32 + 0.5 - c).abs() <= crop.side / 2.0;
        let (mut sum, mut n) = (0u64, 0u64);
        let rows = picture.as_raw().chunks_exact((3 * width).max(1)).enumerate().step_by(STEP);
        for ((y, row), before) in rows.zip(self.before.chunks_exact_mut(columns.max(1))) {
            let near = inside(y, crop.cy);
            for (i, before) in before.iter_mut().enumerate() {
                let now = row[3 * STEP * i + 1];
                if near && inside(STEP * i, crop.cx) {
                    sum += u64::from(now.abs_diff(*before));
                    n += 1;
                }
                *before = now;
            }
        }
        (same && n > 0).then(|| sum as f32 / n as f32)
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn only_what_is_in_the_square_counts() {
        let crop = Crop { cx: 16.0, cy: 16.0, side: 16.0, angle: 0.0 };
        let mut change = Change::default();
        let mut picture = RgbImage::from_pixel(65, 33, Rgb([0, 100, 0]));
        assert_eq!(change.of(&picture, &crop), None);
        picture.put_pixel(50, 16, Rgb([0; 3]));
        assert_eq!(change.of(&picture, &crop), Some(0.0));
        for y in 8..24 {
            for x in 8..16 {
                picture.put_pixel(x, y, Rgb([0, 140, 0]));
            }
        }
        assert_eq!(change.of(&picture, &crop), Some(20.0), "half of it by 40");
        assert_eq!(change.of(&RgbImage::new(32, 32), &crop), None);
        assert_eq!(change.of(&RgbImage::new(32, 32), &Crop { cx: 500.0, ..crop }), None);
    }
}
