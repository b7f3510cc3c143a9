//! What updates parameters: the optimiser and its state, averages of networks, groups of a batch, networks that grow.

pub mod adam;
pub mod average;
pub mod groups;
pub(crate) mod growth;
pub mod parameters;
