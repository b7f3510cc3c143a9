//! How long the overlay takes: keypoints, names and numbers on a picture of 640x480, as the live loop draws them.
//!
//! `cargo run --release -p lkg-runtime --example measure_overlay [BUNDLE [WIDTHxHEIGHT [FACE]]]`; FACE is how large the face is,
//! in pixels. With a fourth argument the last picture is written there, a PNG.

use std::time::Instant;

use image::{Rgb, RgbImage};
use lkg_runtime::internals::vision::{Labels, draw_hud, draw_marks};
use lkg_runtime::{Bundle, DetectedKeypoint};

/// Pictures drawn, after a tenth of them to warm up.
const ROUNDS: usize = 2000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |i: usize, default: &'static str| arguments.get(i).map_or(default, String::as_str);
    let bundle = Bundle::open(argument(0, "models/faces128"))?;
    let (width, height) = argument(1, "640x480").split_once('x').ok_or("give the size as 640x480")?;
    let (width, height): (u32, u32) = (width.parse()?, height.parse()?);
    let side: f32 = argument(2, "200").parse()?;
    let manifest = bundle.manifest();
    let spread = manifest.keypoints.iter().flat_map(|k| k.mean).map(f32::abs).fold(0.0, f32::max);
    let ground = RgbImage::from_fn(width, height, |x, y| Rgb([(x % 200) as u8, (y % 180) as u8, 110]));
    let mut picture = ground.clone();
    let mut labels = Labels::default();
    let mut times: [Vec<f64>; 3] = Default::default();
    for round in 0..ROUNDS + ROUNDS / 10 {
        picture.copy_from_slice(&ground);
        // It moves, as a face does.
        let shift = (round % 20) as f32 * 0.37;
        let place = |v: f32, size: u32| size as f32 / 2.0 + v / spread * side / 2.0 + shift;
        let point = |m: [f32; 2]| DetectedKeypoint {
            x: place(m[0], width),
            y: place(m[1], height),
            confidence: 0.95,
        };
        let keypoints: Vec<_> = manifest.keypoints.iter().map(|k| point(k.mean)).collect();
        let start = Instant::now();
        draw_marks(&mut picture, &keypoints, manifest, true, 1.0);
        let marks = start.elapsed();
        labels.draw(&mut picture, std::iter::once(keypoints.as_slice()), std::iter::empty(), manifest, 20);
        let names = start.elapsed();
        draw_hud(&mut picture, &["29.8 fps · latency 12.4 ms (p90 15.1)"]);
        let all = start.elapsed();
        if round >= ROUNDS / 10 {
            for (times, time) in times.iter_mut().zip([marks, names - marks, all]) {
                times.push(time.as_secs_f64() * 1e3);
            }
        }
    }
    for (what, times) in ["keypoints and lines", "names", "all, with numbers"].into_iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!("{what}: p50 {:.3} ms, p90 {:.3} ms", times[ROUNDS / 2], times[ROUNDS * 9 / 10]);
    }
    if let Some(path) = arguments.get(3) {
        picture.save(path)?;
    }
    Ok(())
}
