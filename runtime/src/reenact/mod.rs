//! A face that moves as another one does: the driver's motion against a neutral face, kept within what the generator
//! knows, with the source's appearance.

mod beside;
mod calibrate;
#[cfg(feature = "live")]
mod driver_view;
mod drivers;
mod ease;
mod follow;
mod limit;
mod look;
mod motion;
mod neutral;
mod options;
#[cfg(feature = "live")]
mod painter;
#[cfg(feature = "live")]
mod photo_painter;
mod photo_reenactor;
mod reenactor;
#[cfg(feature = "live")]
mod replay;
mod soft;
#[cfg(feature = "live")]
mod translate;

pub use crate::error::ReenactError;
pub use motion::{Drive, Gains};
#[cfg(feature = "live")]
pub(crate) use neutral::SOUGHT as LOOK_AHEAD;
pub use options::{ReenactOptions, View};
#[cfg(feature = "live")]
pub use painter::ReenactPainter;
#[cfg(feature = "live")]
pub use photo_painter::PhotoPainter;
pub use photo_reenactor::PhotoReenactor;
pub use reenactor::Reenactor;
#[cfg(feature = "live")]
pub use replay::{Recording, Replay, recorder};
