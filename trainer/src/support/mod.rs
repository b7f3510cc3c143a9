//! What every other part may use and what uses none of them: interrupts, progress lines, devices, the machine,
//! fingerprints, text tables, folders written whole, and which share of a batch a process has.

pub mod device;
pub mod fingerprint;
pub mod interrupt;
pub(crate) mod machine;
pub mod progress;
pub mod rows;
pub mod share;
pub mod staged;

pub use fingerprint::fingerprint;
