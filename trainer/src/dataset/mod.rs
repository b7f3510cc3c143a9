//! Training pictures: found in folders, zips and published sets, decoded in parallel into memory or packed once and
//! mapped, cut into crops.

pub mod annotations;
pub mod batches;
mod clips;
pub mod corruption;
pub mod crop;
pub mod decode;
pub mod disk;
pub mod faces;
#[cfg(test)]
mod fixtures;
mod hold_out;
pub mod import;
pub mod inspect;
pub mod landmark_set;
pub mod layout;
pub mod loader;
pub mod pack;
pub mod people;
pub mod scan;
pub mod source;
pub mod store;
pub mod tensors;

/// Pictures are kept this many times as large as the images cut out of them, so that crops stay sharp.
pub const STORE_FACTOR: i64 = 2;

pub use loader::{Batches, Loader, Pick};
pub use store::Store;
