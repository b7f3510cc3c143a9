//! Measurements by the field's protocols.

pub mod landmarks;
