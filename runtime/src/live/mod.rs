//! The live loop: frames in, keypoints found and drawn, frames out, every stage clocked.
//!
//! One thread looks at frames one after the other; a camera has a thread of its own that keeps the newest frame only,
//! so nothing queues up and lateness does not grow. Losing the camera is a state with a way back.

mod change;
mod clock;
#[cfg(test)]
mod lateness;
mod outputs;
mod paint;
mod report;
mod run;
mod supply;
mod view;

pub(crate) use change::Change;
pub use clock::{Clock, Histogram, Stage, StageRow};
pub use outputs::{Failed, Screen, ScreenOpener};
pub use paint::{Layers, Overlay, Painter, Scene};
pub use report::{Ended, Report};
pub use run::{Finder, LiveLoop, LoopOptions};
pub use supply::{Choice, Chooser, Opener, Supplied, Supply};
pub(crate) use view::{Hud, Marks, View};
