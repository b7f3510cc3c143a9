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

pub use loader::Loader;
pub use store::Store;
