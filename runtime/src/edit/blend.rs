//! A generated square put into a picture: enlarged smoothly, its edge faded out, its colours matched.

use image::RgbImage;
use ndarray::{Array3, ArrayView3, s};

use crate::vision::crop::Crop;
use crate::vision::hermite::eased;
use crate::vision::preprocess::Preprocessor;

/// Distance from the square's middle, 1 at its edges, where a pasted square begins to fade out.
const FADE: f32 = 0.7;
/// Most and least that a colour channel's contrast is changed by to match a picture.
const CONTRAST: [f32; 2] = [0.5, 1.25];

/// For each position of an enlarged axis the source positions that make it up.
#[derive(Clone, Debug)]
struct Taps {
    /// First source position, below 0 beyond the edge.
    first: Vec<isize>,
    weights: Vec<f32>,
    each: usize,
}

/// The cubic that goes through its samples (Catmull and Rom, 1974).
fn cubic(x: f32) -> f32 {
    let x = x.abs();
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

impl Taps {
    /// Taps of the pixels `begin..end` of an axis on which `size` samples fill `side` pixels from `left` on.
    fn new(begin: u32, end: u32, left: f32, side: f32, size: usize) -> Self {
        let step = size as f32 / side;
        // Shrinking takes a wider filter, else it would skip samples.
        let stretch = step.max(1.0);
        let each = (4.0 * stretch).ceil() as usize + 1;
        let (mut first, mut weights) = (Vec::new(), Vec::new());
        for pixel in begin..end {
            let at = (pixel as f32 + 0.5 - left) * step - 0.5;
            let from = (at - 2.0 * stretch).ceil() as isize;
            let start = weights.len();
            weights.extend((0..each).map(|i| cubic((from + i as isize) as f32 / stretch - at / stretch)));
            let sum: f32 = weights[start..].iter().sum();
            weights[start..].iter_mut().for_each(|w| *w /= sum);
            first.push(from);
        }
        Self { first, weights, each }
    }

    /// Source positions (within `size`) and weights of the position `i`.
    fn at(&self, i: usize, size: usize) -> impl Iterator<Item = (usize, f32)> {
        let from = self.first[i];
        let weights = &self.weights[i * self.each..(i + 1) * self.each];
        let last = size as isize - 1;
        weights.iter().enumerate().map(move |(n, w)| ((from + n as isize).clamp(0, last) as usize, *w))
    }
}

/// Puts squares of `size` samples into one place of pictures of one size. Keeps its tables.
#[derive(Clone, Debug)]
pub struct PhotoBlender {
    size: usize,
    /// Left, top, right and bottom of the place, in pixels, inside the picture.
    place: [u32; 4],
    columns: Taps,
    rows: Taps,
    /// Weight of each column and row towards the edge: distance from the middle to the fourth power.
    reach: [Vec<f32>; 2],
    fades: bool,
    wide: Vec<f32>,
    line: Vec<f32>,
    padded: Vec<f32>,
}

impl PhotoBlender {
    /// For squares of `size` samples that go to `crop` (taken as upright) of a picture, fading out towards its edge.
    pub fn new(size: usize, crop: &Crop, picture: (u32, u32)) -> Self {
        let (left, top) = (crop.cx - crop.side / 2.0, crop.cy - crop.side / 2.0);
        // A float cast to an unsigned integer saturates.
        let clip = |low: f32, most: u32| (low.floor() as u32).min(most);
        let end = |low: f32, most: u32| ((low + crop.side).ceil() as u32).min(most);
        let place = [clip(left, picture.0), clip(top, picture.1), end(left, picture.0), end(top, picture.1)];
        let reach = |begin: u32, end: u32, low: f32| -> Vec<f32> {
            (begin..end).map(|p| (2.0 * (p as f32 + 0.5 - low) / crop.side - 1.0).powi(4)).collect()
        };
        Self {
            size,
            place,
            columns: Taps::new(place[0], place[2], left, crop.side, size),
            rows: Taps::new(place[1], place[3], top, crop.side, size),
            reach: [reach(place[0], place[2], left), reach(place[1], place[3], top)],
            fades: true,
            wide: Vec::new(),
            line: Vec::new(),
            padded: Vec::new(),
        }
    }

    /// For squares that go to the square of `side` pixels at (x, y), whole to the edge.
    pub fn whole(size: usize, side: u32, (x, y): (u32, u32)) -> Self {
        let half = side as f32 / 2.0;
        let crop = Crop { cx: x as f32 + half, cy: y as f32 + half, side: side as f32, angle: 0.0 };
        Self { fades: false, ..Self::new(size, &crop, (x + side, y + side)) }
    }

    /// Whether this is [`PhotoBlender::whole`] for the same square.
    pub fn fits(&self, side: u32, (x, y): (u32, u32)) -> bool {
        self.place == [x, y, x + side, y + side]
    }

    /// Replaces the place's pixels by `image`, `[3, S, S]` in [-1, 1].
    pub fn replace(&mut self, picture: &mut RgbImage, image: ArrayView3<'_, f32>) {
        self.each_pixel(picture, image, |old, new, weight| {
            f32::from(old) + ((new + 1.0) * 127.5 - f32::from(old)) * weight
        });
    }

    /// Adds `difference`, `[3, S, S]` in steps of 1 on [-1, 1], to the place's pixels.
    pub fn add(&mut self, picture: &mut RgbImage, difference: ArrayView3<'_, f32>) {
        self.each_pixel(picture, difference, |old, new, weight| f32::from(old) + new * 127.5 * weight);
    }

    fn each_pixel(
        &mut self,
        picture: &mut RgbImage,
        image: ArrayView3<'_, f32>,
        value: impl Fn(u8, f32, f32) -> f32,
    ) {
        let [left, top, right, bottom] = self.place;
        let (size, width) = (self.size, right.saturating_sub(left) as usize);
        if image.dim() != (3, size, size)
            || right > picture.width()
            || bottom > picture.height()
            || width == 0
        {
            return;
        }
        // Across first: `wide` is [S, 3, width].
        self.wide.clear();
        self.wide.resize(3 * size * width, 0.0);
        for (row, line) in self.wide.chunks_exact_mut(width).enumerate() {
            // The row with its ends repeated, so that every run of taps lies within it.
            let source = image.slice(s![row % 3, row / 3, ..]);
            self.padded.clear();
            let end = |i: usize| std::iter::repeat_n(source[i], self.columns.each);
            self.padded.extend(end(0).chain(source.iter().copied()).chain(end(size - 1)));
            let each = self.columns.each;
            let taps = self.columns.first.iter().zip(self.columns.weights.chunks_exact(each));
            for (out, (first, weights)) in line.iter_mut().zip(taps) {
                let from = (first + each as isize).clamp(0, (size + each) as isize) as usize;
                *out = self.padded[from..from + each].iter().zip(weights).map(|(v, w)| v * w).sum();
            }
        }
        self.line.resize(3 * width, 0.0);
        let stride = 3 * picture.width() as usize;
        for y in top..bottom {
            let i = (y - top) as usize;
            self.line.fill(0.0);
            for (row, weight) in self.rows.at(i, size) {
                let source = &self.wide[3 * width * row..3 * width * (row + 1)];
                self.line.iter_mut().zip(source).for_each(|(sum, v)| *sum += weight * v);
            }
            let begin = y as usize * stride + 3 * left as usize;
            let pixels = picture.as_flat_samples_mut().samples[begin..begin + 3 * width].chunks_exact_mut(3);
            for (x, pixel) in pixels.enumerate() {
                let weight = if self.fades { fading(self.reach[0][x] + self.reach[1][i]) } else { 1.0 };
                if weight > 0.0 {
                    for (channel, old) in pixel.iter_mut().enumerate() {
                        let new = value(*old, self.line[channel * width + x], weight);
                        // Rounded: a cast cuts off, and saturates.
                        *old = (new + 0.5) as u8;
                    }
                }
            }
        }
    }
}

/// Weight where `u^4 + v^4` is `reach`: 1 in the middle, 0 at the edge and in the corners, smooth between.
pub(super) fn fading(reach: f32) -> f32 {
    eased((1.0 - reach.sqrt().sqrt()) / (1.0 - FADE))
}

/// A change of colours, channel by channel: `value * contrast + shift`, on [-1, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Colours {
    /// Factor of each channel.
    pub contrast: [f32; 3],
    /// Then added to each channel.
    pub shift: [f32; 3],
}

