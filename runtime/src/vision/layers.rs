//! What can be drawn beside the keypoints: the detector's crop, and the heat maps that the generator works from.

use image::RgbImage;
use lkg_bundle::Manifest;

use super::crop::Crop;
use super::paint::blend;
use crate::frame::DetectedKeypoint;

/// Opacity at the top of a heat map.
const STRONGEST: f32 = 0.75;
/// Height below which a heat map is left out.
const LEAST: f32 = 0.03;
/// Colour of the square.
const SQUARE: [u8; 3] = [255, 255, 255];

/// Draws the heat map of every keypoint in its colour: exp(-d^2 / tau) at the distance d, in halves of the square's side, as
/// the generator's own heat maps. `keypoints` and `side` are in pixels of `picture`.
pub fn draw_heat_maps(
    picture: &mut RgbImage,
    keypoints: &[DetectedKeypoint],
    side: f32,
    manifest: &Manifest,
) {
    let unit = (side / 2.0).max(1.0);
    let tau = manifest.tau.max(f32::MIN_POSITIVE);
    let reach = (-LEAST.ln() * tau).sqrt() * unit;
    let (width, height) = picture.dimensions();
    for (keypoint, described) in keypoints.iter().zip(&manifest.keypoints) {
        // A float cast to an unsigned integer saturates; NaN becomes 0.
        let range = |centre: f32, size: u32| {
            ((centre - reach) as u32).min(size)..((centre + reach + 1.0).max(0.0) as u32).min(size)
        };
        for y in range(keypoint.y, height) {
            for x in range(keypoint.x, width) {
                let d = (x as f32 + 0.5 - keypoint.x).hypot(y as f32 + 0.5 - keypoint.y) / unit;
                let heat = (-d * d / tau).exp();
                if heat >= LEAST {
                    blend(&mut picture.get_pixel_mut(x, y).0, described.colour, STRONGEST * heat);
                }
            }
        }
    }
}

/// Draws the border of an upright crop, in pixels of the picture enlarged by `factor` and then mirrored
/// if asked.
pub fn draw_square(picture: &mut RgbImage, crop: &Crop, factor: u32, mirror: bool) {
    let (width, height) = picture.dimensions();
    let scale = factor as f32;
    let cx = if mirror { width as f32 - crop.cx * scale } else { crop.cx * scale };
    let (cy, half) = (crop.cy * scale, crop.side * scale / 2.0);
    let line = (width.min(height) / 320).max(1) as i32;
    let edges = [cx - half, cx + half, cy - half, cy + half].map(|v| v.round().clamp(-1e6, 1e6) as i32);
    let [left, right, top, bottom] = edges;
    let mut fill = |xs: std::ops::Range<i32>, ys: std::ops::Range<i32>| {
        for y in ys.start.max(0)..ys.end.min(height as i32) {
            for x in xs.start.max(0)..xs.end.min(width as i32) {
                blend(&mut picture.get_pixel_mut(x as u32, y as u32).0, SQUARE, 0.7);
            }
        }
    };
    fill(left..right, top..top + line);
    fill(left..right, bottom - line..bottom);
    fill(left..left + line, top + line..bottom - line);
    fill(right - line..right, top + line..bottom - line);
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::vision::testing::manifest;

    #[test]
    fn heat_falls_as_the_generators_does() {
        let mut manifest = manifest(1);
        (manifest.tau, manifest.keypoints[0].colour) = (0.04, [255; 3]);
        let mut picture = RgbImage::new(100, 100);
        let at = DetectedKeypoint { x: 50.5, y: 40.5, confidence: 1.0 };
        draw_heat_maps(&mut picture, &[at], 100.0, &manifest);
        for (x, y) in [(50, 40), (55, 40), (50, 47), (56, 48)] {
            let d2 = ((x as f32 - 50.0).powi(2) + (y as f32 - 40.0).powi(2)) / 2500.0;
            let want = 255.0 * STRONGEST * (-d2 / 0.04).exp();
            let got = f32::from(picture.get_pixel(x, y).0[0]);
            assert!((got - want).abs() <= 1.0, "{got} not {want} at {x}, {y}");
        }
        assert_eq!(picture.get_pixel(90, 90).0, [0; 3]);
        for (x, y) in [(-500.0, 3.0), (f32::NAN, 1.0), (1e9, 1e9)] {
            let away = DetectedKeypoint { x, y, confidence: 1.0 };
            draw_heat_maps(&mut picture, &[away], 10.0, &manifest);
        }
    }

    #[test]
    fn the_square_is_drawn_where_it_lies_and_mirrored() {
        let crop = Crop { cx: 20.0, cy: 30.0, side: 20.0, angle: 0.0 };
        for (mirror, left) in [(false, 10), (true, 70)] {
            let mut picture = RgbImage::new(100, 50);
            draw_square(&mut picture, &crop, 1, mirror);
            let lit = |x, y| *picture.get_pixel(x, y) != Rgb([0; 3]);
            assert!(lit(left, 20) && lit(left + 19, 39) && lit(left, 30) && lit(left + 10, 39));
            assert!(!lit(left + 10, 30) && !lit(left + 20, 30) && !lit(left - 1, 30));
        }
        draw_square(&mut RgbImage::new(4, 4), &Crop { cx: -90.0, cy: 1e9, side: 3.0, angle: 0.0 }, 4, true);
    }
}
