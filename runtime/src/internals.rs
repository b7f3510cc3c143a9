//! What the program, its tests and the tools of its developers need of this crate beyond its API. Not for others: it changes
//! without notice.

use std::process::ExitCode;

/// The `runtime` program.
pub fn main() -> ExitCode {
    // First of all, before a thread exists that could read the environment.
    crate::engine::library::disable_telemetry();
    crate::cli::main()
}

pub mod cli {
    //! The command line.
    pub use crate::cli::args::Cli;
    pub use clap::Command as Program;

    pub use crate::cli::{check_text, program};
}

pub mod edit {
    //! Editing by hand.
    pub use crate::edit::blend::sample;
    pub use crate::edit::{BundleId, Workspace};
}

pub mod engine {
    //! Networks with tensors in and out.
    pub use crate::engine::{
        BareRun, Detector, ImageGenerator, KeypointGenerator, Latents, NetworkRunner, Noise, Portrait,
        PortraitSource, kernels, zero_inputs,
    };
}

pub mod live {
    //! The live loop.
    pub use crate::live::{
        Audience, Command, FrameSupply, LiveLoop, LoopOptions, Opener, Overlay, Painter, Switch, Viewer,
        WindowOpener,
    };
    pub use crate::reenact::PhotoPainter;
}

pub mod media {
    //! Sinks, and pictures in memory.
    pub use crate::media::detections::{DetectionFormat, DetectionsSink};
    pub use crate::media::keypoints::KeypointsSink;
    pub use crate::media::picture::{check_target, from_network};
    pub use crate::media::sink::{OutputOptions, Shown, Sink, Written, open_output};
    pub use crate::media::{OutputSpec, Result, SinkSpec, foreign, jpeg, mark};
}

pub mod reenact {
    //! Recorded motion.
    pub use crate::reenact::Recording;
}

pub mod serve {
    //! Pages without a socket.
    pub use crate::serve::foreign::Unconnected;
}

pub mod vision {
    //! Parts of the tracker.
    pub use crate::vision::hud::{draw_banner, draw_hud};
    pub use crate::vision::names::Labels;
    pub use crate::vision::overlay::{draw_marks, place};
    pub use crate::vision::preprocess::Preprocessor;
    pub use crate::vision::smooth::KeypointSmoother;
    pub use crate::vision::text;
}
