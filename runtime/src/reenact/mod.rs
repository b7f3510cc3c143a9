//! A face that moves as another one does: the driver's motion against a neutral face, kept within what the generator
//! knows, with the source's appearance.

mod calibrate;
mod ease;
mod limit;
mod motion;
mod reenactor;
mod replay;

pub use calibrate::{Calibration, Neutral};
pub use limit::Limit;
pub use motion::{Drive, Gains, Motion};
pub use reenactor::{ReenactOptions, Reenactor, View};
pub use replay::{Recording, Replay, ReplaySource, recorder};
