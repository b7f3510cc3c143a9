//! The runtime's errors as exceptions, with their messages.

use lkg_runtime::{EditError as EditFault, Error as Fault};
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(lkg, Error, PyException, "What this package raises; its subclasses say what was wrong.");
create_exception!(lkg, ArgumentError, Error, "An argument is out of its range.");
create_exception!(
    lkg,
    BundleError,
    Error,
    "A bundle is missing or damaged, or lacks the networks that a task takes."
);
create_exception!(lkg, LibraryError, Error, "ONNX Runtime's library was not found, or does not load.");
create_exception!(lkg, EngineError, Error, "A network cannot be run where, or as, it was asked for.");
create_exception!(lkg, PictureError, Error, "An array or file is no picture, or has no face to be sure of.");
create_exception!(lkg, SourceError, Error, "A clip cannot be read.");
create_exception!(lkg, EditError, Error, "A face cannot be opened or edited as asked.");
create_exception!(lkg, ReenactError, Error, "A face cannot be driven as asked.");

/// Adds the exceptions to the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("Error", py.get_type::<Error>())?;
    module.add("ArgumentError", py.get_type::<ArgumentError>())?;
    module.add("BundleError", py.get_type::<BundleError>())?;
    module.add("LibraryError", py.get_type::<LibraryError>())?;
    module.add("EngineError", py.get_type::<EngineError>())?;
    module.add("PictureError", py.get_type::<PictureError>())?;
    module.add("SourceError", py.get_type::<SourceError>())?;
    module.add("EditError", py.get_type::<EditError>())?;
    module.add("ReenactError", py.get_type::<ReenactError>())
}

/// The exception for an error of the runtime.
pub fn raised(fault: impl Into<Fault>) -> PyErr {
    let fault = fault.into();
    let said = fault.to_string();
    match fault {
        Fault::Bundle(_)
        | Fault::NoEncoder { .. }
        | Fault::NoGenerator { .. }
        | Fault::NoPortrait { .. }
        | Fault::Network { .. } => BundleError::new_err(said),
        Fault::Library(_) => LibraryError::new_err(said),
        Fault::Provider { .. }
        | Fault::Precision { .. }
        | Fault::CacheFolder { .. }
        | Fault::Engine { .. } => EngineError::new_err(said),
        Fault::Picture { .. } => PictureError::new_err(said),
        Fault::Media(_) => SourceError::new_err(said),
        Fault::Edit(EditFault::OtherBundle { .. }) => BundleError::new_err(said),
        Fault::Edit(_) => EditError::new_err(said),
        Fault::Reenact(_) => ReenactError::new_err(said),
        Fault::Usage(_) => ArgumentError::new_err(said),
        _ => Error::new_err(said),
    }
}

/// The exception for an argument that makes no sense.
pub fn refused(argument: &str, why: impl std::fmt::Display) -> PyErr {
    ArgumentError::new_err(format!("{argument}: {why}"))
}
