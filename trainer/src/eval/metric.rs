//! Numbers as a bundle's manifest keeps them.

use lkg_bundle::manifest::Metric;

/// A number measured on `n` pictures, pairs of pictures or people.
pub(super) fn metric(name: &str, value: f64, unit: &str, n: usize, protocol: &str) -> Metric {
    Metric { name: name.into(), value, unit: unit.into(), n: n as u64, protocol: protocol.into() }
}
