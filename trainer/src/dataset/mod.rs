//! Training pictures: found in folders, zips and published sets, decoded in parallel into memory or packed once and
//! mapped, cut into crops.

pub mod crop;
pub mod decode;
pub mod disk;
pub mod faces;
pub mod harden;
pub mod import;
pub mod inspect;
pub mod landmarks;
pub mod layout;
pub mod loader;
pub mod pack;
pub mod scan;
pub mod source;
mod staged;
pub mod store;

/// Pictures are kept this many times as large as the images cut out of them, so that crops stay sharp.
pub const STORE_FACTOR: i64 = 2;

pub use loader::{Loader, Pick};
pub use store::Store;
