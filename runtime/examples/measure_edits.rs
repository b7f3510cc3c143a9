//! Measures how well edits do what they say, in the picture that the user sees, as a table in Markdown:
//! `measure_edits BUNDLE [N | PHOTO ...]`, on N generated faces (seeds 1 to N, 32 if not given) or on photos.
//!
//! * Move: one keypoint by 0.15 to each of four sides; how much of it the detector sees at that keypoint (follows), and
//!   how much the others move on average (leaks), both as shares of the step.
//! * Swap: one part's look taken from a face of the strip; mean change of the picture's bytes within the part's heat map
//!   (above a half) and away from it (below a tenth).
//! * Background: taken from a face of the strip; the mean change weighted by (1 - H_bg) and by H_bg, H_bg being 1 less
//!   the highest heat.
//! * Undo: whether the picture is the same to the byte after one of each edit and as many undos.
//! * Script: whether the same edits make the same PNG twice, from two runs' worth of networks.

use std::path::Path;

use lkg_bundle::Bundle;
use lkg_runtime::internals::edit::{Workspace, sample};
use lkg_runtime::internals::engine::Detector;
use lkg_runtime::internals::media::mark;
use lkg_runtime::{Blend, EngineOptions, FaceLatents, FaceModel, Operation, Parts, Provider};
use ndarray::{Array3, Axis};

/// How far keypoints are moved, in normalised coordinates.
const STEP: f32 = 0.15;

type Failure = Box<dyn std::error::Error>;

/// Sum and weight of what is averaged.
#[derive(Clone, Copy, Default)]
struct Mean(f64, f64);

impl Mean {
    fn add(&mut self, value: f32, weight: f32) {
        self.0 += f64::from(value * weight);
        self.1 += f64::from(weight);
    }

    fn value(self) -> f64 {
        self.0 / self.1.max(1e-9)
    }
}

/// What is measured of all faces.
struct Tally {
    follows: Vec<Mean>,
    leaks: Vec<Mean>,
    inside: Vec<Mean>,
    outside: Vec<Mean>,
    /// Background swap, weighted by H_bg and by 1 - H_bg.
    background: [Mean; 2],
    undone: usize,
    repeated: usize,
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let bundle = Bundle::open(args.next().ok_or("usage: measure_edits BUNDLE [N | PHOTO ...]")?)?;
    let rest: Vec<String> = args.collect();
    let seeds = |n: u32| (1..=n).map(|i| format!("seed:{i}")).collect();
    let names: Vec<String> = match rest.as_slice() {
        [] => seeds(32),
        [n] if !Path::new(n).exists() => seeds(n.parse()?),
        photos => photos.to_vec(),
    };
    let options = EngineOptions { provider: Provider::Cpu, threads: Some(1), ..EngineOptions::default() };
    let mut detector = Detector::load(&bundle, &options)?;
    let parts = bundle.manifest().keypoints.len();
    let none = || vec![Mean::default(); parts];
    let mut tally = Tally {
        follows: none(),
        leaks: none(),
        inside: none(),
        outside: none(),
        background: [Mean::default(); 2],
        undone: 0,
        repeated: 0,
    };
    let mut faces = 0;
    for name in &names {
        match workspace(&bundle, &options, name) {
            Ok(mut workspace) => measure(&mut workspace, &mut detector, &mut tally)?,
            Err(e) => {
                println!("left out: {e}");
                continue;
            }
        }
        let twice = [(); 2].map(|()| script(&bundle, &options, name));
        let [a, b] = twice;
        tally.repeated += usize::from(a? == b?);
        faces += 1;
    }
    let kind = if names[0].starts_with("seed:") { "generated faces" } else { "photos" };
    println!("{}, {faces} {kind}, keypoints moved by {STEP}\n", bundle.manifest().name);
    println!("| part | follows | leaks | swap: change inside | outside |\n|---|---|---|---|---|");
    let row = |name: &str, v: [f64; 4]| {
        println!("| {name} | {:.2} | {:.2} | {:.1} | {:.1} |", v[0], v[1], v[2], v[3]);
    };
    let columns = [&tally.follows, &tally.leaks, &tally.inside, &tally.outside];
    for (k, keypoint) in bundle.manifest().keypoints.iter().enumerate() {
        row(&keypoint.name, columns.map(|c| c[k].value()));
    }
    row("all", columns.map(|c| c.iter().map(|m| m.value()).sum::<f64>() / parts as f64));
    let [behind, before] = tally.background.map(Mean::value);
    println!("\nBackground swap: change {behind:.1} of 255 in the background, {before:.1} in the parts.");
    println!("Undo: the identical picture in {} of {faces}.", tally.undone);
    println!("The same edits twice: the same bytes in {} of {faces}.", tally.repeated);
    Ok(())
}

fn workspace(bundle: &Bundle, options: &EngineOptions, name: &str) -> Result<Workspace, lkg_runtime::Error> {
    let mut model = FaceModel::new(bundle.clone(), options.clone());
    let opened = model.open(name)?;
    Workspace::new(model, opened, Blend::Warp, &[], 16)
}

