//! Between RGB and the brightness-and-colour planes that video programs exchange, in 8 bits.

use image::RgbImage;

/// How planes of 8 bits make up a picture: brightness first, then the two colours, each over blocks of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planar {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Width and height in pixels, 1 or 2 each, of what shares a colour; none for grey.
    pub block: Option<(u32, u32)>,
    /// How brightness and colours are made of red, green and blue.
    pub matrix: Matrix,
    /// Whether brightness goes from 0 to 255, not from 16 to 235.
    pub full_range: bool,
}

impl Planar {
    /// Bytes of a row of brightness and of one of a colour, and rows of a colour.
    pub fn layout(&self) -> (usize, usize, usize) {
        let (bw, bh) = self.block.unwrap_or((1, 1));
        let (columns, rows) = (self.width.div_ceil(bw), self.height.div_ceil(bh));
        let colours = self.block.map_or((0, 0), |_| (columns as usize, rows as usize));
        (self.width as usize, colours.0, colours.1)
    }
}

/// What brightness and colours are made of: recommendations of ITU-R.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matrix {
    /// Standard definition, and what is meant where nothing is said.
    Bt601,
    /// High definition.
    Bt709,
    /// Ultra-high definition, non-constant luminance.
    Bt2020,
}

impl Matrix {
    /// By its code point in ITU-T H.273; none for others than these.
    pub fn of(code: u8) -> Option<Self> {
        match code {
            2 | 5 | 6 => Some(Self::Bt601),
            1 => Some(Self::Bt709),
            9 => Some(Self::Bt2020),
            _ => None,
        }
    }

    /// The parts that red and blue have in brightness.
    fn weights(self) -> (f64, f64) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
        }
    }

    /// Fractions of 65536: brightness, then red by V, green by U and V, blue by U.
    fn factors(self, full_range: bool) -> [i32; 5] {
        let (red, blue) = self.weights();
        let green = 1.0 - red - blue;
        let (y, c) = if full_range { (1.0, 1.0) } else { (255.0 / 219.0, 255.0 / 224.0) };
        [
            y,
            2.0 * (1.0 - red) * c,
            2.0 * blue * (1.0 - blue) / green * c,
            2.0 * red * (1.0 - red) / green * c,
            2.0 * (1.0 - blue) * c,
        ]
        .map(|factor| (factor * 65536.0).round() as i32)
    }
}

/// Fills `picture`, of the format's size, with what planes show whose rows begin so many bytes after one another:
/// brightness, colours. Each colour is the same over its block, as most players have it.
pub(super) fn to_rgb(
    format: Planar,
    [luma, u, v]: [&[u8]; 3],
    [luma_stride, stride]: [usize; 2],
    picture: &mut RgbImage,
) {
    let by = format.matrix.factors(format.full_range);
    let black = if format.full_range { 0 } else { 16 };
    let bright: [i32; 256] = std::array::from_fn(|value| by[0] * (value as i32 - black) + (1 << 15));
    let (width, columns, _) = format.layout();
    for (y, out) in picture.chunks_exact_mut((3 * width).max(1)).enumerate() {
        let luma = row(luma, y * luma_stride, width);
        let Some((bw, bh)) = format.block else {
            for (pixel, value) in out.as_chunks_mut::<3>().0.iter_mut().zip(luma) {
                *pixel = [to_byte(bright[usize::from(*value)]); 3];
            }
            continue;
        };
        let at = y / bh as usize * stride;
        let (u, v) = (row(u, at, columns), row(v, at, columns));
        // A width that the compiler knows halves the time.
        match bw {
            1 => row_to_rgb::<1>(&by, &bright, luma, u, v, out),
            _ => row_to_rgb::<2>(&by, &bright, luma, u, v, out),
        }
    }
}

/// Fills a row of pixels of which `WIDTH` after one another share a colour.
fn row_to_rgb<const WIDTH: usize>(
    by: &[i32; 5],
    bright: &[i32; 256],
    luma: &[u8],
    u: &[u8],
    v: &[u8],
    out: &mut [u8],
) {
    let parts = |u: u8, v: u8| {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        [by[1] * v, -by[2] * u - by[3] * v, by[4] * u]
    };
    let pixel = |parts: [i32; 3], luma: u8| parts.map(|part| to_byte(bright[usize::from(luma)] + part));
    let (blocks, last) = out.as_chunks_mut::<3>().0.as_chunks_mut::<WIDTH>();
    let (luma, last_luma) = luma.as_chunks::<WIDTH>();
    for (((block, luma), u), v) in blocks.iter_mut().zip(luma).zip(u).zip(v) {
        let parts = parts(*u, *v);
        for (out, luma) in block.iter_mut().zip(luma) {
            *out = pixel(parts, *luma);
        }
    }
    if let (Some(u), Some(v)) = (u.get(luma.len()), v.get(luma.len())) {
        let parts = parts(*u, *v);
        for (out, luma) in last.iter_mut().zip(last_luma) {
            *out = pixel(parts, *luma);
        }
    }
}

/// A channel of 65536ths.
fn to_byte(value: i32) -> u8 {
    (value >> 16).clamp(0, 255) as u8
}

/// Bytes of a plane, or as many of them as are there.
fn row(plane: &[u8], at: usize, length: usize) -> &[u8] {
    let start = at.min(plane.len());
    &plane[start..(at + length).min(plane.len()).max(start)]
}

/// By BT.601, as everything here is written.
fn luma([r, g, b]: [i32; 3]) -> u8 {
    (16 + ((66 * r + 129 * g + 25 * b + 128) >> 8)) as u8
}

