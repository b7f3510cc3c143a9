//! Made-up camera pictures: clutter with a face pasted in at a known place, or with none.

use image::{Rgb, RgbImage, imageops};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Width and height of the frames, in pixels.
pub const FRAME: (u32, u32) = (640, 480);
/// Side of a face over the distance between its eyes: from the chin to the hairline, from ear to ear.
pub const FACE: f32 = 2.5;
/// How far a face drifts from one frame to the next, at most, in multiples of its side.
const DRIFT: f32 = 0.01;
/// Standard deviation of the noise of a pixel, in steps of 255.
const NOISE: f32 = 4.0;

/// A square around a face's landmarks.
#[derive(Clone, Copy, Debug)]
pub struct Square {
    /// Centre, to the right, pixels.
    pub x: f32,
    /// Centre, downwards, pixels.
    pub y: f32,
    /// Pixels.
    pub side: f32,
}

/// A picture of a face and where in it the face is.
#[derive(Clone, Debug)]
pub struct Portrait {
    /// The picture.
    pub picture: RgbImage,
    /// The face.
    pub face: Square,
}

impl Portrait {
    /// A face by its landmarks, in pixels: eyes, nose, mouth corners.
    pub fn new(picture: RgbImage, landmarks: &[[f32; 2]; 5]) -> Self {
        let [x, y] = [0, 1].map(|c| landmarks.iter().map(|p| p[c]).sum::<f32>() / 5.0);
        let [a, b] = [landmarks[0], landmarks[1]];
        let side = FACE * (a[0] - b[0]).hypot(a[1] - b[1]);
        Self { picture, face: Square { x, y, side } }
    }
}

/// Random numbers that a seed gives.
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// One stream of numbers a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in [low, high).
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// Uniform in 0..n.
    pub fn below(&mut self, n: u32) -> u32 {
        (self.range(0.0, n as f32) as u32).min(n.saturating_sub(1))
    }

    fn colour(&mut self) -> Rgb<u8> {
        Rgb([0; 3].map(|_: u8| self.range(0.0, 256.0) as u8))
    }

    /// About normally distributed, standard deviation 1: the sum of uniform numbers.
    fn normal(&mut self) -> f32 {
        // Four bytes of one number: a frame takes a million of them.
        let bytes = self.0.next_u32().to_le_bytes();
        let sum: f32 = bytes.iter().map(|b| f32::from(*b)).sum();
        (sum - 510.0) / 147.8
    }
}

/// A frame full of things that are no faces: smooth colours, shapes, and blocks of `others` that changed places.
pub fn clutter(chance: &mut Chance, others: &[Portrait]) -> RgbImage {
    let (width, height) = FRAME;
    let coarse = RgbImage::from_fn(8, 6, |_, _| chance.colour());
    let mut frame = imageops::resize(&coarse, width, height, imageops::FilterType::CatmullRom);
    for _ in 0..12 + chance.below(12) {
        let (x, y) = (chance.range(0.0, width as f32), chance.range(0.0, height as f32));
        let half = [0; 2].map(|_: u8| chance.range(6.0, 110.0));
        let (from, to) = (chance.colour(), chance.colour());
        let (round, stripes) = (chance.below(2) == 0, chance.below(3) == 0);
        shape(&mut frame, [x, y], half, |u, v| {
            let inside = if round { u * u + v * v <= 1.0 } else { u.abs() <= 1.0 && v.abs() <= 1.0 };
            let share = if stripes { (u * 9.0).sin() * 0.5 + 0.5 } else { v * 0.5 + 0.5 };
            inside.then(|| mix(from, to, share))
        });
    }
    for _ in 0..if others.is_empty() { 0 } else { 2 + chance.below(3) } {
        let other = &others[chance.below(others.len() as u32) as usize].picture;
        let size = chance.range(100.0, 300.0) as u32;
        let other = imageops::resize(other, size, size, imageops::FilterType::Triangle);
        let (x, y) = (chance.below(width) as i64 - 50, chance.below(height) as i64 - 50);
        // An eighth of the picture holds no whole part of a face but its texture.
        let block = (size / 8).max(4);
        for by in 0..8i64 {
            for bx in 0..8i64 {
                let part = imageops::crop_imm(
                    &other,
                    chance.below(size - block),
                    chance.below(size - block),
                    block,
                    block,
                );
                let at = |b: i64| b * i64::from(block);
                imageops::replace(&mut frame, &part.to_image(), x + at(bx), y + at(by));
            }
        }
    }
    frame
}

