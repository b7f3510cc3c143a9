//! Pictures, clips, cameras and windows: where frames come from and where they go.

pub mod avi;
pub mod camera;
mod error;
mod ffmpeg;
mod frames;
pub mod jpeg;
pub mod keypoints;
pub mod mark;
mod mp4;
pub mod output;
pub mod picture;
mod pictures;
pub mod sheet;
pub mod sink;
pub mod slot;
pub mod source;
pub mod window;

pub use error::{Error, Result};
pub use source::{Captured, Next, Source, SourceOptions, open};
