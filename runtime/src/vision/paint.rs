//! Pixels blended: what lines, discs, letters and panels are made of.

use std::ops::Range;

use image::RgbImage;

use crate::frame::DetectedKeypoint;

/// The bytes of these columns of row `y`; those outside the picture are left out.
pub(super) fn row(picture: &mut RgbImage, y: u32, columns: Range<u32>) -> &mut [u8] {
    if y >= picture.height() {
        return &mut [];
    }
    let (width, row) = (picture.width(), y as usize * picture.width() as usize);
    let byte = |x: u32| 3 * (row + x.min(width) as usize);
    picture.get_mut(byte(columns.start)..byte(columns.end)).unwrap_or_default()
}

/// Blends `colour` into a pixel, as much as `amount` of 256.
#[inline]
pub(super) fn mix(pixel: &mut [u8], colour: [u8; 3], amount: u32) {
    let rest = 256 - amount.min(256);
    for (old, new) in pixel.iter_mut().zip(colour) {
        *old = ((u32::from(*old) * rest + u32::from(new) * (256 - rest) + 128) >> 8) as u8;
    }
}

/// Blends `colour` into a pixel, as much as `amount`, 0 to 1.
#[inline]
pub(super) fn blend(pixel: &mut [u8], colour: [u8; 3], amount: f32) {
    mix(pixel, colour, (amount * 256.0 + 0.5) as u32);
}

/// Blends `colour` into a rectangle, as much as `amount` of 256.
pub(super) fn fill(
    picture: &mut RgbImage,
    (columns, rows): (Range<u32>, Range<u32>),
    colour: [u8; 3],
    amount: u32,
) {
    for y in rows.start..rows.end.min(picture.height()) {
        row(picture, y, columns.clone()).chunks_exact_mut(3).for_each(|p| mix(p, colour, amount));
    }
}

/// Blends `colour` into a rectangle with round corners, as much as `amount` of 256.
pub(super) fn panel(
    picture: &mut RgbImage,
    (columns, rows): (Range<u32>, Range<u32>),
    radius: u32,
    colour: [u8; 3],
    amount: u32,
) {
    let radius = radius.min(columns.len() as u32 / 2).min(rows.len() as u32 / 2);
    for y in rows.clone() {
        // How far a row is from where corners begin, and by how much it is shorter for that.
        let inside = (y - rows.start).min(rows.end - 1 - y);
        let up = radius.saturating_sub(inside) as f32 - 0.5;
        let short = if inside >= radius {
            0
        } else {
            (radius as f32 - ((radius * radius) as f32 - up * up).max(0.0).sqrt()).round() as u32
        };
        let columns = columns.start + short..columns.end - short;
        fill(picture, (columns, y..y + 1), colour, amount);
    }
}

/// What a line or disc is drawn with: a core, and a dark rim round it that keeps it apart from a ground of its own colour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brush {
    /// Of the core, in pixels.
    pub radius: f32,
    /// Colour of the core.
    pub colour: [u8; 3],
    /// Of the core, 0 to 1.
    pub opacity: f32,
    /// How far the rim reaches beyond the core, in pixels.
    pub rim: f32,
    /// Of the rim, 0 to 1.
    pub rim_opacity: f32,
}

impl Brush {
    /// Without a rim.
    pub fn plain(radius: f32, colour: [u8; 3], opacity: f32) -> Self {
        Self { radius, colour, opacity, rim: 0.0, rim_opacity: 0.0 }
    }

    /// Blends into a pixel whose centre is at the `distance` from the line or point, with soft edges one pixel wide.
    #[inline]
    fn touch(&self, pixel: &mut [u8], distance: f32) {
        let rim = (self.radius + self.rim - distance + 0.5).clamp(0.0, 1.0);
        if rim <= 0.0 {
            return;
        }
        if self.rim > 0.0 {
            blend(pixel, [0; 3], rim * self.rim_opacity);
        }
        let core = (self.radius - distance + 0.5).clamp(0.0, 1.0);
        if core > 0.0 {
            blend(pixel, self.colour, core * self.opacity);
        }
    }