fn mix(a: Rgb<u8>, b: Rgb<u8>, share: f32) -> Rgb<u8> {
    Rgb(std::array::from_fn(|c| {
        (f32::from(a[c]) + (f32::from(b[c]) - f32::from(a[c])) * share.clamp(0.0, 1.0)).round() as u8
    }))
}

/// Colours the pixels around a centre; `colour` is given their place in multiples of the half sides.
fn shape(
    frame: &mut RgbImage,
    [x, y]: [f32; 2],
    [w, h]: [f32; 2],
    colour: impl Fn(f32, f32) -> Option<Rgb<u8>>,
) {
    let bounds = |c: f32, half: f32, most: u32| {
        (c - half).clamp(0.0, most as f32) as u32..(c + half).ceil().clamp(0.0, most as f32) as u32
    };
    for py in bounds(y, h, frame.height()) {
        for px in bounds(x, w, frame.width()) {
            if let Some(c) = colour((px as f32 + 0.5 - x) / w, (py as f32 + 0.5 - y) / h) {
                frame.put_pixel(px, py, c);
            }
        }
    }
}

/// A place for a face of `share` of the frame's height, all of it inside the frame.
pub fn place(chance: &mut Chance, share: f32) -> Square {
    let (width, height) = (FRAME.0 as f32, FRAME.1 as f32);
    let side = share * height;
    let mut along = |length: f32| chance.range(side / 2.0, (length - side / 2.0).max(side / 2.0 + 0.01));
    Square { x: along(width), y: along(height), side }
}

/// Pastes a face, fading out where the picture that it is from ends.
pub fn paste(frame: &mut RgbImage, portrait: &Portrait, at: Square) {
    let scale = at.side / portrait.face.side;
    let (w, h) = (portrait.picture.width() as f32 * scale, portrait.picture.height() as f32 * scale);
    // Antialiased where it shrinks.
    let size = |v: f32| (v.round() as u32).max(1);
    let scaled = imageops::resize(&portrait.picture, size(w), size(h), imageops::FilterType::Triangle);
    let (left, top) = (at.x - portrait.face.x * scale, at.y - portrait.face.y * scale);
    let span = |low: f32, length: f32, most: u32| {
        low.clamp(0.0, most as f32) as u32..(low + length).ceil().clamp(0.0, most as f32) as u32
    };
    for py in span(top, h, frame.height()) {
        for px in span(left, w, frame.width()) {
            let (u, v) = ((px as f32 + 0.5 - left) / w, (py as f32 + 0.5 - top) / h);
            if !(0.0..1.0).contains(&u) || !(0.0..1.0).contains(&v) {
                continue;
            }
            let edge = (u * 2.0 - 1.0).powi(4) + (v * 2.0 - 1.0).powi(4);
            let share = ((1.0 - edge) / 0.3).clamp(0.0, 1.0);
            let x = ((u * scaled.width() as f32) as u32).min(scaled.width() - 1);
            let y = ((v * scaled.height() as f32) as u32).min(scaled.height() - 1);
            let colour = mix(*frame.get_pixel(px, py), *scaled.get_pixel(x, y), share);
            frame.put_pixel(px, py, colour);
        }
    }
}

/// A face's places in `n` frames from `first` on, drifting.
pub fn drift(chance: &mut Chance, first: Square, n: usize) -> Vec<Square> {
    let most = DRIFT * first.side;
    let (dx, dy) = (chance.range(-most, most), chance.range(-most, most));
    (0..n).map(|i| Square { x: first.x + dx * i as f32, y: first.y + dy * i as f32, ..first }).collect()
}

/// The noise of a camera.
pub fn noise(frame: &mut RgbImage, chance: &mut Chance) {
    for value in frame.as_flat_samples_mut().samples.iter_mut() {
        *value = (f32::from(*value) + NOISE * chance.normal()).round().clamp(0.0, 255.0) as u8;
    }
}
