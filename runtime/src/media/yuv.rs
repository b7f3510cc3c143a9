//! Between RGB and the brightness-and-colour planes that video programs exchange, by ITU-R BT.601 in 8 bits.

use image::RgbImage;

/// How planes of 8 bits make up a picture: brightness first, then the two colours, each over blocks of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planar {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Width and height in pixels of what shares a colour; none for grey.
    pub block: Option<(u32, u32)>,
    /// Whether brightness goes from 0 to 255, not from 16 to 235.
    pub full_range: bool,
}

/// Fractions of 65536: brightness, then red by V, green by U and V, blue by U.
const LIMITED: [i32; 5] = [76_309, 104_597, 25_675, 53_279, 132_201];
const FULL: [i32; 5] = [65_536, 91_881, 22_554, 46_802, 116_130];

/// Fills `picture`, of the format's size, with what planes show. They must be as long as the format says.
pub(super) fn to_rgb(format: Planar, [luma, u, v]: [&[u8]; 3], picture: &mut RgbImage) {
    let (factors, black) = if format.full_range { (FULL, 0) } else { (LIMITED, 16) };
    let (bw, bh) = format.block.map_or((1, 1), |(w, h)| (w as usize, h as usize));
    let width = format.width as usize;
    let columns = width.div_ceil(bw);
    for (y, (out, row)) in
        picture.chunks_exact_mut((3 * width).max(1)).zip(luma.chunks_exact(width.max(1))).enumerate()
    {
        let colours = y / bh * columns;
        for (x, (pixel, &brightness)) in out.chunks_exact_mut(3).zip(row).enumerate() {
            let at = colours + x / bw;
            let (cu, cv) = match format.block {
                Some(_) => (
                    i32::from(u.get(at).copied().unwrap_or(128)) - 128,
                    i32::from(v.get(at).copied().unwrap_or(128)) - 128,
                ),
                None => (0, 0),
            };
            let base = factors[0] * (i32::from(brightness) - black) + (1 << 15);
            let channel = |value: i32| (value >> 16).clamp(0, 255) as u8;
            pixel[0] = channel(base + factors[1] * cv);
            pixel[1] = channel(base - factors[2] * cu - factors[3] * cv);
            pixel[2] = channel(base + factors[4] * cu);
        }
    }
}

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
        to_rgb(format, planes, &mut picture);
        picture
    }

    #[test]
    fn planes_survive_the_round_trip() {
        for size in [(64, 48), (33, 17)] {
            let picture = gradient(size.0, size.1);
            let mut planes = I420::default();
            planes.fill(&picture);
            let format = Planar { width: size.0, height: size.1, block: Some((2, 2)), full_range: false };
            let back = shown(format, [&planes.y, &planes.u, &planes.v]);
            assert!(largest_difference(&back, &picture) <= 16, "neighbours of a gradient share a colour");
        }
        let flat = RgbImage::from_pixel(4, 2, image::Rgb([200, 40, 90]));
        let mut planes = I420::default();
        planes.fill(&flat);
        let format = Planar { width: 4, height: 2, block: Some((2, 2)), full_range: false };
        assert!(largest_difference(&shown(format, [&planes.y, &planes.u, &planes.v]), &flat) <= 3);
    }

    #[test]
    fn ends_of_the_ranges_are_black_and_white() {
        for (full_range, ends) in [(false, [16, 235]), (true, [0, 255])] {
            let format = Planar { width: 2, height: 1, block: None, full_range };
            assert_eq!(shown(format, [&ends, &[], &[]]).as_raw(), &[0, 0, 0, 255, 255, 255]);
        }
    }

    #[test]
    fn pairs_of_pixels_share_a_colour() {
        let picture = RgbImage::from_fn(3, 1, |x, _| image::Rgb(if x == 0 { [255; 3] } else { [0; 3] }));
        let mut out = Vec::new();
        fill_yuyv(&picture, &mut out);
        assert_eq!(out, [235, 128, 16, 128]);
    }
}
