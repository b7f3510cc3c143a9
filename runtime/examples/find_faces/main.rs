//! How well a live loop finds faces: faces of a landmark set pasted into cluttered frames, small and large, anywhere;
//! and how often it finds one where there is none.
//!
//! ```sh
//! cargo run --release -p runtime --example find_faces -- SET/test
//! ```

mod measure;
mod scene;

use std::path::{Path, PathBuf};

use clap::Parser;
use image::RgbImage;
use lkg_bundle::Bundle;
use lkg_runtime::internals::engine::Detector;
use lkg_runtime::internals::media::check_target;
use lkg_runtime::picture;
use lkg_runtime::{EngineOptions, FaceTracker, TrackOptions};
use scene::Portrait;

type Failure = Box<dyn std::error::Error>;

/// Measures how well the live tracker finds faces pasted into cluttered frames of 640x480.
#[derive(Parser)]
struct Arguments {
    /// Folder of pictures and their landmarks.csv: file, then x, y of the eyes, the nose and the mouth corners, in
    /// [0, 1]
    set: PathBuf,
    /// The bundle
    #[arg(long, default_value = "models/faces64-edge")]
    bundle: PathBuf,
    /// Faces of each size, and frames without a face
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: u16,
    /// Heights of the faces over that of the frame; 0 stands for frames without a face
    #[arg(long, value_delimiter = ',', default_values_t = measure::SHARES, value_parser = share)]
    shares: Vec<f32>,
    /// Seed of places and clutter
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Mean confidence (0 to 1) below which there is no face [default: as `runtime webcam`]
    #[arg(long)]
    min_confidence: Option<f32>,
    /// Print one JSON object a line of the table
    #[arg(long)]
    json: bool,
    /// Draw the last frame of up to ten scenes of each size into this PNG: green the face, red the keypoints' square
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
}

fn share(text: &str) -> Result<f32, String> {
    let fail = || "0, or a share from 0.05 to 1".to_owned();
    text.parse().ok().filter(|s| *s == 0.0 || (0.05..=1.0).contains(s)).ok_or_else(fail)
}

fn main() {
    if let Err(e) = run(&Arguments::parse()) {
        eprintln!("find_faces: error: {e}");
        std::process::exit(2);
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(sheet) = &arguments.sheet {
        check_target(sheet, false)?;
    }
    let portraits = portraits(&arguments.set, usize::from(arguments.count).max(2))?;
    let bundle = Bundle::open(&arguments.bundle)?;
    let tracker = |change: &dyn Fn(&mut TrackOptions)| -> Result<FaceTracker, Failure> {
        let mut options = TrackOptions::live(bundle.manifest());
        if let Some(confidence) = arguments.min_confidence {
            options.min_confidence = confidence;
        }
        change(&mut options);
        Ok(FaceTracker::new(Detector::load(&bundle, &EngineOptions::default())?, options))
    };
    let mut plain = tracker(&|o| {
        *o = TrackOptions::picture(bundle.manifest());
    })?;
    let offset = measure::offset(&mut plain, &portraits)?;
    let mut live = tracker(&|_| {})?;
    let mut drawn = Vec::new();
    let rows = measure::all(
        &mut live,
        &portraits,
        &offset,
        &arguments.shares,
        (usize::from(arguments.count), arguments.seed),
        &mut drawn,
        &mut |label| eprintln!("{label}"),
    )?;
    if arguments.json {
        for row in &rows {
            println!("{}", serde_json::to_string(row)?);
        }
    } else {
        println!("{}", measure::table(&rows));
    }
    if let Some(sheet) = &arguments.sheet {
        picture::write_picture(sheet, &measure::contact_sheet(&drawn))?;
    }
    Ok(())
}

/// The first `most` pictures of a landmark set's folder.
fn portraits(folder: &Path, most: usize) -> Result<Vec<Portrait>, Failure> {
    let table = folder.join("landmarks.csv");
    let text = std::fs::read_to_string(&table).map_err(|e| format!("{}: {e}", table.display()))?;
    let mut portraits = Vec::new();
    for (i, line) in text.lines().enumerate().skip(1).take(most) {
        let fail = || format!("{}: line {}: not a name and ten numbers", table.display(), i + 1);
        let (name, numbers) = line.split_once(',').ok_or_else(fail)?;
        let numbers: Vec<f32> =
            numbers.split(',').map(|n| n.trim().parse()).collect::<Result<_, _>>().map_err(|_| fail())?;
        let picture: RgbImage = picture::read_picture(&folder.join(name))?;
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let points: Vec<[f32; 2]> =
            numbers.as_chunks::<2>().0.iter().map(|[x, y]| [x * width, y * height]).collect();
        let landmarks: [[f32; 2]; 5] = points.try_into().map_err(|_| fail())?;
        portraits.push(Portrait::new(picture, &landmarks));
    }
    if portraits.len() < 2 {
        return Err(format!("{}: two pictures at least are needed", table.display()).into());
    }
    Ok(portraits)
}
