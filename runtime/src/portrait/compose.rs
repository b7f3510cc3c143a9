//! The driven photo at its own resolution: flow, mask and colour enlarged to the photo's square, the flow applied to the
//! photo's own pixels.

use image::{GrayImage, Luma, Rgb, RgbImage};

use super::cut_out::{WHITE, bare};
use super::layers::{LANES, Layers, Place};
use super::swirl::Swirl;
use crate::engine::Carried;
use crate::vision::crop::Crop;

/// How far around its square, in sides, the photo's pixels can be carried into it.
const REACH: f32 = 0.25;

/// The photo's pixels in and around the square.
#[derive(Clone, Debug)]
pub(super) struct Region {
    left: i64,
    top: i64,
    width: usize,
    height: usize,
    /// Red, green, blue, 0 to 255, and how much of that shows, 0 to 1.
    pixels: Vec<[f32; 4]>,
    /// Whether some do not show: the colours are then the cut-out's own, without what it lies on.
    is_cut: bool,
}

impl Region {
    /// Of `photo` about the square `crop`; of a cut-out that lies on white, if it has `alpha`, as large as the photo.
    pub(super) fn new(photo: &RgbImage, crop: &Crop, alpha: Option<&GrayImage>) -> Self {
        let half = crop.side * (0.5 + REACH) * (crop.angle.cos().abs() + crop.angle.sin().abs());
        let clip = |v: f32, most: u32| v.clamp(0.0, most as f32) as u32;
        let (left, top) = (clip(crop.cx - half, photo.width()), clip(crop.cy - half, photo.height()));
        let (right, bottom) =
            (clip(crop.cx + half + 1.0, photo.width()), clip(crop.cy + half + 1.0, photo.height()));
        let mut pixels = Vec::with_capacity(((right - left) * (bottom - top)) as usize);
        for y in top..bottom {
            pixels.extend((left..right).map(|x| {
                let [r, g, b] = photo.get_pixel(x, y).0.map(f32::from);
                [r, g, b, alpha.map_or(1.0, |alpha| f32::from(alpha.get_pixel(x, y).0[0]) / 255.0)]
            }));
        }
        let (width, height) = ((right - left) as usize, (bottom - top) as usize);
        if alpha.is_some() {
            bare(&mut pixels, width);
        }
        let is_cut = alpha.is_some();
        Self { left: i64::from(left), top: i64::from(top), width, height, pixels, is_cut }
    }

    /// `photo` with these pixels in it.
    pub(super) fn over(&self, photo: &RgbImage) -> RgbImage {
        let mut picture = photo.clone();
        for (y, row) in self.pixels.chunks(self.width.max(1)).enumerate() {
            for (x, [r, g, b, _]) in row.iter().enumerate() {
                let (x, y) = (self.left as u32 + x as u32, self.top as u32 + y as u32);
                // Rounded: a cast cuts off, and saturates.
                picture.put_pixel(x, y, Rgb([r, g, b].map(|v| (v + 0.5) as u8)));
            }
        }
        picture
    }

    /// The pixels at a place (0 being the first one's centre) by linear interpolation; at the region's edge they repeat.
    #[inline(always)]
    fn at(&self, x: f32, y: f32) -> [f32; 4] {
        let x = x.clamp(0.0, (self.width - 2) as f32 + 0.999);
        let y = y.clamp(0.0, (self.height - 2) as f32 + 0.999);
        let (left, top) = (x as usize, y as usize);
        let (fx, fy) = (x - left as f32, y - top as f32);
        let first = top * self.width + left;
        let (Some(above), Some(below)) =
            (self.pixels.get(first..first + 2), self.pixels.get(first + self.width..first + self.width + 2))
        else {
            return [0.0; 4];
        };
        let mut out = [0.0; 4];
        for (i, out) in out.iter_mut().enumerate() {
            let top = above[0][i] + (above[1][i] - above[0][i]) * fx;
            let bottom = below[0][i] + (below[1][i] - below[0][i]) * fx;
            *out = top + (bottom - top) * fy;
        }
        out
    }
}

/// Puts a driven face into its photo, frame after frame, without an allocation after the first.
#[derive(Clone, Debug)]
pub struct PhotoCompositor {
    photo: RgbImage,
    crop: Crop,
    region: Region,
    layers: Layers,
}

impl PhotoCompositor {
    /// For the square `crop` of `photo`, of which `region` is made, and which the networks see as `small`, `[3, P, P]` in
    /// [-1, 1].
    pub(super) fn new(photo: RgbImage, crop: Crop, region: Region, side: usize, small: &[f32]) -> Self {
        let layers = Layers::new(side, small, crop.side / side as f32);
        Self { photo, crop, region, layers }
    }

    /// The photo.
    pub fn photo(&self) -> &RgbImage {
        &self.photo
    }

    /// Its square.
    pub fn crop(&self) -> &Crop {
        &self.crop
    }

    /// Makes `canvas` the photo, carried as the network says, then turned by `turn` radians (from right towards down) about
    /// `centre`, a point in the square's normalised coordinates.
    pub fn compose(&mut self, carried: &Carried<'_>, turn: f32, centre: [f32; 2], canvas: &mut RgbImage) {
        if canvas.dimensions() == self.photo.dimensions() {
            // Whatever was written on the last frame goes.
            canvas.copy_from_slice(&self.photo);
        } else {
            canvas.clone_from(&self.photo);
        }
        if self.region.width < 2 || self.region.height < 2 {
            return;
        }
        self.layers.fill(carried, &self.crop, Swirl::new(centre, turn).as_ref());
        let stride = 3 * self.photo.width() as usize;
        for y in self.rows() {
            let line = &mut canvas.as_flat_samples_mut().samples[y as usize * stride..][..stride];
            self.row(y, line);
        }
    }

