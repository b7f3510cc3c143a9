//! The networks. Parameters live in a [`tch::nn::VarStore`] under readable names, which are also the names in
//! checkpoints; a forward pass casts them to the kind of its input, so that the same network runs in float32 and
//! in bfloat16 with float32 master weights.

pub mod detector;
pub mod discriminator;
pub mod encoder;
pub mod feature_discriminator;
pub mod features;
pub mod heatmap;
pub mod image_generator;
pub mod interpreter;
pub mod keypoint_generator;
pub mod layers;
pub mod masked_autoencoder;
mod mean_place;
pub mod pair_discriminator;
pub mod part_states;
pub mod portrait;
pub mod resize;

pub use detector::Detector;
pub use discriminator::Discriminator;
pub use encoder::Encoder;
pub use feature_discriminator::FeatureDiscriminator;
pub use features::FeatureNet;
pub use image_generator::ImageGenerator;
pub use keypoint_generator::KeypointGenerator;
pub use masked_autoencoder::MaskedAutoencoder;
pub use pair_discriminator::{AppearanceDiscriminator, KeypointDiscriminator};
pub use portrait::Portrait;

/// Slope of every LeakyReLU of the generator and the discriminator (paper).
pub const LEAKY_SLOPE: f64 = 0.2;

/// Epsilon of every batch norm.
pub const BATCH_NORM_EPS: f64 = 1e-5;