/// Colours of `n` pixels whose channels are summed.
fn colours([r, g, b]: [i32; 3], n: i32) -> (u8, u8) {
    let mean = |sum: i32| 128 + ((sum + 128 * n).div_euclid(256 * n));
    let (u, v) = (-38 * r - 74 * g + 112 * b, 112 * r - 94 * g - 18 * b);
    (mean(u).clamp(0, 255) as u8, mean(v).clamp(0, 255) as u8)
}

/// Planes of a picture with 16 to 235 for brightness and one colour for four pixels, reused from picture to picture.
#[derive(Clone, Debug, Default)]
pub(super) struct I420 {
    pub y: Vec<u8>,
    pub u: Vec<u8>,
    pub v: Vec<u8>,
}

impl I420 {
    /// Fills the planes with a picture. Odd sides are rounded up for the colours.
    pub fn fill(&mut self, picture: &RgbImage) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        self.y.clear();
        self.u.clear();
        self.v.clear();
        self.y.extend(picture.pixels().map(|p| luma(p.0.map(i32::from))));
        let raw = picture.as_raw();
        for y in (0..height).step_by(2) {
            for x in (0..width).step_by(2) {
                let (mut sums, mut n) = ([0; 3], 0);
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    if x + dx < width && y + dy < height {
                        let at = 3 * ((y + dy) * width + x + dx);
                        for (sum, value) in sums.iter_mut().zip(&raw[at..at + 3]) {
                            *sum += i32::from(*value);
                        }
                        n += 1;
                    }
                }
                let (u, v) = colours(sums, n);
                self.u.push(u);
                self.v.push(v);
            }
        }
    }
}

/// Writes a picture as YUYV: for each two pixels brightness, U, brightness, V. A last odd column is left out.
pub(super) fn fill_yuyv(picture: &RgbImage, out: &mut Vec<u8>) {
    out.clear();
    let width = picture.width() as usize;
    for row in picture.as_raw().chunks_exact((3 * width).max(1)) {
        for pair in row.chunks_exact(6) {
            let of = |at: usize| [at, at + 1, at + 2].map(|i| i32::from(pair[i]));
            let (a, b) = (of(0), of(3));
            let (u, v) = colours([a[0] + b[0], a[1] + b[1], a[2] + b[2]], 2);
            out.extend_from_slice(&[luma(a), u, luma(b), v]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::testing::{gradient, largest_difference};

    fn shown(format: Planar, planes: [&[u8]; 3]) -> RgbImage {
        let mut picture = RgbImage::new(format.width, format.height);
        let (luma, colours, _) = format.layout();
        to_rgb(format, planes, [luma, colours], &mut picture);
        picture
    }

    fn planar(width: u32, height: u32, block: Option<(u32, u32)>) -> Planar {
        Planar { width, height, block, matrix: Matrix::Bt601, full_range: false }
    }

    #[test]
    fn planes_survive_the_round_trip() {
        for size in [(64, 48), (33, 17)] {
            let picture = gradient(size.0, size.1);
            let mut planes = I420::default();
            planes.fill(&picture);
            let format = planar(size.0, size.1, Some((2, 2)));
            let back = shown(format, [&planes.y, &planes.u, &planes.v]);
            assert!(largest_difference(&back, &picture) <= 16, "neighbours of a gradient share a colour");
        }
        let flat = RgbImage::from_pixel(4, 2, image::Rgb([200, 40, 90]));
        let mut planes = I420::default();
        planes.fill(&flat);
        let format = planar(4, 2, Some((2, 2)));
        assert!(largest_difference(&shown(format, [&planes.y, &planes.u, &planes.v]), &flat) <= 3);
    }

    #[test]
    fn ends_of_the_ranges_are_black_and_white() {
        for (full_range, ends) in [(false, [16, 235]), (true, [0, 255])] {
            for block in [None, Some((1, 1)), Some((2, 1))] {
                let format = Planar { full_range, ..planar(2, 1, block) };
                let grey = [128; 2];
                assert_eq!(shown(format, [&ends, &grey, &grey]).as_raw(), &[0, 0, 0, 255, 255, 255]);
            }
        }
    }

    /// Pure green and red as the recommendations' own tables have them in 8 bits.
    #[test]
    fn every_matrix_gives_its_own_colours() {
        for (matrix, green, red) in [
            (Matrix::Bt601, [145, 54, 34], [81, 90, 240]),
            (Matrix::Bt709, [173, 42, 26], [63, 102, 240]),
            (Matrix::Bt2020, [164, 47, 25], [74, 97, 240]),
        ] {
            for (planes, wanted) in [(green, [0, 255, 0]), (red, [255, 0, 0])] {
                let [y, u, v] = planes.map(|value| [value]);
                let format = Planar { matrix, ..planar(1, 1, Some((1, 1))) };
                let pixel = shown(format, [&y, &u, &v]).get_pixel(0, 0).0;
                let near = pixel.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 2);
                assert!(near, "{matrix:?}: {pixel:?} for {wanted:?}");
            }
        }
    }

    #[test]
    fn rows_may_be_longer_than_the_picture() {
        let luma = [235, 235, 9, 9, 16, 16, 9, 9];
        let format = planar(2, 2, Some((2, 2)));
        let mut picture = RgbImage::new(2, 2);
        to_rgb(format, [&luma, &[128, 9], &[128, 9]], [4, 2], &mut picture);
        assert_eq!(picture.as_raw(), &[255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn pairs_of_pixels_share_a_colour() {
        let picture = RgbImage::from_fn(3, 1, |x, _| image::Rgb(if x == 0 { [255; 3] } else { [0; 3] }));
        let mut out = Vec::new();
        fill_yuyv(&picture, &mut out);
        assert_eq!(out, [235, 128, 16, 128]);
    }
}
