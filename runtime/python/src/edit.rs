//! A face changed part by part, in its photo.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use lkg_runtime::picture::write_like;
use lkg_runtime::{FaceChoice, FaceModel, OpenedPhoto, Operation, Parts, PhotoEditor};
use numpy::PyArray3;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::bundle::{bundle_of, engine};
use crate::errors::{EditError, raised, refused};
use crate::locked;
use crate::picture::{Picture, to_array};

/// What messages call a photo that is an array.
pub const ARRAY: &str = "the array";

/// A photo as an argument gives it.
pub enum Photo {
    /// A file's name, or `seed:N`.
    Named(String),
    /// An array's pixels.
    Pixels(image::RgbImage),
}

impl Photo {
    /// The photo that `object` is.
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let Ok(path) = object.extract::<PathBuf>() else {
            return Ok(Self::Pixels(Picture::of(object)?.to_image()?));
        };
        text("photo", path).map(Self::Named)
    }

    /// Whether it is a photo, and no generated or saved face.
    pub fn is_photo(&self) -> bool {
        match self {
            Self::Named(name) => !name.starts_with("seed:") && !name.to_ascii_lowercase().ends_with(".json"),
            Self::Pixels(_) => true,
        }
    }

    /// Opens it.
    pub fn open(self, model: &mut FaceModel) -> lkg_runtime::Result<OpenedPhoto> {
        match self {
            Self::Named(name) => model.open(&name),
            Self::Pixels(pixels) => model.open_image(pixels, ARRAY),
        }
    }
}

/// Which face of a photo is meant: none named is the largest, else a number from 1 or a point.
pub fn choice(face: Option<&Bound<'_, PyAny>>) -> PyResult<FaceChoice> {
    let Some(face) = face else { return Ok(FaceChoice::Largest) };
    if let Ok(number) = face.extract::<u32>() {
        return Ok(FaceChoice::Number(number));
    }
    let point = face.extract::<(f32, f32)>();
    point
        .map(|(x, y)| FaceChoice::At([x, y]))
        .map_err(|_| refused("face", "a number from 1, or a point (x, y)"))
}

/// Parts by index, name or group, or several of those.
fn parts(part: &Bound<'_, PyAny>) -> PyResult<Parts> {
    if let Ok(name) = part.cast::<PyString>() {
        return Ok(Parts::Name(name.to_string()));
    }
    if let Ok(index) = part.extract::<usize>() {
        return Ok(Parts::Index(index));
    }
    let several = part.extract::<Vec<Bound<'_, PyAny>>>();
    let several = several.map_err(|_| refused("part", "an index, a name, a group, or a list of those"))?;
    several.iter().map(parts).collect::<PyResult<_>>().map(Parts::List)
}

/// The file's name that an argument gives, as the library takes it.
fn text(argument: &str, named: PathBuf) -> PyResult<String> {
    let text = named.into_os_string().into_string();
    text.map_err(|_| refused(argument, "a name that is not UTF-8: rename the file"))
}

/// Another face's name.
fn donor(named: PathBuf) -> PyResult<String> {
    text("donor", named)
}

/// Edits the face of a photo, or a generated one.
#[pyclass(frozen, module = "lkg")]
pub struct Editor {
    editor: Mutex<PhotoEditor<'static>>,
    names: Vec<String>,
    notes: Vec<String>,
}

impl Editor {
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut PhotoEditor<'static>) -> T + Send) -> T {
        locked(py, &self.editor, work)
    }

    fn done(&self, py: Python<'_>, operation: &Operation) -> PyResult<bool> {
        self.with(py, |editor| editor.apply(operation)).map_err(raised)
    }
}

#[pymethods]
impl Editor {
    #[new]
    #[pyo3(signature = (photo, bundle=None, *, blend=None, anyway=false, face=None, provider="auto", threads=None))]
    #[allow(clippy::too_many_arguments)] // Each is a keyword of Python.
    fn new(
        py: Python<'_>,
        photo: &Bound<'_, PyAny>,
        bundle: Option<&Bound<'_, PyAny>>,
        blend: Option<&str>,
        anyway: bool,
        face: Option<&Bound<'_, PyAny>>,
        provider: &str,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        let photo = Photo::of(photo)?;
        let mut model = FaceModel::new(bundle_of(bundle)?, engine(provider, threads)?);
        (model.anyway, model.choice) = (anyway, choice(face)?);
        // How drawn edits get into a photo has no meaning for one that is carried.
        model.carry = blend.is_none();
        let blend = blend.map(str::parse).transpose().map_err(|why: String| refused("blend", why))?;
        let names = model.manifest().keypoints.iter().map(|k| k.name.clone()).collect();
        let opened = py.detach(|| {
            let mut opened = photo.open(&mut model)?;
            let notes = std::mem::take(&mut opened.notes);
            PhotoEditor::new(Box::new(model), opened, blend.unwrap_or_default()).map(|editor| (editor, notes))
        });
        let (editor, notes) = opened.map_err(raised)?;
        Ok(Self { editor: Mutex::new(editor), names, notes })
    }

