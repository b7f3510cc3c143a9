//! The Python package `lkg`: the runtime's library with numpy's arrays as its pictures. Networks run without Python's lock.
//!
//! What users read stands in `lkg/__init__.pyi`.

mod bundle;
mod detect;
mod edit;
mod errors;
mod faces;
mod files;
mod picture;
mod reenact;

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

/// Does `work` with what `held` holds, without Python's lock: other threads go on.
fn locked<H: Send, T: Send>(py: Python<'_>, held: &Mutex<H>, work: impl FnOnce(&mut H) -> T + Send) -> T {
    // A panic within a call leaves what it worked on as usable as an error does.
    py.detach(|| work(&mut held.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// What the package's own `__init__.py` hands on.
#[pymodule]
fn _lkg(module: &Bound<'_, PyModule>) -> PyResult<()> {
    errors::add(module)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<bundle::Bundle>()?;
    module.add_class::<detect::Detector>()?;
    module.add_class::<detect::Tracker>()?;
    module.add_class::<detect::Track>()?;
    module.add_class::<edit::Editor>()?;
    module.add_class::<faces::Detections>()?;
    module.add_class::<faces::Face>()?;
    module.add_class::<files::Clip>()?;
    module.add_class::<reenact::Reenactor>()?;
    module.add_function(wrap_pyfunction!(bundle::_lies_in, module)?)?;
    module.add_function(wrap_pyfunction!(files::draw_faces, module)?)?;
    module.add_function(wrap_pyfunction!(files::read_picture, module)?)?;
    module.add_function(wrap_pyfunction!(files::write_picture, module)?)
}
