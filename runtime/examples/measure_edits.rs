//! Measures how well edits do what they say: `measure_edits BUNDLE [N | PHOTO ...]`, on N generated faces (seeds 1 to N, 32
//! if not given) or on photos.
//!
//! * Move: one keypoint by 0.15 to each of four sides; how much of it the detector sees at that keypoint (follows), and
//!   how much the others move on average (leaks).
//! * Swap: one part's look taken from the next face; mean change of the picture's bytes within the part's heat map
//!   (above a half) and away from it (below a tenth).
//! * Background: taken from the next face; the same outside all heat maps (all below a tenth) and inside (one above a
//!   half).

use std::path::Path;

use models::Bundle;
use ndarray::{Array3, ArrayView3, Axis};
use runtime::edit::{Face, Studio};
use runtime::engine::{Detector, EngineOptions, Provider};

/// How far keypoints are moved, in normalised coordinates.
const STEP: f32 = 0.15;

type Failure = Box<dyn std::error::Error>;

/// Sum and count of what is averaged.
#[derive(Clone, Copy, Default)]
struct Mean(f64, f64);

impl Mean {
    fn add(&mut self, value: f32) {
        self.0 += f64::from(value);
        self.1 += 1.0;
    }

    fn value(self) -> f64 {
        self.0 / self.1.max(1.0)
    }
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let bundle = Bundle::open(args.next().ok_or("usage: measure_edits BUNDLE [N | PHOTO ...]")?)?;
    let rest: Vec<String> = args.collect();
    let names: Vec<String> = match rest.as_slice() {
        [] => (1..=32).map(|i| format!("seed:{i}")).collect(),
        [n] if !Path::new(n).exists() => (1..=n.parse()?).map(|i: u32| format!("seed:{i}")).collect(),
        photos => photos.to_vec(),
    };
    let options = EngineOptions { provider: Provider::Cpu, threads: Some(1), ..EngineOptions::default() };
    let mut detector = Detector::load(&bundle, &options)?;
    let mut studio = Studio::new(bundle, options);
    let mut faces = Vec::new();
    for name in &names {
        match studio.face(name) {
            Ok(face) => faces.push(face),
            Err(e) => println!("left out: {e}"),
        }
    }
    let parts = studio.manifest().keypoints.len();
    let (mut follows, mut leaks) = (vec![Mean::default(); parts], vec![Mean::default(); parts]);
    let (mut inside, mut outside) = (vec![Mean::default(); parts], vec![Mean::default(); parts]);
    let (mut behind, mut before) = (Mean::default(), Mean::default());
    for (i, face) in faces.iter().enumerate() {
        let image = studio.draw(face)?;
        let seen = detect(&mut detector, &image)?;
        let donor = &faces[(i + 1) % faces.len()];
        for part in 0..parts {
            for way in [[STEP, 0.0], [-STEP, 0.0], [0.0, STEP], [0.0, -STEP]] {
                let mut moved = face.clone();
                let [x, y] = moved.keypoints[part];
                moved.keypoints[part] = [x + way[0], y + way[1]];
                let now = detect(&mut detector, &studio.draw(&moved)?)?;
                let shift = |k: usize| [now[k][0] - seen[k][0], now[k][1] - seen[k][1]];
                let own = shift(part);
                follows[part].add((own[0] * way[0] + own[1] * way[1]) / (STEP * STEP));
                for other in (0..parts).filter(|o| *o != part) {
                    let [dx, dy] = shift(other);
                    leaks[part].add(dx.hypot(dy) / STEP);
                }
            }
            let mut swapped = face.clone();
            swapped.embeddings[part].clone_from(&donor.embeddings[part]);
            let other = studio.draw(&swapped)?;
            let tau = studio.manifest().tau;
            split(&image, &other, |at| heat(face, part, at, tau), &mut inside[part], &mut outside[part]);
        }
        let mut swapped = face.clone();
        swapped.background.clone_from(&donor.background);
        let other = studio.draw(&swapped)?;
        let tau = studio.manifest().tau;
        let any = |at| (0..parts).map(|k| heat(face, k, at, tau)).fold(0.0, f32::max);
        split(&image, &other, any, &mut before, &mut behind);
    }
    println!("{} faces, keypoints moved by {STEP}", faces.len());
    println!("{:<14}{:>9}{:>9}{:>14}{:>10}", "part", "follows", "leaks", "swap: inside", "outside");
    let row = |name: &str, values: [f64; 4]| {
        println!("{name:<14}{:>9.2}{:>9.2}{:>14.1}{:>10.1}", values[0], values[1], values[2], values[3]);
    };
    let columns = [&follows, &leaks, &inside, &outside];
    for (k, keypoint) in studio.manifest().keypoints.iter().enumerate() {
        row(&keypoint.name, columns.map(|c| c[k].value()));
    }
    row("all", columns.map(|c| c.iter().map(|m| m.value()).sum::<f64>() / parts as f64));
    println!("background swap: outside the parts {:.1}, inside {:.1}", behind.value(), before.value());
    Ok(())
}

fn detect(detector: &mut Detector, image: &Array3<f32>) -> Result<Vec<[f32; 2]>, Failure> {
    let (_, side, _) = image.dim();
    if side != detector.size() {
        return Err("the detector's input has another size than the generated picture".into());
    }
    let found = detector.detect(image.view().insert_axis(Axis(0)))?;
    Ok(found.keypoints.index_axis(Axis(0), 0).rows().into_iter().map(|p| [p[0], p[1]]).collect())
}

fn heat(face: &Face, part: usize, [x, y]: [f32; 2], tau: f32) -> f32 {
    let [kx, ky] = face.keypoints[part];
    (-((x - kx).powi(2) + (y - ky).powi(2)) / tau).exp()
}

/// Adds the change between two pictures, in steps of 255, to what lies within `heat` and to what lies away from it.
fn split(
    a: &Array3<f32>,
    b: &Array3<f32>,
    heat: impl Fn([f32; 2]) -> f32,
    inside: &mut Mean,
    outside: &mut Mean,
) {
    let size = a.dim().1;
    let difference = |a: ArrayView3<'_, f32>, b: ArrayView3<'_, f32>, x: usize, y: usize| {
        (0..3).map(|c| (a[[c, y, x]] - b[[c, y, x]]).abs() * 127.5).sum::<f32>() / 3.0
    };
    for y in 0..size {
        for x in 0..size {
            let centre = |i: usize| models::conventions::pixel_centre(i, size);
            let height = heat([centre(x), centre(y)]);
            let change = difference(a.view(), b.view(), x, y);
            if height > 0.5 {
                inside.add(change);
            } else if height < 0.1 {
                outside.add(change);
            }
        }
    }
}
