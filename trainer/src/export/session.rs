//! ONNX Runtime for the exporter: finds the library, loads it once, runs a graph on the CPU.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use lkg_bundle::golden::Tensor;
use lkg_bundle::{Bundle, Network};
use ort::environment::Environment;
use ort::session::SessionInputValue;
use ort::value::TensorRef;

use super::Tensors;
use crate::error::{Error, Result};
use crate::support::cache;

/// Where `scripts/setup` puts the library inside the cache.
const LIBRARY_DIR: &str = "onnxruntime/lib";

/// One process has one environment, made at the first use; a failure is kept, since a second try can't end better.
static ENVIRONMENT: OnceLock<std::result::Result<Environment, String>> = OnceLock::new();

/// A network in ONNX Runtime, on one thread.
#[derive(Debug)]
pub struct Session {
    network: Network,
    inner: ort::session::Session,
    /// The half of an image generator that is run before `inner`.
    style: Option<Box<Session>>,
}

impl Session {
    /// Loads the ONNX file `content` of `network`.
    ///
    /// # Errors
    /// [`Error::Ort`] if ONNX Runtime is not there or refuses the graph.
    pub fn new(network: Network, content: &[u8]) -> Result<Self> {
        let inner = ort::session::Session::builder(environment()?)
            .and_then(|b| Ok(b.with_intra_threads(1)?))
            .and_then(|mut b| b.commit_from_memory(content))
            .map_err(fail(network))?;
        Ok(Self { network, inner, style: None })
    }

    /// Loads the two ONNX files of an image generator, which together take and make what the whole does.
    ///
    /// # Errors
    /// Those of [`Session::new`].
    pub fn in_two(style: &[u8], render: &[u8]) -> Result<Self> {
        let style = Some(Box::new(Self::new(Network::Style, style)?));
        Ok(Self { style, ..Self::new(Network::Render, render)? })
    }

    /// Loads one of the bundle's [`Bundle::functions`].
    ///
    /// # Errors
    /// [`Error::Bundle`] if a file is not as it should be, and those of [`Session::new`].
    pub fn of_bundle(bundle: &Bundle, function: Network) -> Result<Self> {
        if function == Network::ImageGenerator && bundle.draws_in_two() {
            return Self::in_two(
                &bundle.read_network(Network::Style)?,
                &bundle.read_network(Network::Render)?,
            );
        }
        Self::new(function, &bundle.read_network(function)?)
    }

    /// Runs the graph: named inputs to all of its outputs.
    ///
    /// # Errors
    /// [`Error::Ort`] with ONNX Runtime's reason.
    pub fn run(&mut self, inputs: &Tensors) -> Result<Tensors> {
        let Some(style) = &mut self.style else { return self.run_one(inputs) };
        let (looks, mut pose): (Tensors, Tensors) = inputs
            .iter()
            .map(|(name, t)| (name.clone(), t.clone()))
            .partition(|(name, _)| matches!(name.as_str(), "embeddings" | "background"));
        pose.extend(style.run_one(&looks)?);
        self.run_one(&pose)
    }

    fn run_one(&mut self, inputs: &Tensors) -> Result<Tensors> {
        let fail = fail(self.network);
        let values = inputs
            .iter()
            .map(|(name, t)| {
                let value = TensorRef::from_array_view((t.shape.clone(), &*t.data))?;
                Ok((name.as_str(), SessionInputValue::from(value)))
            })
            .collect::<ort::Result<Vec<_>>>()
            .map_err(&fail)?;
        let outputs = self.inner.run(values).map_err(&fail)?;
        outputs
            .iter()
            .map(|(name, value)| {
                let (shape, data) = value.try_extract_tensor::<f32>().map_err(&fail)?;
                let shape = shape.iter().map(|d| *d as usize).collect();
                Ok((name.to_owned(), Tensor { shape, data: data.to_vec() }))
            })
            .collect()
    }
}

fn fail(network: Network) -> impl Fn(ort::Error) -> Error {
    move |e| Error::Ort(format!("{network}: {e}"))
}

/// The environment, loading the library at the first call.
fn environment() -> Result<&'static Environment> {
    let loaded = ENVIRONMENT.get_or_init(|| {
        let library = find_library()?;
        disable_telemetry();
        ort::init_from(&library)
            .map_err(|e| e.to_string())?
            .with_telemetry(false)
            .build()
            .map_err(|e| e.to_string())
    });
    loaded.as_ref().map_err(|e| Error::Ort(e.clone()))
}

/// Official builds collect usage data by default and read the switch while they are being loaded.
#[expect(unsafe_code, reason = "the library has no other switch that comes early enough")]
fn disable_telemetry() {
    const SWITCH: &str = "ORT_DISABLE_TELEMETRY";
    if env::var_os(SWITCH).is_none() {
        // SAFETY: called once. Rust's own readers take a lock, and glibc keeps the environment that a reader in C
        // may be walking through when a first variable is added to it.
        unsafe { env::set_var(SWITCH, "1") };
    }
}

/// The library: `ORT_DYLIB_PATH`, or the one in the cache.
fn find_library() -> std::result::Result<PathBuf, String> {
    if let Some(path) = env::var_os("ORT_DYLIB_PATH").filter(|v| !v.is_empty()) {
        return Ok(path.into());
    }
    let mut caches = cache::folders().into_iter();
    caches.find_map(|cache| library_in(&cache.join(LIBRARY_DIR))).ok_or_else(|| {
        "libonnxruntime not found; run `scripts/setup runtime`, or name the library in ORT_DYLIB_PATH"
            .to_owned()
    })
}

/// The newest library in `dir`, by name.
fn library_in(dir: &Path) -> Option<PathBuf> {
    let is_library = |name: &str| name.starts_with("libonnxruntime.") || name == "onnxruntime.dll";
    std::fs::read_dir(dir)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(is_library))
        .max()
        .and_then(|path| std::path::absolute(path).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_told_from_its_companions() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(library_in(dir.path()), None);
        assert_eq!(library_in(&dir.path().join("absent")), None);
        for name in ["libonnxruntime.so.1.31.1", "libonnxruntime_providers_shared.so", "notes.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(library_in(dir.path()), Some(dir.path().join("libonnxruntime.so.1.31.1")));
    }

    #[test]
    fn what_is_not_a_graph_is_refused_with_the_networks_name() {
        let error = Session::new(Network::Detector, b"<html>").unwrap_err().to_string();
        assert!(error.starts_with("ONNX Runtime: detector: "), "{error}");
    }
}
