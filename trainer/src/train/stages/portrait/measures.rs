//! What a step of this stage measures.

use serde::Serialize;

use crate::train::stages::stage::Measured;

/// What one step measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measures {
    /// Mean absolute difference of driven pictures from drivers, of [-1, 1].
    pub image: f64,
    /// The same of photos that the flow alone carried.
    pub warped: f64,
    /// Perceptual distance of driven pictures from drivers.
    pub perceptual: Option<f64>,
    /// The same of close-ups of single parts.
    pub close_up: Option<f64>,
    /// Mean distance of a deformed picture's keypoints from the deformed keypoints, normalised coordinates.
    pub equivariance: f64,
    /// Change of states by a deformation, of that between pictures, and how little they vary.
    pub state: f64,
    /// Cross entropy of the detector's confidence.
    pub confidence: f64,
    /// How many others each keypoint has near it.
    pub separation: f64,
    /// Part of driven pictures that is generated anew.
    pub generated: f64,
    /// Mean distance between a pair's keypoints, normalised coordinates.
    pub motion: f64,
    /// Mean absolute difference between a pair's states.
    pub expression: f64,
    /// What the discriminator makes of driven pictures.
    pub adversarial: Option<f64>,
    /// The discriminator's loss.
    pub discriminator: Option<f64>,
}

impl Measured for Measures {
    fn note(&self) -> String {
        format!(
            "image {:.3} warped {:.3} perceptual {:.3} equivariance {:.4} near {:.2} generated {:.2} expression {:.3}",
            self.image,
            self.warped,
            self.perceptual.unwrap_or_default(),
            self.equivariance,
            self.separation,
            self.generated,
            self.expression
        )
    }
}
