//! Once it is warm the live loop allocates nothing for a frame: counted by the allocator of this program, which runs the
//! whole loop, from decoded frames to what a window is handed.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use image::RgbImage;
use lkg_bundle::conventions::pixel_centre;
use lkg_bundle::testing::{DIMS, write_tiny_bundle};
use lkg_bundle::{Bundle, BundleDims, Manifest};
use lkg_runtime::Result;
use lkg_runtime::internals::engine::{Detector, NetworkRunner, Portrait, PortraitSource};
use lkg_runtime::internals::live::{
    Audience, Command, FrameSupply, LiveLoop, LoopOptions, Opener, Overlay, Painter, PhotoPainter, Switch,
    Viewer, WindowOpener,
};
use lkg_runtime::internals::media::{
    self, DetectionFormat, DetectionsSink, KeypointsSink, OutputOptions, Shown, Sink, SinkSpec, Written,
    open_output,
};
use lkg_runtime::video::{self, Captured, Frame, Next, Source, SourceOptions};
use lkg_runtime::{
    EngineOptions, FaceTracker, PhotoReenactor, PortraitModel, Provider, ReenactOptions, TrackOptions, View,
};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

/// Counts what is asked for, by whichever thread.
struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Held by the test that runs, as others would be counted, too.
static ALONE: Mutex<()> = Mutex::new(());

fn count(bytes: usize) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
}

// SAFETY: everything is handed to the system's allocator; counting is two additions that touch nothing of it.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations so far, and their bytes.
fn allocated() -> (u64, u64) {
    (COUNT.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed))
}

/// Finds the bright square of the pictures below, as a detector would, without an allocation of its own.
struct Blob;