    /// Another channel of the photo, 0 to 255, carried as the last [`PhotoCompositor::compose`] carried its colours. What is
    /// drawn anew there takes the channel of the pixels that were carried to it.
    pub fn carry_channel(&self, channel: &GrayImage) -> GrayImage {
        let (width, height) = channel.dimensions();
        let mut out = channel.clone();
        if (width, height) != self.photo.dimensions() || self.region.width < 2 || self.region.height < 2 {
            return out;
        }
        let at = |x: i64, y: i64| {
            let [x, y] = [x.clamp(0, i64::from(width) - 1), y.clamp(0, i64::from(height) - 1)];
            f32::from(channel.get_pixel(x as u32, y as u32).0[0])
        };
        for y in self.rows() {
            self.along(y, width as usize, |x, place| {
                let (px, py) = (x as f32 + place[0], y as f32 + place[1]);
                let (left, top) = (px.floor(), py.floor());
                let (fx, fy, left, top) = (px - left, py - top, left as i64, top as i64);
                let line = |y: i64| at(left, y) + (at(left + 1, y) - at(left, y)) * fx;
                let value = line(top) + (line(top + 1) - line(top)) * fy;
                out.put_pixel(x as u32, y, Luma([(value + 0.5) as u8]));
            });
        }
        out
    }

    /// The rows of the photo that the square lies in.
    fn rows(&self) -> std::ops::Range<u32> {
        let height = self.photo.height();
        let half = self.crop.side / 2.0 * (self.crop.angle.cos().abs() + self.crop.angle.sin().abs());
        let clip = |v: f32| v.clamp(0.0, height as f32) as u32;
        clip(self.crop.cy - half)..clip((self.crop.cy + half).ceil())
    }

    /// Composes what of the photo's row `y` lies in the square.
    fn row(&self, y: u32, line: &mut [u8]) {
        let (left, top) = (self.region.left as f32, y as f32 - self.region.top as f32);
        self.along(y, line.len() / 3, |x, place| {
            let own = self.region.at(x as f32 - left + place[0], top + place[1]);
            let Some(pixel) = line.get_mut(3 * x..3 * x + 3) else { return };
            for (c, value) in pixel.iter_mut().enumerate() {
                let drawn = place[3 + c];
                let mut colour = drawn + (own[c] - drawn) * place[2];
                if self.region.is_cut {
                    colour = WHITE + (colour - WHITE) * own[3];
                }
                // Rounded: a cast cuts off, and saturates.
                *value = (colour + 0.5) as u8;
            }
        });
    }

    /// Hands each pixel of the photo's row `y` that lies in the square to `take`: how far right it is, and what is there.
    #[inline(always)]
    fn along(&self, y: u32, width: usize, mut take: impl FnMut(usize, Place)) {
        let Crop { cx, cy, side, angle } = self.crop;
        let (sin, cos) = angle.sin_cos();
        let (n, stride) = (self.layers.stride() - 2, self.layers.stride());
        // Places of a pixel `x` to the right of the row's beginning: begin + x * step, 0.5 to n + 0.5 inside the square.
        let scale = n as f32 / side;
        let down = y as f32 + 0.5 - cy;
        let begin = [scale * ((0.5 - cx) * cos + down * sin), scale * (down * cos - (0.5 - cx) * sin)]
            .map(|v| v + n as f32 / 2.0 + 0.5);
        let step = [scale * cos, -scale * sin];
        let Some((first, end)) = span(begin, step, n as f32, width) else { return };
        let places = self.layers.places();
        for x in first..end {
            let (px, py) = (begin[0] + x as f32 * step[0], begin[1] + x as f32 * step[1]);
            let (ix, iy) = (px as usize, py as usize);
            let at = iy * stride + ix;
            let (Some(above), Some(below)) =
                (places.get(at..at + 2), places.get(at + stride..at + stride + 2))
            else {
                continue;
            };
            take(x, mix(above, below, px - ix as f32, py - iy as f32));
        }
    }
}

/// Linear interpolation between four places.
#[inline(always)]
fn mix(above: &[Place], below: &[Place], fx: f32, fy: f32) -> Place {
    let mut out = [0.0; LANES];
    for (i, out) in out.iter_mut().enumerate() {
        let top = above[0][i] + (above[1][i] - above[0][i]) * fx;
        let bottom = below[0][i] + (below[1][i] - below[0][i]) * fx;
        *out = top + (bottom - top) * fy;
    }
    out
}

/// The pixels of a row of `width` that lie within 0.5 to `n + 0.5` on both axes: the first, and the one after the last.
fn span(begin: [f32; 2], step: [f32; 2], n: f32, width: usize) -> Option<(usize, usize)> {
    let (mut low, mut high) = (0.0f32, width as f32 - 1.0);
    for (begin, step) in begin.into_iter().zip(step) {
        if step.abs() < 1e-9 {
            if !(0.5..=n + 0.5).contains(&begin) {
                return None;
            }
            continue;
        }
        let (a, b) = ((0.5 - begin) / step, (n + 0.5 - begin) / step);
        low = low.max(a.min(b));
        high = high.min(a.max(b));
    }
    let (first, last) = (low.ceil(), high.floor());
    (first <= last && last >= 0.0).then(|| (first as usize, (last as usize + 1).min(width)))
}