/// Weighted mean and standard deviation of each channel of `image`, what fades out counting less.
fn statistics(image: ArrayView3<'_, f32>) -> [[f32; 2]; 3] {
    let (_, height, width) = image.dim();
    let fourth = |i: usize, n: usize| lkg_bundle::conventions::pixel_centre(i, n).powi(4);
    std::array::from_fn(|c| {
        let (mut weight, mut sum, mut square) = (1e-6, 0.0, 0.0);
        for y in 0..height {
            for x in 0..width {
                let w = fading(fourth(x, width) + fourth(y, height));
                let v = image[[c, y, x]];
                weight += w;
                sum += w * v;
                square += w * v * v;
            }
        }
        let mean = sum / weight;
        [mean, (square / weight - mean * mean).max(0.0).sqrt()]
    })
}

impl Colours {
    /// The change that gives `image` the mean and contrast that `wanted` has.
    pub fn matching(image: ArrayView3<'_, f32>, wanted: ArrayView3<'_, f32>) -> Self {
        let (have, want) = (statistics(image), statistics(wanted));
        let contrast: [f32; 3] =
            std::array::from_fn(|c| (want[c][1] / have[c][1].max(0.02)).clamp(CONTRAST[0], CONTRAST[1]));
        Self { contrast, shift: std::array::from_fn(|c| want[c][0] - contrast[c] * have[c][0]) }
    }

