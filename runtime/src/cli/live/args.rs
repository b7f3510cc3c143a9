use std::path::PathBuf;

use clap::Args;

use crate::cli::args::{FrameSize, OUTPUT, frame_rate, in_range, unit_interval};
use crate::cli::by_name::by_name;
use crate::cli::serve_args::{PAGE, ServeArgs};
use crate::media::OutputSpec;
use crate::media::camera::PixelFormat;
use crate::vision::smooth::OneEuroOptions;

/// Heading of what is asked of frames and their source.
pub(in crate::cli) const FRAMES: &str = "Frames";
/// Heading of what is drawn and written on pictures.
const DRAWN: &str = "Overlay";
/// Heading of how keypoints are found.
const KEYPOINTS: &str = "Keypoints";

/// Arguments of every command that takes frames from a source, finds the face in them and hands them on.
#[derive(Debug, Args)]
#[command(next_help_heading = OUTPUT)]
pub struct LiveArgs {
    /// Where frames go: window, FILE.avi, FILE.mp4, a folder or DIR/%05d.png for single pictures, /dev/videoN (a camera for
    /// other programs, by v4l2loopback), - (y4m on standard output), http://127.0.0.1:PORT or null; may be given several
    /// times [default: nothing but the window, and without one COMMAND-DATE-TIME.mp4]
    #[arg(long, short, value_name = "OUTPUT", value_parser = by_name::<OutputSpec>())]
    pub out: Vec<OutputSpec>,
    /// Leave a clip's sound out of recordings; an MP4 keeps it otherwise. Sound of cameras is never recorded
    #[arg(long)]
    pub no_audio: bool,
    /// Write a contact sheet of up to 20 evenly spaced frames
    #[arg(long, value_name = "FILE.png")]
    pub sheet: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub page: ServeArgs,
    /// Most browsers that watch at once
    #[arg(allow_negative_numbers = true, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16), help_heading = PAGE)]
    pub viewers: u8,
    /// Open no window, even where there is a screen
    #[arg(long, alias = "no-window")]
    pub headless: bool,
    /// Start a file anew at its end
    #[arg(long, help_heading = FRAMES)]
    pub r#loop: bool,
    /// End after this many frames
    #[arg(allow_negative_numbers = true, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = FRAMES)]
    pub max_frames: Option<u64>,
    /// Swap left and right, as a mirror does
    #[arg(long, help_heading = FRAMES)]
    pub mirror: bool,
    /// Size to ask of the camera; the nearest that it offers is taken [default: 640x480, csi: 1280x720]; or size of bare
    /// RGB frames
    #[arg(long, value_name = "WxH", help_heading = FRAMES)]
    pub size: Option<FrameSize>,
    /// Frames a second to ask of the camera, or of bare RGB frames, or of pictures [default: 30, pictures of a clip
    /// 25, photos of a folder 1]
    #[arg(allow_negative_numbers = true, long, value_name = "FPS", value_parser = frame_rate, help_heading = FRAMES)]
    pub fps: Option<f32>,
    /// Pixel format to ask of the camera, mjpg, yuyv or nv12 [default: what its size and rate come in]
    #[arg(long, value_name = "FORMAT", help_heading = FRAMES)]
    pub pixel_format: Option<PixelFormat>,
    /// How keypoints are filtered over time (One-Euro): cut-off of a point at rest in hertz (lower is stiller) and by how
    /// much speed raises it (higher lags less) [default: 0.05,80]
    #[arg(long, value_name = "CUTOFF,BETA", value_parser = smoothing, conflicts_with = "no_smooth", help_heading = KEYPOINTS)]
    pub smooth: Option<OneEuroOptions>,
    /// Show keypoints as detected, without smoothing over time
    #[arg(long, help_heading = KEYPOINTS)]
    pub no_smooth: bool,
    /// Write the numbers (rate, latency, expressions) into files, too; without it only window and page show them
    #[arg(long, conflicts_with = "no_hud", help_heading = DRAWN)]
    pub hud: bool,
    /// Show no numbers
    #[arg(long, help_heading = DRAWN)]
    pub no_hud: bool,
    /// Write the keypoints' names into files, too; without it only window and page show them
    #[arg(long, conflicts_with = "no_names", help_heading = DRAWN)]
    pub names: bool,
    /// Show no names
    #[arg(long, help_heading = DRAWN)]
    pub no_names: bool,
    /// Draw no lines between keypoints
    #[arg(long, help_heading = DRAWN)]
    pub no_skeleton: bool,
    /// Mean confidence (0 to 1) below which there is no face [default: 0.65]
    #[arg(allow_negative_numbers = true, long, value_name = "C", value_parser = unit_interval, help_heading = KEYPOINTS)]
    pub min_confidence: Option<f32>,
    /// How long to wait for a lost camera to come back [default: for ever with a window, else 30]
    #[arg(allow_negative_numbers = true, long, value_name = "SECONDS", help_heading = FRAMES)]
    pub reopen_seconds: Option<u32>,
    /// Overwrite files
    #[arg(long)]
    pub force: bool,
    /// Print the summary as one JSON object
    #[arg(long)]
    pub json: bool,
}

fn smoothing(text: &str) -> Result<OneEuroOptions, String> {
    let bad = || "write CUTOFF,BETA as 0.05,80: above 0 to 100, and 0 to 1000".to_owned();
    let (cutoff, beta) = text.split_once(',').ok_or_else(bad)?;
    let number = |text: &str, least: f32, most: f32| in_range(text.trim(), least, most).map_err(|_| bad());
    let (min_cutoff, beta) = (number(cutoff, 1e-4, 100.0)?, number(beta, 0.0, 1000.0)?);
    Ok(OneEuroOptions { min_cutoff, beta, ..OneEuroOptions::default() })
}
