//! What may stand on the command line. One definition feeds parsing and help.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

pub use super::bench_args::BenchArgs;
use super::by_name::by_name;
pub use super::edit::{EditArgs, MarkArgs};
use super::live::FRAMES;
pub use super::live::LiveArgs;
use super::log::Log;
pub use super::reenact_args::ReenactArgs;
pub use super::tool_args::{
    CacheAction, CacheArgs, CompletionsArgs, ConfigArgs, DevicesArgs, DoctorArgs, VerifyArgs, WarmArgs,
};
use crate::engine::{DEFAULT_MEMORY_MIB, EngineOptions, Gpu, Precision, Provider, has_nvidia_driver};
use crate::media::SourceSpec;
use crate::media::detections::DetectionFormat;

/// Most people that are followed unless somebody says otherwise.
pub const DEFAULT_FACES: u8 = 4;

/// Finds keypoints in faces, live and in pictures, and generates faces from keypoints, with a LatentKeypointGAN
/// bundle on ONNX Runtime.
#[derive(Debug, Parser)]
#[command(name = "runtime", version)]
pub struct Cli {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    #[command(subcommand)]
    #[allow(missing_docs)]
    pub command: Command,
}

/// Heading of what becomes of the result.
pub(super) const OUTPUT: &str = "Output";

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Common {
    /// The model bundle [default: models/faces128, else models/faces64-edge, beside the working folder, the program, or a
    /// folder above them]
    #[arg(long, global = true, value_name = "DIR", env = "LKG_BUNDLE", value_parser = path())]
    pub bundle: Option<PathBuf>,
    /// Where to compute: auto (the first of tensorrt, cuda and cpu that works), cpu, cuda or tensorrt
    /// [default: auto]
    #[arg(long, alias = "ep", global = true)]
    pub provider: Option<Provider>,
    /// Numbers to compute in: stored (those of the bundle's weights), tf32 (CUDA only) or fp16 (TensorRT only)
    #[arg(long, global = true, default_value = "stored")]
    pub precision: Precision,
    /// On a GPU, record the kernels of a run and replay them: less work for the processor
    #[arg(long, global = true)]
    pub cuda_graph: bool,
    /// Memory that a network's values may take on a GPU, in MiB
    #[arg(allow_negative_numbers = true, long, global = true, value_name = "MIB", default_value_t = DEFAULT_MEMORY_MIB,
          value_parser = clap::value_parser!(u32).range(16..=1 << 20))]
    pub gpu_memory: u32,
    /// Threads for one network [default: 1 for the detector, up to 4 for the others]
    #[arg(allow_negative_numbers = true, long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Say on stderr what was found and chosen
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// Tell on stderr what happens inside: off, error, warn, info, debug or trace, or that for parts of the program, as
    /// lkg_runtime::media=debug,info [default: RUST_LOG, else off]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log: Option<Log>,
    /// A file of flags that are always wanted, see `runtime config`; with an empty name none is read
    /// [default: lkg/config.toml in $XDG_CONFIG_HOME or ~/.config]
    #[arg(long, global = true, value_name = "FILE", env = "LKG_CONFIG", value_parser = path())]
    pub config: Option<PathBuf>,
}

/// How many people may be followed.
pub(super) fn most_faces() -> impl TypedValueParser<Value = u8> {
    clap::value_parser!(u8).range(1..=16)
}

/// A path that may be empty, as a variable is that is set to nothing.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

impl Common {
    /// Where to compute.
    pub fn provider(&self) -> Provider {
        self.provider.unwrap_or_default()
    }

