//! Small pictures enlarged, so that what is drawn on them can be seen.

use image::RgbImage;

/// Enlarges pictures; keeps its tables and rows, so that repeated use does not allocate.
#[derive(Clone, Debug, Default)]
pub struct Enlarger {
    columns: Vec<[usize; 3]>,
    rows: Vec<[usize; 3]>,
    /// The two rows of the picture that are being mixed, as wide as the large one, in 64ths.
    above: Vec<i16>,
    below: Vec<i16>,
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
        let (stride, wide) = (3 * width as usize, 3 * size.0 as usize);
        self.above.resize(wide, 0);
        self.below.resize(wide, 0);
        let row = |y: usize| &picture.as_raw()[y * stride..(y + 1) * stride];
        // Each row is widened once, when it is first below the line that is drawn.
        let mut held = [None; 2];
        for (line, &[above, below, weight]) in large.chunks_exact_mut(wide).zip(&self.rows) {
            if held[0] != Some(above) {
                if held[1] == Some(above) {
                    std::mem::swap(&mut self.above, &mut self.below);
                    held[1] = None;
                } else {
                    widen(&self.columns, row(above), &mut self.above);
                }
                held[0] = Some(above);
            }
            if held[1] != Some(below) {
                widen(&self.columns, row(below), &mut self.below);
                held[1] = Some(below);
            }
            mix(&self.above, &self.below, weight, line);
        }
    }
}

/// Widens a row to as many pixels as there are columns, in 64ths.
fn widen(columns: &[[usize; 3]], row: &[u8], wide: &mut [i16]) {
    let (row, wide) = (row.as_chunks::<3>().0, wide.as_chunks_mut::<3>().0);
    for (pixel, &[left, right, weight]) in wide.iter_mut().zip(columns) {
        for ((value, a), b) in pixel.iter_mut().zip(row[left]).zip(row[right]) {
            let (a, b) = (i32::from(a), i32::from(b));
            *value = ((256 * a + weight as i32 * (b - a) + 2) >> 2) as i16;
        }
    }
}

/// Mixes two rows of 64ths, of which the second weighs `weight` of 256. Numbers of 16 bits are mixed eight at a time.
fn mix(above: &[i16], below: &[i16], weight: usize, line: &mut [u8]) {
    let weight = 128 * weight as i32;
    for ((value, &a), &b) in line.iter_mut().zip(above).zip(below) {
        let more = ((i32::from(2 * (b - a)) * weight) >> 16) as i16;
        *value = ((a + more + 32) >> 6).clamp(0, 255) as u8;
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

    /// Rows between two of the picture have what lies between them, whatever the rows before were widened from.
    #[test]
    fn rows_are_mixed_as_columns_are() {
        let noise =
            RgbImage::from_fn(7, 5, |x, y| Rgb([0, 1, 2].map(|c| (x * 7919 + y * 104_729 + c * 31) as u8)));
        let turned = image::imageops::rotate90(&noise);
        let (mut enlarger, mut large) = (Enlarger::default(), RgbImage::default());
        for (size, other) in [((21, 20), (20, 21)), ((8, 13), (13, 8))] {
            enlarger.stretch(&noise, size, &mut large);
            let upright = image::imageops::rotate90(&large);
            enlarger.stretch(&turned, other, &mut large);
            assert_eq!(upright.dimensions(), large.dimensions());
            // Turned by a quarter, left and right of a point change places where it lies between two.
            let apart = upright.iter().zip(large.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(apart <= 2, "{apart}");
        }
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
