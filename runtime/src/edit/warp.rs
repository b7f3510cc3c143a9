//! A photo warped so that its parts follow moved keypoints.

use image::RgbImage;

use super::FaceLatents;
use super::blend::fading;
use crate::vision::crop::Crop;

/// Squared distance from a keypoint, in normalised coordinates, at which its pull has fallen to a third.
const PULL: f32 = 0.12;
/// Weight with which a place away from all keypoints stays where it is.
const STAY: f32 = 0.05;

/// Least and most that a photo is enlarged about a keypoint: beyond, nothing of its surroundings would be left.
const GROWTH: [f32; 2] = [0.5, 2.0];

/// Warps `photo` inside `crop` (upright): what lies at a keypoint of `from` comes to lie at that of `to`, as much larger
/// as the part grew; what is between goes along as it is near to one or the other, and the square's edge stays.
pub fn warp(photo: &RgbImage, crop: &Crop, from: &FaceLatents, to: &FaceLatents) -> RgbImage {
    let mut out = photo.clone();
    let shifts: Vec<[f32; 2]> =
        from.keypoints.iter().zip(&to.keypoints).map(|(a, b)| [b[0] - a[0], b[1] - a[1]]).collect();
    // How much of the way from a keypoint what is seen there comes from nearer by.
    let growth = |(a, b): (&f32, &f32)| 1.0 - 1.0 / (b / a).clamp(GROWTH[0], GROWTH[1]);
    let grown: Vec<f32> = from.scales.iter().zip(&to.scales).map(growth).collect();
    if shifts.iter().all(|s| *s == [0.0; 2]) && grown.iter().all(|g| *g == 0.0) {
        return out;
    }
    let to = &to.keypoints;
    let range = |centre: f32, most: u32| {
        let low = (centre - crop.side / 2.0).max(0.0) as u32;
        low.min(most)..((centre + crop.side / 2.0).max(0.0).ceil() as u32).min(most)
    };
    let (columns, rows) = (range(crop.cx, photo.width()), range(crop.cy, photo.height()));
    // A keypoint's pull is one factor a column times one a row, so no pixel needs an exponential of its own.
    let axis = |pixels: &std::ops::Range<u32>, axis: usize| -> Vec<(f32, f32, Vec<f32>)> {
        let one = |p: u32| {
            let v = crop.to_network([p as f32 + 0.5; 2])[axis];
            (v, v.powi(4), to.iter().map(|k| (-(v - k[axis]).powi(2) / PULL).exp()).collect())
        };
        pixels.clone().map(one).collect()
    };
    let across = axis(&columns, 0);
    for (y, (v, v4, down)) in rows.clone().zip(axis(&rows, 1)) {
        for (x, (u, u4, pulls)) in columns.clone().zip(&across) {
            let edge = fading(u4 + v4);
            if edge <= 0.0 {
                continue;
            }
            let (mut total, mut dx, mut dy) = (STAY, 0.0, 0.0);
            for (k, ((a, b), shift)) in pulls.iter().zip(&down).zip(&shifts).enumerate() {
                let weight = a * b;
                total += weight;
                dx += weight * (shift[0] + (u - to[k][0]) * grown[k]);
                dy += weight * (shift[1] + (v - to[k][1]) * grown[k]);
            }
            let scale = edge / total * crop.side / 2.0;
            let source = [x as f32 + 0.5 - dx * scale, y as f32 + 0.5 - dy * scale];
            out.put_pixel(x, y, linear(photo, source));
        }
    }
    out
}

/// The picture between its pixels; beyond its edge the edge goes on.
pub(super) fn linear(picture: &RgbImage, [x, y]: [f32; 2]) -> image::Rgb<u8> {
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

    fn face(keypoints: [[f32; 2]; 2]) -> FaceLatents {
        FaceLatents::new(keypoints.to_vec(), vec![vec![0.0]; 2], vec![0.0])
    }

    /// A wider part changed nothing in a photo.
    #[test]
    fn a_part_that_grows_is_enlarged_where_it_is() {
        let dot = |x: u32, y: u32| x.abs_diff(70) <= 5 && y.abs_diff(90) <= 5;
        let photo = RgbImage::from_fn(200, 180, |x, y| Rgb([if dot(x, y) { 255 } else { 40 }; 3]));
        let crop = Crop { cx: 100.0, cy: 90.0, side: 120.0, angle: 0.0 };
        let from = face([[-0.5, 0.0], [0.5, 0.0]]);
        let lit = |by: f32| {
            let mut to = from.clone();
            to.scales[0] = by;
            let bent = warp(&photo, &crop, &from, &to);
            let lit: Vec<u32> =
                bent.enumerate_pixels().filter(|(.., p)| p.0[0] > 150).map(|(x, ..)| x).collect();
            let middle = lit.iter().map(|x| f64::from(*x)).sum::<f64>() / lit.len() as f64;
            assert!((middle - 70.0).abs() < 1.5, "{middle}");
            lit.len()
        };
        let (less, same, more) = (lit(0.7), lit(1.0), lit(1.6));
        assert!(less < same * 7 / 10 && more > same * 3 / 2, "{less} {same} {more}");
    }

    #[test]
    fn what_lies_at_a_keypoint_follows_it_and_the_rest_stays() {
        let dot = |x: u32, y: u32| x.abs_diff(70) <= 3 && y.abs_diff(90) <= 3;
        let photo =
            RgbImage::from_fn(200, 180, |x, y| Rgb([if dot(x, y) { 255 } else { 40 }, (x % 250) as u8, 9]));
        let crop = Crop { cx: 100.0, cy: 90.0, side: 120.0, angle: 0.0 };
        let (from, to) = (face([[-0.5, 0.0], [0.5, 0.0]]), face([[-0.25, 0.0], [0.5, 0.0]]));
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
