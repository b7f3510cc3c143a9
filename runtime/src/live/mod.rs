//! The live loop: frames in, keypoints found and drawn, frames out, every stage clocked.
//!
//! One thread looks at frames one after the other; a camera has a thread of its own that keeps the newest frame only,
//! so nothing queues up and lateness does not grow. Losing the camera is a state with a way back.

mod change;
mod clock;
#[cfg(test)]
mod lateness;
mod run;
mod supply;
mod view;

pub use clock::{Clock, Histogram, Stage, StageRow};
pub use run::{Ended, Finder, LiveLoop, LoopOptions, Report, Screen, ScreenOpener};
pub use supply::{Opener, Supplied, Supply};
pub(crate) use view::View;
