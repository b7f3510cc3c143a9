//! From a crop of a picture to a network's input.
//!
//! The picture is taken as piecewise constant and each input value is its mean over a window as wide as the larger
//! of one input pixel and one picture pixel: an area filter when shrinking, linear interpolation when enlarging.
//! Outside the picture its edge pixels are repeated, which looks to the network like a plain background and, unlike
//! a flat colour, adds no edge.

use lkg_bundle::conventions::pixel_centre;

use super::crop::Crop;
use crate::frame::PictureRef;

/// Samples crops into inputs of one size; keeps its tables, so that repeated use does not allocate.
#[derive(Debug)]
pub struct Preprocessor {
    size: usize,
    columns: Taps,
    rows: Taps,
    accumulated: Vec<f32>,
}

/// For each output position the run of source positions it averages.
#[derive(Debug, Default)]
struct Taps {
    runs: Vec<Run>,
    weights: Vec<f32>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    /// First source position.
    first: usize,
    /// First weight of the run.
    offset: usize,
    /// Positions in the run, at least 1.
    length: usize,
}

impl Preprocessor {
    /// A preprocessor for inputs of `size` by `size` pixels.
    pub fn new(size: usize) -> Self {
        Self { size, columns: Taps::default(), rows: Taps::default(), accumulated: Vec::new() }
    }

    /// How many values [`Preprocessor::sample`] writes: 3 x size x size.
    pub fn len(&self) -> usize {
        3 * self.size * self.size
    }

    /// Whether an input has no pixels.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Writes `crop` of `picture` to `out`, `[3, S, S]` row-major, RGB in [-1, 1]. Without pixels in the picture,
    /// or with an `out` of another length than [`Preprocessor::len`], nothing is written.
    pub fn sample<'p>(&mut self, picture: impl Into<PictureRef<'p>>, crop: &Crop, out: &mut [f32]) {
        let picture = picture.into();
        if picture.width() == 0 || picture.height() == 0 || out.len() != self.len() {
            return;
        }
        if crop.angle == 0.0 {
            self.sample_upright(picture, crop, out);
        } else {
            self.sample_turned(picture, crop, out);
        }
    }

    fn sample_upright(&mut self, picture: PictureRef<'_>, crop: &Crop, out: &mut [f32]) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let size = self.size;
        self.columns.fill(crop.cx, crop.side, size, width);
        self.rows.fill(crop.cy, crop.side, size, height);
        let begin = self.columns.runs.iter().map(|r| r.first).min().unwrap_or(0);
        let end = self.columns.runs.iter().map(|r| r.first + r.length).max().unwrap_or(0);
        self.accumulated.resize(3 * (end - begin), 0.0);
        let stride = 3 * width;
        let bytes = picture.bytes();
        for (y, run) in self.rows.runs.iter().enumerate() {
            // Down the rows first: they are contiguous, so this, the bulk of the work, vectorises.
            let lines = &bytes[stride * run.first + 3 * begin..];
            mean_of_rows(lines, stride, self.rows.weights(run), &mut self.accumulated);
            for (x, run) in self.columns.runs.iter().enumerate() {
                let from = 3 * (run.first - begin);
                let mut rgb = [0.0; 3];
                for (pixel, weight) in self.accumulated[from..].chunks_exact(3).zip(self.columns.weights(run))
                {
                    for (sum, value) in rgb.iter_mut().zip(pixel) {
                        *sum += weight * value;
                    }
                }
                for (channel, value) in rgb.into_iter().enumerate() {
                    // `colour_to_unit`, without a division for every value.
                    out[(channel * size + y) * size + x] = value * (1.0 / 127.5) - 1.0;
                }
            }
        }
    }

    /// The same windows, turned, approximated by a grid of linear samples at least as fine as the picture's pixels.
    fn sample_turned(&mut self, picture: PictureRef<'_>, crop: &Crop, out: &mut [f32]) {
        let size = self.size;
        let step = crop.side / size as f32;
        let grid = (step.ceil() as usize).max(1);
        // `colour_to_unit` of the mean, without a division for every value.
        let scale = 1.0 / (127.5 * (grid * grid) as f32);
        // The square's middle and half sides, so that its turn is computed once.
        let middle = crop.to_picture([0.0, 0.0]);
        let half = |to: [f32; 2]| {
            let end = crop.to_picture(to);
            [end[0] - middle[0], end[1] - middle[1]]
        };
        let (across, down) = (half([1.0, 0.0]), half([0.0, 1.0]));
        // Offsets of the grid's points from the window's centre, in normalised coordinates.
        let offset = |i: usize| pixel_centre(i, grid) / size as f32;
        for y in 0..size {
            for x in 0..size {
                let mut rgb = [0.0; 3];
                for i in 0..grid {
                    for j in 0..grid {
                        let (u, v) = (pixel_centre(x, size) + offset(j), pixel_centre(y, size) + offset(i));
                        let along = |axis: usize| middle[axis] + u * across[axis] + v * down[axis];
                        let value = linear(picture, [along(0), along(1)]);
                        for (sum, value) in rgb.iter_mut().zip(value) {
                            *sum += value;
                        }
                    }
                }
                for (channel, value) in rgb.into_iter().enumerate() {
                    out[(channel * size + y) * size + x] = value * scale - 1.0;
                }
            }
        }
    }
}

