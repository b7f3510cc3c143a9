//! Faces that are changed part by part: what a face is, what can be done to it and undone, how it is generated and
//! how a photo takes the change. Knows of no window and no command line.

pub mod blend;
mod carried;
mod change;
mod compositor;
mod context;
mod expressions;
mod file;
mod latents;
mod mix;
mod model;
pub mod operation;
mod operation_json;
mod parts;
mod photo_editor;
mod pose;
#[cfg(test)]
mod properties;
mod session;
mod sheet;
mod sliders;
#[cfg(test)]
pub(crate) mod testing;
mod warp;
mod window_command;
pub mod window_editor;
mod workspace;

pub use crate::error::EditError;
pub use crate::vision::photo::Photo;
pub use change::{Change, Transaction};
pub use compositor::{Blend, Compositor};
pub use context::OperationError;
pub use expressions::expression_values;
pub use file::{BundleId, SessionFile};
pub use latents::{FaceLatents, Taken};
pub use model::{FaceModel, OpenedPhoto};
pub use operation::Operation;
pub use parts::{Parts, group, group_names};
pub use photo_editor::PhotoEditor;
pub use session::{Donors, Session};
pub use sheet::draw_sheet;
pub use workspace::Workspace;
