//! Checks that several sections make.

use crate::error::{Error, Result};

/// Refuses a value of `[section]` that is not a positive number.
pub(super) fn positive(section: &str, values: &[(&str, f64)]) -> Result<()> {
    refuse(section, values, |v| v.is_finite() && v > 0.0, "positive")
}

/// Refuses a weight of `[section]` that is not 0 or a positive number.
pub(super) fn weights(section: &str, values: &[(&str, f64)]) -> Result<()> {
    refuse(section, values, |v| v.is_finite() && v >= 0.0, "0 (off) or more")
}

fn refuse(section: &str, values: &[(&str, f64)], sound: fn(f64) -> bool, wanted: &str) -> Result<()> {
    match values.iter().find(|(_, value)| !sound(*value)) {
        Some((name, _)) => Err(Error::Config(format!("{section}.{name} must be {wanted}"))),
        None => Ok(()),
    }
}
