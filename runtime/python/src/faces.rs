//! What was found: faces and their keypoints.

use std::sync::Arc;
use std::time::Duration;

use lkg_runtime::detections::{Describer, Found};
use lkg_runtime::{DetectedFace, Faces, Manifest};
use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray2};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyTuple};

use crate::errors::Error;

/// What a bundle calls the parts of its faces.
pub struct Names {
    pub manifest: Manifest,
    describer: Describer,
}

impl Names {
    /// Those of the bundle with `manifest`.
    pub fn new(manifest: &Manifest) -> Arc<Self> {
        Arc::new(Self { manifest: manifest.clone(), describer: Describer::new(manifest) })
    }
}

/// A face that was found in a picture or frame.
#[pyclass(frozen, module = "lkg")]
pub struct Face {
    face: DetectedFace,
    size: (u32, u32),
    names: Arc<Names>,
}

impl Face {
    /// A face of a picture of `size` pixels.
    pub fn new(face: DetectedFace, size: (u32, u32), names: &Arc<Names>) -> Self {
        Self { face, size, names: Arc::clone(names) }
    }
}

#[pymethods]
impl Face {
    /// Of a picture its number in it, from 1, the largest first; of frames it stays with somebody who is followed.
    #[getter]
    fn id(&self) -> u32 {
        self.face.id
    }

    /// (x, y, width, height) in pixels: the square that frames the face, as far as it lies in the picture.
    #[getter]
    fn r#box(&self) -> (f64, f64, f64, f64) {
        self.names.describer.bounds(&self.face, self.size).into()
    }

    /// Mean of the keypoints' confidences, 0 to 1.
    #[getter]
    fn confidence(&self) -> f32 {
        self.face.confidence()
    }

    /// (x, y, confidence) by name, in the bundle's order: pixels from the upper left corner, 0 to 1.
    #[getter]
    fn keypoints<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let named = PyDict::new(py);
        for (described, k) in self.names.manifest.keypoints.iter().zip(&self.face.keypoints) {
            named.set_item(&described.name, (k.x, k.y, k.confidence))?;
        }
        Ok(named)
    }

    /// The same as an array of shape (keypoints, 3) and dtype float32.
    #[getter]
    fn points<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f32>> {
        let keypoints = &self.face.keypoints;
        let value = |(i, j): (usize, usize)| {
            let k = &keypoints[i];
            [k.x, k.y, k.confidence][j]
        };
        Array2::from_shape_fn((keypoints.len(), 3), value).into_pyarray(py)
    }

    /// Where the bundle reads states: an array of shape (keypoints, states) and dtype float32, in [-1, 1]; else None.
    #[getter]
    fn states<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        let (states, parts) = (&self.face.states, self.face.keypoints.len());
        if states.is_empty() || parts == 0 {
            return Ok(None);
        }
        let array = Array2::from_shape_vec((parts, states.len() / parts), states.clone());
        Ok(Some(array.map_err(|e| Error::new_err(e.to_string()))?.into_pyarray(py)))
    }

    /// Values of the bundle's expressions by name, each within its range; empty where it has none.
    #[getter]
    fn expressions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let named = PyDict::new(py);
        for (expression, value) in self.names.manifest.expressions.iter().zip(&self.face.expressions) {
            named.set_item(&expression.name, value)?;
        }
        Ok(named)
    }

    fn __repr__(&self) -> String {
        let (x, y, width, height) = self.r#box();
        format!(
            "<lkg.Face {} at {x:.0},{y:.0}, {width:.0} x {height:.0}, confidence {:.2}>",
            self.face.id,
            self.face.confidence()
        )
    }
}

/// The faces of a picture or frame, as a sequence of them.
#[pyclass(frozen, sequence, module = "lkg")]
pub struct Detections {
    faces: Vec<DetectedFace>,
    size: (u32, u32),
    time: Option<Duration>,
    frame: Option<u64>,
    names: Arc<Names>,
}

impl Detections {
    /// Those of a picture of `size` pixels, or of a frame, with its number and time since the first.
    pub fn new(
        faces: Vec<DetectedFace>,
        size: (u32, u32),
        frame: Option<(u64, Duration)>,
        names: &Arc<Names>,
    ) -> Self {
        let (frame, time) = frame.unzip();
        Self { faces, size, time, frame, names: Arc::clone(names) }
    }

    /// What was found.
    pub fn found(&self) -> &[DetectedFace] {
        &self.faces
    }

    /// The manifest of the bundle that found them.
    pub fn manifest(&self) -> &Manifest {
        &self.names.manifest
    }
}

#[pymethods]
impl Detections {
    /// Width of the picture, pixels.
    #[getter]
    fn width(&self) -> u32 {
        self.size.0
    }

    /// Height of the picture, pixels.
    #[getter]
    fn height(&self) -> u32 {
        self.size.1
    }

    /// Of a frame its time, seconds; None of a picture.
    #[getter]
    fn time(&self) -> Option<f64> {
        self.time.map(|time| time.as_secs_f64())
    }

    /// Of a frame its number, from 0; None of a picture.
    #[getter]
    fn frame(&self) -> Option<u64> {
        self.frame
    }

    /// The object that `runtime detect --json` prints for it, which calls it `file`.
    #[pyo3(signature = (file=""))]
    fn to_json(&self, file: &str) -> PyResult<String> {
        let Self { size, time, frame, .. } = *self;
        let found = Found { file, size, time, frame, faces: Faces::from(&*self.faces), ..Found::default() };
        serde_json::to_string(&self.names.describer.describe(found))
            .map_err(|e| Error::new_err(e.to_string()))
    }

    /// The same as a dict.
    #[pyo3(signature = (file=""))]
    fn to_dict<'py>(&self, py: Python<'py>, file: &str) -> PyResult<Bound<'py, PyAny>> {
        py.import("json")?.call_method1("loads", (self.to_json(file)?,))
    }

    fn __len__(&self) -> usize {
        self.faces.len()
    }

    fn __getitem__(&self, index: isize) -> PyResult<Face> {
        let at = if index < 0 { index + self.faces.len() as isize } else { index };
        let face = usize::try_from(at).ok().and_then(|at| self.faces.get(at));
        let face =
            face.ok_or_else(|| PyIndexError::new_err(format!("no face {index} of {}", self.faces.len())))?;
        Ok(Face::new(face.clone(), self.size, &self.names))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let faces = self.faces.iter().map(|face| Face::new(face.clone(), self.size, &self.names));
        PyTuple::new(py, faces.map(|face| Py::new(py, face)).collect::<PyResult<Vec<_>>>()?)?.try_iter()
    }

    fn __repr__(&self) -> String {
        let (width, height) = self.size;
        format!("<lkg.Detections: {} in {width} x {height}>", self.faces.len())
    }
}
