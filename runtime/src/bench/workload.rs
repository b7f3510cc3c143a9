//! What is measured: networks through our code, the same networks on bare ONNX Runtime, and a frame's whole way.

use std::time::{Duration, Instant};

use image::RgbImage;
use lkg_bundle::{Bundle, Manifest, Network};
use ndarray::{Array2, Array4, ArrayD};

use super::executor::{Executor, Lap, Scope, Setting};
use super::frames::Material;
use crate::bench;
use crate::engine::{
    Attempt, BareRun, Detector, EngineOptions, ImageGenerator, KeypointGenerator, Latents, NetworkRunner,
    Noise, OrtRunner, default_threads,
};
use crate::error::Result;
use crate::frame::Frame;
use crate::live::{Clock, Hud, Marks, Opener, Step, View};
use crate::media::{Captured, Next, Source};
use crate::vision::crop::Crop;
use crate::vision::preprocess::Preprocessor;
use crate::vision::track::{FaceTracker, TrackOptions};

/// The step of [`Pipeline`] that stands for detection from a picture in memory.
pub const FRAME_TO_KEYPOINTS: &str = "frame to keypoints";

/// Name of [`Pipeline`].
pub const PIPELINE: &str = "encoded frame to drawn picture";

/// `picture` as the detector's input, `batch` times.
pub fn as_input(picture: &RgbImage, batch: usize) -> Array4<f32> {
    let side = picture.width() as usize;
    let mut one = vec![0.0; 3 * side * side];
    Preprocessor::new(side).sample(picture, &Crop::inside(picture.width(), picture.height()), &mut one);
    Array4::from_shape_fn((batch, 3, side, side), |(_, c, y, x)| one[(c * side + y) * side + x])
}

/// How `network` is computed once it is loaded.
pub(super) fn setting(network: Network, options: &EngineOptions, attempts: &[Attempt]) -> Setting {
    Setting {
        provider: attempts.last().map_or_else(String::new, |a| a.provider.to_string()),
        threads: options.threads.unwrap_or_else(|| default_threads(network)),
        precision: options.precision.name().to_owned(),
    }
}

/// Our part around a network's run, whatever it is.
pub(super) struct Closure<F> {
    pub name: String,
    pub batch: usize,
    pub setting: Setting,
    pub run: F,
}

impl<F: FnMut() -> Result<()>> Executor for Closure<F> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn scope(&self) -> Scope {
        Scope::Network
    }

    fn setting(&self) -> Setting {
        self.setting.clone()
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn run(&mut self) -> Result<Lap> {
        let start = Instant::now();
        (self.run)()?;
        Ok(Lap { total: start.elapsed(), found: true, ..Lap::default() })
    }
}

/// A network through our code and, if asked, on bare ONNX Runtime right after it.
pub struct Pair {
    /// Ours.
    pub ours: Box<dyn Executor>,
    /// The bare one.
    pub bare: Option<Box<dyn Executor>>,
    /// Providers tried.
    pub attempts: Vec<Attempt>,
}

/// Names that tell settings apart where more than one is measured.
pub struct Label<'a> {
    /// Appended to names.
    pub suffix: &'a str,
    /// Images in a run.
    pub batch: usize,
    /// Whether the bare run is measured too.
    pub bare: bool,
}

impl Label<'_> {
    pub(super) fn name(&self, network: &str) -> String {
        format!("{network} network, batch {}{}", self.batch, self.suffix)
    }

    pub(super) fn bare(
        &self,
        bundle: &Bundle,
        network: Network,
        options: &EngineOptions,
        inputs: Vec<(String, ArrayD<f32>)>,
        ours: &str,
        setting: &Setting,
    ) -> Result<Option<Box<dyn Executor>>> {
        if !self.bare {
            return Ok(None);
        }
        let mut bare = BareRun::load(bundle, network, options, inputs)?;
        let name = format!("{ours}, bare ORT run");
        let (batch, setting) = (self.batch, setting.clone());
        Ok(Some(Box::new(Closure { name, batch, setting, run: move || bare.run() })))
    }
}

