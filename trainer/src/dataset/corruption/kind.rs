//! Kinds of corruption, each a function of the picture and of random numbers.

use image::{Rgb, RgbImage, imageops};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::dataset::annotations::Landmarks;

/// A way to make a picture harder to see a face in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corruption {
    /// In a frame of twice its side, at a random place, so that it is seen at half scale. Around it: blocks of a
    /// sixteenth of the frame of other pictures, blurred (standard deviation of a 128th of the frame) and shuffled.
    Half,
    /// Exposure of 0.15 to 0.35, a gamma of 1.0 to 1.4 on top, and the noise that comes with little light: normal,
    /// standard deviation of 0.02 to 0.04 of white, each pixel and channel on its own.
    Dark,
    /// Gaussian blur, standard deviation of 1.5 to 3 % of the picture's side.
    Blurred,
    /// Normal noise, standard deviation of 0.1 to 0.2 of white, each pixel and channel on its own.
    Noisy,
    /// A third of the face's box occluded by a rectangle at a random place in it, of one colour or of stripes of two. The box
    /// is the square around the landmarks of `FACE` eye distances.
    Occluded,
}

/// Side of a face's box in distances between the eyes: from chin to hairline, from ear to ear.
const FACE: f64 = 2.5;
/// Share of the box that is occluded.
const OCCLUDED: f64 = 1.0 / 3.0;
/// Blocks along a side of the frame around a picture at half scale.
const BLOCKS: u32 = 16;

impl Corruption {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 5] = [Self::Half, Self::Dark, Self::Blurred, Self::Noisy, Self::Occluded];

    /// Name of the folder, and of the set in bundles' metrics: that of occluded faces is the one of all versions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Half => "half",
            Self::Dark => "dark",
            Self::Blurred => "blurred",
            Self::Noisy => "noisy",
            Self::Occluded => "covered",
        }
    }

    /// The harder picture, and its landmarks. `other` is a picture of the set; what is put around is made of it.
    pub fn apply(
        self,
        picture: &RgbImage,
        landmarks: &Landmarks,
        other: &RgbImage,
        rng: &mut ChaCha8Rng,
    ) -> (RgbImage, Landmarks) {
        let mut out = picture.clone();
        match self {
            Self::Half => return half(picture, landmarks, other, rng),
            Self::Dark => {
                let exposure: f64 = rng.random_range(0.15..0.35);
                let gamma: f64 = rng.random_range(1.0..1.4);
                for v in out.iter_mut() {
                    *v = ((f64::from(*v) / 255.0).powf(gamma) * exposure * 255.0).round() as u8;
                }
                let level = rng.random_range(0.02..0.04);
                noise(&mut out, level, rng);
            }
            Self::Blurred => {
                let share: f32 = rng.random_range(0.015..0.03);
                out = imageops::blur(picture, share * picture.width().min(picture.height()) as f32);
            }
            Self::Noisy => {
                let level = rng.random_range(0.1..0.2);
                noise(&mut out, level, rng);
            }
            Self::Occluded => occlude(&mut out, landmarks, rng),
        }
        (out, *landmarks)
    }
}

/// The picture as it is, somewhere in a frame of twice its side.
fn half(
    picture: &RgbImage,
    landmarks: &Landmarks,
    other: &RgbImage,
    rng: &mut ChaCha8Rng,
) -> (RgbImage, Landmarks) {
    let (w, h) = picture.dimensions();
    let (width, height) = (2 * w, 2 * h);
    let blurred = imageops::blur(
        &imageops::resize(other, width, height, imageops::FilterType::Triangle),
        width as f32 / 128.0,
    );
    let (bw, bh) = (width.div_ceil(BLOCKS), height.div_ceil(BLOCKS));
    let mut frame = RgbImage::new(width, height);
    for by in 0..BLOCKS {
        for bx in 0..BLOCKS {
            let (x, y) = (rng.random_range(0..=width - bw), rng.random_range(0..=height - bh));
            let block = imageops::crop_imm(&blurred, x, y, bw, bh).to_image();
            imageops::replace(&mut frame, &block, i64::from(bx * bw), i64::from(by * bh));
        }
    }
    let (x, y) = (rng.random_range(0..=w), rng.random_range(0..=h));
    imageops::replace(&mut frame, picture, i64::from(x), i64::from(y));
    let mut moved = *landmarks;
    for [px, py] in moved.as_chunks_mut::<2>().0 {
        *px = (*px * f64::from(w) + f64::from(x)) / f64::from(width);
        *py = (*py * f64::from(h) + f64::from(y)) / f64::from(height);
    }
    (frame, moved)
}

/// Adds normal noise of standard deviation `level`, 1 being white.
fn noise(picture: &mut RgbImage, level: f64, rng: &mut ChaCha8Rng) {
    for v in picture.iter_mut() {
        // Box and Muller, 1958; the logarithm of 0 is kept out.
        let (a, b): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        *v = (f64::from(*v) + 255.0 * level * normal).round().clamp(0.0, 255.0) as u8;
    }
}

/// The box of the face in pixels: left, top, side. It may reach over the edges.
fn face_box(picture: &RgbImage, landmarks: &Landmarks) -> (f64, f64, f64) {
    let (w, h) = (f64::from(picture.width()), f64::from(picture.height()));
    let points = landmarks.as_chunks::<2>().0;
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p[0] * w / n, y + p[1] * h / n));
    let [a, b] = [points[0], points[1]];
    let side = FACE * ((a[0] - b[0]) * w).hypot((a[1] - b[1]) * h);
    (x - side / 2.0, y - side / 2.0, side)
}

