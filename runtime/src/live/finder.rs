use std::time::Duration;

use image::RgbImage;
use lkg_bundle::Manifest;

use crate::error::Result;
use crate::vision::expressions::{ExpressionReader, read_expressions};
use crate::vision::track::{FaceTracker, Tracked};

/// What finds keypoints in a frame.
pub trait Finder {
    /// Finds the face in `picture`, seen at `time` since the source's start.
    ///
    /// # Errors
    /// The network failed.
    fn find(&mut self, picture: &RgbImage, time: Duration) -> Result<Tracked>;

    /// Takes back an outcome that nobody needs any more, for the next one to be put there.
    fn reuse(&mut self, _tracked: Tracked) {}

    /// Filters keypoints over time or leaves them as detected. Says whether they are filtered now.
    fn smooth(&mut self, _on: bool) -> bool {
        false
    }

    /// Whether keypoints are filtered over time.
    fn is_smoothing(&self) -> bool {
        false
    }

    /// Takes the face as it is as neutral, where expressions are measured against one; gives back what to say about it.
    fn calibrate(&mut self) -> Option<&'static str> {
        None
    }
}

/// Finds faces and reads their expressions.
pub struct ExpressionFinder {
    tracker: FaceTracker,
    reader: ExpressionReader,
    /// Where each picture is looked at by itself, what says how expressions are read.
    alone: Option<Manifest>,
}

impl ExpressionFinder {
    /// With the faces of `tracker`, whose bundle has `manifest`.
    pub fn new(tracker: FaceTracker, manifest: &Manifest) -> Self {
        Self { tracker, reader: ExpressionReader::new(manifest), alone: None }
    }

    /// The same for pictures of different people: nothing is measured against the pictures before.
    #[must_use]
    pub fn each_alone(self, manifest: &Manifest) -> Self {
        Self { alone: Some(manifest.clone()), ..self }
    }
}

impl Finder for ExpressionFinder {
    fn find(&mut self, picture: &RgbImage, time: Duration) -> Result<Tracked> {
        let mut tracked = self.tracker.track(picture, time)?;
        if let Some(face) = &mut tracked.face {
            match &self.alone {
                Some(manifest) => {
                    face.expressions.clear();
                    face.expressions.extend(read_expressions(manifest, &face.states));
                }
                None => self.reader.read(face, time),
            }
        }
        Ok(tracked)
    }

    fn reuse(&mut self, tracked: Tracked) {
        self.tracker.reuse(tracked);
    }

    fn smooth(&mut self, on: bool) -> bool {
        // Between two photos there is nothing to smooth.
        self.alone.is_none() && Finder::smooth(&mut self.tracker, on)
    }

    fn is_smoothing(&self) -> bool {
        self.tracker.is_smoothing()
    }

    fn calibrate(&mut self) -> Option<&'static str> {
        match (self.reader.is_empty() || self.alone.is_some(), self.reader.calibrate()) {
            (true, _) => None,
            (false, true) => Some("neutral face taken"),
            (false, false) => Some("no face to take as neutral"),
        }
    }
}

impl Finder for FaceTracker {
    fn find(&mut self, picture: &RgbImage, time: Duration) -> Result<Tracked> {
        self.track(picture, time)
    }

    fn reuse(&mut self, tracked: Tracked) {
        FaceTracker::reuse(self, tracked);
    }

    fn smooth(&mut self, on: bool) -> bool {
        self.set_smoothing(on);
        self.is_smoothing()
    }

    fn is_smoothing(&self) -> bool {
        FaceTracker::is_smoothing(self)
    }
}