/// The detector on `picture`.
///
/// # Errors
/// It does not load.
pub fn detector(
    bundle: &Bundle,
    options: &EngineOptions,
    picture: &RgbImage,
    label: &Label<'_>,
) -> Result<Pair> {
    let mut detector = Detector::load(bundle, options)?;
    let attempts = detector.attempts().to_vec();
    let side = detector.size() as u32;
    let input = as_input(
        &image::imageops::resize(picture, side, side, image::imageops::FilterType::Triangle),
        label.batch,
    );
    let name = label.name("detector");
    let setting = setting(Network::Detector, options, &attempts);
    let inputs = vec![("image".to_owned(), input.clone().into_dyn())];
    let bare = label.bare(bundle, Network::Detector, options, inputs, &name, &setting)?;
    let run = move || detector.detect(input.view()).map(drop);
    Ok(Pair { ours: Box::new(Closure { name, batch: label.batch, setting, run }), bare, attempts })
}

/// The image generator on noise from `seed`; of a bundle that has it in two files, what a new face takes and what each of
/// its frames takes.
///
/// # Errors
/// It does not load.
pub fn generator(
    bundle: &Bundle,
    options: &EngineOptions,
    seed: u64,
    label: &Label<'_>,
) -> Result<Vec<Pair>> {
    let dims = bundle.manifest().dims;
    let noise = Noise::seeded(seed, 0..label.batch as u32, &dims, 1.0);
    let latents = KeypointGenerator::load(bundle, options)?.run(&noise)?;
    let mut generator = ImageGenerator::load(bundle, options)?;
    let attempts = generator.attempts().to_vec();
    let ones: Array2<f32> = Array2::ones((label.batch, dims.keypoints));
    let mut inputs = generator_inputs(&latents, &ones);
    let mut pairs = Vec::new();
    let network = if bundle.draws_in_two() {
        let style_inputs: Vec<_> = inputs.split_off(3);
        let mut style = OrtRunner::load(bundle, Network::Style, options)?;
        let attempts = style.attempts().to_vec();
        let mut run = {
            let style_inputs = style_inputs.clone();
            move || {
                let views: Vec<_> = style_inputs.iter().map(|(name, a)| (name.as_str(), a.view())).collect();
                style.run(&views, &["tables"]).map(|mut made| made.swap_remove(0))
            }
        };
        inputs.push(("tables".to_owned(), run()?));
        let (name, setting) = (label.name("style"), setting(Network::Style, options, &attempts));
        let bare = label.bare(bundle, Network::Style, options, style_inputs, &name, &setting)?;
        let run = move || run().map(drop);
        let ours = Box::new(Closure { name, batch: label.batch, setting, run });
        pairs.push(Pair { ours, bare, attempts });
        Network::Render
    } else {
        Network::ImageGenerator
    };
    let name = label.name(if network == Network::Render { "render" } else { "generator" });
    let setting = setting(network, options, &attempts);
    let bare = label.bare(bundle, network, options, inputs, &name, &setting)?;
    let run = move || generator.run(&latents, ones.view(), ones.view()).map(drop);
    let ours = Box::new(Closure { name, batch: label.batch, setting, run });
    pairs.push(Pair { ours, bare, attempts });
    Ok(pairs)
}

/// The pose, three tensors, then the appearance.
fn generator_inputs(latents: &Latents, ones: &Array2<f32>) -> Vec<(String, ArrayD<f32>)> {
    vec![
        ("keypoints".to_owned(), latents.keypoints.clone().into_dyn()),
        ("scales".to_owned(), ones.clone().into_dyn()),
        ("visible".to_owned(), ones.clone().into_dyn()),
        ("embeddings".to_owned(), latents.embeddings.clone().into_dyn()),
        ("background".to_owned(), latents.background.clone().into_dyn()),
    ]
}

/// A frame's whole way: read, decode, follow the face, draw. The same code as the live loop's, without its window.
pub struct Pipeline {
    opener: Opener,
    source: Box<dyn Source>,
    tracker: FaceTracker,
    manifest: Manifest,
    view: View,
    hud: Hud,
    canvas: RgbImage,
    clock: Clock,
    setting: Setting,
    description: String,
    /// Frames seen so far: time never goes back, not even where the frames start anew.
    frames: u32,
}

impl Pipeline {
    /// Loads the detector and opens the frames.
    ///
    /// # Errors
    /// Either fails.
    pub fn load(bundle: &Bundle, options: &EngineOptions, material: &Material) -> Result<Self> {
        let detector = Detector::load(bundle, options)?;
        let setting = setting(Network::Detector, options, detector.attempts());
        let manifest = bundle.manifest().clone();
        let source = (material.opener)()?;
        Ok(Self {
            opener: material.opener.clone(),
            description: source.describe(),
            source,
            view: View::default(),
            hud: Hud::new(format!("computing on {}", setting.provider)),
            canvas: RgbImage::default(),
            tracker: FaceTracker::new(detector, TrackOptions::live(&manifest)),
            manifest,
            clock: Clock::default(),
            setting,
            frames: 0,
        })
    }

