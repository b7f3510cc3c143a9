//! A face that moves as another one does.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use image::RgbImage;
use lkg_runtime::picture::{Origin, write_marked};
use lkg_runtime::{
    Error as Fault, FaceModel, FaceTracker, Gains, PhotoReenactor, PictureRef, PortraitModel, ReenactOptions,
    Reenactor as Drawn, TrackOptions, View,
};
use numpy::PyArray3;
use pyo3::prelude::*;

use crate::bundle::{bundle_of, engine};
use crate::detect::{interval, time_of};
use crate::edit::{ARRAY, Photo, choice};
use crate::errors::{raised, refused};
use crate::locked;
use crate::picture::{Picture, to_array};

/// What is driven.
enum Source {
    /// A face that a generator draws.
    Drawn(Box<Drawn<'static>>),
    /// A photo whose own pixels are carried along.
    Photo(Box<PhotoReenactor<'static>>),
}

/// A face that is driven, and who follows the driver.
struct Driven {
    tracker: FaceTracker,
    source: Source,
    view: View,
    /// The bundle's name.
    bundle: String,
    /// Frames so far.
    frames: u64,
}

impl Driven {
    fn drive(&mut self, frame: PictureRef<'_>, time: Duration) -> lkg_runtime::Result<RgbImage> {
        let tracked = self.tracker.track(frame, time)?;
        let face = tracked.face.as_ref();
        // Where the driver is not shown its picture is not looked at again.
        let shown = match self.view {
            View::Driver | View::Beside => {
                RgbImage::from_raw(frame.width(), frame.height(), frame.bytes().to_vec())
            }
            View::Source | View::Face => None,
        };
        let shown = shown.unwrap_or_default();
        let driven = match &mut self.source {
            Source::Drawn(drawn) => drawn.reenact(&shown, face, time),
            Source::Photo(photo) => photo.reenact(&shown, face, time),
        };
        self.tracker.reuse(tracked);
        self.frames += 1;
        driven
    }

    fn origin(&self) -> Origin {
        match &self.source {
            Source::Drawn(drawn) => drawn.origin(),
            Source::Photo(photo) => photo.origin(),
        }
    }
}

/// Moves the face of a photo, or a generated one, as the face in frame after frame moves.
#[pyclass(frozen, module = "lkg")]
pub struct Reenactor {
    driven: Mutex<Driven>,
    /// Seconds between frames that come without a time.
    every: f64,
    notes: Vec<String>,
}

impl Reenactor {
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Driven) -> T + Send) -> T {
        locked(py, &self.driven, work)
    }
}

