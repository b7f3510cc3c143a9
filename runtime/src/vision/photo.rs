//! A photo with the square that its face fills.

use image::{RgbImage, imageops};

use super::crop::Crop;

/// A photo with the square that the face fills.
#[derive(Clone, Debug)]
pub struct Photo {
    /// The whole photo.
    pub picture: RgbImage,
    /// The square.
    pub crop: Crop,
}

impl Photo {
    /// The photo with no side longer than `most` pixels.
    pub fn shrunk(&self, most: u32) -> Self {
        let (width, height) = self.picture.dimensions();
        let scale = most as f32 / width.max(height) as f32;
        if scale >= 1.0 { self.clone() } else { self.scaled(scale) }
    }

    /// The photo `scale` times as large.
    pub fn scaled(&self, scale: f32) -> Self {
        let side = |v: u32| ((v as f32 * scale).round() as u32).max(1);
        let (width, height) = self.picture.dimensions();
        let picture =
            imageops::resize(&self.picture, side(width), side(height), imageops::FilterType::Triangle);
        let Crop { cx, cy, side, angle } = self.crop;
        Self { picture, crop: Crop { cx: cx * scale, cy: cy * scale, side: side * scale, angle } }
    }

    /// The photo as large as a picture of `size` pixels holds it, in the middle of one, on black.
    pub fn within(&self, size: (u32, u32)) -> Self {
        let (width, height) = self.picture.dimensions();
        if (width, height) == size {
            return self.clone();
        }
        let scale = (size.0 as f32 / width as f32).min(size.1 as f32 / height as f32);
        let side = |v: u32, most: u32| ((v as f32 * scale).round() as u32).clamp(1, most);
        let small = (side(width, size.0), side(height, size.1));
        let scaled = imageops::resize(&self.picture, small.0, small.1, imageops::FilterType::Triangle);
        let (left, top) = ((size.0 - small.0) / 2, (size.1 - small.1) / 2);
        let mut picture = RgbImage::new(size.0, size.1);
        imageops::replace(&mut picture, &scaled, i64::from(left), i64::from(top));
        let Crop { cx, cy, side, angle } = self.crop;
        let (cx, cy) = (cx * scale + left as f32, cy * scale + top as f32);
        Self { picture, crop: Crop { cx, cy, side: side * scale, angle } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_keeps_its_face_in_a_picture_of_another_shape() {
        let picture = RgbImage::from_fn(40, 20, |x, _| image::Rgb([if x < 20 { 200 } else { 90 }; 3]));
        let photo = Photo { picture, crop: Crop { cx: 30.0, cy: 10.0, side: 10.0, angle: 0.0 } };
        let within = photo.within((80, 80));
        assert_eq!(within.picture.dimensions(), (80, 80));
        assert_eq!(within.crop, Crop { cx: 60.0, cy: 40.0, side: 20.0, angle: 0.0 });
        assert_eq!(within.picture.get_pixel(40, 10).0, [0; 3]);
        assert_eq!(
            (within.picture.get_pixel(10, 40).0, within.picture.get_pixel(70, 40).0),
            ([200; 3], [90; 3])
        );
        assert_eq!(photo.within((40, 20)).picture, photo.picture);
    }
}
