//! Re-enactment as the picture of the live loop.

use std::time::Duration;

use image::{RgbImage, imageops};

use super::driver_view::DriverView;
use super::options::View;
use super::reenactor::Reenactor;
use crate::error::Result;
use crate::live::{Command, NewSource, Painter, Scene};
use crate::media::SentPhoto;

/// Shows a re-enactment of what is before the camera.
pub struct ReenactPainter<'a> {
    reenactor: Reenactor<'a>,
    /// Whether to write into the picture that it is AI-made.
    visible_mark: bool,
    driver: DriverView,
}

impl<'a> ReenactPainter<'a> {
    /// A painter by `reenactor`; `pictures` says whether the driver has pictures, not keypoints alone, `visible_mark` whether
    /// to write into them that they are AI-made.
    pub fn new(reenactor: Reenactor<'a>, pictures: bool, visible_mark: bool) -> Self {
        Self { reenactor, visible_mark, driver: DriverView::new(pictures) }
    }
}

impl Painter for ReenactPainter<'_> {
    fn paint(&mut self, mut scene: Scene<'_>, canvas: &mut RgbImage) -> Result<Option<Duration>> {
        let face = scene.tracked.face.as_ref();
        let driven = self.reenactor.drive(face, scene.time);
        let took = match self.reenactor.view() {
            View::Source => {
                *canvas = self.reenactor.in_photo(&driven)?;
                None
            }
            View::Driver => {
                std::mem::swap(scene.picture, canvas);
                Some(self.reenactor.over(&driven, face.is_some(), canvas)?)
            }
            View::Face => Some(self.reenactor.beside(&driven, None, scene.mirror, canvas)?),
            View::Beside => {
                let driver = self.driver.show(&mut scene, self.reenactor.manifest());
                Some(self.reenactor.beside(&driven, driver, scene.mirror, canvas)?)
            }
        };
        if scene.mirror && !matches!(self.reenactor.view(), View::Beside | View::Face) {
            imageops::flip_horizontal_in_place(canvas);
        }
        if self.visible_mark {
            self.reenactor.origin().stamp(canvas);
        }
        self.driver.canvas = canvas.dimensions();
        Ok(took)
    }

    fn source_at(&self, at: [f32; 2]) -> Option<[f32; 2]> {
        self.driver.at(at, self.reenactor.view())
    }

    fn message(&self) -> Option<&'static str> {
        (!self.reenactor.is_calibrated()).then_some("calibrating: look ahead and hold still")
    }

    fn handle(&mut self, command: Command) -> Option<&'static str> {
        match command {
            Command::Calibrate => Some(if self.reenactor.calibrate() {
                "calibrated: the last second is the neutral face"
            } else {
                "no face to calibrate with"
            }),
            Command::NextFace if self.reenactor.next_source() => Some("the next face"),
            // With one source it is the next driver that is asked for.
            Command::NextFace if self.driver.has_pictures() => None,
            Command::NextFace => Some("there is no other face: give --source several times"),
            Command::NextDrive => Some(self.reenactor.next_drive().announcement()),
            _ => None,
        }
    }

    fn takes_source(&self) -> bool {
        true
    }

    fn take_source(&mut self, photo: SentPhoto) -> Result<NewSource> {
        let (original, notes) = self.reenactor.take(photo)?;
        Ok(NewSource { original, notes })
    }

    fn offers(&self) -> &'static [(&'static str, &'static str)] {
        const CALIBRATE: (&str, &str) = ("calibrate", "Calibrate");
        const DRIVE: (&str, &str) = ("next_drive", "Which motion");
        if self.reenactor.has_other_sources() {
            &[CALIBRATE, ("next_face", "Next face"), DRIVE]
        } else {
            &[CALIBRATE, ("next_face", "Next driver"), DRIVE]
        }
    }

    fn keys(&self) -> &'static [&'static str] {
        if self.reenactor.has_other_sources() {
            &["c       calibrate", "f       next face", "d       which motion"]
        } else {
            &["c       calibrate", "f       next driver", "d       which motion"]
        }
    }
}

#[cfg(test)]
mod tests;
