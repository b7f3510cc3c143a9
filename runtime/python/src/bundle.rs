//! Bundles, and how their networks are run.

use std::path::PathBuf;
use std::sync::OnceLock;

use lkg_runtime::{Bundle as Opened, EngineOptions};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::{BundleError, raised, refused};

/// The folder of the Python package.
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Tells where the Python package lies: ONNX Runtime's library and a bundle may be in it.
#[pyfunction]
pub fn _lies_in(folder: PathBuf) {
    lkg_runtime::seek_library_in(folder.join("onnxruntime"));
    FOLDER.get_or_init(|| folder);
}

/// A model bundle: a folder with manifest.json and networks, which are read and checked when they are first needed.
#[pyclass(frozen, module = "lkg")]
pub struct Bundle(pub Opened);

#[pymethods]
impl Bundle {
    #[new]
    #[pyo3(signature = (path=None))]
    fn new(path: Option<PathBuf>) -> PyResult<Self> {
        let path = match path {
            Some(path) => path,
            None => usual()?,
        };
        Opened::open(path).map(Self).map_err(|e| raised(lkg_runtime::Error::from(e)))
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.0.manifest().name
    }

    /// Its folder.
    #[getter]
    fn path(&self) -> PathBuf {
        self.0.dir().to_owned()
    }

    /// Names of its keypoints, in their order.
    #[getter]
    fn keypoints(&self) -> Vec<&str> {
        self.0.manifest().keypoints.iter().map(|k| k.name.as_str()).collect()
    }

    /// Pairs of keypoints, by their indices, that are drawn with a line between.
    #[getter]
    fn skeleton(&self) -> Vec<(usize, usize)> {
        self.0.manifest().skeleton.iter().map(|[a, b]| (*a, *b)).collect()
    }

    /// Names of the expressions that it reads, with the least and the greatest value of each.
    #[getter]
    fn expressions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let named = PyDict::new(py);
        for expression in &self.0.manifest().expressions {
            named.set_item(&expression.name, (expression.range[0], expression.range[1]))?;
        }
        Ok(named)
    }

    /// Whether it draws faces, so that there are seeds.
    #[getter]
    fn draws(&self) -> bool {
        self.0.has_generator()
    }

    /// Whether it carries photos along with their own pixels.
    #[getter]
    fn carries_photos(&self) -> bool {
        self.0.has_portrait()
    }

    fn __repr__(&self) -> String {
        format!("<lkg.Bundle {} of {}>", self.name(), self.0.dir().display())
    }
}

/// The folder of the bundle that is taken where none is named: that of LKG_BUNDLE, else the one in the package.
fn usual() -> PyResult<PathBuf> {
    if let Some(named) = std::env::var_os("LKG_BUNDLE").filter(|name| !name.is_empty()) {
        return Ok(named.into());
    }
    let packed = FOLDER.get().and_then(|folder| std::fs::read_dir(folder.join("models")).ok());
    let mut bundles: Vec<PathBuf> =
        packed.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    bundles.sort();
    bundles.into_iter().find(|path| path.join("manifest.json").is_file()).ok_or_else(|| {
        BundleError::new_err(
            "no bundle: name its folder, here or in LKG_BUNDLE, as this package has none in it",
        )
    })
}

/// The bundle that an argument means: one that is open, a folder, or the usual one.
pub fn bundle_of(argument: Option<&Bound<'_, PyAny>>) -> PyResult<Opened> {
    let Some(argument) = argument else { return Bundle::new(None).map(|bundle| bundle.0) };
    if let Ok(bundle) = argument.cast::<Bundle>() {
        return Ok(bundle.get().0.clone());
    }
    let path = argument.extract::<PathBuf>();
    let path = path.map_err(|_| refused("bundle", "name a bundle's folder, or give a lkg.Bundle"))?;
    Bundle::new(Some(path)).map(|bundle| bundle.0)
}

/// How networks are run, as arguments say.
pub fn engine(provider: &str, threads: Option<usize>) -> PyResult<EngineOptions> {
    if threads == Some(0) {
        return Err(refused("threads", "1 at least"));
    }
    let provider = provider.parse().map_err(|why: String| refused("provider", why))?;
    Ok(EngineOptions { provider, threads, ..EngineOptions::default() })
}
