//! Small pictures enlarged, so that what is drawn on them can be seen.

use image::RgbImage;

/// Enlarges pictures; keeps its tables, so that repeated use does not allocate.
#[derive(Clone, Debug, Default)]
pub struct Enlarger {
    columns: Vec<[usize; 3]>,
    rows: Vec<[usize; 3]>,
    mixed: Vec<u32>,
}

impl Enlarger {
    /// Draws the picture on `large`, enlarged by a whole `factor`, with straight lines between its pixels.
    pub fn enlarge(&mut self, picture: &RgbImage, factor: u32, large: &mut RgbImage) {
        let (width, height) = picture.dimensions();
        self.stretch(picture, (width * factor.max(1), height * factor.max(1)), large);
    }

    /// Draws the picture on `large`, `size` pixels wide and high and no smaller than it, with straight lines between its pixels.
    pub fn stretch(&mut self, picture: &RgbImage, size: (u32, u32), large: &mut RgbImage) {
        let (width, height) = picture.dimensions();
        if large.dimensions() != size {
            *large = RgbImage::new(size.0, size.1);
        }
        if width == 0 || height == 0 || size.0 == 0 || size.1 == 0 {
            return;
        }
        fill_taps(&mut self.columns, width, size.0);
        fill_taps(&mut self.rows, height, size.1);
        let stride = 3 * width as usize;
        self.mixed.resize(stride, 0);
        let lines = large.chunks_exact_mut(3 * size.0 as usize);
        for (line, [above, below, weight]) in lines.zip(&self.rows) {
            let row = |y: usize| &picture.as_raw()[y * stride..(y + 1) * stride];
            let weight = *weight as u32;
            for ((mixed, a), b) in self.mixed.iter_mut().zip(row(*above)).zip(row(*below)) {
                *mixed = u32::from(*a) * (256 - weight) + u32::from(*b) * weight;
            }
            for (pixel, [left, right, weight]) in line.chunks_exact_mut(3).zip(&self.columns) {
                for (channel, value) in pixel.iter_mut().enumerate() {
                    let (a, b) = (self.mixed[3 * left + channel], self.mixed[3 * right + channel]);
                    *value = ((a * (256 - *weight as u32) + b * *weight as u32 + (1 << 15)) >> 16) as u8;
                }
            }
        }
    }
}

/// For every position of `larger` its two neighbours of `size`, and the second one's weight, of 256.
fn fill_taps(taps: &mut Vec<[usize; 3]>, size: u32, larger: u32) {
    let last = size as usize - 1;
    let (size, larger) = (u64::from(size), u64::from(larger));
    taps.clear();
    taps.extend((0..larger).map(|i| {
        // Pixel centres lie at halves; everything is counted in 512ths of a pixel of the original.
        let position = ((2 * i + 1) * 256 * size / larger).saturating_sub(256);
        let first = (position / 512) as usize;
        [first.min(last), (first + 1).min(last), (position % 512 / 2) as usize]
    }));
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn enlarging_draws_straight_lines_between_pixels() {
        let ramp = RgbImage::from_fn(3, 2, |x, _| Rgb([100 * x as u8, 7, 255]));
        let (mut enlarger, mut large) = (Enlarger::default(), RgbImage::default());
        enlarger.enlarge(&ramp, 4, &mut large);
        let reds: Vec<_> = (0..12).map(|x| large.get_pixel(x, 5).0[0]).collect();
        assert_eq!(reds, [0, 0, 13, 38, 63, 88, 113, 138, 163, 188, 200, 200]);
        assert!(large.pixels().all(|p| p.0[1..] == [7, 255]));
    }

    #[test]
    fn a_picture_is_stretched_in_one_direction() {
        let ramp = RgbImage::from_fn(2, 2, |x, y| Rgb([100 * x as u8, 100 * y as u8, 255]));
        let (mut enlarger, mut wide) = (Enlarger::default(), RgbImage::default());
        enlarger.stretch(&ramp, (3, 2), &mut wide);
        let reds: Vec<_> = wide.pixels().map(|p| p.0[0]).collect();
        let greens: Vec<_> = wide.pixels().map(|p| p.0[1]).collect();
        assert_eq!((reds, greens), (vec![0, 50, 100, 0, 50, 100], vec![0, 0, 0, 100, 100, 100]));
    }

    #[test]
    fn every_size_fits_after_another() {
        let (mut enlarger, mut large) = (Enlarger::default(), RgbImage::default());
        for (width, height, factor) in [(4, 3, 3), (9, 2, 2), (5, 5, 1), (0, 4, 2), (2, 2, 4)] {
            let picture = RgbImage::from_pixel(width, height, Rgb([9, 8, 7]));
            enlarger.enlarge(&picture, factor, &mut large);
            assert_eq!(large.dimensions(), (width * factor, height * factor));
            assert!(large.pixels().all(|p| p.0 == [9, 8, 7]));
        }
    }
}