/// Bytes that are summed at once: a few registers full.
const BLOCK: usize = 32;
/// Bytes whose sum surely fits into 16 bits.
const SUMMED: usize = 256;

/// Weighted sum of rows, each as long as `out`, that begin `stride` bytes apart in `lines`. All weights but the first
/// and the last are the same, as those of a window over whole pixels are: between them bytes are summed as integers,
/// sixteen to an instruction, and weighed once.
fn mean_of_rows(lines: &[u8], stride: usize, weights: &[f32], out: &mut [f32]) {
    let [first, rest @ ..] = weights else { return };
    let last = rest.last().copied().unwrap_or(0.0);
    let between = rest.len().saturating_sub(1);
    let weight = if between > 0 { rest[0] } else { 0.0 };
    let bottom = &lines[stride * rest.len()..];
    let whole = if between <= SUMMED { out.len() - out.len() % BLOCK } else { 0 };
    for (block, out) in out[..whole].chunks_exact_mut(BLOCK).enumerate() {
        let at = block * BLOCK;
        let mut sums = [0u16; BLOCK];
        for row in 1..=between {
            let line = &lines[row * stride + at..row * stride + at + BLOCK];
            for (sum, byte) in sums.iter_mut().zip(line) {
                *sum += u16::from(*byte);
            }
        }
        let (top, bottom) = (&lines[at..at + BLOCK], &bottom[at..at + BLOCK]);
        for (((value, sum), a), b) in out.iter_mut().zip(sums).zip(top).zip(bottom) {
            *value = weight * f32::from(sum) + first * f32::from(*a) + last * f32::from(*b);
        }
    }
    // What does not fill a block, or is so far shrunk that its sums would not fit.
    for (i, value) in out.iter_mut().enumerate().skip(whole) {
        *value = weights.iter().enumerate().map(|(row, w)| w * f32::from(lines[row * stride + i])).sum();
    }
}

impl Taps {
    fn weights(&self, run: &Run) -> &[f32] {
        &self.weights[run.offset..run.offset + run.length]
    }

    /// Fills the table for `size` outputs over a crop of `side` centred at `centre` on an axis of `limit` pixels.
    fn fill(&mut self, centre: f32, side: f32, size: usize, limit: usize) {
        self.runs.clear();
        self.weights.clear();
        let half = (side / size as f32).max(1.0) / 2.0;
        let last = limit - 1;
        for i in 0..size {
            let middle = centre + pixel_centre(i, size) * side / 2.0;
            // Beyond the picture every position stands for the edge pixel, so the window may be cut there.
            let low = (middle - half).clamp(0.0, limit as f32);
            let high = (middle + half).clamp(0.0, limit as f32);
            let first = (low as usize).min(last);
            let end = (high.ceil() as usize).clamp(first + 1, limit);
            let offset = self.weights.len();
            let scale = 1.0 / (2.0 * half);
            for position in first..end {
                let overlap = (high.min((position + 1) as f32) - low.max(position as f32)).max(0.0);
                self.weights.push(overlap * scale);
            }
            // What was cut off belongs to the edge pixels.
            let before = (0.0 - (middle - half)).clamp(0.0, 2.0 * half) * scale;
            let after = ((middle + half) - limit as f32).clamp(0.0, 2.0 * half) * scale;
            self.weights[offset] += before;
            if let Some(weight) = self.weights.last_mut() {
                *weight += after;
            }
            self.runs.push(Run { first, offset, length: end - first });
        }
    }
}

