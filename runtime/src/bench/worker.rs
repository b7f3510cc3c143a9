//! One of several programs that take turns, so that `scripts/bench rivals` can hold this one against others in the
//! same minutes. It says when it is ready, then makes one pass over the frames for every line that it is sent.

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use image::RgbImage;
use lkg_bundle::{Bundle, Network};
use serde::Serialize;

use super::executor::ms;
use super::{meter, workload};
use crate::bench;
use crate::engine::{BareRun, Detector, EngineOptions};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::live::{Clock, Hud, Marks, View};
use crate::media::read_ahead::ReadAhead;
use crate::media::{self, Captured, Next, Source, jpeg};
use crate::vision::track::{FaceTracker, TrackOptions};

/// What of a frame's way is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Decode, keypoints, drawing.
    Pipeline,
    /// The detector alone on bare ONNX Runtime.
    Bare,
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "pipeline" => Ok(Self::Pipeline),
            "bare" => Ok(Self::Bare),
            _ => Err("choose pipeline or bare".to_owned()),
        }
    }
}

/// Times of a pass, in milliseconds, one of each a frame.
#[derive(Clone, Debug, Default, Serialize)]
struct Pass {
    decode: Vec<f64>,
    keypoints: Vec<f64>,
    network: Vec<f64>,
    draw: Vec<f64>,
    total: Vec<f64>,
    /// Of the whole pass: decoding takes place beside the rest of the way, as in a run of the live loop.
    pass: f64,
    found: usize,
    peak_rss: Option<u64>,
}

/// JPEGs.
type Frames = Arc<[Vec<u8>]>;

/// Makes passes over frames.
type Passes = Box<dyn FnMut(&Frames) -> Result<Pass>>;

/// The frames of a folder as they lie on disk.
fn frames(dir: &Path) -> Result<Frames> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(bench::Error::read(dir))? {
        let path = entry.map_err(bench::Error::read(dir))?.path();
        if path.extension().is_some_and(|e| e == "jpg") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(bench::Error::NoJpegs(dir.to_owned()).into());
    }
    paths.iter().map(|p| Ok(std::fs::read(p).map_err(bench::Error::read(p))?)).collect()
}

fn decode(bytes: &[u8]) -> Result<RgbImage> {
    jpeg::decode(bytes).map_err(|reason| Error::Engine { what: "a frame".to_owned(), reason })
}