    /// Names of the parts, in their order.
    #[getter]
    fn parts(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    /// What its user should know about how the photo was opened.
    #[getter]
    fn notes(&self) -> Vec<&str> {
        self.notes.iter().map(String::as_str).collect()
    }

    /// Where the parts are now: (x, y) by name; the face's square is [-1, 1], x goes right, y goes down.
    #[getter]
    fn keypoints<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let places = self.with(py, |editor| editor.face().keypoints.clone());
        let named = PyDict::new(py);
        for (name, [x, y]) in self.names.iter().zip(places) {
            named.set_item(name, (x, y))?;
        }
        Ok(named)
    }

    /// Does an operation, or a list of them, as `runtime edit --do` takes them.
    fn apply(&self, py: Python<'_>, operations: &Bound<'_, PyAny>) -> PyResult<bool> {
        let one = operations.cast::<PyDict>().is_ok();
        let list = if one { PyList::new(py, [operations])?.into_any() } else { operations.clone() };
        let text: String = py.import("json")?.call_method1("dumps", (list,))?.extract()?;
        let wrong = |why: String| EditError::new_err(why);
        let values: Vec<serde_json::Value> = serde_json::from_str(&text)
            .map_err(|e| wrong(format!("no operation, nor a list of them: {e}")))?;
        let mut changed = false;
        for (i, value) in values.into_iter().enumerate() {
            let place = if one { "operation".to_owned() } else { format!("operations[{i}]") };
            let operation = Operation::from_json(value, &place).map_err(wrong)?;
            changed |= self.done(py, &operation)?;
        }
        Ok(changed)
    }

