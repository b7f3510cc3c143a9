//! `runtime generate --interpolate`: a clip that goes from one generated picture to the next.

use std::f32::consts::FRAC_PI_2;

use image::RgbImage;
use lkg_bundle::Bundle;
use ndarray::Array2;
use serde::Serialize;

use super::args::{Common, GenerateArgs};
use super::clip;
use super::output::Output;
use crate::edit::FaceModel;
use crate::edit::blend::PhotoBlender;
use crate::engine::Noise;
use crate::error::{Error, Result};
use crate::frame::{DetectedFace, DetectedKeypoint};
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

/// Writes the clip; returns the exit code.
pub fn run(common: &Common, args: &GenerateArgs, bundle: Bundle, steps: u32) -> Result<u8> {
    if args.grid.is_some() {
        return Err(Error::Usage("--interpolate writes a clip; leave out --grid".to_owned()));
    }
    let count = args.count.unwrap_or(PICTURES);
    if count < 2 {
        return Err(Error::Usage(
            "--interpolate needs two pictures to go between: --count 2 or more".to_owned(),
        ));
    }
    let options = OutputOptions { force: args.force, fps: None };
    let sink = open_output(&args.out.to_string_lossy().parse()?, options)?;
    let mut studio = FaceModel::new(bundle, common.engine());
    let size = studio.size() as u32;
    let side = size * overlay::enlargement(size, size);
    let mut paster = PhotoBlender::whole(size as usize, side, (0, 0));
    let stops: Vec<Noise> = (0..count)
        .map(|i| Noise::seeded(args.seed, i..i + 1, &studio.manifest().dims, args.truncation))
        .collect();
    let frames = (count - 1) * steps + 1;
    let mut samples = Vec::new();
    let written = clip::write(sink, frames, FPS, (args.mark, Origin::Generated), |i| {
        let (stop, step) = ((i / steps) as usize, i % steps);
        let latent = match stops.get(stop + 1) {
            Some(next) => between(&stops[stop], next, step as f32 / steps as f32),
            None => stops[stop].clone(),
        };
        let face = studio.face_from_noise(&latent)?;
        let image = studio.generate(&face)?;
        let mut picture = RgbImage::new(side, side);
        paster.replace(&mut picture, image.view());
        if args.keypoints {
            let place = |v: f32| (v + 1.0) * 0.5 * side as f32;
            let point = |p: &[f32; 2]| DetectedKeypoint { x: place(p[0]), y: place(p[1]), confidence: 1.0 };
            let marks = DetectedFace { keypoints: face.keypoints.iter().map(point).collect() };
            overlay::draw_face(&mut picture, &marks, studio.manifest());
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
            image_size: studio.size(),
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
        };
        let noise = |i: u32| Noise::seeded(3, i..i + 1, &dims, 1.0);
        let (a, b) = (noise(0), noise(1));
        assert_eq!(between(&a, &b, 0.0).pose, a.pose);
        let middle = between(&a, &b, 0.5).pose;
        let length = middle.mapv(|v| v * v).sum() / 512.0;
        assert!((length - 1.0).abs() < 0.2, "{length}");
    }
}
