//! Frames to measure on. Without any at hand they are made here: a face from the bundle's own generator wanders over
//! a plain ground, always the same way, and each frame is a JPEG as a webcam sends it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use lkg_bundle::Bundle;
use lkg_bundle::files::sha256_hex;
use ndarray::Array2;

use crate::bench;
use crate::engine::{Detector, EngineOptions, ImageGenerator, KeypointGenerator, Noise};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::live::Opener;
use crate::media::source::short_name;
use crate::media::{self, Captured, Next, Source, SourceOptions, SourceSpec, jpeg, picture};

/// Frames of the clip that is made here. The path is closed, so that the clip can be repeated without a jump.
const LENGTH: usize = 60;
/// Faces to choose from: the one that the detector is most confident of.
const CANDIDATES: u32 = 8;
/// Side of the face, in shares of the shorter side of the frame.
const FACE: f32 = 0.55;
/// Most frames of a file that are taken for the live loop.
const MOST_LIVE: usize = 120;

/// Frames of one kind.
#[derive(Clone)]
pub struct Material {
    /// Frames as JPEGs, for the live loop.
    pub clip: Arc<Vec<Vec<u8>>>,
    /// Opens the frames one after the other.
    pub opener: Opener,
    /// What they are, for people.
    pub description: String,
    /// Tells them apart from others.
    pub id: String,
}

impl Material {
    /// Makes a clip of `size` pixels from the bundle's generator.
    ///
    /// # Errors
    /// A network does not load or run.
    pub fn synthetic(bundle: &Bundle, options: &EngineOptions, size: (u32, u32), seed: u64) -> Result<Self> {
        if !bundle.has_generator() {
            return Err(bench::Error::NoGenerator(bundle.manifest().name.clone()).into());
        }
        let face = most_confident_face(bundle, options, seed)?;
        let mut clip = Vec::with_capacity(LENGTH);
        for i in 0..LENGTH {
            clip.push(encode(&compose(&face, size, i as f32 / LENGTH as f32))?);
        }
        let (width, height) = size;
        let id = sha256_hex(&clip.concat())[..16].to_owned();
        let clip = Arc::new(clip);
        let frames = Arc::clone(&clip);
        Ok(Self {
            clip,
            opener: Arc::new(move || Ok(Box::new(Jpegs::new(Arc::clone(&frames), None)) as Box<dyn Source>)),
            description: format!("{LENGTH} generated frames, {width}x{height}, JPEG in memory"),
            id: format!("generated {id}"),
        })
    }

    /// Takes a video file, a picture or a folder of pictures.
    ///
    /// # Errors
    /// It is a camera or cannot be read.
    pub fn file(spec: &SourceSpec) -> Result<Self> {
        let Some(path) = spec.path().filter(|_| !spec.takes_size()) else {
            return Err(bench::Error::NotFile(spec.for_people()).into());
        };
        let owned = spec.clone();
        let opener: Opener = Arc::new(move || media::open(&owned, &SourceOptions::default()));
        let mut source = opener()?;
        let mut clip = Vec::new();
        while clip.len() < MOST_LIVE {
            let Next::Frame(captured) = source.next(Duration::from_secs(10))? else { break };
            clip.push(encode(&captured.frame.picture)?);
        }
        if clip.is_empty() {
            return Err(bench::Error::NoFrames(spec.to_string()).into());
        }
        let id = sha256_hex(&clip.concat())[..16].to_owned();
        let description = source.describe();
        Ok(Self { clip: Arc::new(clip), opener, description, id: format!("{} {id}", short_name(&path)) })
    }

    /// The frames as a camera would send them, `fps` a second, the newest only.
    pub fn camera(&self, fps: f32) -> Opener {
        let clip = Arc::clone(&self.clip);
        Arc::new(move || Ok(Box::new(Jpegs::new(Arc::clone(&clip), Some(fps))) as Box<dyn Source>))
    }