/// One of each edit that a face takes.
fn edits(workspace: &Workspace) -> Vec<Operation> {
    let from = workspace.strip()[4].name.clone();
    let part = Parts::Index(0);
    vec![
        Operation::Move { part: part.clone(), dx: 0.05, dy: -0.05, to: None },
        Operation::Scale { part: part.clone(), by: 1.2 },
        Operation::Swap { part: Parts::Name("all".to_owned()), from: from.clone(), weight: 0.5 },
        Operation::Background { from: from.clone(), weight: 0.5 },
        Operation::Pose { scale: 0.9, rotate: 3.0, dx: 0.0, dy: 0.0 },
        Operation::TakePose { from, weight: 0.2, part: Parts::Name("all".to_owned()) },
        Operation::Remove { part: part.clone() },
        Operation::Duplicate { part: Parts::Index(1), into: None, to: [0.1, 0.1] },
        Operation::Reset { part: part.clone() },
        Operation::Lock { part },
    ]
}

fn apply(workspace: &mut Workspace, operation: &Operation) -> Result<(), Failure> {
    workspace.apply(operation).map_err(|fault| fault.at(""))?;
    Ok(())
}

/// The PNG that [`edits`] make.
fn script(bundle: &Bundle, options: &EngineOptions, name: &str) -> Result<Vec<u8>, Failure> {
    let mut workspace = workspace(bundle, options, name)?;
    for edit in edits(&workspace) {
        apply(&mut workspace, &edit)?;
    }
    let origin = workspace.origin();
    Ok(mark::png(&workspace.finished()?.0, Some(origin))?)
}

fn measure(workspace: &mut Workspace, detector: &mut Detector, tally: &mut Tally) -> Result<(), Failure> {
    let face = workspace.opened().session.original().clone();
    let tau = workspace.model().manifest().tau;
    let parts = face.parts();
    let image = view(workspace, detector, &face)?;
    let seen = detect(detector, &image)?;
    for part in 0..parts {
        for way in [[STEP, 0.0], [-STEP, 0.0], [0.0, STEP], [0.0, -STEP]] {
            let mut moved = face.clone();
            let [x, y] = moved.keypoints[part];
            moved.keypoints[part] = [x + way[0], y + way[1]];
            let now = view(workspace, detector, &moved)?;
            let now = detect(detector, &now)?;
            let shift = |k: usize| [now[k][0] - seen[k][0], now[k][1] - seen[k][1]];
            let own = shift(part);
            tally.follows[part].add((own[0] * way[0] + own[1] * way[1]) / (STEP * STEP), 1.0);
            for other in (0..parts).filter(|o| *o != part) {
                let [dx, dy] = shift(other);
                tally.leaks[part].add(dx.hypot(dy) / STEP, 1.0);
            }
        }
        let donor = &workspace.strip()[part % workspace.strip().len()].face;
        let swapped = with_look(face.clone(), donor, part);
        let other = view(workspace, detector, &swapped)?;
        each(&image, &other, |at, change| {
            let height = heat(&face, part, at, tau);
            if height > 0.5 {
                tally.inside[part].add(change, 1.0);
            } else if height < 0.1 {
                tally.outside[part].add(change, 1.0);
            }
        });
    }
    let swapped = FaceLatents { background: workspace.strip()[4].face.background.clone(), ..face.clone() };
    let other = view(workspace, detector, &swapped)?;
    each(&image, &other, |at, change| {
        let parts = (0..parts).map(|k| heat(&face, k, at, tau)).fold(0.0, f32::max);
        tally.background[0].add(change, 1.0 - parts);
        tally.background[1].add(change, parts);
    });

    let unlocked = vec![false; parts];
    let before = workspace.draw(&face, &unlocked)?;
    let all = edits(workspace);
    for edit in &all {
        apply(workspace, edit)?;
    }
    let session = &workspace.opened().session;
    let (edited, locked) = (session.face().clone(), session.locked().to_vec());
    let changed = workspace.draw(&edited, &locked)? != before;
    for _ in &all {
        apply(workspace, &Operation::Undo {})?;
    }
    let session = &workspace.opened().session;
    let (back, locked) = (session.face().clone(), session.locked().to_vec());
    tally.undone += usize::from(changed && workspace.draw(&back, &locked)? == before);
    Ok(())
}

fn with_look(mut face: FaceLatents, donor: &FaceLatents, part: usize) -> FaceLatents {
    face.embeddings[part].clone_from(&donor.embeddings[part]);
    face
}

/// The face's square of what the user sees, as large as the detector takes it.
fn view(workspace: &mut Workspace, detector: &Detector, face: &FaceLatents) -> Result<Array3<f32>, Failure> {
    let picture = workspace.draw(face, &vec![false; face.parts()])?;
    Ok(sample(&picture, workspace.crop(), detector.size()))
}

fn detect(detector: &mut Detector, image: &Array3<f32>) -> Result<Vec<[f32; 2]>, Failure> {
    let found = detector.detect(image.view().insert_axis(Axis(0)))?;
    Ok(found.keypoints.index_axis(Axis(0), 0).rows().into_iter().map(|p| [p[0], p[1]]).collect())
}

fn heat(face: &FaceLatents, part: usize, [x, y]: [f32; 2], tau: f32) -> f32 {
    let [kx, ky] = face.keypoints[part];
    (-((x - kx).powi(2) + (y - ky).powi(2)) / tau).exp()
}

/// Tells `take` of every pixel where it is and how much it changes between two pictures, in steps of 255.
fn each(a: &Array3<f32>, b: &Array3<f32>, mut take: impl FnMut([f32; 2], f32)) {
    let size = a.dim().1;
    let centre = |i: usize| lkg_bundle::conventions::pixel_centre(i, size);
    for y in 0..size {
        for x in 0..size {
            let change = (0..3).map(|c| (a[[c, y, x]] - b[[c, y, x]]).abs() * 127.5).sum::<f32>() / 3.0;
            take([centre(x), centre(y)], change);
        }
    }
}