#[pymethods]
impl Reenactor {
    #[new]
    #[pyo3(signature = (
        source, bundle=None, *, view=None, drive="all", absolute=false, shift=0.2, pose=1.0, parts=1.0, fps=30.0,
        anyway=false, face=None, provider="auto", threads=None
    ))]
    #[allow(clippy::too_many_arguments)] // Each is a keyword of Python.
    fn new(
        py: Python<'_>,
        source: &Bound<'_, PyAny>,
        bundle: Option<&Bound<'_, PyAny>>,
        view: Option<&str>,
        drive: &str,
        absolute: bool,
        shift: f32,
        pose: f32,
        parts: f32,
        fps: f64,
        anyway: bool,
        face: Option<&Bound<'_, PyAny>>,
        provider: &str,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        let (source, bundle, engine) = (Photo::of(source)?, bundle_of(bundle)?, engine(provider, threads)?);
        let (every, choice) = (interval(fps)?, choice(face)?);
        let view: Option<View> =
            view.map(str::parse).transpose().map_err(|why: String| refused("view", why))?;
        let drive = drive.parse().map_err(|why: String| refused("drive", why))?;
        if !(0.0..=1.0).contains(&shift) {
            return Err(refused("shift", format!("{shift} is not from 0 to 1")));
        }
        for (name, gain) in [("pose", pose), ("parts", parts)] {
            if !gain.is_finite() {
                return Err(refused(name, "a number"));
            }
        }
        let gains = Gains { shift, pose, parts, ..Gains::default() };
        let options = |view| ReenactOptions { drive, gains, absolute, view };
        let opened = py.detach(|| -> lkg_runtime::Result<_> {
            let follow = TrackOptions { only_main: true, ..TrackOptions::live(bundle.manifest()) };
            let tracker = FaceTracker::open(&bundle, &engine, follow)?;
            let name = bundle.manifest().name.clone();
            let (source, view, notes) = if bundle.has_portrait() && source.is_photo() {
                let mut model = PortraitModel::load(&bundle, &engine)?;
                (model.anyway, model.choice) = (anyway, choice);
                let photo = match source {
                    Photo::Named(name) => model.open(&name)?,
                    Photo::Pixels(pixels) => model.open_image(pixels, ARRAY)?,
                };
                let (view, notes) = (view.unwrap_or(View::Source), photo.notes().to_vec());
                let photo = PhotoReenactor::new(Box::new(model), vec![photo], options(view))?;
                (Source::Photo(Box::new(photo)), view, notes)
            } else {
                let mut model = FaceModel::new(bundle, engine);
                (model.anyway, model.choice) = (anyway, choice);
                let mut opened = source.open(&mut model)?;
                let notes = std::mem::take(&mut opened.notes);
                let usual = if opened.photo.is_some() { View::Source } else { View::Face };
                let view = view.unwrap_or(usual);
                let drawn = Drawn::new(Box::new(model), &[opened], options(view))?;
                (Source::Drawn(Box::new(drawn)), view, notes)
            };
            Ok((Driven { tracker, source, view, bundle: name, frames: 0 }, notes))
        });
        let (driven, notes) = opened.map_err(raised)?;
        Ok(Self { driven: Mutex::new(driven), every, notes })
    }

    /// The source's face moved as the one in `frame`, seen at `time` seconds since the first frame.
    #[pyo3(signature = (frame, time=None))]
    fn drive<'py>(
        &self,
        py: Python<'py>,
        frame: &Bound<'py, PyAny>,
        time: Option<f64>,
    ) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let (picture, time) = (Picture::of(frame)?, time.map(time_of).transpose()?);
        let view = picture.view()?;
        let driven = self.with(py, |driven| {
            let due = Duration::from_secs_f64(driven.frames as f64 * self.every);
            driven.drive(view, time.unwrap_or(due))
        });
        to_array(py, driven.map_err(raised)?)
    }

    /// Takes the face of `picture` as the driver's neutral one: of a photo that is carried.
    fn set_neutral(&self, py: Python<'_>, picture: &Bound<'_, PyAny>) -> PyResult<()> {
        let picture = Picture::of(picture)?.to_image()?;
        let set = self.with(py, |driven| match &mut driven.source {
            Source::Photo(photo) => photo.set_neutral(&picture, ARRAY),
            Source::Drawn(_) => Err(Fault::NoPortrait { bundle: driven.bundle.clone() }),
        });
        set.map_err(raised)
    }

    /// Takes what the driver did of late as the neutral face. False where there was no face.
    fn calibrate(&self, py: Python<'_>) -> bool {
        self.with(py, |driven| match &mut driven.source {
            Source::Drawn(drawn) => drawn.calibrate(),
            Source::Photo(photo) => photo.calibrate(),
        })
    }

    /// What its user should know about how the source was opened.
    #[getter]
    fn notes(&self) -> Vec<&str> {
        self.notes.iter().map(String::as_str).collect()
    }

    /// Writes a driven picture to a .png or .jpg, marked as edited or generated by AI.
    #[pyo3(signature = (path, picture, *, mark=true, visible_mark=false))]
    fn save(
        &self,
        py: Python<'_>,
        path: PathBuf,
        picture: &Bound<'_, PyAny>,
        mark: bool,
        visible_mark: bool,
    ) -> PyResult<()> {
        let mut picture = Picture::of(picture)?.to_image()?;
        let saved = self.with(py, |driven| {
            let origin = driven.origin();
            if visible_mark {
                origin.stamp(&mut picture);
            }
            write_marked(&path, &picture, mark.then_some(origin))
        });
        saved.map_err(raised)
    }
}
