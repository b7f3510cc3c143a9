//! The phases of training, each with its networks, its losses and its step: keypoints from masked pictures, generator against
//! discriminators, detector, encoder. The last three and the first share a loop ([`stage`]) and a cadence of saving and
//! logging ([`cadence`]).

pub mod cadence;
pub mod detector;
pub mod encoder;
mod feature_discriminator;
pub mod gan;
pub mod keypoints;
pub mod learner;
pub mod more_keypoints;
pub mod portrait;
pub mod stage;
