//! A fixed piece of our own work, without ONNX Runtime, for counting instructions: `fixed_work PART N` does PART N
//! times. `scripts/bench` counts what one more time costs. Without arguments it lists the parts.

use std::hint::black_box;
use std::time::Duration;

use image::{Rgb, RgbImage};
use lkg_bundle::testing::write_tiny_bundle;
use lkg_bundle::{Bundle, Manifest};
use lkg_runtime::internals::media::jpeg;
use lkg_runtime::internals::vision::{KeypointSmoother, Preprocessor, draw_hud};
use lkg_runtime::{Crop, DetectedFace, DetectedKeypoint, OneEuroOptions, draw_face};

const PARTS: [&str; 5] = ["crop", "filter", "overlay", "decode", "encode"];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [part, times] = arguments.as_slice() else {
        println!("{}", PARTS.join("\n"));
        return Ok(());
    };
    let times: u32 = times.parse()?;
    let picture = picture();
    match part.as_str() {
        "crop" => {
            let mut preprocessor = Preprocessor::new(64);
            let mut input = vec![0.0; preprocessor.len()];
            for i in 0..times {
                let crop = Crop { cx: 310.0 + (i % 7) as f32, cy: 241.5, side: 263.7, angle: 0.0 };
                preprocessor.sample(black_box(&picture), &crop, &mut input);
                black_box(&input);
            }
        }
        "filter" => {
            let mut smoother = KeypointSmoother::new(OneEuroOptions::default());
            for i in 0..times {
                let mut keypoints = face(i).keypoints;
                smoother.apply(&mut keypoints, 263.7, Duration::from_millis(33) * i);
                black_box(&keypoints);
            }
        }
        "overlay" => {
            let manifest = manifest()?;
            for i in 0..times {
                let mut canvas = black_box(&picture).clone();
                draw_face(&mut canvas, &face(i % 7), &manifest);
                draw_hud(&mut canvas, &["30.0 fps  latency p50 1.0 p90 2.0 ms", "clip", "computing on cpu"]);
                black_box(&canvas);
            }
        }
        "decode" => {
            let mut bytes = Vec::new();
            jpeg::encode(&picture, &mut bytes)?;
            for _ in 0..times {
                black_box(jpeg::decode(black_box(&bytes))?);
            }
        }
        "encode" => {
            for _ in 0..times {
                let mut bytes = Vec::new();
                jpeg::encode(black_box(&picture), &mut bytes)?;
                black_box(&bytes);
            }
        }
        _ => return Err(format!("no part {part:?}; the parts are: {}", PARTS.join(", ")).into()),
    }
    Ok(())
}

/// 640 x 480 pixels with edges and gradients, the same everywhere.
fn picture() -> RgbImage {
    RgbImage::from_fn(640, 480, |x, y| {
        let block = if (x / 40 + y / 40) % 2 == 0 { 60 } else { 0 };
        Rgb([(x / 4 + block) as u8, (y / 3 + block) as u8, ((x + y) / 8) as u8])
    })
}

/// Ten keypoints that move a little with `i`.
fn face(i: u32) -> DetectedFace {
    let keypoint = |k: u32| DetectedKeypoint {
        x: 220.0 + 40.0 * (k % 5) as f32 + (i * (k + 1) % 5) as f32,
        y: 180.0 + 60.0 * (k / 5) as f32,
        confidence: 0.5 + 0.05 * k as f32,
    };
    DetectedFace::new((0..10).map(keypoint).collect())
}

/// A manifest of ten keypoints and their lines.
fn manifest() -> Result<Manifest, Failure> {
    let dir = tempfile::tempdir()?;
    write_tiny_bundle(dir.path())?;
    let mut manifest = Bundle::open(dir.path())?.manifest().clone();
    let first = manifest.keypoints[0].clone();
    manifest.keypoints = (0..10)
        .map(|k| lkg_bundle::manifest::Keypoint { name: format!("point{k}"), ..first.clone() })
        .collect();
    manifest.skeleton = (1..10).map(|k| [k - 1, k]).collect();
    Ok(manifest)
}
