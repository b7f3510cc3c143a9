//! Drawing detected keypoints on a picture.

use image::{Rgb, RgbImage};
use models::Manifest;

use crate::frame::Face;

/// Draws a filled disc in its manifest colour at every keypoint of `face`.
pub fn draw_face(picture: &mut RgbImage, face: &Face, manifest: &Manifest) {
    let (width, height) = picture.dimensions();
    let radius = (width.min(height) as f32 / 80.0).max(1.0);
    for (point, keypoint) in face.keypoints.iter().zip(&manifest.keypoints) {
        let last = |size: u32| size.saturating_sub(1) as f32;
        let columns = (point.x - radius).clamp(0.0, last(width)) as u32
            ..=(point.x + radius).clamp(0.0, last(width)) as u32;
        let rows = (point.y - radius).clamp(0.0, last(height)) as u32
            ..=(point.y + radius).clamp(0.0, last(height)) as u32;
        for y in rows {
            for x in columns.clone() {
                let (dx, dy) = (x as f32 + 0.5 - point.x, y as f32 + 0.5 - point.y);
                if dx.hypot(dy) <= radius {
                    picture.put_pixel(x, y, Rgb(keypoint.colour));
                }
            }
        }
    }
}