    /// Goes over the pixels that can be near enough. `columns` are the outermost of a row, `rows` those of the whole.
    fn stroke(
        &self,
        picture: &mut RgbImage,
        rows: [f32; 2],
        columns: impl Fn(f32) -> [f32; 2],
        distance: impl Fn(f32, f32) -> f32,
    ) {
        let reach = self.radius + self.rim;
        // A float cast to an unsigned integer saturates; NaN becomes 0.
        let range = |[low, high]: [f32; 2], size: u32| {
            ((low - reach - 1.0) as u32).min(size)..((high + reach + 2.0) as u32).min(size)
        };
        for y in range(rows, picture.height()) {
            let columns = range(columns(y as f32 + 0.5), picture.width());
            for (x, pixel) in columns.clone().zip(row(picture, y, columns).chunks_exact_mut(3)) {
                self.touch(pixel, distance(x as f32 + 0.5, y as f32 + 0.5));
            }
        }
    }

    pub fn disc(&self, picture: &mut RgbImage, at: &DetectedKeypoint) {
        let columns = |_| [at.x, at.x];
        self.stroke(picture, [at.y, at.y], columns, |x, y| length(x - at.x, y - at.y));
    }

    pub fn line(&self, picture: &mut RgbImage, a: DetectedKeypoint, b: DetectedKeypoint) {
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let squared = (dx * dx + dy * dy).max(1e-6);
        let [west, east] = [a.x.min(b.x), a.x.max(b.x)];
        // Most of the box round a slanted line is far from it: a row has what lies within reach of the endless line.
        let reach = (self.radius + self.rim + 1.0) * squared.sqrt() / dy.abs().max(1e-6);
        let columns = |y: f32| {
            let middle = a.x + (y - a.y) * dx / if dy == 0.0 { 1e-6 } else { dy };
            [(middle - reach).max(west), (middle + reach).min(east)]
        };
        self.stroke(picture, [a.y.min(b.y), a.y.max(b.y)], columns, |x, y| {
            let along = (((x - a.x) * dx + (y - a.y) * dy) / squared).clamp(0.0, 1.0);
            length(x - a.x - along * dx, y - a.y - along * dy)
        });
    }
}

/// `hypot` is a call on processors of the x86-64 baseline.
fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slanted_lines_are_whole() {
        let keypoint = |(x, y)| DetectedKeypoint { x, y, confidence: 1.0 };
        // Every pixel as the distance from the segment says, whatever the slant.
        for (a, b) in
            [((20.0, 30.0), (90.0, 60.0)), ((50.0, 90.0), (52.0, 10.0)), ((10.0, 40.0), (90.0, 40.0))]
        {
            let mut picture = RgbImage::new(100, 100);
            Brush::plain(2.0, [255; 3], 1.0).line(&mut picture, keypoint(a), keypoint(b));
            let (dx, dy) = (b.0 - a.0, b.1 - a.1);
            for (x, y, p) in picture.enumerate_pixels() {
                let (px, py) = (x as f32 + 0.5 - a.0, y as f32 + 0.5 - a.1);
                let t = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
                let want = (2.5 - (px - t * dx).hypot(py - t * dy)).clamp(0.0, 1.0) * 255.0;
                assert!(
                    (f32::from(p.0[0]) - want).abs() <= 1.0,
                    "{a:?} {b:?} at {x}, {y}: {} not {want}",
                    p.0[0]
                );
            }
        }
    }

    #[test]
    fn panels_have_round_corners_and_stay_inside() {
        let mut picture = RgbImage::new(40, 30);
        panel(&mut picture, (5..35, 5..25), 6, [200; 3], 256);
        let lit = |x, y| picture.get_pixel(x, y).0 == [200; 3];
        assert!(lit(20, 5) && lit(5, 15) && lit(34, 24 - 7) && !lit(5, 5) && !lit(34, 24) && !lit(20, 25));
        panel(&mut picture, (30..900, 20..900), 50, [9; 3], 128);
        panel(&mut picture, (3..3, 3..3), 5, [9; 3], 128);
    }
}
