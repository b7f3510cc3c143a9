//! Inference for LatentKeypointGAN bundles on ONNX Runtime: no libtorch, no Python.
//!
//! | task | type |
//! |---|---|
//! | open a bundle | [`Bundle`] |
//! | the faces of a picture | [`FaceDetector`] |
//! | a face from frame to frame | [`FaceTracker`] |
//! | faces that do not exist | [`FaceModel::sample_face`], [`FaceModel::image`] |
//! | a face changed part by part, in its photo | [`PhotoEditor`] |
//! | a photo whose face moves as another one does | [`PhotoReenactor`] |
//! | a drawn face that does | [`Reenactor`] |
//!
//! Pictures are [`image::RgbImage`]s; those that faces are sought in may lie anywhere ([`PictureRef`]). Coordinates of pictures are pixels, 0 and the width (or height) being its outer edges;
//! coordinates of a network's square are normalised: -1 and 1 are its outer edges, x goes right, y goes down (see
//! [`lkg_bundle::conventions`]). Confidences are 0 to 1.
//!
//! ONNX Runtime's library is loaded when the first network is: the file that the variable `ORT_DYLIB_PATH` names, else
//! `libonnxruntime.so` in the folder of [`seek_library_in`], beside the program, in `$LKG_CACHE/onnxruntime/lib`, in `.cache/onnxruntime/lib` of this folder or one
//! above it, or where the system's loader finds it. Its official builds collect data as soon as they are loaded, unless
//! `ORT_DISABLE_TELEMETRY=1` stands in the environment.
//!
//! Without its default features this is a small crate. `video` adds clips, folders and streams as sources of frames, `camera`
//! cameras to those; `cli` is the program `runtime`, with `window`, `serve` and `bench`, and adds nothing to
//! the library.
//!
//! The method is that of [LatentKeypointGAN](https://arxiv.org/abs/2103.15812) (He, Wandt and Rhodin, 2021).

// What only the program uses is not used without it.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

#[cfg(feature = "bench")]
mod bench;
#[cfg(feature = "cli")]
mod cli;
mod edit;
mod engine;
mod error;
mod frame;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod internals;
mod interrupt;
#[cfg(feature = "live")]
mod live;
mod media;
mod portrait;
mod reenact;
#[cfg(feature = "serve")]
mod serve;
mod vision;

#[cfg(feature = "bench")]
pub use bench::Error as BenchError;
pub use edit::{
    Blend, Change, Donors, EditError, FaceLatents, FaceModel, OpenedPhoto, Operation, OperationError, Parts,
    Photo, PhotoEditor, Session, SessionFile, Taken, Transaction,
};
pub use engine::library::seek_library_in;
pub use engine::{EngineOptions, EngineSummary, Gpu, Held, Precision, Provider};
pub use error::{Error, Result};
pub use frame::{DetectedFace, DetectedKeypoint, Faces, PictureRef};
pub use lkg_bundle::{Bundle, Manifest};
pub use media::Error as MediaError;
pub use portrait::{PortraitModel, PortraitPhoto, Took};
pub use reenact::{Drive, Gains, PhotoReenactor, ReenactError, ReenactOptions, Reenactor, View};
#[cfg(feature = "serve")]
pub use serve::Error as ServeError;
pub use vision::choice::FaceChoice;
pub use vision::crop::Crop;
pub use vision::detect::FaceDetector;
pub use vision::expressions::PeoplesExpressions;
pub use vision::face_layout::FaceLayout;
pub use vision::overlay::{draw_face, draw_faces};
pub use vision::smooth::OneEuroOptions;
pub use vision::track::{FaceTracker, TrackOptions, Tracked};

/// Pictures in files, read within limits and written with a note of how they came about.
pub mod picture {
    pub use crate::media::mark::Origin;
    pub use crate::media::picture::{
        Alpha, Original, ReadPicture, read_picture, read_whole, write_like, write_marked, write_picture,
    };
}

/// The faces of a picture or frame as `runtime detect --json` prints them, for serde.
#[cfg(feature = "video")]
pub mod detections {
    pub use crate::media::detections::{Describer, Detections, Found, SCHEMA};
}

/// Frames of clips, folders of pictures and streams.
#[cfg(feature = "video")]
pub mod video {
    pub use crate::frame::Frame;
    #[cfg(feature = "camera")]
    pub use crate::media::camera::CameraInfo;
    pub use crate::media::camera::{PixelFormat, Selector};
    pub use crate::media::{
        Captured, CommandLine, Next, Pattern, RtspAddress, Source, SourceOptions, SourceSpec, open, open_file,
    };
}
