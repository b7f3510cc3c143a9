use std::time::Duration;

use image::RgbImage;
use lkg_bundle::Manifest;

use crate::error::Result;
use crate::frame::DetectedFace;
use crate::vision::expressions::PeoplesExpressions;
use crate::vision::track::{FaceTracker, Tracked};

/// Whom to follow from now on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Follow {
    /// The next one of those in sight.
    Next,
    /// Whoever is at a point, in pixels of the source's picture.
    At([f32; 2]),
}

/// What finds keypoints in a frame.
pub trait Finder {
    /// Finds the faces in `picture`, seen at `time` since the source's start.
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

    /// Follows somebody else from now on; gives back what to say about it, if there is a choice.
    fn choose(&mut self, _whom: Follow) -> Option<String> {
        None
    }

    /// Takes the face as it is as neutral, where expressions are measured against one; gives back what to say about it.
    fn calibrate(&mut self) -> Option<&'static str> {
        None
    }
}

/// Finds faces and reads their expressions, each relative to the neutral face of its person.
pub struct ExpressionFinder {
    tracker: FaceTracker,
    expressions: PeoplesExpressions,
    /// Who stood out last.
    main: u32,
    /// Whether each picture is looked at by itself.
    alone: bool,
}

impl ExpressionFinder {
    /// With the faces of `tracker`, whose bundle has `manifest`.
    pub fn new(tracker: FaceTracker, manifest: &Manifest) -> Self {
        Self { tracker, expressions: PeoplesExpressions::new(manifest), main: 0, alone: false }
    }

    /// The same for pictures of different people: nothing is measured against the pictures before.
    #[must_use]
    pub fn each_alone(self) -> Self {
        Self { alone: true, ..self }
    }

    fn read(&mut self, face: &mut DetectedFace, time: Duration) {
        if self.alone {
            self.expressions.read_plain(face);
        } else {
            self.expressions.read(face, time);
        }
    }
}

impl Finder for ExpressionFinder {
    fn find(&mut self, picture: &RgbImage, time: Duration) -> Result<Tracked> {
        let mut tracked = self.tracker.track(picture, time)?;
        if let Some(face) = &mut tracked.face {
            self.main = face.id;
            self.read(face, time);
        }
        for face in &mut tracked.others {
            self.read(face, time);
        }
        Ok(tracked)
    }

    fn reuse(&mut self, tracked: Tracked) {
        self.tracker.reuse(tracked);
    }

    fn smooth(&mut self, on: bool) -> bool {
        // Between two photos there is nothing to smooth.
        !self.alone && Finder::smooth(&mut self.tracker, on)
    }

    fn is_smoothing(&self) -> bool {
        self.tracker.is_smoothing()
    }

    fn choose(&mut self, whom: Follow) -> Option<String> {
        self.tracker.choose(whom)
    }

    fn calibrate(&mut self) -> Option<&'static str> {
        if self.expressions.is_empty() || self.alone {
            return None;
        }
        let taken = self.expressions.calibrate(self.main);
        Some(if taken { "neutral face taken" } else { "no face to take as neutral" })
    }
}

impl Finder for FaceTracker {
    fn find(&mut self, picture: &RgbImage, time: Duration) -> Result<Tracked> {
        self.track(picture, time)
    }

    fn reuse(&mut self, tracked: Tracked) {
        FaceTracker::reuse(self, tracked);
    }

    fn choose(&mut self, whom: Follow) -> Option<String> {
        let chosen = match whom {
            Follow::Next => self.choose_next(),
            Follow::At(point) => self.choose_at(point),
        };
        Some(match chosen {
            Some(id) => format!("face {id} is followed"),
            None => "no face there to follow".to_owned(),
        })
    }

    fn smooth(&mut self, on: bool) -> bool {
        self.set_smoothing(on);
        self.is_smoothing()
    }

    fn is_smoothing(&self) -> bool {
        FaceTracker::is_smoothing(self)
    }
}