    /// How networks are to be run.
    pub fn engine(&self) -> EngineOptions {
        EngineOptions {
            provider: self.provider(),
            precision: self.precision,
            gpu: Gpu { graph: self.cuda_graph, memory_mib: self.gpu_memory },
            threads: self.threads.map(usize::from),
            notice: Some(super::remark),
            // Who has a GPU, or asks, wants to know; everybody else knows that they have none.
            explain: self.provider == Some(Provider::Auto) || has_nvidia_driver(),
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find keypoints in pictures, or in every frame of a clip
    #[command(after_help = "Example: runtime detect face.jpg --json")]
    Detect(DetectArgs),
    /// Generate pictures from random keypoints and appearances
    #[command(after_help = "Example: runtime generate --seed 1 --grid 3x5 --out faces.png")]
    Generate(GenerateArgs),
    /// Change a face part by part, in a photo or a generated picture: in a window, or as flags and files say
    #[command(
        after_help = "Example: runtime edit face.jpg --move mouth=0,0.05 --swap eyes=seed:4 --out edited.png"
    )]
    Edit(EditArgs),
    /// Make the face of a photo move as the one before a camera, or in a clip, does
    #[command(
        after_help = "Example: runtime reenact --source face.jpg --driver clip.mp4 --out reenacted.mp4"
    )]
    Reenact(ReenactArgs),
    /// Show keypoints live: on a camera's picture, a clip, or a folder of pictures
    #[command(after_help = "Example: runtime webcam clip.mp4 --headless --out keypoints.mp4")]
    Webcam(WebcamArgs),
    /// Measure latency, throughput, memory and start-up time on this machine
    #[command(after_help = "Example: runtime bench --json report.json --plot report.html")]
    Bench(BenchArgs),
    /// Check a bundle: checksums, contract, and golden outputs computed on this machine
    #[command(after_help = "Example: runtime verify models/faces128")]
    Verify(VerifyArgs),
    /// List the cameras of this machine, and measure the frame rates they really deliver
    #[command(after_help = "Example: runtime devices --measure")]
    Devices(DevicesArgs),
    /// Check this machine: ONNX Runtime, providers, bundle, cameras, display
    #[command(after_help = "Example: runtime doctor --provider cuda")]
    Doctor(DoctorArgs),
    /// Load and check every network of the bundle, so that TensorRT's engines are built before they are needed
    #[command(after_help = "Example: runtime warm --provider tensorrt")]
    Warm(WarmArgs),
    /// List or delete the engines that TensorRT built
    #[command(after_help = "Example: runtime cache list")]
    Cache(CacheArgs),
    /// Print what lets a shell complete commands and flags
    #[command(after_help = "Example: runtime completions bash")]
    Completions(CompletionsArgs),
    /// Say where the configuration file is looked for and what it sets, or print one with every key
    #[command(after_help = "Example: runtime config --template")]
    Config(ConfigArgs),
}

/// Arguments of `detect`.
#[derive(Debug, Args)]
pub struct DetectArgs {
    /// Pictures (JPEG, PNG, WebP), or folders of them; or one clip, with --json or --format
    #[arg(required = true, value_name = "FILE|DIR")]
    pub inputs: Vec<PathBuf>,
    /// Print one JSON object a picture, in the order given, with x and y in pixels of the picture; of a clip one a frame,
    /// the faces followed as `webcam --keypoints` writes them: the same as --format json
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// Print for programs: json (an object a line), csv (a row a face), coco (COCO's keypoints, one object for all) or v1
    /// (json as it was before schema 2, for one release)
    #[arg(long, value_name = "FORM", conflicts_with = "json", help_heading = OUTPUT)]
    pub format: Option<DetectionFormat>,
    /// Write the pictures with their keypoints drawn into this folder, under their own names (of a WebP as PNG)
    #[arg(long, value_name = "DIR", help_heading = OUTPUT)]
    pub out: Option<PathBuf>,
    /// Overwrite files in the folder of --out
    #[arg(long, requires = "out", help_heading = OUTPUT)]
    pub force: bool,
    /// Run the detector once on the whole picture, for pictures that are crops of faces: a seventh of the time, and less
    /// exact keypoints. Without it refinement crops follow, and where nothing is found, parts of the picture are searched
    #[arg(long)]
    pub once: bool,
    /// Draw the keypoints of --out without their names, which otherwise stand beside faces with room for them
    #[arg(long, requires = "out")]
    pub no_names: bool,
    /// Mean confidence (0 to 1) that a face must have; below 0.65 the best guess is taken where nothing else is found
    /// [default: 0.65]
    #[arg(allow_negative_numbers = true, long, value_name = "C", value_parser = unit_interval)]
    pub min_confidence: Option<f32>,
    /// Most people that are followed in a clip; each takes a run of the detector a frame
    #[arg(long, value_name = "N", default_value_t = DEFAULT_FACES, value_parser = most_faces())]
    pub faces: u8,
}

impl DetectArgs {
    /// What is printed for programs, if anything is.
    pub fn format(&self) -> Option<DetectionFormat> {
        self.format.or(self.json.then_some(DetectionFormat::Json))
    }
}

