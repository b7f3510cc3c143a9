//! Pictures, clips, cameras and windows: where frames come from and where they go.

pub mod avi;
pub mod camera;
mod error;
mod ffmpeg;
pub mod jpeg;
mod mp4;
pub mod output;
pub mod picture;
mod pictures;
pub mod slot;
pub mod source;

pub use error::{Error, Result};
pub use source::{Captured, Next, Source, SourceOptions, open};
