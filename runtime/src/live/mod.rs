//! The live loop: frames in, keypoints found and drawn, frames out, every step clocked.
//!
//! One thread looks at frames one after the other; a camera has a thread of its own that keeps the newest frame only,
//! so nothing queues up and latency does not grow. Losing the camera is a state with a way back.

mod annotate;
mod change;
mod clock;
mod commands;
mod control;
mod finder;
mod frame_supply;
#[cfg(test)]
mod latency;
mod offered;
mod outputs;
mod paint;
mod report;
mod run;
#[cfg(test)]
mod testing;
mod view;
mod viewer;

pub(crate) use change::Change;
pub use clock::{Clock, Step, StepRow};
#[cfg(test)]
pub(crate) use control::Switches;
pub use control::{Audience, Command, Status, Switch};
pub use finder::{ExpressionFinder, Finder};
pub use frame_supply::{Choice, Chooser, FrameSupply, Opener};
pub use offered::{NewSource, Offered};
#[cfg(test)]
pub(crate) use paint::Layers;
pub use paint::{Overlay, Painter, Scene};
pub use report::{Ended, RunReport};
pub use run::{LiveLoop, LoopOptions};
pub(crate) use view::{Hud, Marks, View};
pub use viewer::{Viewer, WindowOpener};
