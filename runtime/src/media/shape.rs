//! From the pixels that a clip stores to the picture that it means: pixels that are not square, and quarter turns.

use image::{RgbImage, imageops};

use super::frame_pool::FramePool;
use super::frame_size::fits;
use crate::vision::enlarge::Enlarger;

/// Most that a picture is stretched: more is damage.
const MOST: f64 = 8.0;

/// What has to be done with stored pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Width and height of a pixel, in any unit.
    pub pixel: (u32, u32),
    /// Clockwise quarter turns, after the stretching.
    pub turns: u8,
}

impl Shape {
    /// Pixels of a picture of `size` with its pixels made square: it is stretched, never shrunk, to even sides.
    pub fn stretched(self, (width, height): (u32, u32)) -> (u32, u32) {
        let (w, h) = (f64::from(self.pixel.0), f64::from(self.pixel.1));
        let ratio = w / h;
        // A difference that is not seen is no reason to compute all pixels anew.
        if !(1.0 / MOST..=MOST).contains(&ratio) || (ratio - 1.0).abs() < 0.005 {
            return (width, height);
        }
        let even = |side: f64| 2 * (side / 2.0).round() as u32;
        let square = if ratio > 1.0 {
            (even(f64::from(width) * ratio).max(width), height)
        } else {
            (width, even(f64::from(height) / ratio).max(height))
        };
        // A picture of the largest size is shown with the pixels that it has.
        if fits(square) { square } else { (width, height) }
    }

    /// Pixels of what is shown of a stored picture of `size`.
    pub fn shown(self, size: (u32, u32)) -> (u32, u32) {
        let (width, height) = self.stretched(size);
        if self.turns.is_multiple_of(2) { (width, height) } else { (height, width) }
    }
}

/// Gives pictures their shape, in pictures of a pool.
#[derive(Debug, Default)]
pub(super) struct Shaper {
    enlarger: Enlarger,
}

impl Shaper {
    /// What is shown of a stored picture.
    pub fn apply(&mut self, shape: Shape, mut picture: RgbImage, pool: &FramePool) -> RgbImage {
        let size = shape.stretched(picture.dimensions());
        if size != picture.dimensions() {
            let mut large = pool.take(size.0, size.1);
            self.enlarger.stretch(&picture, size, &mut large);
            pool.give(std::mem::replace(&mut picture, large));
        }
        if shape.turns.is_multiple_of(4) {
            return picture;
        }
        let size = if shape.turns.is_multiple_of(2) { size } else { (size.1, size.0) };
        let mut turned = pool.take(size.0, size.1);
        // They fail for a picture of another size only.
        match shape.turns % 4 {
            1 => imageops::rotate90_in(&picture, &mut turned),
            2 => imageops::rotate180_in(&picture, &mut turned),
            _ => imageops::rotate270_in(&picture, &mut turned),
        }
        .ok();
        pool.give(picture);
        turned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_become_square() {
        let shown = |pixel, turns, size| Shape { pixel, turns }.shown(size);
        assert_eq!(shown((2, 1), 0, (160, 240)), (320, 240));
        assert_eq!(shown((8, 9), 0, (720, 480)), (720, 540));
        assert_eq!(shown((128, 117), 0, (176, 144)), (192, 144));
        assert_eq!(shown((4, 3), 1, (1440, 1080)), (1080, 1920));
        assert_eq!(shown((1001, 1000), 0, (640, 480)), (640, 480));
        // Half a gigabyte a frame was made of what says of itself that its pixels are eight times as wide.
        assert_eq!(shown((8, 1), 0, (8192, 4320)), (8192, 4320));
        assert_eq!((shown((0, 1), 0, (4, 4)), shown((9, 0), 0, (4, 4))), ((4, 4), (4, 4)));
    }

    #[test]
    fn pictures_are_stretched_then_turned() {
        let picture = RgbImage::from_fn(2, 2, |x, y| image::Rgb([100 * x as u8, 100 * y as u8, 0]));
        let (mut shaper, pool) = (Shaper::default(), FramePool::default());
        let mut shown = |turns| shaper.apply(Shape { pixel: (2, 1), turns }, picture.clone(), &pool);
        let corner = |picture: &RgbImage| picture.get_pixel(0, 0).0;
        let pictures = [0, 1, 2, 3].map(&mut shown);
        assert_eq!(pictures.each_ref().map(|p| p.dimensions()), [(4, 2), (2, 4), (4, 2), (2, 4)]);
        assert_eq!(pictures.each_ref().map(corner), [[0, 0, 0], [0, 100, 0], [100, 100, 0], [100, 0, 0]]);
    }
}
