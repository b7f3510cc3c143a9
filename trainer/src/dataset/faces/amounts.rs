//! How far the pictures of a drawn person were moved along each direction, as it is noted beside them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// In a person's folder: the moves of each picture. Written last, so that a folder with it is complete.
pub const AMOUNTS: &str = "amounts.json";

/// Moves of a picture by the names of directions.
pub type Amounts = BTreeMap<String, f64>;

/// The moves of all pictures in `folder`: a list of [`Amounts`], or of such that some pictures may lack.
///
/// # Errors
/// [`Error::Io`], or [`Error::Data`] if it is no such list.
pub fn read<T: DeserializeOwned>(folder: &Path) -> Result<T> {
    let path = folder.join(AMOUNTS);
    let content = fs::read(&path).map_err(Error::io(&path))?;
    serde_json::from_slice(&content)
        .map_err(|e| Error::Data { path, reason: format!("not a list of moves: {e}") })
}

/// How far a picture was moved in all: the sum of squares.
pub fn moved(amounts: &Amounts) -> f64 {
    amounts.values().map(|v| v * v).sum()
}
