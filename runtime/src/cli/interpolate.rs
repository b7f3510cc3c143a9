//! `runtime generate --interpolate`: a clip that goes from one generated picture to the next.

use std::f32::consts::FRAC_PI_2;

use image::RgbImage;
use ndarray::Array2;
use serde::Serialize;

use super::args::{Common, GenerateArgs};
use super::output::Output;
use super::{clip, open_bundle};
use crate::edit::FaceModel;
use crate::edit::blend::PhotoBlender;
use crate::engine::Noise;
use crate::error::{Error, Result};
use crate::frame::{DetectedFace, DetectedKeypoint};
use crate::media::SinkSpec;
use crate::media::mark::Origin;
use crate::media::sink::{OutputOptions, open_output};
use crate::vision::overlay;

/// Frames a second of the clip.
const FPS: f64 = 25.0;
/// Pictures that the clip goes through if nothing else is asked for.
const PICTURES: u32 = 4;

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a str,
    seed: u64,
    truncation: f32,
    frames: u32,
    fps: f64,
    image_size: usize,
    /// For each frame its keypoints (x, y), in normalised coordinates.
    samples: Vec<Vec<[f32; 2]>>,
}

/// The clip that is asked for.
pub(super) struct Config {
    out: SinkSpec,
    options: OutputOptions,
    /// Pictures that it goes through, two at least.
    count: u32,
    /// Frames from one to the next.
    steps: u32,
}

impl Config {
    /// What can be refused before anything is opened, is.
    pub fn resolve(args: &GenerateArgs, steps: u32) -> Result<Self> {
        let refuse = |text: &str| Err(Error::Usage(text.to_owned()));
        if args.grid.is_some() {
            return refuse("--interpolate writes a clip; leave out --grid");
        }
        let count = args.count.unwrap_or(PICTURES);
        if count < 2 {
            return refuse("--interpolate needs two pictures to go between: --count 2 or more");
        }
        let options = OutputOptions { force: args.force, ..OutputOptions::default() };
        Ok(Self { out: args.out.to_string_lossy().parse()?, options, count, steps })
    }
}

/// Writes the clip; returns the exit code.
pub(super) fn run(common: &Common, args: &GenerateArgs, config: &Config) -> Result<u8> {
    let Config { count, steps, .. } = *config;
    let sink = open_output(&config.out, &config.options)?;
    let mut model = FaceModel::new(open_bundle(common)?, common.engine());
    let size = model.size() as u32;
    let side = size * overlay::enlargement(size, size);
    let mut blender = PhotoBlender::whole(size as usize, side, (0, 0));
    let stops: Vec<Noise> = (0..count)
        .map(|i| Noise::seeded(args.seed, i..i + 1, &model.manifest().dims, args.truncation))
        .collect();
    let frames = (count - 1) * steps + 1;
    let mut samples = Vec::new();
    let written = clip::write(sink, frames, FPS, (args.mark, Origin::Generated), |i| {
        let (stop, step) = ((i / steps) as usize, i % steps);
        let latent = match stops.get(stop + 1) {
            Some(next) => between(&stops[stop], next, step as f32 / steps as f32),
            None => stops[stop].clone(),
        };
        let face = model.face_from_noise(&latent)?;
        let image = model.generate(&face)?;
        let mut picture = RgbImage::new(side, side);
        blender.replace(&mut picture, image.view());
        if args.keypoints {
            let place = |v: f32| (v + 1.0) * 0.5 * side as f32;
            let point = |p: &[f32; 2]| DetectedKeypoint { x: place(p[0]), y: place(p[1]), confidence: 1.0 };
            let marks = DetectedFace::new(face.keypoints.iter().map(point).collect());
            overlay::draw_face(&mut picture, &marks, model.manifest());
        }
        samples.push(face.keypoints);
        Ok(picture)
    })?;
    let mut output = Output::new();
    if args.json {
        output.json(&Report {
            file: &args.out.to_string_lossy(),
            seed: args.seed,
            truncation: args.truncation,
            frames,
            fps: FPS,
            image_size: model.size(),
            samples,
        })?;
        output.flush()?;
        return Ok(0);
    }
    for written in written {
        output.line(&format!("{}: {frames} frames, seed {}", written.path.display(), args.seed))?;
    }
    output.flush()?;
    Ok(0)
}

/// Noise a share `t` of the way from `a` to `b`, on the arc between them: a straight line would go through noise that is
/// shorter than any the generator has seen.
fn between(a: &Noise, b: &Noise, t: f32) -> Noise {
    let (sin, cos) = (t * FRAC_PI_2).sin_cos();
    let mix = |a: &Array2<f32>, b: &Array2<f32>| a * cos + b * sin;
    Noise {
        pose: mix(&a.pose, &b.pose),
        appearance: mix(&a.appearance, &b.appearance),
        background: mix(&a.background, &b.background),
    }
}

#[cfg(test)]
mod tests {
    use lkg_bundle::BundleDims;

    use super::*;

    #[test]
    fn noise_on_the_way_is_as_long_as_noise_is() {
        let dims = BundleDims {
            keypoints: 2,
            latent: 512,
            embedding: 3,
            image_size: 8,
            detector_size: 8,
            tables: None,
            states: None,
            portrait_size: None,
        };
        let noise = |i: u32| Noise::seeded(3, i..i + 1, &dims, 1.0);
        let (a, b) = (noise(0), noise(1));
        assert_eq!(between(&a, &b, 0.0).pose, a.pose);
        let middle = between(&a, &b, 0.5).pose;
        let length = middle.mapv(|v| v * v).sum() / 512.0;
        assert!((length - 1.0).abs() < 0.2, "{length}");
    }
}
