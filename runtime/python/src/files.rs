//! Pictures and clips in files, and faces drawn on pictures.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use lkg_runtime::draw_faces as draw;
use lkg_runtime::picture::{Origin, read_picture as read, write_marked};
use lkg_runtime::video::{Next, Source, open_file};
use numpy::PyArray3;
use pyo3::prelude::*;

use crate::detect::interval;
use crate::errors::{SourceError, raised, refused};
use crate::faces::Detections;
use crate::locked;
use crate::picture::{Picture, to_array};

/// Longest wait for a frame of a file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a JPEG, PNG or WebP: upright, in RGB, on white where it is clear.
#[pyfunction]
pub fn read_picture(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyArray3<u8>>> {
    to_array(py, py.detach(|| read(&path)).map_err(raised)?)
}

/// Writes a picture to a .png or .jpg, whole or not at all.
#[pyfunction]
#[pyo3(signature = (path, picture, *, origin=None))]
pub fn write_picture(
    py: Python<'_>,
    path: PathBuf,
    picture: &Bound<'_, PyAny>,
    origin: Option<&str>,
) -> PyResult<()> {
    let origin = match origin {
        None => None,
        Some("generated") => Some(Origin::Generated),
        Some("edited") => Some(Origin::Edited),
        Some(other) => return Err(refused("origin", format!("{other:?} is none of generated and edited"))),
    };
    let picture = Picture::of(picture)?.to_image()?;
    py.detach(|| write_marked(&path, &picture, origin)).map_err(raised)
}

/// A copy of `picture` with the faces found in it drawn on it.
#[pyfunction]
#[pyo3(signature = (picture, detections, *, names=true))]
pub fn draw_faces<'py>(
    py: Python<'py>,
    picture: &Bound<'py, PyAny>,
    detections: &Bound<'py, Detections>,
    names: bool,
) -> PyResult<Bound<'py, PyArray3<u8>>> {
    let (mut picture, detections) = (Picture::of(picture)?.to_image()?, detections.get());
    py.detach(|| draw(&mut picture, detections.found(), detections.manifest(), names));
    to_array(py, picture)
}

/// The frames of a clip, or a picture: an iterator of (seconds, array).
#[pyclass(frozen, module = "lkg")]
pub struct Clip {
    source: Mutex<Box<dyn Source>>,
    about: String,
    size: Option<(u32, u32)>,
    count: Option<u64>,
}

#[pymethods]
impl Clip {
    #[new]
    #[pyo3(signature = (path, *, fps=25.0))]
    fn new(py: Python<'_>, path: PathBuf, fps: f64) -> PyResult<Self> {
        interval(fps)?;
        let source = py.detach(|| open_file(&path, Some(fps as f32))).map_err(raised)?;
        let (about, size, count) = (source.describe(), source.size(), source.frames());
        Ok(Self { source: Mutex::new(source), about, size, count })
    }

    /// Width and height of its frames in pixels, where they are known and all alike; else None.
    #[getter]
    fn size(&self) -> Option<(u32, u32)> {
        self.size
    }

    /// How many frames there are in all, where that is known; else None.
    #[getter]
    fn count(&self) -> Option<u64> {
        self.count
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<(f64, Bound<'py, PyArray3<u8>>)>> {
        let next = locked(py, &self.source, |source| {
            loop {
                match source.next(PATIENCE) {
                    Ok(Next::Frame(captured)) => break Ok(Ok(captured.frame)),
                    Ok(Next::Waiting) => {}
                    Ok(Next::End) => break Ok(Err(source.fault())),
                    Err(e) => break Err(e),
                }
            }
        });
        match next.map_err(raised)? {
            Ok(frame) => Ok(Some((frame.time.as_secs_f64(), to_array(py, frame.picture)?))),
            Err(Some(fault)) => Err(SourceError::new_err(fault)),
            Err(None) => Ok(None),
        }
    }

    fn __repr__(&self) -> String {
        format!("<lkg.Clip {}>", self.about)
    }
}
