//! A photo whose face can be driven.

use image::{GrayImage, RgbImage};

use super::compose::PhotoCompositor;
use crate::engine::PhotoFeatures;
use crate::media::picture::Original;
use crate::vision::crop::Crop;
use crate::vision::photo::Photo;

/// Largest side of a face's square, in pixels: a larger one is shrunk with its photo.
const MOST_SQUARE: f32 = 1080.0;
/// Longest side of a photo, in pixels.
const MOST_SIDE: u32 = 3840;

/// The photo with its square no smaller than `least` pixels, and neither square nor photo too large for every frame.
pub(super) fn fitted(photo: &Photo, least: f32) -> Photo {
    let side = photo.crop.side;
    let photo = match side {
        _ if side > MOST_SQUARE => photo.scaled(MOST_SQUARE / side),
        // Places of the networks that fall on one pixel would be lost.
        _ if side < least => photo.scaled(least / side),
        _ => photo.clone(),
    };
    photo.shrunk(MOST_SIDE)
}

/// What to say of a photo that was shrunk; nothing of others.
pub(super) fn shrunk_note(name: &str, before: &Photo, after: &Photo) -> Option<String> {
    let ((width, height), (w, h)) = (before.picture.dimensions(), after.picture.dimensions());
    (w < width).then(|| {
        format!(
            "{name}: driven at {w} x {h} of {width} x {height} pixels (at most {MOST_SIDE} a side, and {MOST_SQUARE:.0} for the \
             square about the face)"
        )
    })
}

/// A photo opened for being driven: its face's parts and features, and where it lies.
#[derive(Clone, Debug)]
pub struct PortraitPhoto {
    pub(super) composer: PhotoCompositor,
    pub(super) features: PhotoFeatures,
    pub(super) keypoints: Vec<[f32; 2]>,
    pub(super) states: Vec<f32>,
    pub(super) alpha: Option<GrayImage>,
    pub(super) original: Original,
    pub(super) notes: Vec<String>,
}

impl PortraitPhoto {
    /// The photo as it is shown undriven.
    pub fn picture(&self) -> &RgbImage {
        self.composer.photo()
    }

    /// The square around its face, which the networks see and in which it can move.
    pub fn crop(&self) -> &Crop {
        self.composer.crop()
    }

    /// K keypoints in normalised coordinates of the square.
    pub fn keypoints(&self) -> &[[f32; 2]] {
        &self.keypoints
    }

    /// `K S` numbers in [-1, 1]: the states of its parts.
    pub fn states(&self) -> &[f32] {
        &self.states
    }

    /// What else its file holds.
    pub fn original(&self) -> &Original {
        &self.original
    }

    /// How much of each pixel shows as its colours were carried last, where it is a cut-out.
    pub(crate) fn carried_alpha(&self) -> Option<GrayImage> {
        self.alpha.as_ref().map(|alpha| self.composer.carry_channel(alpha))
    }

    /// Another channel of it, 0 to 255, carried as its colours were carried last.
    pub(crate) fn carry_channel(&self, channel: &GrayImage) -> GrayImage {
        self.composer.carry_channel(channel)
    }

    /// What the user should know about how it was opened.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}
