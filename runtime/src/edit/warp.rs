//! A photo bent so that its parts follow moved keypoints.

use image::RgbImage;

use super::paste::fading;
use crate::vision::crop::Crop;

/// Squared distance from a keypoint, in normalised coordinates, at which its pull has fallen to a third.
const PULL: f32 = 0.12;
/// Weight with which a place away from all keypoints stays where it is.
const STAY: f32 = 0.05;

/// Bends `photo` inside `crop` (upright): what lies at `from[k]` comes to lie at `to[k]`, what is between goes along as
/// it is near to one or the other, and the square's edge stays. Both are in normalised coordinates of the square.
pub fn warp(photo: &RgbImage, crop: &Crop, from: &[[f32; 2]], to: &[[f32; 2]]) -> RgbImage {
    let mut out = photo.clone();
    let shifts: Vec<[f32; 2]> = from.iter().zip(to).map(|(a, b)| [b[0] - a[0], b[1] - a[1]]).collect();
    if shifts.iter().all(|s| *s == [0.0; 2]) {
        return out;
    }
    let range = |centre: f32, most: u32| {
        let low = (centre - crop.side / 2.0).max(0.0) as u32;
        low.min(most)..((centre + crop.side / 2.0).max(0.0).ceil() as u32).min(most)
    };
    let (columns, rows) = (range(crop.cx, photo.width()), range(crop.cy, photo.height()));
    // A keypoint's pull is one factor a column times one a row, so no pixel needs an exponential of its own.
    let axis = |pixels: &std::ops::Range<u32>, axis: usize| -> Vec<(f32, Vec<f32>)> {
        let one = |p: u32| {
            let v = crop.to_network([p as f32 + 0.5; 2])[axis];
            (v.powi(4), to.iter().map(|k| (-(v - k[axis]).powi(2) / PULL).exp()).collect())
        };
        pixels.clone().map(one).collect()
    };
    let across = axis(&columns, 0);
    for (y, (v4, down)) in rows.clone().zip(axis(&rows, 1)) {
        for (x, (u4, pulls)) in columns.clone().zip(&across) {
            let edge = fading(u4 + v4);
            if edge <= 0.0 {
                continue;
            }
            let (mut total, mut dx, mut dy) = (STAY, 0.0, 0.0);
            for ((a, b), shift) in pulls.iter().zip(&down).zip(&shifts) {
                let weight = a * b;
                total += weight;
                dx += weight * shift[0];
                dy += weight * shift[1];
            }
            let scale = edge / total * crop.side / 2.0;
            let source = [x as f32 + 0.5 - dx * scale, y as f32 + 0.5 - dy * scale];
            out.put_pixel(x, y, linear(photo, source));
        }
    }
    out
}

/// The picture between its pixels; beyond its edge the edge goes on.
fn linear(picture: &RgbImage, [x, y]: [f32; 2]) -> image::Rgb<u8> {
    let place = |v: f32, size: u32| {
        let v = (v - 0.5).clamp(0.0, size as f32 - 1.0);
        let low = v as u32;
        (low, (low + 1).min(size - 1), v - low as f32)
    };
    let ((x0, x1, fx), (y0, y1, fy)) = (place(x, picture.width()), place(y, picture.height()));
    let pixel = |x, y| picture.get_pixel(x, y).0.map(f32::from);
    let (a, b, c, d) = (pixel(x0, y0), pixel(x1, y0), pixel(x0, y1), pixel(x1, y1));
    image::Rgb(std::array::from_fn(|i| {
        let (top, bottom) = (a[i] + (b[i] - a[i]) * fx, c[i] + (d[i] - c[i]) * fx);
        (top + (bottom - top) * fy + 0.5) as u8
    }))
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn what_lies_at_a_keypoint_follows_it_and_the_rest_stays() {
        let dot = |x: u32, y: u32| x.abs_diff(70) <= 3 && y.abs_diff(90) <= 3;
        let photo =
            RgbImage::from_fn(200, 180, |x, y| Rgb([if dot(x, y) { 255 } else { 40 }, (x % 250) as u8, 9]));
        let crop = Crop { cx: 100.0, cy: 90.0, side: 120.0, angle: 0.0 };
        let (from, to) = ([[-0.5, 0.0], [0.5, 0.0]], [[-0.25, 0.0], [0.5, 0.0]]);
        let bent = warp(&photo, &crop, &from, &to);
        let (mut sum, mut at) = (0.0, 0.0);
        for (x, _, p) in bent.enumerate_pixels().filter(|(.., p)| p.0[0] > 60) {
            sum += f64::from(p.0[0]);
            at += f64::from(p.0[0]) * f64::from(x);
        }
        // A quarter of half the side is 15 pixels, of which the places that stay take a little.
        assert!((at / sum - 84.0).abs() < 2.0, "{}", at / sum);
        for (x, y, p) in bent.enumerate_pixels() {
            let far = x.abs_diff(100) >= 60 || y.abs_diff(90) >= 60 || x >= 125;
            assert!(!far || p.0[1].abs_diff(photo.get_pixel(x, y).0[1]) <= 1, "{x} {y}");
        }
        assert!(warp(&photo, &crop, &from, &from) == photo);
    }
}
