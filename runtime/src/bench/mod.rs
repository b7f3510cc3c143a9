//! Latency that can be believed: everything takes its turn in every round, cold is told from warm, a network's time
//! from a user's, and a report says itself whether its numbers count.

pub mod cold;
pub mod compare;
pub mod executor;
pub mod export;
pub mod frames;
pub mod host;
pub mod live;
pub mod measure;
pub mod meter;
pub mod photo;
pub mod plan;
pub mod plot;
pub mod report;
pub mod results;
pub mod scan;
pub mod stats;
pub mod table;
#[cfg(test)]
mod testing;
pub mod verdict;
pub mod worker;
pub mod workload;

pub use crate::error::bench::Error;
