//! Faces that are changed part by part: what a face is, what can be done to it and undone, how it is drawn and how a
//! photo takes the change. Knows of no window and no command line.

mod change;
mod compose;
mod desk;
pub mod editor;
mod face;
mod file;
mod mix;
pub mod operation;
mod parts;
pub mod paste;
mod session;
mod studio;
mod warp;
mod workbench;

pub use change::{Change, Transaction};
pub use compose::{Composer, Paste};
pub use desk::Fault;
pub use face::Face;
pub use file::{BundleId, PhotoId, SessionFile};
pub use operation::Operation;
pub use parts::{Parts, group, group_names};
pub use session::{Donors, Session};
pub use studio::{Opened, Photo, Studio};
pub use workbench::{Donor, Workbench};

#[cfg(test)]
pub(crate) use parts::tests as parts_tests;
