//! Pictures, clips, cameras and windows: where frames come from and where they go.

pub mod avi;
pub mod camera;
pub mod child;
mod error;
mod ffmpeg;
pub(crate) mod frame_pool;
mod frames;
pub mod jpeg;
pub mod keypoints;
mod loopback;
pub mod mark;
mod mp4;
pub mod output;
mod output_spec;
mod pattern;
pub mod picture;
mod pictures;
mod raw;
pub(crate) mod read_ahead;
pub mod sheet;
pub mod sink;
pub mod slot;
pub mod source;
mod source_spec;
mod stdin;
pub mod window;
mod y4m_out;
mod yuv;

pub use child::{CommandLine, RtspAddress};
pub use error::{Error, Result};
pub use loopback::LoopbackSink;
pub use output_spec::{OutputSpec, PAGE_PORT, SinkSpec};
pub use pattern::Pattern;
pub use source::{Captured, Next, Source, SourceOptions, open};
pub use source_spec::SourceSpec;
