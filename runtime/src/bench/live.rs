//! The live loop on frames that come in their own time, as from a camera.

use std::cell::Cell;
use std::time::{Duration, Instant};

use image::RgbImage;
use lkg_bundle::Bundle;

use super::frames::Material;
use super::report::{Frames, Live, LiveRow};
use crate::engine::{Detector, EngineOptions};
use crate::error::Result;
use crate::live::{
    Audience, FrameSupply, LiveLoop, LoopOptions, Overlay, RunReport, StepRow, Viewer, WindowOpener,
};
use crate::media;
use crate::media::sink::Shown;
use crate::media::window::Display;
use crate::vision::track::{FaceTracker, TrackOptions};

/// Takes pictures as a window does, and shows them to nobody.
struct Nobody;

impl Viewer for Nobody {
    fn name(&self) -> String {
        "nobody".to_owned()
    }

    fn show(&mut self, shown: &Shown<'_>) -> media::Result<()> {
        self.hold(shown.picture)
    }

    fn hold(&mut self, picture: &RgbImage) -> media::Result<()> {
        std::hint::black_box(picture);
        Ok(())
    }
}

/// How to run the live loop.
#[derive(Clone, Copy, Debug)]
pub struct LiveOptions {
    /// Frames a second of the camera that is played.
    pub fps: f32,
    /// How long.
    pub time: Duration,
    /// Whether a window is opened.
    pub window: bool,
}

/// Runs the live loop on `material`; none if `stop` ended it.
///
/// # Errors
/// The detector does not load, or the window does not open.
pub fn run(
    bundle: &Bundle,
    engine: &EngineOptions,
    material: &Material,
    options: LiveOptions,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Live>> {
    let mut tracker =
        FaceTracker::new(Detector::load(bundle, engine)?, TrackOptions::live(bundle.manifest()));
    let window: WindowOpener = if options.window {
        Box::new(|size| Ok(Box::new(Display::open("runtime bench", size)?) as Box<dyn Viewer>))
    } else {
        Box::new(|_| Ok(Box::new(Nobody) as Box<dyn Viewer>))
    };
    // As `runtime webcam` does: on a GPU a session's first run took a second, in which frames were dropped.
    tracker.warm_up()?;
    let start = Instant::now();
    let stopped = Cell::new(false);
    let report = LiveLoop {
        supply: FrameSupply::open(material.camera(options.fps), false, Some(Duration::ZERO))?,
        finder: &mut tracker,
        painter: &mut Overlay::new(bundle.manifest()),
        sinks: Vec::new(),
        viewers: Vec::new(),
        window: Some(window),
        options: LoopOptions {
            names: Audience::Watchers,
            numbers: Audience::Watchers,
            ..LoopOptions::default()
        },
        stop: &|| {
            stopped.set(stopped.get() || stop());
            stopped.get() || start.elapsed() > options.time
        },
        notice: &mut |_| {},
    }
    .run()?;
    Ok((!stopped.get()).then(|| summary(&report, options)))
}

fn summary(report: &RunReport, options: LiveOptions) -> Live {
    let mut steps: Vec<LiveRow> = report.steps.iter().map(row).collect();
    // The whole is the last row of the loop's table.
    let capture_to_display = steps.pop().unwrap_or_default();
    Live {
        source_fps: f64::from(options.fps),
        screen: if options.window { "in a window" } else { "drawn, without a window" }.to_owned(),
        frames: Frames {
            captured: report.frames + report.dropped,
            processed: report.frames,
            dropped: report.dropped,
            found: report.faces,
        },
        fps: report.fps,
        capture_to_display,
        steps,
    }
}

fn row(row: &StepRow) -> LiveRow {
    let StepRow { step, n, p50_ms: p50, p90_ms: p90, p99_ms: p99, max_ms: max } = *row;
    LiveRow { step: step.to_owned(), n, p50, p90, p99, max }
}

#[cfg(test)]
mod tests {
    use lkg_bundle::testing::write_tiny_bundle;

    use super::*;
    use crate::engine::Provider;

    #[test]
    fn frames_are_captured_processed_and_clocked() {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_bundle(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        let engine = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
        let material = Material::synthetic(&bundle, &engine, (64, 48), 0).unwrap();
        let options = LiveOptions { fps: 50.0, time: Duration::from_millis(400), window: false };
        let live = run(&bundle, &engine, &material, options, &|| false).unwrap().unwrap();
        let frames = live.frames;
        assert_eq!(frames.captured, frames.processed + frames.dropped);
        assert!(frames.processed > 2 && frames.captured <= 22, "{frames:?}");
        assert_eq!(live.capture_to_display.step, "capture to display");
        assert_eq!(live.capture_to_display.n, frames.processed);
        assert!(live.steps.iter().any(|s| s.step == "network"));
        assert!(run(&bundle, &engine, &material, options, &|| true).unwrap().is_none());
    }
}
