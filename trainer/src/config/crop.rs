//! Crops of real pictures.

use serde::{Deserialize, Serialize};

use super::checks::fail;
use crate::error::Result;

/// How real pictures are cut: random rotated squares inside the picture. On aligned faces keypoints would learn
/// not to move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CropConfig {
    /// Least picture side over crop side.
    pub zoom_min: f64,
    /// Most picture side over crop side.
    pub zoom_max: f64,
    /// Most rotation either way, degrees.
    pub rotation: f64,
}

impl Default for CropConfig {
    fn default() -> Self {
        Self { zoom_min: 1.1, zoom_max: 1.8, rotation: 20.0 }
    }
}

impl CropConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the key that is wrong.
    pub fn check(&self) -> Result<()> {
        if !(self.zoom_min.is_finite() && self.zoom_min >= 1.0) {
            return fail("crop.zoom_min must be 1 or more");
        }
        if !(self.zoom_max.is_finite() && self.zoom_max >= self.zoom_min) {
            return fail("crop.zoom_max must be crop.zoom_min or more");
        }
        if !(0.0..=180.0).contains(&self.rotation) {
            return fail("crop.rotation must be 0 to 180 degrees");
        }
        Ok(())
    }
}
