//! A photo carried along, measured: its networks, and a driver's frame from its file to the driven photo.

use std::time::{Duration, Instant};

use image::{RgbImage, imageops};
use lkg_bundle::{Bundle, Network};

use super::executor::{Executor, Lap, Scope, Setting};
use super::frames::Material;
use super::workload::{Closure, Label, Pair, setting};
use crate::bench;
use crate::engine::{Detector, EngineOptions, OrtRunner, zero_inputs};
use crate::error::Result;
use crate::live::Opener;
use crate::media::{Captured, Next, Source};
use crate::portrait::PortraitModel;
use crate::reenact::{PhotoReenactor, ReenactOptions, View};
use crate::vision::track::{FaceTracker, TrackOptions};

/// Side of the photo that is driven, in pixels.
const PHOTO: u32 = 512;

/// Name of [`PhotoPipeline`].
pub const PHOTO_PIPELINE: &str = "encoded frame to driven photo";

/// The two portrait networks: what a new photo takes, and what each of its frames takes.
///
/// # Errors
/// One does not load.
pub fn networks(bundle: &Bundle, options: &EngineOptions, label: &Label<'_>) -> Result<Vec<Pair>> {
    let pair = |network: Network| {
        let mut runner = OrtRunner::load(bundle, network, options)?;
        let attempts = runner.attempts().to_vec();
        let setting = setting(network, options, &attempts);
        let name = label.name(network.name());
        let inputs = zero_inputs(network, &bundle.manifest().dims, label.batch);
        let bare = label.bare(bundle, network, options, inputs.clone(), &name, &setting)?;
        let outputs: Vec<&str> = network.outputs(&bundle.manifest().dims).iter().map(|o| o.name).collect();
        let mut results = Vec::new();
        let run = move || {
            use crate::engine::NetworkRunner;
            let views: Vec<_> = inputs.iter().map(|(name, a)| (name.as_str(), a.view())).collect();
            runner.run_into(&views, &outputs, &mut results)
        };
        Ok(Pair { ours: Box::new(Closure { name, batch: label.batch, setting, run }), bare, attempts })
    };
    [Network::PortraitSource, Network::Portrait].into_iter().map(pair).collect()
}

/// A frame's whole way from its file to the photo that it drives: the code of `runtime reenact`, without its window.
pub struct PhotoPipeline<'m> {
    opener: Opener,
    source: Box<dyn Source>,
    tracker: FaceTracker,
    reenactor: PhotoReenactor<'m>,
    canvas: RgbImage,
    setting: Setting,
    description: String,
    /// Frames seen so far: time never goes back, not even where the frames start anew.
    frames: u32,
}

/// The middle of a picture as a photo of [`PHOTO`] pixels a side.
fn photo_of(picture: &RgbImage) -> RgbImage {
    let side = picture.width().min(picture.height());
    let (x, y) = ((picture.width() - side) / 2, (picture.height() - side) / 2);
    let square = imageops::crop_imm(picture, x, y, side, side).to_image();
    imageops::resize(&square, PHOTO, PHOTO, imageops::FilterType::Triangle)
}

impl<'m> PhotoPipeline<'m> {
    /// Opens the first frame as the photo, and the frames; none where there is no face in it.
    ///
    /// # Errors
    /// A network or the frames fail.
    pub fn load(
        bundle: &Bundle,
        options: &EngineOptions,
        material: &Material,
        model: &'m mut PortraitModel,
    ) -> Result<Self> {
        let photo = model.open_image(photo_of(&material.first()?), &material.description)?;
        let shown = ReenactOptions { view: View::Source, ..ReenactOptions::default() };
        let reenactor = PhotoReenactor::new(model, vec![photo], shown)?;
        let detector = Detector::load(bundle, options)?;
        let setting = setting(Network::Portrait, options, detector.attempts());
        let source = (material.opener)()?;
        Ok(Self {
            opener: material.opener.clone(),
            description: source.describe(),
            source,
            tracker: FaceTracker::new(detector, TrackOptions::live(bundle.manifest())),
            reenactor,
            canvas: RgbImage::default(),
            setting,
            frames: 0,
        })
    }
}

impl Executor for PhotoPipeline<'_> {
    fn name(&self) -> String {
        format!("{PHOTO_PIPELINE}, {PHOTO} px")
    }

    fn scope(&self) -> Scope {
        Scope::EndToEnd
    }

    fn setting(&self) -> Setting {
        self.setting.clone()
    }

    fn steps(&self) -> &'static [&'static str] {
        &["read", "decode", "detect", "portrait network", "compose"]
    }

    fn run(&mut self) -> Result<Lap> {
        for _ in 0..2 {
            let start = Instant::now();
            let Next::Frame(captured) = self.source.next(Duration::from_secs(10))? else {
                self.source = (self.opener)()?;
                continue;
            };
            let got = start.elapsed();
            let Captured { frame, decode, .. } = captured;
            let time = Duration::from_millis(33) * self.frames;
            let seen = Instant::now();
            let tracked = self.tracker.track(&frame.picture, time)?;
            let detect = seen.elapsed();
            let took = self.reenactor.paint(tracked.face.as_ref(), time, &mut self.canvas)?;
            std::hint::black_box(&self.canvas);
            let found = tracked.face.is_some();
            self.tracker.reuse(tracked);
            self.source.reuse(frame.picture);
            self.frames += 1;
            let steps = vec![got.saturating_sub(decode), decode, detect, took.network, took.compose];
            return Ok(Lap { total: start.elapsed(), steps, item: frame.index, found });
        }
        Err(bench::Error::NoFrames(self.description.clone()).into())
    }
}
