//! Settings of a re-enactment.

use lkg_bundle::Manifest;

use super::ReenactError;
use super::motion::{Drive, Gains};
use crate::error::Result;
use crate::media::picture::Original;

/// Where the driven face is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// As a bare square, beside the driver's picture where there is one.
    #[default]
    Beside,
    /// Over the driver's face.
    Driver,
    /// In the source's photo, which is warped as the keypoints move.
    Source,
    /// Alone: the square of the face, and nothing of what drives it.
    Face,
}

impl std::str::FromStr for View {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "beside" | "none" => Ok(View::Beside),
            "driver" => Ok(View::Driver),
            "photo" | "source" => Ok(View::Source),
            "face" => Ok(View::Face),
            _ => Err("must be photo, face, beside or driver".to_owned()),
        }
    }
}

/// Settings of a [`Reenactor`](super::Reenactor).
#[derive(Clone, Debug, Default)]
pub struct ReenactOptions {
    /// Which motion is taken over.
    pub drive: Drive,
    /// By what it is multiplied.
    pub gains: Gains,
    /// Take the driver's keypoints themselves, not their motion against a neutral face.
    pub absolute: bool,
    /// Where the driven face is shown.
    pub view: View,
}

impl ReenactOptions {
    /// Whether the head is driven, and which parts are.
    ///
    /// # Errors
    /// [`ReenactError::NothingDriven`].
    pub(super) fn driven(&self, manifest: &Manifest) -> Result<(bool, Vec<bool>)> {
        let (pose, parts) = self.drive.resolve(manifest);
        if !pose && !parts.contains(&true) {
            return Err(ReenactError::NothingDriven.into());
        }
        Ok((pose, parts))
    }

    /// What single pictures are to be like that show a photo which was sent, and whose file holds this besides; `alone` says
    /// that no other photo is shown in its place later.
    pub(super) fn original(&self, of: &Original, alone: bool) -> Original {
        match self.view {
            View::Source | View::Face if alone => of.without_pixels(),
            _ => Original::default(),
        }
    }

    /// Goes on to the next kind of motion that there is something for, and gives what `resolve` makes of it.
    pub(super) fn next_drive<T>(&mut self, resolve: impl Fn(&Self) -> Result<T>) -> Option<T> {
        (0..4).find_map(|_| {
            self.drive = self.drive.next();
            resolve(self).ok()
        })
    }
}
