//! Checks that several sections make. Keys are whole ones, as `--set` takes them.

use crate::error::{Error, Result};

/// A key with its value.
pub(super) type Keyed<'a> = (&'a str, f64);

/// Refuses a value that is not a positive number.
pub(super) fn positive(values: &[Keyed]) -> Result<()> {
    refuse(values, |v| v.is_finite() && v > 0.0, "positive")
}

/// Refuses a weight that is not 0 or a positive number.
pub(super) fn weights(values: &[Keyed]) -> Result<()> {
    refuse(values, |v| v.is_finite() && v >= 0.0, "0 (off) or more")
}

/// Refuses what is not 0 or a positive number.
pub(super) fn not_negative(values: &[Keyed]) -> Result<()> {
    refuse(values, |v| v.is_finite() && v >= 0.0, "0 or more")
}

/// Refuses what is no part of a whole.
pub(super) fn fractions(values: &[Keyed]) -> Result<()> {
    refuse(values, |v| (0.0..=1.0).contains(&v), "0 to 1")
}

/// Refuses a cadence of no steps.
pub(super) fn cadences(values: &[(&str, u64)]) -> Result<()> {
    match values.iter().find(|(_, every)| *every == 0) {
        Some((key, _)) => fail(format!("{key} must be at least 1")),
        None => Ok(()),
    }
}

/// Refuses a whole number outside of `least..=most`.
pub(super) fn between(key: &str, value: i64, least: i64, most: i64) -> Result<()> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => fail(format!("{key} must be {least} to {most}")),
    }
}

/// Refuses a batch that has no statistics to normalise by.
pub(super) fn batch(key: &str, value: i64) -> Result<()> {
    match value < 2 {
        true => fail(format!("{key} must be at least 2")),
        false => Ok(()),
    }
}

/// What a check says.
pub(super) fn fail<T>(reason: impl Into<String>) -> Result<T> {
    Err(Error::Config(reason.into()))
}

fn refuse(values: &[Keyed], sound: fn(f64) -> bool, wanted: &str) -> Result<()> {
    match values.iter().find(|(_, value)| !sound(*value)) {
        Some((key, _)) => fail(format!("{key} must be {wanted}")),
        None => Ok(()),
    }
}
