//! Random rotated square crops inside a picture, resampled with antialiasing.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::config::CropConfig;

/// Samples a side for one output pixel: the mean of a square of bilinear samples stands for its area.
const SUPERSAMPLE: usize = 2;

/// A square cut out of a square picture; lengths are fractions of the picture's side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    /// Centre, 0 to 1.
    pub x: f64,
    /// Centre, 0 to 1.
    pub y: f64,
    /// Side, up to 1.
    pub side: f64,
    /// Radians, clockwise as seen.
    pub angle: f64,
}

impl Crop {
    /// Draws zoom, rotation and a position such that all four corners lie inside the picture.
    pub fn random(rng: &mut ChaCha8Rng, config: &CropConfig) -> Self {
        let side = 1.0 / rng.random_range(config.zoom_min..=config.zoom_max);
        // The most that a square of this side can turn and still fit.
        let fits = |angle: f64| side * (angle.cos().abs() + angle.sin().abs()) <= 1.0;
        let most = config.rotation.to_radians();
        let mut angle = rng.random_range(-most..=most);
        while !fits(angle) {
            angle *= 0.8;
            if angle.abs() < 1e-3 {
                angle = 0.0;
            }
        }
        let reach = side * (angle.cos().abs() + angle.sin().abs()) / 2.0;
        let mut place = || rng.random_range(reach.min(0.5)..=(1.0 - reach).max(0.5));
        Self { x: place(), y: place(), side, angle }
    }

    /// Cuts the crop out of `picture` (RGB bytes, `side` x `side`) into `out`: planar RGB, `size` x `size`,
    /// in [-1, 1].
    pub fn cut(&self, picture: &[u8], side: usize, size: usize, out: &mut [f32]) {
        let (sin, cos) = self.angle.sin_cos();
        let scale = self.side * side as f64;
        let fine = size * SUPERSAMPLE;
        let step = scale / fine as f64;
        let weight = 1.0 / (SUPERSAMPLE * SUPERSAMPLE) as f32;
        let plane = size * size;
        for y in 0..size {
            for x in 0..size {
                let mut sum = [0f32; 3];
                for sub in 0..SUPERSAMPLE * SUPERSAMPLE {
                    let (sx, sy) = (x * SUPERSAMPLE + sub % SUPERSAMPLE, y * SUPERSAMPLE + sub / SUPERSAMPLE);
                    let u = (sx as f64 + 0.5) * step - scale / 2.0;
                    let v = (sy as f64 + 0.5) * step - scale / 2.0;
                    let px = self.x * side as f64 + cos * u - sin * v;
                    let py = self.y * side as f64 + sin * u + cos * v;
                    let colour = bilinear(picture, side, px as f32 - 0.5, py as f32 - 0.5);
                    for (s, c) in sum.iter_mut().zip(colour) {
                        *s += c;
                    }
                }
                for (channel, s) in sum.into_iter().enumerate() {
                    out[channel * plane + y * size + x] = s * weight / 127.5 - 1.0;
                }
            }
        }
    }
}

/// Colour at a point in pixel-index coordinates, the border replicated.
fn bilinear(picture: &[u8], side: usize, x: f32, y: f32) -> [f32; 3] {
    let last = (side - 1) as f32;
    let (x, y) = (x.clamp(0.0, last), y.clamp(0.0, last));
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(side - 1), (y0 + 1).min(side - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let at = |x: usize, y: usize, c: usize| f32::from(picture[(y * side + x) * 3 + c]);
    std::array::from_fn(|c| {
        let top = at(x0, y0, c) * (1.0 - fx) + at(x1, y0, c) * fx;
        let bottom = at(x0, y1, c) * (1.0 - fx) + at(x1, y1, c) * fx;
        top * (1.0 - fy) + bottom * fy
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn random_crops_stay_inside_and_reach_their_ranges() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let config = CropConfig::default();
        let (mut widest, mut steepest) = (0f64, 0f64);
        for _ in 0..2000 {
            let c = Crop::random(&mut rng, &config);
            let (sin, cos) = c.angle.sin_cos();
            for (u, v) in [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)] {
                let (u, v) = (u * c.side, v * c.side);
                let (x, y) = (c.x + cos * u - sin * v, c.y + sin * u + cos * v);
                assert!((-1e-9..=1.0 + 1e-9).contains(&x) && (-1e-9..=1.0 + 1e-9).contains(&y), "{c:?}");
            }
            widest = widest.max(c.side);
            steepest = steepest.max(c.angle.abs());
        }
        assert!(widest > 0.9 && steepest > 19f64.to_radians());
    }

    #[test]
    fn the_whole_picture_uncut_is_the_picture() {
        let side = 8;
        let picture: Vec<u8> = (0..side * side).flat_map(|i| [i as u8 * 3, 10, 200]).collect();
        let mut out = vec![0.0; 3 * side * side];
        Crop { x: 0.5, y: 0.5, side: 1.0, angle: 0.0 }.cut(&picture, side, side, &mut out);
        // Horizontal ramp: the mean of symmetric samples round a pixel's centre is the pixel, away from borders.
        let want = f32::from(picture[(3 * side + 4) * 3]) / 127.5 - 1.0;
        assert!((out[3 * side + 4] - want).abs() < 1e-4);
        assert!((out[2 * side * side + 5] - (200.0 / 127.5 - 1.0)).abs() < 1e-5);
    }

    #[test]
    fn a_quarter_turn_moves_the_top_to_the_left() {
        // The picture's right half is white. A crop turned clockwise by 90 degrees has its own top on that side.
        let side = 8;
        let picture: Vec<u8> =
            (0..side * side).flat_map(|i| [if i % side >= 4 { 255 } else { 0 }; 3]).collect();
        let mut out = vec![0.0; 3 * side * side];
        let angle = std::f64::consts::FRAC_PI_2;
        Crop { x: 0.5, y: 0.5, side: 1.0, angle }.cut(&picture, side, side, &mut out);
        assert!(out[4] > 0.9 && out[7 * side + 4] < -0.9);
    }
}