    /// A change `weight` (0 to 1) of the way to `other`.
    pub fn towards(&self, other: &Self, weight: f32) -> Self {
        let mix = |a: [f32; 3], b: [f32; 3]| std::array::from_fn(|c| a[c] + (b[c] - a[c]) * weight);
        Self { contrast: mix(self.contrast, other.contrast), shift: mix(self.shift, other.shift) }
    }

    /// `image` with its colours changed.
    pub fn apply(&self, image: ArrayView3<'_, f32>) -> Array3<f32> {
        let mut out = image.to_owned();
        for (c, mut channel) in out.outer_iter_mut().enumerate() {
            channel.mapv_inplace(|v| v * self.contrast[c] + self.shift[c]);
        }
        out
    }

    /// `difference` of two images with its contrast changed.
    pub fn apply_to_difference(&self, difference: ArrayView3<'_, f32>) -> Array3<f32> {
        Self { shift: [0.0; 3], ..*self }.apply(difference)
    }
}

/// `crop` of `picture` as a network sees it: `[3, size, size]` in [-1, 1].
pub fn sample(picture: &RgbImage, crop: &Crop, size: usize) -> Array3<f32> {
    let mut out = Array3::zeros((3, size, size));
    if let Some(values) = out.as_slice_mut() {
        Preprocessor::new(size).sample(picture, crop, values);
    }
    out
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn a_square_fades_out_and_leaves_the_rest_alone() {
        let before = RgbImage::from_pixel(200, 120, Rgb([100, 50, 20]));
        let mut picture = before.clone();
        // Reaches beyond the picture's upper edge.
        let crop = Crop { cx: 80.0, cy: 30.0, side: 80.0, angle: 0.0 };
        PhotoBlender::new(16, &crop, (200, 120))
            .replace(&mut picture, Array3::from_elem((3, 16, 16), 1.0).view());
        assert_eq!(picture.get_pixel(80, 30).0, [255; 3]);
        for (x, y, p) in picture.enumerate_pixels() {
            let inside = x.abs_diff(80) <= 40 && y.abs_diff(30) <= 40;
            assert!(inside || p == before.get_pixel(x, y), "{x} {y}");
        }
        let row: Vec<u8> = (80..122).map(|x| picture.get_pixel(x, 30).0[0]).collect();
        assert!(row.windows(2).all(|w| w[0] >= w[1] && w[0] - w[1] < 40), "no step: {row:?}");
        let mut same = before.clone();
        PhotoBlender::new(16, &crop, (200, 120)).add(&mut same, Array3::zeros((3, 16, 16)).view());
        assert_eq!(same, before);
    }

    #[test]
    fn enlarging_and_shrinking_keep_a_ramp_where_it_is() {
        for (size, side) in [(16, 128), (64, 32), (32, 32)] {
            let ramp = Array3::from_shape_fn((3, size, size), |(_, _, x)| {
                lkg_bundle::conventions::pixel_centre(x, size)
            });
            let mut picture = RgbImage::new(side + 10, side);
            PhotoBlender::whole(size, side, (10, 0)).replace(&mut picture, ramp.view());
            for x in 5..side - 5 {
                let want = (2.0 * (x as f32 + 0.5) / side as f32) * 127.5;
                let have = f32::from(picture.get_pixel(10 + x, side / 2).0[1]);
                assert!((want - have).abs() < 6.0, "{size} to {side} at {x}: {have}, not {want}");
            }
            assert_eq!(picture.get_pixel(9, 3).0, [0; 3]);
        }
    }

    #[test]
    fn colours_are_matched_in_mean_and_contrast() {
        let pattern = |contrast: f32, shift: f32| {
            Array3::from_shape_fn((3, 16, 16), |(c, y, x)| {
                shift + contrast * (0.1 * c as f32 + if (x + y) % 2 == 0 { 0.3 } else { -0.3 })
            })
        };
        let (image, wanted) = (pattern(1.0, 0.1), pattern(0.6, -0.2));
        let matched = Colours::matching(image.view(), wanted.view());
        let worst = (matched.apply(image.view()) - &wanted).mapv(f32::abs).fold(0.0, |a: f32, b| a.max(*b));
        assert!(worst < 1e-3, "{worst}");
        // What is flat is not blown up.
        let flat = Colours::matching(Array3::zeros((3, 4, 4)).view(), wanted.view());
        assert!(flat.contrast.iter().all(|c| *c <= CONTRAST[1]));
    }
}