    /// Moves parts by `dx` and `dy`, or one part `to` a place.
    #[pyo3(signature = (part, dx=0.0, dy=0.0, *, to=None))]
    fn r#move(
        &self,
        py: Python<'_>,
        part: &Bound<'_, PyAny>,
        dx: f32,
        dy: f32,
        to: Option<[f32; 2]>,
    ) -> PyResult<bool> {
        self.done(py, &Operation::Move { part: parts(part)?, dx, dy, to })
    }

    /// Scales, then turns, then moves the whole pose about its centre.
    #[pyo3(signature = (*, scale=1.0, rotate=0.0, dx=0.0, dy=0.0))]
    fn pose(&self, py: Python<'_>, scale: f32, rotate: f32, dx: f32, dy: f32) -> PyResult<bool> {
        self.done(py, &Operation::Pose { scale, rotate, dx, dy })
    }

    /// Moves several parts away from (or towards) their centre.
    fn spread(&self, py: Python<'_>, part: &Bound<'_, PyAny>, by: f32) -> PyResult<bool> {
        self.done(py, &Operation::Spread { part: parts(part)?, by })
    }

    /// Makes parts wider or narrower where they are.
    fn scale(&self, py: Python<'_>, part: &Bound<'_, PyAny>, by: f32) -> PyResult<bool> {
        self.done(py, &Operation::Scale { part: parts(part)?, by })
    }

    /// Takes another face's appearance of the parts.
    #[pyo3(signature = (part, donor, *, weight=1.0))]
    fn swap(&self, py: Python<'_>, part: &Bound<'_, PyAny>, donor: PathBuf, weight: f32) -> PyResult<bool> {
        self.done(py, &Operation::Swap { part: parts(part)?, from: self::donor(donor)?, weight })
    }

    /// Takes another face's background.
    #[pyo3(signature = (donor, *, weight=1.0))]
    fn background(&self, py: Python<'_>, donor: PathBuf, weight: f32) -> PyResult<bool> {
        self.done(py, &Operation::Background { from: self::donor(donor)?, weight })
    }

    /// Takes another face's keypoints.
    #[pyo3(signature = (donor, part=None, *, weight=1.0))]
    fn take_pose(
        &self,
        py: Python<'_>,
        donor: PathBuf,
        part: Option<&Bound<'_, PyAny>>,
        weight: f32,
    ) -> PyResult<bool> {
        let (from, part) = (self::donor(donor)?, all_or(part)?);
        self.done(py, &Operation::TakePose { from, weight, part })
    }

    /// Sets expressions, by their names.
    fn express(&self, py: Python<'_>, values: BTreeMap<String, f32>) -> PyResult<bool> {
        self.done(py, &Operation::Expression { set: values })
    }

    /// Takes another face's expression.
    #[pyo3(signature = (donor, part=None, *, weight=1.0))]
    fn take_expression(
        &self,
        py: Python<'_>,
        donor: PathBuf,
        part: Option<&Bound<'_, PyAny>>,
        weight: f32,
    ) -> PyResult<bool> {
        let (from, part) = (self::donor(donor)?, all_or(part)?);
        self.done(py, &Operation::TakeExpression { from, weight, part })
    }

    /// Takes parts away.
    fn remove(&self, py: Python<'_>, part: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.done(py, &Operation::Remove { part: parts(part)? })
    }

    /// Puts parts back that were removed.
    #[pyo3(signature = (part, *, to=None))]
    fn add(&self, py: Python<'_>, part: &Bound<'_, PyAny>, to: Option<[f32; 2]>) -> PyResult<bool> {
        self.done(py, &Operation::Add { part: parts(part)?, to })
    }

    /// Duplicates a part by means of one that was removed.
    #[pyo3(signature = (part, to, *, into=None))]
    fn duplicate(
        &self,
        py: Python<'_>,
        part: &Bound<'_, PyAny>,
        to: [f32; 2],
        into: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let into = into.map(parts).transpose()?;
        self.done(py, &Operation::Duplicate { part: parts(part)?, into, to })
    }

    /// Makes parts as they were in the beginning.
    fn reset(&self, py: Python<'_>, part: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.done(py, &Operation::Reset { part: parts(part)? })
    }

    /// Keeps parts from being changed by later operations.
    fn lock(&self, py: Python<'_>, part: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.done(py, &Operation::Lock { part: parts(part)? })
    }

    /// Takes the lock off.
    fn unlock(&self, py: Python<'_>, part: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.done(py, &Operation::Unlock { part: parts(part)? })
    }

    /// Takes the last operation back.
    fn undo(&self, py: Python<'_>) -> PyResult<bool> {
        self.done(py, &Operation::Undo {})
    }

    /// Does what was taken back again.
    fn redo(&self, py: Python<'_>) -> PyResult<bool> {
        self.done(py, &Operation::Redo {})
    }

    /// The photo with the edited face in it, or the generated face alone.
    fn render<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<u8>>> {
        to_array(py, self.with(py, PhotoEditor::image).map_err(raised)?)
    }

    /// Writes the same to a .png or .jpg, as the photo's file was, and marked as edited or generated by AI.
    #[pyo3(signature = (path, *, mark=true, visible_mark=false))]
    fn save(&self, py: Python<'_>, path: PathBuf, mark: bool, visible_mark: bool) -> PyResult<()> {
        let saved = self.with(py, |editor| {
            let mut picture = editor.image()?;
            let origin = editor.origin();
            let (original, mut alpha) = editor.kept();
            if visible_mark {
                origin.stamp_whole(&mut picture, &mut alpha);
            }
            write_like(&path, &picture, &alpha, original, mark.then_some(origin))
        });
        saved.map_err(raised)
    }

    /// Writes the session, which an Editor opens again, to a .json.
    #[pyo3(signature = (path, *, overwrite=false))]
    fn save_session(&self, py: Python<'_>, path: PathBuf, overwrite: bool) -> PyResult<()> {
        if !lkg_runtime::SessionFile::has_name(&path) {
            return Err(refused("path", "a session's name ends in .json"));
        }
        self.with(py, |editor| editor.to_file().write(&path, overwrite)).map_err(raised)
    }
}

/// The parts named, or all.
fn all_or(part: Option<&Bound<'_, PyAny>>) -> PyResult<Parts> {
    part.map_or_else(|| Ok(Parts::Name("all".to_owned())), parts)
}
