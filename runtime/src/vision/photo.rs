//! A photo with the square that its face fills.

use image::{GrayImage, Luma, RgbImage, imageops};

use super::crop::Crop;

/// A photo with the square that the face fills.
#[derive(Clone, Debug)]
pub struct Photo {
    /// The whole photo.
    pub picture: RgbImage,
    /// The square.
    pub crop: Crop,
    /// How much of each pixel shows, as large as the picture: of a cut-out, which lies on white here.
    pub alpha: Option<GrayImage>,
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
        let (width, height) = (side(width), side(height));
        let picture = imageops::resize(&self.picture, width, height, imageops::FilterType::Triangle);
        // By the same filter, so that what is on white stays so.
        let shrink =
            |alpha: &GrayImage| imageops::resize(alpha, width, height, imageops::FilterType::Triangle);
        let alpha = self.alpha.as_ref().map(shrink);
        let Crop { cx, cy, side, angle } = self.crop;
        Self { picture, alpha, crop: Crop { cx: cx * scale, cy: cy * scale, side: side * scale, angle } }
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
        let alpha = self.alpha.as_ref().map(|alpha| {
            let scaled = imageops::resize(alpha, small.0, small.1, imageops::FilterType::Triangle);
            let mut alpha = GrayImage::from_pixel(size.0, size.1, Luma([u8::MAX]));
            imageops::replace(&mut alpha, &scaled, i64::from(left), i64::from(top));
            alpha
        });
        let Crop { cx, cy, side, angle } = self.crop;
        let (cx, cy) = (cx * scale + left as f32, cy * scale + top as f32);
        Self { picture, alpha, crop: Crop { cx, cy, side: side * scale, angle } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_keeps_its_face_in_a_picture_of_another_shape() {
        let picture = RgbImage::from_fn(40, 20, |x, _| image::Rgb([if x < 20 { 200 } else { 90 }; 3]));
        let crop = Crop { cx: 30.0, cy: 10.0, side: 10.0, angle: 0.0 };
        let photo = Photo { picture, crop, alpha: Some(GrayImage::new(40, 20)) };
        let within = photo.within((80, 80));
        assert_eq!(within.picture.dimensions(), (80, 80));
        assert_eq!(within.crop, Crop { cx: 60.0, cy: 40.0, side: 20.0, angle: 0.0 });
        assert_eq!(within.picture.get_pixel(40, 10).0, [0; 3]);
        assert_eq!(
            (within.picture.get_pixel(10, 40).0, within.picture.get_pixel(70, 40).0),
            ([200; 3], [90; 3])
        );
        let alpha = within.alpha.unwrap();
        assert_eq!([(40, 10), (40, 40)].map(|(x, y)| alpha.get_pixel(x, y).0), [[u8::MAX], [0]]);
        assert_eq!(photo.scaled(0.5).alpha.unwrap().dimensions(), (20, 10));
        assert_eq!(photo.within((40, 20)).picture, photo.picture);
    }
}