    /// The first frame.
    ///
    /// # Errors
    /// It does not decode.
    pub fn first(&self) -> Result<RgbImage> {
        decode(&self.clip[0]).map_err(Error::from)
    }
}

fn encode(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    jpeg::encode(picture, &mut bytes)
        .map_err(|reason| Error::Engine { what: "encoding a frame".to_owned(), reason })?;
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> media::Result<RgbImage> {
    jpeg::decode(bytes).map_err(|reason| media::Error::Damaged { path: "frame in memory".into(), reason })
}

/// Of a few generated faces the one that the detector is most confident of.
fn most_confident_face(bundle: &Bundle, options: &EngineOptions, seed: u64) -> Result<RgbImage> {
    let manifest = bundle.manifest();
    let latent = Noise::seeded(seed, 0..CANDIDATES, &manifest.dims, 0.7);
    let layout = KeypointGenerator::load(bundle, options)?.run(&latent)?;
    let ones = Array2::ones((CANDIDATES as usize, manifest.dims.keypoints));
    let images = ImageGenerator::load(bundle, options)?.run(&layout, ones.view(), ones.view())?;
    let mut detector = Detector::load(bundle, options)?;
    let side = detector.size() as u32;
    let mut best = (f32::MIN, RgbImage::new(side, side));
    for image in images.outer_iter() {
        let face = picture::from_network(image);
        let seen = imageops::resize(&face, side, side, FilterType::Triangle);
        let confidence = detector.detect(super::workload::as_input(&seen, 1).view())?.confidence;
        let mean = confidence.mean().unwrap_or(0.0);
        if mean > best.0 {
            best = (mean, face);
        }
    }
    Ok(best.1)
}

/// The face on its ground at `phase` (0 to 1) of its closed path, its border blended into the ground.
fn compose(face: &RgbImage, (width, height): (u32, u32), phase: f32) -> RgbImage {
    let (sin, cos) = (phase * std::f32::consts::TAU).sin_cos();
    let shorter = width.min(height) as f32;
    let side = (FACE * shorter * (1.0 + 0.08 * sin)).max(8.0) as u32;
    let face = imageops::resize(face, side, side, FilterType::Triangle);
    let left = width as f32 / 2.0 + 0.12 * shorter * cos - side as f32 / 2.0;
    let top = height as f32 / 2.0 + 0.08 * shorter * (2.0 * phase * std::f32::consts::TAU).sin()
        - side as f32 / 2.0;
    RgbImage::from_fn(width, height, |x, y| {
        let (u, v) = (x as f32 - left, y as f32 - top);
        let ground = [90.0 + 60.0 * y as f32 / height as f32, 100.0, 120.0 - 50.0 * x as f32 / width as f32];
        let inside = |t: f32| t >= 0.0 && t < side as f32;
        if !inside(u) || !inside(v) {
            return Rgb(ground.map(|c| c as u8));
        }
        let pixel = face.get_pixel(u as u32, v as u32).0;
        let border = u.min(v).min(side as f32 - 1.0 - u).min(side as f32 - 1.0 - v);
        let opacity = (border / (0.08 * side as f32)).clamp(0.0, 1.0);
        Rgb([0, 1, 2].map(|c| (ground[c] + (f32::from(pixel[c]) - ground[c]) * opacity) as u8))
    })
}

/// JPEGs in memory, one after the other or at a camera's pace.
struct Jpegs {
    clip: Arc<Vec<Vec<u8>>>,
    next: u64,
    pace: Option<(f32, Instant)>,
}

impl Jpegs {
    fn new(clip: Arc<Vec<Vec<u8>>>, fps: Option<f32>) -> Self {
        Self { clip, next: 0, pace: fps.map(|fps| (fps, Instant::now())) }
    }

    fn frame(&self, index: u64, taken: Instant, time: Duration) -> media::Result<Next> {
        let start = Instant::now();
        let picture = decode(&self.clip[(index % self.clip.len() as u64) as usize])?;
        let decode = start.elapsed();
        Ok(Next::Frame(Captured { frame: Frame { picture, index, time }, taken, decode }))
    }
}

impl Source for Jpegs {
    fn describe(&self) -> String {
        let pace = self.pace.map_or_else(String::new, |(fps, _)| format!(", {fps} fps"));
        format!("{} frames in memory{pace}", self.clip.len())
    }

    fn is_live(&self) -> bool {
        self.pace.is_some()
    }

    fn next(&mut self, timeout: Duration) -> media::Result<Next> {
        let Some((fps, start)) = self.pace else {
            let index = self.next;
            if index >= self.clip.len() as u64 {
                return Ok(Next::End);
            }
            self.next += 1;
            return self.frame(index, Instant::now(), Duration::from_millis(33 * index));
        };
        let due = |index: u64| Duration::from_secs_f64(index as f64 / f64::from(fps));
        let newest = (start.elapsed().as_secs_f64() * f64::from(fps)) as u64;
        let index = if newest >= self.next { newest } else { self.next };
        let left = (start + due(index)).saturating_duration_since(Instant::now());
        if left > timeout {
            std::thread::sleep(timeout);
            return Ok(Next::Waiting);
        }
        std::thread::sleep(left);
        self.next = index + 1;
        self.frame(index, start + due(index), due(index))
    }
}

#[cfg(test)]
mod tests {
    use lkg_bundle::testing::write_tiny_bundle;

    use super::*;
    use crate::engine::Provider;

    fn tiny() -> Material {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_bundle(dir.path()).unwrap();
        let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
        Material::synthetic(&Bundle::open(dir.path()).unwrap(), &options, (64, 48), 0).unwrap()
    }

    #[test]
    fn the_made_clip_is_always_the_same_and_comes_to_an_end() {
        let (a, b) = (tiny(), tiny());
        assert_eq!((a.clip.len(), a.id), (LENGTH, b.id));
        let mut source = (b.opener)().unwrap();
        let mut indices = Vec::new();
        while let Next::Frame(captured) = source.next(Duration::ZERO).unwrap() {
            assert_eq!(captured.frame.picture.dimensions(), (64, 48));
            indices.push(captured.frame.index);
        }
        assert_eq!(indices, (0..LENGTH as u64).collect::<Vec<_>>());
    }

    #[test]
    fn the_path_is_closed() {
        let face = RgbImage::from_pixel(16, 16, Rgb([255, 0, 0]));
        let difference = |a: &RgbImage, b: &RgbImage| -> u64 {
            a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum()
        };
        let at = |phase| compose(&face, (160, 120), phase);
        // But for the last digit of a whole turn's sine.
        assert!(difference(&at(0.0), &at(1.0)) < 20);
        assert!(difference(&at(0.0), &at(1.0 / 60.0)) < difference(&at(0.0), &at(0.5)));
    }

    #[test]
    fn a_camera_keeps_its_pace_and_drops_what_is_late() {
        let opener = tiny().camera(100.0);
        let mut source = opener().unwrap();
        assert!(source.is_live());
        let index = |source: &mut Box<dyn Source>| match source.next(Duration::from_secs(1)).unwrap() {
            Next::Frame(captured) => {
                assert!(captured.taken <= Instant::now());
                captured.frame.index
            }
            other => panic!("{other:?}"),
        };
        let first = index(&mut source);
        std::thread::sleep(Duration::from_millis(65));
        let second = index(&mut source);
        assert!(second >= first + 6, "{first} {second}");
        assert!(index(&mut source) > second);
        assert!(matches!(source.next(Duration::ZERO), Ok(Next::Waiting | Next::Frame(_))));
    }

    #[test]
    fn cameras_are_refused() {
        for name in ["0", "/dev/video0", "camera://1", "no-such-file.avi"] {
            assert!(
                Material::file(&name.parse().unwrap()).err().unwrap().to_string().contains("record it first")
            );
        }
    }
}
