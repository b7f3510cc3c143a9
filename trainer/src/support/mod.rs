//! What every other part may use and what uses none of them: interrupts, progress lines, devices, the machine, the cache
//! folder, fingerprints, folders written whole, and which share of a batch a process has.

pub(crate) mod cache;
pub mod device;
pub mod fingerprint;
pub mod interrupt;
pub(crate) mod machine;
pub mod progress;
pub mod share;
pub mod staged;

pub use fingerprint::fingerprint;
