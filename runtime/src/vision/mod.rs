//! Finding keypoints in pictures, following them, drawing them.

pub mod crop;
mod names;
pub mod overlay;
pub mod preprocess;
pub mod smooth;
pub mod text;
pub mod track;
