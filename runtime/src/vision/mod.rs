//! Finding keypoints in pictures, following them, drawing them.

pub mod choice;
pub mod crop;
pub mod detect;
pub mod enlarge;
pub mod expressions;
pub mod face_layout;
pub(crate) mod hermite;
pub mod hud;
pub mod layers;
pub mod meters;
pub mod names;
pub mod overlay;
mod paint;
pub mod photo;
pub mod preprocess;
#[cfg(test)]
mod properties;
mod search;
pub(crate) mod similarity;
pub mod smooth;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;
pub mod track;