/// Arguments of `generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Seed: the same one gives the same pictures, and picture i does not depend on how many there are
    #[arg(allow_negative_numbers = true, long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// How many pictures [default: as many as --grid holds, else 1]
    #[arg(allow_negative_numbers = true, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub count: Option<u32>,
    /// Rows and columns of the written picture, as 3x5; without a value nearly square, 4x4 if --count is not given
    #[arg(long, value_name = "RxC", num_args = 0..=1)]
    pub grid: Option<Option<Grid>>,
    /// Scale of the noise: below 1 gives more typical faces, 0 the mean face
    #[arg(allow_negative_numbers = true, long, value_name = "PSI", default_value_t = 1.0, value_parser = truncation)]
    pub truncation: f32,
    /// Draw the keypoints that the pictures were made from
    #[arg(long)]
    pub keypoints: bool,
    /// Write a clip instead that goes from each picture to the next in this many frames [default --count: 4]
    #[arg(allow_negative_numbers = true, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub interpolate: Option<u32>,
    /// The file to write, PNG or JPEG by its name; with --interpolate FILE.avi, FILE.mp4 or a folder
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub out: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub mark: MarkArgs,
    /// Overwrite the file
    #[arg(long, help_heading = OUTPUT)]
    pub force: bool,
    /// Print the keypoints as JSON, in [-1, 1] from edge to edge
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// Arguments of `webcam`.
#[derive(Debug, Args)]
pub struct WebcamArgs {
    /// A camera (camera://N, N, /dev/videoN, part of its name, csi://N on a Jetson, rtsp://HOST/PATH), a video file, a
    /// picture, a folder of pictures or numbered ones (DIR/%05d.png), exec:COMMAND (a program that writes y4m or bare RGB,
    /// started without a shell), or - (the same on standard input) [default: the first camera that opens]
    #[arg(value_name = "SOURCE", value_parser = by_name::<SourceSpec>())]
    pub source: Option<SourceSpec>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub live: LiveArgs,
    /// Write the faces of every frame, in pixels of the source's picture, one JSON object a frame unless --format says
    /// otherwise
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub keypoints: Option<PathBuf>,
    /// Most people that are followed; each takes a run of the detector a frame. Key f, or a click, chooses who stands out
    #[arg(long, value_name = "N", default_value_t = DEFAULT_FACES, value_parser = most_faces())]
    pub faces: u8,
    /// Form of --keypoints: json (an object a line), csv (a row a face), coco (COCO's keypoints) or v1 (json as it was before
    /// schema 2, for one release)
    #[arg(long, value_name = "FORM", default_value_t, requires = "keypoints", help_heading = OUTPUT)]
    pub format: DetectionFormat,
    /// Take the pictures of a folder as frames of a clip, in which the face is followed. Without it they are a set of
    /// photos, each looked at by itself
    #[arg(long, help_heading = FRAMES)]
    pub as_clip: bool,
}

/// Width and height in pixels, each 16 to 8192.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSize {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

impl std::str::FromStr for FrameSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |t: &str| t.parse().ok().filter(|s| (16..=8192).contains(s));
        text.split_once(['x', 'X'])
            .and_then(|(w, h)| Some(FrameSize { width: side(w)?, height: side(h)? }))
            .ok_or_else(|| "give width and height as 640x480, each from 16 to 8192".to_owned())
    }
}

/// Rows and columns, each 1 to 1024, at most 1024 cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub columns: u32,
}

impl std::str::FromStr for Grid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once(['x', 'X'])
            .and_then(|(r, c)| Some(Grid { rows: r.parse().ok()?, columns: c.parse().ok()? }))
            .filter(|g| g.rows > 0 && g.columns > 0 && u64::from(g.rows) * u64::from(g.columns) <= 1024)
            .ok_or_else(|| "give rows and columns as 3x5, at most 1024 cells".to_owned())
    }
}

pub(super) fn unit_interval(text: &str) -> Result<f32, String> {
    in_range(text, 0.0, 1.0)
}

pub(super) fn frame_rate(text: &str) -> Result<f32, String> {
    in_range(text, 0.1, 240.0)
}

fn truncation(text: &str) -> Result<f32, String> {
    in_range(text, 0.0, 2.0)
}

pub(super) fn in_range(text: &str, least: f32, most: f32) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|v| (least..=most).contains(v))
        .ok_or_else(|| format!("must be a number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_that_parses() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().unwrap().to_string();
            let line = help.strip_prefix("Example: ").unwrap();
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn grids_parse() {
        assert_eq!("3x5".parse(), Ok(Grid { rows: 3, columns: 5 }));
        for bad in ["", "3", "0x4", "x", "3x-1", "40000x40000", "33x32"] {
            assert!(bad.parse::<Grid>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_bundle_counts_as_none() {
        let cli = Cli::try_parse_from(["runtime", "doctor", "--bundle", ""]).unwrap();
        assert_eq!(cli.common.bundle, Some(PathBuf::new()));
    }

    #[test]
    fn sizes_parse() {
        assert_eq!("640x480".parse(), Ok(FrameSize { width: 640, height: 480 }));
        for bad in ["", "640", "0x480", "640x", "640x99999", "-640x480"] {
            assert!(bad.parse::<FrameSize>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_grid_needs_no_value() {
        let cli = Cli::try_parse_from(["runtime", "generate", "--grid", "--out", "a.png"]).unwrap();
        let Command::Generate(args) = cli.command else { panic!("not generate") };
        assert_eq!(args.grid, Some(None));
    }
}