    /// Opens the frames anew.
    fn rewind(&mut self) -> Result<()> {
        self.source = (self.opener)()?;
        Ok(())
    }
}

impl Executor for Pipeline {
    fn name(&self) -> String {
        PIPELINE.to_owned()
    }

    fn scope(&self) -> Scope {
        Scope::EndToEnd
    }

    fn setting(&self) -> Setting {
        self.setting.clone()
    }

    fn steps(&self) -> &'static [&'static str] {
        &["read", "decode", "crop and resize", "detector network", "filter", FRAME_TO_KEYPOINTS, "overlay"]
    }

    fn run(&mut self) -> Result<Lap> {
        for _ in 0..2 {
            let start = Instant::now();
            let Next::Frame(captured) = self.source.next(Duration::from_secs(10))? else {
                self.rewind()?;
                continue;
            };
            let got = start.elapsed();
            let Captured { frame: Frame { mut picture, index, .. }, decode, .. } = captured;
            let seen = Instant::now();
            let tracked = self.tracker.track(&picture, Duration::from_millis(33) * self.frames)?;
            let keypoints = seen.elapsed();
            let drawing = Instant::now();
            let (face, canvas) = (tracked.face.as_ref(), &mut self.canvas);
            self.view.compose(&mut picture, canvas, &Marks::face(face), false, &self.manifest);
            self.hud.draw(canvas, &self.clock, &self.description, 0, face.is_some(), None);
            std::hint::black_box(&*canvas);
            self.source.reuse(picture);
            let overlay = drawing.elapsed();
            let total = start.elapsed();
            self.frames += 1;
            self.clock.add(Step::Total, total);
            let filter = keypoints.saturating_sub(tracked.preprocess + tracked.network);
            let steps = vec![
                got.saturating_sub(decode),
                decode,
                tracked.preprocess,
                tracked.network,
                filter,
                keypoints,
                overlay,
            ];
            return Ok(Lap { total, steps, item: index, found: tracked.face.is_some() });
        }
        Err(bench::Error::NoFrames(self.description.clone()).into())
    }
}

#[cfg(test)]
mod tests {
    use lkg_bundle::testing::write_tiny_bundle;

    use super::super::executor::Bounds;
    use super::super::measure::measure;
    use super::super::report::{Measurement, Overhead};
    use super::super::testing::Checks;
    use super::*;
    use crate::engine::Provider;

    #[test]
    fn the_tiny_bundle_goes_through_everything() {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_bundle(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
        let material = Material::synthetic(&bundle, &options, (64, 48), 0).unwrap();
        let label = Label { suffix: "", batch: 2, bare: true };
        let picture = material.first().unwrap();
        let mut pairs = vec![detector(&bundle, &options, &picture, &label).unwrap()];
        pairs.extend(generator(&bundle, &options, 0, &label).unwrap());
        let mut executors: Vec<Box<dyn Executor>> = Vec::new();
        for pair in pairs {
            assert_eq!(pair.attempts.last().unwrap().provider, Provider::Cpu);
            executors.push(pair.ours);
            executors.extend(pair.bare);
        }
        executors.push(Box::new(Pipeline::load(&bundle, &options, &material).unwrap()));
        let bounds = Bounds {
            warmup: Duration::ZERO,
            warmup_runs: 1,
            time: Duration::from_millis(1),
            samples: 150,
            rounds: 3,
        };
        let series = measure(&mut executors, &bounds, &mut Checks::default()).unwrap().series;
        let names: Vec<_> = series.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names[0], "detector network, batch 2");
        assert_eq!(names[1], "detector network, batch 2, bare ORT run");
        assert_eq!(names[4], "encoded frame to drawn picture");
        assert_eq!((series[0].scope, series[4].scope), (Scope::Network, Scope::EndToEnd));
        // 60 frames are gone through more than once, and every step fits into the whole.
        assert!(series[4].samples.iter().filter(|s| s.lap.item == 7).count() >= 2);
        let whole = Measurement::of(&series[4]).unwrap();
        let step = |name: &str| whole.steps.iter().find(|s| s.step == name).unwrap().times.mean;
        assert!(step("detector network") < step(FRAME_TO_KEYPOINTS));
        assert!(step(FRAME_TO_KEYPOINTS) < whole.total.mean);
        assert!(Overhead::between(&series[0], None, &series[1]).unwrap().ratio.ratio > 0.2);
    }
}
