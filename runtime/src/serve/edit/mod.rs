//! The editor's page: the photo with its points to drag, faces to take from, undo, and what is saved.

mod page;
mod state;

#[cfg(test)]
mod tests;

pub use page::{EditPages, Export};