/// Takes turns until `input` ends.
///
/// # Errors
/// Anything fails.
pub fn run(
    bundle: &Bundle,
    options: &EngineOptions,
    mode: Mode,
    dir: &Path,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> Result<()> {
    let frames = frames(dir)?;
    let mut pass = match mode {
        Mode::Pipeline => pipeline(bundle, options)?,
        Mode::Bare => bare(bundle, options, &decode(&frames[0])?)?,
    };
    let io = |source| Error::Io { what: "talking to the script that measures".to_owned(), source };
    let mut report = |line: &Pass| {
        let text = serde_json::to_string(line).map_err(|e| io(e.into()))?;
        writeln!(output, "{text}").and_then(|()| output.flush()).map_err(io)
    };
    // The first frame shows that all is there.
    report(&pass(&Arc::from(&frames[..1]))?)?;
    for line in input.lines() {
        line.map_err(io)?;
        report(&pass(&frames)?)?;
    }
    Ok(())
}

fn pipeline(bundle: &Bundle, options: &EngineOptions) -> Result<Passes> {
    let manifest = bundle.manifest().clone();
    let mut tracker = FaceTracker::new(Detector::load(bundle, options)?, TrackOptions::live(&manifest));
    let (mut view, mut hud, clock) = (View::default(), Hud::default(), Clock::default());
    let mut canvas = RgbImage::default();
    let mut time = Duration::ZERO;
    Ok(Box::new(move |frames: &Frames| {
        let mut pass = Pass::default();
        let begun = Instant::now();
        let mut source =
            ReadAhead::new(Box::new(Clip { frames: Arc::clone(frames), at: 0, pool: Vec::new() }));
        while let Next::Frame(captured) = source.next(Duration::ZERO)? {
            let (mut picture, decoded) = (captured.frame.picture, captured.decode);
            let start = Instant::now();
            let tracked = tracker.track(&picture, time)?;
            let found = start.elapsed();
            let marks = Marks::face(tracked.face.as_ref());
            view.compose(&mut picture, &mut canvas, &marks, false, &manifest);
            hud.draw(&mut canvas, &clock, "frames", 0, tracked.face.is_some(), None);
            std::hint::black_box(&canvas);
            let seen = start.elapsed();
            source.reuse(picture);
            time += Duration::from_millis(33);
            pass.decode.push(ms(decoded));
            pass.keypoints.push(ms(found));
            pass.network.push(ms(tracked.network));
            pass.draw.push(ms(seen - found));
            pass.total.push(ms(decoded + seen));
            pass.found += usize::from(tracked.face.is_some());
        }
        pass.pass = ms(begun.elapsed());
        pass.peak_rss = meter::memory().1;
        Ok(pass)
    }))
}

/// JPEGs in memory, as a source.
struct Clip {
    frames: Frames,
    at: usize,
    pool: Vec<RgbImage>,
}

impl Source for Clip {
    fn describe(&self) -> String {
        "frames".to_owned()
    }

    fn next(&mut self, _timeout: Duration) -> media::Result<Next> {
        let Some(bytes) = self.frames.get(self.at) else { return Ok(Next::End) };
        let taken = Instant::now();
        let mut picture = self.pool.pop().unwrap_or_default();
        jpeg::decode_into(bytes, &mut picture).map_err(|reason| media::Error::damaged("a frame", reason))?;
        let frame = Frame { picture, index: self.at as u64, time: Duration::ZERO };
        self.at += 1;
        Ok(Next::Frame(Captured { frame, taken, decode: taken.elapsed() }))
    }

    fn reuse(&mut self, picture: RgbImage) {
        self.pool.push(picture);
    }
}

fn bare(bundle: &Bundle, options: &EngineOptions, picture: &RgbImage) -> Result<Passes> {
    let side = bundle.manifest().dims.detector_size as u32;
    let small = image::imageops::resize(picture, side, side, image::imageops::FilterType::Triangle);
    let inputs = vec![("image".to_owned(), workload::as_input(&small, 1).into_dyn())];
    let mut bare = BareRun::load(bundle, Network::Detector, options, inputs)?;
    Ok(Box::new(move |frames: &Frames| {
        let mut pass = Pass::default();
        for _ in frames.iter() {
            let start = Instant::now();
            bare.run()?;
            pass.network.push(ms(start.elapsed()));
        }
        pass.peak_rss = meter::memory().1;
        Ok(pass)
    }))
}

#[cfg(test)]
mod tests {
    use lkg_bundle::testing::write_tiny_bundle;

    use super::*;
    use crate::engine::Provider;

    #[test]
    fn a_pass_is_made_for_every_line() {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_bundle(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
        let run_with = |mode: Mode, lines: &str| {
            let mut reported = Vec::new();
            run(&bundle, &options, mode, dir.path(), &mut lines.as_bytes(), &mut reported).map(|()| {
                let lines = std::str::from_utf8(&reported).unwrap().lines();
                lines.map(|l| serde_json::from_str(l).unwrap()).collect::<Vec<serde_json::Value>>()
            })
        };
        assert!(run_with(Mode::Pipeline, "").unwrap_err().to_string().contains("no .jpg"));
        for name in ["b.jpg", "a.jpg"] {
            let mut bytes = Vec::new();
            jpeg::encode(&image::RgbImage::new(32, 24), &mut bytes).unwrap();
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        let reported = run_with(Mode::Pipeline, "go\ngo\n").unwrap();
        let counts: Vec<_> = reported.iter().map(|t| t["total"].as_array().unwrap().len()).collect();
        assert_eq!(counts, [1, 2, 2]);
        assert!(reported.iter().all(|t| t["pass"].as_f64().unwrap() > 0.0));
        let reported = run_with(Mode::Bare, "go\n").unwrap();
        assert_eq!(reported[1]["network"].as_array().unwrap().len(), 2);
        assert!(reported[1]["peak_rss"].as_u64().unwrap() > 1 << 20);
    }
}
