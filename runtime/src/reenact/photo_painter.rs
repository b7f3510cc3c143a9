//! A driven photo as the picture of the live loop.

use std::time::Duration;

use image::{GrayImage, RgbImage, imageops};

use super::driver_view::DriverView;
use super::options::View;
use super::photo_reenactor::PhotoReenactor;
use crate::error::Result;
use crate::live::{Command, NewSource, Painter, Scene};
use crate::media::SentPhoto;

/// Shows a photo driven by what is before the camera.
pub struct PhotoPainter<'a> {
    reenactor: PhotoReenactor<'a>,
    /// Whether to write into the picture that it is AI-made.
    visible_mark: bool,
    driver: DriverView,
}

impl<'a> PhotoPainter<'a> {
    /// A painter by `reenactor`; `pictures` says whether the driver has pictures, not keypoints alone, `visible_mark` whether
    /// to write into them that they are AI-made.
    pub fn new(reenactor: PhotoReenactor<'a>, pictures: bool, visible_mark: bool) -> Self {
        Self { reenactor, visible_mark, driver: DriverView::new(pictures) }
    }
}

impl Painter for PhotoPainter<'_> {
    fn paint(&mut self, mut scene: Scene<'_>, canvas: &mut RgbImage) -> Result<Option<Duration>> {
        let (face, time) = (scene.tracked.face.as_ref(), scene.time);
        let view = self.reenactor.view();
        let took = match view {
            View::Source => self.reenactor.paint(face, time, canvas)?,
            View::Face => self.reenactor.alone(face, time, canvas)?,
            View::Driver => {
                std::mem::swap(scene.picture, canvas);
                self.reenactor.over(face, time, canvas)?
            }
            View::Beside => {
                let driver = self.driver.show(&mut scene, self.reenactor.manifest());
                self.reenactor.beside(driver, face, time, scene.mirror, canvas)?
            }
        };
        if scene.mirror && view != View::Beside {
            imageops::flip_horizontal_in_place(canvas);
        }
        if self.visible_mark {
            self.reenactor.origin().stamp(canvas);
        }
        self.driver.canvas = canvas.dimensions();
        Ok(Some(took.network))
    }

    fn source_at(&self, at: [f32; 2]) -> Option<[f32; 2]> {
        self.driver.at(at, self.reenactor.view())
    }

    fn alpha(&self) -> Option<GrayImage> {
        self.reenactor.alpha()
    }

    fn handle(&mut self, command: Command) -> Option<&'static str> {
        match command {
            Command::Calibrate => Some(if self.reenactor.calibrate() {
                "the face of the last half second is the neutral one"
            } else {
                "no face to take as neutral"
            }),
            Command::NextFace if self.reenactor.next_source() => Some("the next photo"),
            // With one photo it is the next driver that is asked for.
            Command::NextFace if self.driver.has_pictures() => None,
            Command::NextFace => Some("there is no other photo: give --source several times"),
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
        const CALIBRATE: (&str, &str) = ("calibrate", "Neutral face");
        const DRIVE: (&str, &str) = ("next_drive", "Which motion");
        if self.reenactor.has_other_sources() {
            &[CALIBRATE, ("next_face", "Next photo"), DRIVE]
        } else {
            &[CALIBRATE, ("next_face", "Next driver"), DRIVE]
        }
    }

    fn keys(&self) -> &'static [&'static str] {
        if self.reenactor.has_other_sources() {
            &["c       neutral face", "f       next photo", "d       which motion"]
        } else {
            &["c       neutral face", "f       next driver", "d       which motion"]
        }
    }
}
