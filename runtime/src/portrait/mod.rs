//! A photo carried along: its face opened once, then shown with other keypoints and states, at the photo's own resolution.

mod compose;
mod layers;
mod model;
mod photo;
mod swirl;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use compose::PhotoCompositor;
pub use model::{PortraitModel, Took};
pub use photo::PortraitPhoto;