impl NetworkRunner for Blob {
    fn run_into(
        &mut self,
        inputs: &[(&str, ArrayViewD<'_, f32>)],
        names: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
        if results.len() != names.len() {
            let shapes: [&[usize]; 3] = [&[1, 2, 2], &[1, 2], &[1, 2, 3]];
            *results = shapes.iter().take(names.len()).map(|s| ArrayD::zeros(IxDyn(s))).collect();
        }
        let s = DIMS.detector_size;
        let (mut weight, mut sum) = (0.0, [0.0; 2]);
        for y in 0..s {
            for x in 0..s {
                let w = (inputs[0].1[[0, 0, y, x]] + 1.0).max(0.0);
                weight += w;
                sum = [sum[0] + w * pixel_centre(x, s), sum[1] + w * pixel_centre(y, s)];
            }
        }
        let [x, y] = sum.map(|v| v / weight.max(1e-6));
        let radius = (weight / 2.0).sqrt() / s as f32;
        results[0].iter_mut().zip([x - radius, y, x + radius, y]).for_each(|(to, from)| *to = from);
        results[1].fill(if weight > 0.2 { 0.9 } else { 0.1 });
        Ok(())
    }
}

/// Portrait networks that carry a photo nowhere, and draw grey in the half of it.
struct Halves;

impl NetworkRunner for Halves {
    fn run_into(
        &mut self,
        _: &[(&str, ArrayViewD<'_, f32>)],
        names: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
        if results.len() != names.len() {
            let shapes: [&[usize]; 3] = [&[1, 2, 32, 32], &[1, 1, 64, 64], &[1, 3, 64, 64]];
            *results = shapes.iter().map(|s| ArrayD::from_elem(IxDyn(s), 0.0)).collect();
            results[1].iter_mut().enumerate().for_each(|(i, m)| *m = (i % 2) as f32);
        }
        Ok(())
    }
}

/// Frames in memory, of a bright square that moves, and is gone for a while now and then.
struct Drawn {
    size: (u32, u32),
    next: u64,
    spare: Option<RgbImage>,
}

impl Source for Drawn {
    fn describe(&self) -> String {
        "drawn".to_owned()
    }

    fn next(&mut self, _timeout: Duration) -> media::Result<Next> {
        let (taken, index) = (Instant::now(), self.next);
        let mut picture = self.spare.take().unwrap_or_else(|| RgbImage::new(self.size.0, self.size.1));
        let side = self.size.1 / 3;
        let left = side + (index % 60) as u32;
        let lit = index % 90 < 75;
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            let inside = (left..left + side).contains(&x) && (side..2 * side).contains(&y);
            *pixel = image::Rgb([if lit && inside { 250 } else { 0 }; 3]);
        }
        self.next += 1;
        let frame = Frame { picture, index, time: Duration::from_millis(33 * index) };
        Ok(Next::Frame(Captured { frame, taken, decode: taken.elapsed() }))
    }

    fn reuse(&mut self, picture: RgbImage) {
        self.spare = Some(picture).filter(|p| p.dimensions() == self.size);
    }
}

/// Frames until everything has had its turn: a face found, lost, sought and found.
const WARM: u64 = 120;
/// Frames that are counted.
const COUNTED: u64 = 200;

/// People who are remembered at most: each gets room of his own once.
const NEWCOMERS: u64 = 24;

/// What was allocated from one frame to the next.
#[derive(Default)]
struct Seen {
    frames: Cell<u64>,
    before: Cell<(u64, u64)>,
    /// Of the frames after [`WARM`] how many cost an allocation, and the most that one cost: allocations, bytes.
    dear: Cell<u64>,
    most: Cell<(u64, u64)>,
}

impl Seen {
    fn note(&self) {
        let now = allocated();
        let (count, bytes) = (now.0 - self.before.get().0, now.1 - self.before.get().1);
        self.frames.set(self.frames.get() + 1);
        self.before.set(now);
        if self.frames.get() > WARM {
            self.dear.set(self.dear.get() + u64::from(count > 0));
            let most = self.most.get();
            self.most.set((most.0.max(count), most.1.max(bytes)));
        }
    }
}

/// Does with pictures what a window does.
struct Pane {
    pixels: Vec<u32>,
    seen: Rc<Seen>,
}

impl Pane {
    fn take(&mut self, picture: &RgbImage) {
        self.pixels.clear();
        self.pixels.extend(picture.pixels().map(|p| u32::from_be_bytes([0, p.0[0], p.0[1], p.0[2]])));
        self.seen.note();
    }
}

impl Viewer for Pane {
    fn name(&self) -> String {
        "pane".to_owned()
    }

    fn show(&mut self, shown: &Shown<'_>) -> media::Result<()> {
        self.take(shown.picture);
        Ok(())
    }

    fn hold(&mut self, picture: &RgbImage) -> media::Result<()> {
        self.take(picture);
        Ok(())
    }

    fn commands(&mut self) -> Vec<Command> {
        // Mirrored and back again, while it warms up.
        match self.seen.frames.get() {
            n if n < WARM && n % 25 == 24 => vec![Command::Set(Switch::Mirror, n % 50 == 24)],
            _ => Vec::new(),
        }
    }
}

impl Sink for Pane {
    fn name(&self) -> String {
        "pane".to_owned()
    }

    fn write(&mut self, shown: &Shown<'_>) -> media::Result<()> {
        self.take(shown.picture);
        Ok(())
    }

    fn finish(self: Box<Self>) -> media::Result<Vec<Written>> {
        Ok(Vec::new())
    }
}

/// Runs the loop with a window of its own kind, or with a sink in which a file's frames need not wait until they are due.
/// Gives what each frame cost, and how many had a face.
fn run(source: Opener, window: bool, manifest: &Manifest, sinks: Vec<Box<dyn Sink>>) -> (Rc<Seen>, u64) {
    run_with(source, window, manifest, sinks, &mut Overlay::new(manifest))
}

fn run_with(
    source: Opener,
    window: bool,
    manifest: &Manifest,
    mut sinks: Vec<Box<dyn Sink>>,
    painter: &mut dyn Painter,
) -> (Rc<Seen>, u64) {
    let detector = Detector::from_runner(Box::new(Blob), manifest.dims);
    let mut tracker = FaceTracker::new(detector, TrackOptions { faces: 4, ..TrackOptions::live(manifest) });
    let seen = Rc::new(Seen::default());
    let pane = Pane { pixels: Vec::new(), seen: Rc::clone(&seen) };
    let mut opener: Option<WindowOpener> = None;
    if window {
        opener = Some(Box::new(|_| Ok(Box::new(pane) as Box<dyn Viewer>)));
    } else {
        sinks.push(Box::new(pane));
    }
    let report = LiveLoop {
        supply: FrameSupply::open(source, false, None).unwrap(),
        finder: &mut tracker,
        painter,
        sinks,
        viewers: Vec::new(),
        window: opener,
        options: LoopOptions {
            names: if window { Audience::Watchers } else { Audience::Everyone },
            numbers: if window { Audience::Watchers } else { Audience::Everyone },
            change: window,
            max_frames: Some(WARM + COUNTED),
            ..LoopOptions::default()
        },
        stop: &|| false,
        notice: &mut |_| {},
    }
    .run()
    .unwrap();
    assert_eq!((report.frames, seen.frames.get()), (WARM + COUNTED, WARM + COUNTED));
    assert!(report.faces > COUNTED / 2);
    (seen, report.faces)
}

struct Place {
    dir: tempfile::TempDir,
    manifest: Manifest,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let manifest = write_tiny_bundle(dir.path()).unwrap();
        Self { dir, manifest }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }
}

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn drawn(size: (u32, u32)) -> Opener {
    Arc::new(move || Ok(Box::new(Drawn { size, next: 0, spare: None }) as Box<dyn Source>))
}

#[test]
fn a_warm_loop_allocates_nothing() {
    let _alone = alone();
    let place = Place::new();
    // Drawn on as it is, and enlarged.
    for (i, size) in [(640, 480), (160, 120)].into_iter().enumerate() {
        let keypoints = KeypointsSink::create(place.path(&format!("{i}.jsonl")).as_ref(), false).unwrap();
        let null = open_output(&SinkSpec::Null, &OutputOptions::default()).unwrap();
        let (path, format) = (place.path(&format!("{i}.json")), DetectionFormat::Json);
        let detections =
            DetectionsSink::create(path.as_ref(), false, format, &place.manifest, "drawn".to_owned())
                .unwrap();
        let sinks: Vec<Box<dyn Sink>> = vec![null, Box::new(keypoints), Box::new(detections)];
        let (seen, faces) = run(drawn(size), true, &place.manifest, sinks);
        assert!(faces < WARM + COUNTED, "it is lost and found");
        assert_eq!((seen.dear.get(), seen.most.get()), (0, (0, 0)), "at {size:?}");
    }
}

#[test]
fn a_driven_photo_allocates_nothing() {
    let _alone = alone();
    let place = Place::new();
    let dims = BundleDims { states: Some(3), portrait_size: Some(64), ..DIMS };
    let manifest = Manifest { dims, ..place.manifest };
    let mut model = PortraitModel::from_networks(
        manifest.clone(),
        Detector::from_runner(Box::new(Blob), dims),
        PortraitSource::from_runner(Box::new(Halves), dims),
        Portrait::from_runner(Box::new(Halves), dims),
    );
    let Next::Frame(captured) = (drawn((320, 240)))().unwrap().next(Duration::ZERO).unwrap() else {
        panic!("no frame")
    };
    let photo = model.open_image(captured.frame.picture, "drawn").unwrap();
    let options = ReenactOptions { view: View::Source, ..ReenactOptions::default() };
    let reenactor = PhotoReenactor::new(&mut model, vec![photo], options).unwrap();
    let mut painter = PhotoPainter::new(reenactor, true, false);
    let (seen, _) = run_with(drawn((320, 240)), true, &manifest, Vec::new(), &mut painter);
    assert_eq!((seen.dear.get(), seen.most.get()), (0, (0, 0)));
}

#[test]
fn what_a_network_runs_on_allocates_little() {
    let _alone = alone();
    let place = Place::new();
    let bundle = Bundle::open(place.dir.path()).unwrap();
    let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
    let mut detector = Detector::load(&bundle, &options).unwrap();
    let image = ndarray::Array4::zeros((1, 3, DIMS.detector_size, DIMS.detector_size));
    let mut look = || {
        let before = allocated();
        detector.detect_view(image.view()).unwrap();
        let after = allocated();
        (after.0 - before.0, after.1 - before.1)
    };
    for _ in 0..5 {
        look();
    }
    // The Rust side of ONNX Runtime names inputs and outputs and wraps them anew at each run; its C++ side is not counted.
    let most = (0..50).map(|_| look()).max().unwrap();
    println!("a look of the detector: at most {} allocations, {} bytes", most.0, most.1);
    assert!(most.0 <= 32 && most.1 <= 4096, "{most:?}");
}

/// Opens a file or a command, as the command line does.
fn named(name: String) -> Opener {
    Arc::new(move || {
        let options = SourceOptions { size: Some((160, 120)), ..SourceOptions::default() };
        video::open(&name.parse()?, &options)
    })
}

#[test]
fn sources_use_their_pictures_again() {
    let _alone = alone();
    let place = Place::new();
    let mut source = (drawn((160, 120)))().unwrap();
    let mut sinks = ["avi", "mp4"].map(|kind| {
        let path = place.path(&format!("clip.{kind}"));
        open_output(&path.parse().unwrap(), &OutputOptions::default()).unwrap()
    });
    let mut raw = Vec::new();
    for _ in 0..WARM + COUNTED + 2 {
        let Next::Frame(captured) = source.next(Duration::ZERO).unwrap() else { panic!("no frame") };
        let Frame { picture, index, time } = captured.frame;
        for sink in &mut sinks {
            let shown = Shown::new(&picture, index, time);
            sink.write(&shown).unwrap();
        }
        raw.extend_from_slice(&picture);
    }
    sinks.into_iter().for_each(|sink| drop(sink.finish().unwrap()));
    std::fs::write(place.path("frames.rgb"), &raw).unwrap();
    let child = format!("exec:sh -c 'while cat {}; do :; done'", place.path("frames.rgb"));
    // A picture is 57,600 bytes. The decoder of JPEGs has no way to keep its rows from one to the next: 6 allocations and
    // 13,752 bytes, twice that where the reader ahead has decoded two pictures between two frames.
    // The child is not waited for: of what it wrote meanwhile the newest frame is shown, so that a face may be elsewhere all at
    // once, which makes it somebody else, who gets room of his own.
    for (name, most, dear) in [
        (child, (8, 4096), NEWCOMERS),
        (place.path("clip.mp4"), (4, 512), COUNTED),
        (place.path("clip.avi"), (16, 30_000), COUNTED),
    ] {
        let (seen, _) = run(named(name.clone()), false, &place.manifest, Vec::new());
        let (count, bytes) = seen.most.get();
        println!("{name}: at most {count} allocations, {bytes} bytes a frame, {} frames", seen.dear.get());
        assert!(count <= most.0 && bytes <= most.1, "{name}: {count} allocations, {bytes} bytes");
        assert!(seen.dear.get() <= dear, "{name}: {} frames with allocations", seen.dear.get());
    }
}
