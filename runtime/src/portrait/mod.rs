//! A photo carried along: its face opened once, then shown with other keypoints and states, at the photo's own resolution.

mod compose;
mod cut_out;
mod layers;
mod model;
mod photo;
mod swirl;
#[cfg(test)]
mod tests;

/// Most change of a state, which lies in [-1, 1], that the networks are given.
pub(crate) const MOST_CHANGE: f32 = 1.6;

pub use model::{PortraitModel, Took};
pub use photo::PortraitPhoto;
