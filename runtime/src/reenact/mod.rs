//! A face that moves as another one does: the driver's motion against a neutral face, kept within what the generator
//! knows, with the source's appearance.

mod calibrate;
mod ease;
mod limit;
mod motion;
#[cfg(feature = "live")]
mod painter;
mod reenactor;
#[cfg(feature = "live")]
mod replay;

pub use crate::error::ReenactError;
pub use motion::{Drive, Gains};
#[cfg(feature = "live")]
pub use painter::ReenactPainter;
pub use reenactor::{ReenactOptions, Reenactor, View};
#[cfg(feature = "live")]
pub use replay::{Recording, recorder};
