//! Training pictures: found in folders and zips, decoded in parallel into an in-memory store, cut into crops.

pub mod crop;
pub mod loader;
pub mod source;
pub mod store;

pub use loader::Loader;
pub use store::Store;
