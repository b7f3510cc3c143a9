//! The choices between networks that do the same job.

use serde::{Deserialize, Serialize};

/// How an image is generated from keypoints and embeddings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFamily {
    /// Heat maps of the keypoints modulate a learned start, spatially adaptive normalisation (paper).
    #[default]
    Spade,
    /// A learned map for each part is warped to its keypoint, then adaptive instance normalisation.
    Warp,
}

/// How the parts' embeddings share the style map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StyleMap {
    /// Added up, E channels: all parts are read by the same weights.
    #[default]
    Sum,
    /// Side by side, (K + 1) E channels: each part is read by weights of its own.
    Concat,
}

/// From the style map to the factor and the addend of every pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModulationForm {
    /// One 1x1 convolution: cheap.
    #[default]
    Linear,
    /// A hidden layer between 3x3 convolutions: as published.
    Conv,
}

/// How noise becomes keypoints and embeddings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeypointFamily {
    /// A network for each noise; an embedding is a vector shared by all parts times a constant of the part.
    #[default]
    Product,
    /// One layer that keypoints and embeddings are both read from.
    Trunk,
}
