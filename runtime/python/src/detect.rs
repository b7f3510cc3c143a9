//! Finding faces in pictures, and following them from frame to frame.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lkg_runtime::{
    Bundle as Opened, EngineOptions, FaceDetector, FaceTracker, PeoplesExpressions, PictureRef, TrackOptions,
};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyTuple};

use crate::bundle::{Bundle, bundle_of, engine};
use crate::errors::{raised, refused};
use crate::faces::{Detections, Face, Names};
use crate::locked;
use crate::picture::Picture;

/// Finds the faces of single pictures.
#[pyclass(frozen, module = "lkg")]
pub struct Detector {
    detector: Mutex<FaceDetector>,
    bundle: Opened,
    options: EngineOptions,
    names: Arc<Names>,
}

#[pymethods]
impl Detector {
    #[new]
    #[pyo3(signature = (bundle=None, *, once=false, provider="auto", threads=None))]
    fn new(
        py: Python<'_>,
        bundle: Option<&Bound<'_, PyAny>>,
        once: bool,
        provider: &str,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        let (bundle, options) = (bundle_of(bundle)?, engine(provider, threads)?);
        let open = if once { FaceDetector::once } else { FaceDetector::new };
        let detector = py.detach(|| open(&bundle, &options)).map_err(raised)?;
        Ok(Self { detector: Mutex::new(detector), names: Names::new(bundle.manifest()), bundle, options })
    }

    /// Every face of `picture`, the largest first.
    #[pyo3(signature = (picture, *, min_confidence=None))]
    fn detect(
        &self,
        py: Python<'_>,
        picture: &Bound<'_, PyAny>,
        min_confidence: Option<f32>,
    ) -> PyResult<Detections> {
        let picture = Picture::of(picture)?;
        let view = picture.view()?;
        let least = confidence(min_confidence)?;
        let faces = locked(py, &self.detector, |detector| match least {
            Some(least) => detector.faces(view, least),
            None => detector.detect(view),
        });
        Ok(Detections::new(faces.map_err(raised)?, view.dimensions(), None, &self.names))
    }

    /// The face that stands out in `picture`, or None.
    fn detect_one(&self, py: Python<'_>, picture: &Bound<'_, PyAny>) -> PyResult<Option<Face>> {
        let picture = Picture::of(picture)?;
        let view = picture.view()?;
        let mut face = locked(py, &self.detector, |detector| detector.detect_one(view)).map_err(raised)?;
        if let Some(face) = &mut face {
            PeoplesExpressions::new(&self.names.manifest).read_plain(face);
        }
        Ok(face.map(|face| Face::new(face, view.dimensions(), &self.names)))
    }

    /// Follows faces through `frames`.
    #[pyo3(signature = (frames, *, fps=30.0, faces=1, smooth=true, min_confidence=None))]
    fn track(
        &self,
        py: Python<'_>,
        frames: &Bound<'_, PyAny>,
        fps: f64,
        faces: usize,
        smooth: bool,
        min_confidence: Option<f32>,
    ) -> PyResult<Track> {
        let frames = frames.try_iter()?.unbind();
        let every = interval(fps)?;
        let options = track_options(&self.bundle, faces, smooth, min_confidence)?;
        let following = Following::open(py, &self.bundle, &self.options, options, &self.names)?;
        Ok(Track { frames, every, following: Mutex::new(following) })
    }

    /// The bundle in use.
    #[getter]
    fn bundle(&self) -> Bundle {
        Bundle(self.bundle.clone())
    }

    /// What computes, and why nothing better does.
    #[getter]
    fn engine(&self, py: Python<'_>) -> String {
        locked(py, &self.detector, |detector| detector.summary().to_string())
    }

    fn __repr__(&self) -> String {
        format!("<lkg.Detector of {}>", self.bundle.manifest().name)
    }
}

/// A mean confidence, if one was asked for.
fn confidence(asked: Option<f32>) -> PyResult<Option<f32>> {
    match asked {
        Some(least) if !(0.0..=1.0).contains(&least) => {
            Err(refused("min_confidence", format!("{least} is not from 0 to 1")))
        }
        asked => Ok(asked),
    }
}

/// The time between two frames.
pub fn interval(fps: f64) -> PyResult<f64> {
    if fps.is_finite() && fps > 0.0 { Ok(1.0 / fps) } else { Err(refused("fps", "more than 0")) }
}

/// A time since the first frame.
pub fn time_of(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| refused("time", format!("{seconds} is no time since the first frame")))
}

fn track_options(
    bundle: &Opened,
    faces: usize,
    smooth: bool,
    min_confidence: Option<f32>,
) -> PyResult<TrackOptions> {
    if !(1..=64).contains(&faces) {
        return Err(refused("faces", "1 to 64"));
    }
    let live = TrackOptions::live(bundle.manifest());
    let min_confidence = confidence(min_confidence)?.unwrap_or(live.min_confidence);
    Ok(TrackOptions { faces, min_confidence, smooth: live.smooth.filter(|_| smooth), ..live })
}