fn occlude(picture: &mut RgbImage, landmarks: &Landmarks, rng: &mut ChaCha8Rng) {
    let (left, top, side) = face_box(picture, landmarks);
    // A third of the box: from a third of its height at full width to the other way round.
    let wide: f64 = OCCLUDED.powf(rng.random_range(0.0..1.0));
    let (w, h) = (wide * side, OCCLUDED / wide * side);
    let mut along = |from: f64, length: f64| from + rng.random_range(0.0..=1.0) * (side - length);
    let (x, y) = (along(left, w), along(top, h));
    let mut colour = || Rgb([0; 3].map(|_: u8| rng.random::<u8>()));
    let (one, two) = (colour(), colour());
    // One colour, or stripes an eighth of the box apart, in any direction.
    let striped: bool = rng.random();
    let (sin, cos) = rng.random_range(0.0..std::f64::consts::PI).sin_cos();
    for (px, py, pixel) in picture.enumerate_pixels_mut() {
        let (u, v) = (f64::from(px) + 0.5, f64::from(py) + 0.5);
        if (x..x + w).contains(&u) && (y..y + h).contains(&v) {
            let stripe = ((u * cos + v * sin) / (side / 16.0)).floor().rem_euclid(2.0) >= 1.0;
            *pixel = if striped && stripe { two } else { one };
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const LANDMARKS: Landmarks = [0.4, 0.4, 0.6, 0.4, 0.5, 0.5, 0.42, 0.6, 0.58, 0.6];

    fn picture(seed: u32) -> RgbImage {
        RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 3 + seed) as u8, (y * 4) as u8, 120 + (x ^ y) as u8 / 2]))
    }

    fn apply(corruption: Corruption, seed: u64) -> (RgbImage, Landmarks) {
        corruption.apply(&picture(0), &LANDMARKS, &picture(90), &mut ChaCha8Rng::seed_from_u64(seed))
    }

    fn mean(picture: &RgbImage) -> f64 {
        picture.iter().map(|v| f64::from(*v)).sum::<f64>() / picture.len() as f64
    }

    /// Mean absolute difference of neighbours along a row.
    fn roughness(picture: &RgbImage) -> f64 {
        let all: Vec<f64> = (0..64)
            .flat_map(|y| (1..64).map(move |x| (x, y)))
            .map(|(x, y)| {
                let (a, b) = (picture.get_pixel(x - 1, y)[2], picture.get_pixel(x, y)[2]);
                f64::from(a.abs_diff(b))
            })
            .collect();
        all.iter().sum::<f64>() / all.len() as f64
    }

    #[test]
    fn a_seed_gives_one_picture_and_another_seed_another() {
        for corruption in Corruption::ALL {
            assert_eq!(apply(corruption, 1), apply(corruption, 1), "{corruption:?}");
            assert_ne!(apply(corruption, 1).0, apply(corruption, 2).0, "{corruption:?}");
        }
    }

    #[test]
    fn at_half_scale_the_landmarks_go_with_the_picture() {
        let mut places = std::collections::BTreeSet::new();
        for seed in 0..8 {
            let (frame, moved) = apply(Corruption::Half, seed);
            assert_eq!(frame.dimensions(), (128, 128));
            // The pixel at the nose, and one in a corner of the picture.
            let (x, y) = ((moved[4] * 128.0).round() as u32, (moved[5] * 128.0).round() as u32);
            assert_eq!(frame.get_pixel(x, y), picture(0).get_pixel(32, 32));
            assert_eq!(frame.get_pixel(x - 32, y - 32), picture(0).get_pixel(0, 0));
            assert!(((moved[2] - moved[0]) - 0.1).abs() < 1e-9, "half as far apart");
            places.insert((x, y));
        }
        assert!(places.len() > 4, "{places:?}");
    }

    #[test]
    fn dark_is_dark_blurred_is_smooth_and_noisy_is_rough() {
        let plain = picture(0);
        for seed in 0..4 {
            let dark = mean(&apply(Corruption::Dark, seed).0) / mean(&plain);
            assert!((0.05..0.45).contains(&dark), "{dark}");
            assert!(roughness(&apply(Corruption::Blurred, seed).0) < 0.8 * roughness(&plain));
            assert!(roughness(&apply(Corruption::Noisy, seed).0) > 2.0 * roughness(&plain));
        }
    }

    #[test]
    fn a_third_of_the_face_is_occluded_and_nothing_else() {
        // The eyes are 12.8 pixels apart, the box is 32 wide, and a third of it is 341 pixels.
        for seed in 0..8 {
            let (out, landmarks) = apply(Corruption::Occluded, seed);
            let changed: Vec<_> =
                out.enumerate_pixels().filter(|(x, y, p)| *p != picture(0).get_pixel(*x, *y)).collect();
            assert!((280..400).contains(&changed.len()), "{}", changed.len());
            assert!(changed.iter().all(|(x, y, _)| (15..=48).contains(x) && (15..=48).contains(y)));
            assert_eq!(landmarks, LANDMARKS);
        }
    }
}
