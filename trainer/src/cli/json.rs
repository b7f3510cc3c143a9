//! What commands print for programs.

use serde::Serialize;

use crate::error::{Error, Result};

/// One line.
///
/// # Errors
/// [`Error::Json`].
pub fn line(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::Json)
}

/// One value a line.
///
/// # Errors
/// [`Error::Json`].
pub fn pretty(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(Error::Json)
}
