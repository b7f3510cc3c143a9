//! Pictures, clips, cameras and windows: where frames come from and where they go.

#[cfg(feature = "video")]
pub mod avi;
#[cfg(feature = "video")]
pub mod camera;
#[cfg(feature = "video")]
pub mod child;
#[cfg(feature = "video")]
mod colour;
#[cfg(feature = "video")]
pub mod detections;
#[cfg(feature = "video")]
mod ffmpeg;
#[cfg(feature = "cli")]
pub mod foreign;
#[cfg(feature = "video")]
pub(crate) mod frame_pool;
#[cfg(feature = "video")]
mod frame_size;
#[cfg(feature = "video")]
mod frames;
#[cfg(feature = "video")]
pub mod jpeg;
#[cfg(feature = "video")]
pub mod keypoints;
#[cfg(feature = "camera")]
mod loopback;
pub mod mark;
#[cfg(feature = "video")]
mod mp4;
#[cfg(feature = "video")]
mod nameless;
pub mod output;
#[cfg(feature = "video")]
mod output_spec;
#[cfg(feature = "video")]
mod pattern;
pub mod picture;
#[cfg(feature = "video")]
pub(crate) mod pictures;
#[cfg(all(test, feature = "video"))]
mod properties;
#[cfg(feature = "video")]
mod raw;
#[cfg(feature = "video")]
pub(crate) mod read_ahead;
#[cfg(feature = "video")]
pub mod recover;
mod sent;
#[cfg(feature = "video")]
mod shape;
#[cfg(feature = "video")]
pub mod sheet;
#[cfg(feature = "video")]
pub mod sink;
#[cfg(feature = "video")]
pub mod slot;
#[cfg(feature = "video")]
mod sound;
#[cfg(feature = "video")]
pub mod source;
#[cfg(feature = "video")]
mod source_spec;
#[cfg(feature = "video")]
mod stdin;
#[cfg(all(test, feature = "video"))]
pub(crate) mod testing;
#[cfg(feature = "window")]
pub mod window;
#[cfg(feature = "video")]
mod y4m_out;
#[cfg(feature = "video")]
mod yuv;

pub use crate::error::media::{Error, Result};
#[cfg(feature = "video")]
pub use child::{CommandLine, RtspAddress};
#[cfg(feature = "camera")]
pub use loopback::LoopbackSink;
#[cfg(feature = "video")]
pub use output_spec::{OutputSpec, PAGE_PORT, SinkSpec};
#[cfg(feature = "video")]
pub use pattern::Pattern;
pub use sent::SentPhoto;
#[cfg(feature = "video")]
pub use sound::ClipSound;
#[cfg(feature = "video")]
pub use source::{Captured, Next, Source, SourceOptions, open, open_file};
#[cfg(feature = "video")]
pub use source_spec::SourceSpec;