/// Somebody who is followed.
struct Following {
    tracker: FaceTracker,
    expressions: PeoplesExpressions,
    names: Arc<Names>,
    /// Frames so far.
    frames: u64,
}

impl Following {
    fn open(
        py: Python<'_>,
        bundle: &Opened,
        engine: &EngineOptions,
        options: TrackOptions,
        names: &Arc<Names>,
    ) -> PyResult<Self> {
        let tracker = py.detach(|| FaceTracker::open(bundle, engine, options)).map_err(raised)?;
        let expressions = PeoplesExpressions::new(bundle.manifest());
        Ok(Self { tracker, expressions, names: Arc::clone(names), frames: 0 })
    }

    fn find(&mut self, view: PictureRef<'_>, time: Duration) -> lkg_runtime::Result<Detections> {
        let tracked = self.tracker.track(view, time)?;
        let mut faces: Vec<_> = tracked.face.into_iter().chain(tracked.others).collect();
        faces.iter_mut().for_each(|face| self.expressions.read(face, time));
        let frame = self.frames;
        self.frames += 1;
        Ok(Detections::new(faces, view.dimensions(), Some((frame, time)), &self.names))
    }
}

/// The faces of frame after frame, an iterator of lkg.Detections.
#[pyclass(frozen, module = "lkg")]
pub struct Track {
    frames: Py<PyIterator>,
    /// Seconds between frames that come without a time.
    every: f64,
    following: Mutex<Following>,
}

#[pymethods]
impl Track {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Detections>> {
        let Some(item) = self.frames.bind(py).clone().next().transpose()? else { return Ok(None) };
        // A frame with its time, as a clip gives them, or a bare one.
        let (time, frame) = match item.cast::<PyTuple>() {
            Ok(pair) if pair.len() == 2 => (Some(time_of(pair.get_item(0)?.extract()?)?), pair.get_item(1)?),
            _ => (None, item),
        };
        let picture = Picture::of(&frame)?;
        let view = picture.view()?;
        let found = locked(py, &self.following, |following| {
            let due = Duration::from_secs_f64(following.frames as f64 * self.every);
            following.find(view, time.unwrap_or(due))
        });
        found.map(Some).map_err(raised)
    }
}

/// Follows faces in frames that are handed to it one by one.
#[pyclass(frozen, module = "lkg")]
pub struct Tracker {
    following: Mutex<Following>,
}

impl Tracker {
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Following) -> T + Send) -> T {
        locked(py, &self.following, work)
    }
}

#[pymethods]
impl Tracker {
    #[new]
    #[pyo3(signature = (bundle=None, *, faces=1, smooth=true, min_confidence=None, provider="auto", threads=None))]
    fn new(
        py: Python<'_>,
        bundle: Option<&Bound<'_, PyAny>>,
        faces: usize,
        smooth: bool,
        min_confidence: Option<f32>,
        provider: &str,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        let bundle = bundle_of(bundle)?;
        let options = track_options(&bundle, faces, smooth, min_confidence)?;
        let names = Names::new(bundle.manifest());
        let following = Following::open(py, &bundle, &engine(provider, threads)?, options, &names)?;
        Ok(Self { following: Mutex::new(following) })
    }

    /// The faces of `frame`, seen at `time` seconds since the first one.
    fn update(&self, py: Python<'_>, frame: &Bound<'_, PyAny>, time: f64) -> PyResult<Detections> {
        let picture = Picture::of(frame)?;
        let (view, time) = (picture.view()?, time_of(time)?);
        self.with(py, |following| following.find(view, time)).map_err(raised)
    }

    /// Forgets everybody who was followed; numbers begin anew.
    fn reset(&self, py: Python<'_>) {
        self.with(py, |following| {
            following.tracker.reset();
            following.expressions = PeoplesExpressions::new(&following.names.manifest);
            following.frames = 0;
        });
    }

    /// Lets the next one of those in sight stand out; his id, or None.
    fn choose_next(&self, py: Python<'_>) -> Option<u32> {
        self.with(py, |following| following.tracker.choose_next())
    }

    /// Lets whoever is at a point of the latest frame, in pixels, stand out; his id, or None.
    fn choose_at(&self, py: Python<'_>, x: f32, y: f32) -> Option<u32> {
        self.with(py, |following| following.tracker.choose_at([x, y]))
    }

    /// Takes the face of person `id` as it has been of late as neutral, for expressions. False where there was none.
    fn calibrate(&self, py: Python<'_>, id: u32) -> bool {
        self.with(py, |following| following.expressions.calibrate(id))
    }
}
