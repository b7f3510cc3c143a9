//! Faces that are changed part by part: what a face is, what can be done to it and undone, how it is generated and
//! how a photo takes the change. Knows of no window and no command line.

pub mod blend;
mod change;
mod compositor;
mod context;
mod file;
mod latents;
mod mix;
mod model;
pub mod operation;
mod parts;
mod session;
mod warp;
pub mod window_editor;
mod workspace;

pub use change::{Change, Transaction};
pub use compositor::{Blend, Compositor};
pub use context::OperationError;
pub use file::{BundleId, PhotoId, SessionFile};
pub use latents::FaceLatents;
pub use model::{FaceModel, OpenedPhoto, Photo};
pub use operation::Operation;
pub use parts::{Parts, group, group_names};
pub use session::{Donors, Session};
pub use workspace::{Donor, Workspace};

#[cfg(test)]
pub(crate) use parts::tests as parts_tests;
