//! Measurements by the field's protocols: `measure` runs them all on a `subject` and writes a `report`.

pub mod bootstrap;
pub mod coverage;
mod detections;
pub mod disentangle;
pub mod distance;
pub mod evaluator;
pub mod features;
pub mod health;
pub mod interventions;
pub mod landmark_sets;
pub mod landmarks;
pub mod measure;
mod metric;
pub mod motion;
pub mod nearness;
pub mod overfitting;
mod pictures;
pub mod portrait;
pub mod quality;
pub mod reconstruction;
pub mod report;
pub mod robustness;
