use std::time::Duration;

use image::RgbImage;

use crate::error::Result;
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
