//! Lists of measured numbers, as manifests keep them.

use std::path::Path;

use lkg_bundle::manifest::Metric;

use crate::cli::json;
use crate::error::{Error, Result};

/// Adds `metrics` to the list in the file `path`, in place of those of the same names.
pub fn add_metrics(path: &Path, metrics: Vec<Metric>) -> Result<()> {
    let mut all = if path.exists() { read_metrics(path)? } else { vec![] };
    all.retain(|m| metrics.iter().all(|new| new.name != m.name));
    all.extend(metrics);
    Ok(lkg_bundle::files::write_atomically(path, json::pretty(&all)?.as_bytes())?)
}

/// Reads a list of metrics.
pub fn read_metrics(path: &Path) -> Result<Vec<Metric>> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(|e| Error::Data { path: path.to_owned(), reason: e.to_string() })
}