/// The picture at a point by linear interpolation between pixel centres, in [0, 255].
fn linear(picture: PictureRef<'_>, [x, y]: [f32; 2]) -> [f32; 3] {
    let (width, height) = picture.dimensions();
    let axis = |v: f32, size: u32| {
        let v = (v - 0.5).clamp(0.0, (size - 1) as f32);
        let low = v as u32;
        (low, (low + 1).min(size - 1), v - low as f32)
    };
    let (x0, x1, fx) = axis(x, width);
    let (y0, y1, fy) = axis(y, height);
    let bytes = picture.bytes();
    let at = |x: u32, y: u32| {
        let i = 3 * (y as usize * width as usize + x as usize);
        [bytes[i], bytes[i + 1], bytes[i + 2]].map(f32::from)
    };
    let (a, b, c, d) = (at(x0, y0), at(x1, y0), at(x0, y1), at(x1, y1));
    std::array::from_fn(|i| {
        let top = a[i] + (b[i] - a[i]) * fx;
        let bottom = c[i] + (d[i] - c[i]) * fx;
        top + (bottom - top) * fy
    })
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};
    use lkg_bundle::conventions::colour_to_unit;

    use super::*;

    fn sample(picture: &RgbImage, crop: &Crop, size: usize) -> Vec<f32> {
        let mut pre = Preprocessor::new(size);
        let mut out = vec![f32::NAN; pre.len()];
        pre.sample(picture, crop, &mut out);
        out
    }

    fn ramp(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([(x * 4) as u8, (y * 4) as u8, 100]))
    }

    #[test]
    fn at_equal_size_pixels_pass_through() {
        let picture = ramp(16, 16);
        let out = sample(&picture, &Crop::inside(16, 16), 16);
        for (x, y, pixel) in picture.enumerate_pixels() {
            for c in 0..3 {
                let value = out[(c * 16 + y as usize) * 16 + x as usize];
                assert!((value - colour_to_unit(pixel[c])).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn shrinking_takes_the_mean_so_a_fine_chequerboard_turns_grey() {
        let picture = RgbImage::from_fn(60, 60, |x, y| Rgb([if (x + y) % 2 == 0 { 255 } else { 0 }; 3]));
        for angle in [0.0, 0.3] {
            let crop = Crop { angle, side: 40.0, ..Crop::inside(60, 60) };
            let worst = sample(&picture, &crop, 8).into_iter().fold(0.0f32, |w, v| w.max(v.abs()));
            assert!(worst < 0.12, "{worst} at {angle}");
        }
    }

    /// What the sums stand for, computed as slowly as it is written down.
    fn plain(picture: &RgbImage, crop: &Crop, size: usize) -> Vec<f32> {
        let (mut columns, mut rows) = (Taps::default(), Taps::default());
        columns.fill(crop.cx, crop.side, size, picture.width() as usize);
        rows.fill(crop.cy, crop.side, size, picture.height() as usize);
        let mut out = vec![0.0; 3 * size * size];
        for (y, row) in rows.runs.iter().enumerate() {
            for (x, column) in columns.runs.iter().enumerate() {
                for c in 0..3 {
                    let mut sum = 0.0f64;
                    for (v, a) in (row.first..).zip(rows.weights(row)) {
                        for (u, b) in (column.first..).zip(columns.weights(column)) {
                            sum += f64::from(a * b) * f64::from(picture.get_pixel(u as u32, v as u32)[c]);
                        }
                    }
                    out[(c * size + y) * size + x] = (sum / 127.5 - 1.0) as f32;
                }
            }
        }
        out
    }

    #[test]
    fn sums_of_integers_are_the_weighted_means() {
        let noise = |x: u32, y: u32, c: u32| ((x * 7919 + y * 104_729 + c * 1299) ^ (x * y)) as u8;
        // Larger than 256 rows for each output too, where the sums are cut; and enlarged.
        for (width, height, side, size) in [
            (97, 61, 50.3, 16),
            (640, 480, 263.7, 64),
            (50, 900, 1700.0, 3),
            (33, 33, 5.5, 8),
            (9, 9, 8.0, 8),
        ] {
            let picture = RgbImage::from_fn(width, height, |x, y| Rgb([0, 1, 2].map(|c| noise(x, y, c))));
            let crop = Crop { cx: width as f32 / 2.0 + 3.3, cy: height as f32 / 2.0 - 1.7, side, angle: 0.0 };
            let (fast, slow) = (sample(&picture, &crop, size), plain(&picture, &crop, size));
            let worst = fast.iter().zip(&slow).fold(0.0f32, |w, (a, b)| w.max((a - b).abs()));
            assert!(worst < 2e-5, "{worst} at {width} x {height}, side {side}");
        }
    }

    #[test]
    fn windows_that_split_pixels_weigh_them() {
        // 3 pixels to 2: each output takes one pixel and half of the middle one.
        let picture = RgbImage::from_fn(3, 3, |x, _| Rgb([[0, 90, 240][x as usize]; 3]));
        let out = sample(&picture, &Crop::inside(3, 3), 2);
        assert!((out[0] - (30.0 / 127.5 - 1.0)).abs() < 1e-5);
        assert!((out[1] - (190.0 / 127.5 - 1.0)).abs() < 1e-5);
    }

    #[test]
    fn enlarging_interpolates_linearly() {
        let picture = RgbImage::from_fn(2, 1, |x, _| Rgb([if x == 0 { 0 } else { 200 }; 3]));
        let crop = Crop { cx: 1.0, cy: 0.5, side: 1.0, angle: 0.0 };
        let out = sample(&picture, &crop, 4);
        for (i, want) in [25.0, 75.0, 125.0, 175.0].into_iter().enumerate() {
            assert!((out[i] - (want / 127.5 - 1.0)).abs() < 1e-5, "{:?}", &out[..4]);
        }
    }

    #[test]
    fn beyond_the_picture_its_edge_repeats() {
        let picture = ramp(32, 32);
        let far = Crop { cx: -500.0, cy: 16.0, side: 32.0, angle: 0.0 };
        let out = sample(&picture, &far, 32);
        let turned = sample(&picture, &Crop { angle: 1e-6, ..far }, 32);
        for y in 0..32 {
            for x in 0..32 {
                assert!((out[y * 32 + x] + 1.0).abs() < 1e-5);
                assert!((turned[y * 32 + x] + 1.0).abs() < 1e-4);
            }
        }
        let partly = sample(&picture, &Crop::around(32, 16), 32);
        assert!(partly.iter().all(|v| (-1.0..=1.0).contains(v)));
    }

    #[test]
    fn a_turned_crop_agrees_with_the_upright_one_at_angle_nought() {
        let picture = ramp(50, 40);
        for side in [40.0, 17.0, 8.0] {
            let crop = Crop { cx: 23.3, cy: 18.9, side, angle: 0.0 };
            let upright = sample(&picture, &crop, 16);
            let turned = sample(&picture, &Crop { angle: 1e-6, ..crop }, 16);
            let worst = upright.iter().zip(&turned).fold(0.0f32, |w, (a, b)| w.max((a - b).abs()));
            assert!(worst < 0.02, "{worst} at side {side}");
        }
    }

    #[test]
    fn what_a_keypoint_points_at_is_where_the_input_shows_it() {
        let mut picture = RgbImage::new(200, 100);
        picture.put_pixel(120, 40, Rgb([255; 3]));
        for angle in [0.0, 0.5] {
            let crop = Crop { cx: 118.0, cy: 44.0, side: 21.0, angle };
            let out = sample(&picture, &crop, 21);
            let (at, _) = out[..441].iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
            let point = crop.to_picture([pixel_centre(at % 21, 21), pixel_centre(at / 21, 21)]);
            assert!((point[0] - 120.5).abs() < 0.8 && (point[1] - 40.5).abs() < 0.8, "{point:?}");
        }
    }
}
