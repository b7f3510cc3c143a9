use std::path::PathBuf;

use clap::Args;

use super::args::{FrameSize, frame_rate, in_range};
use super::by_name::by_name;
use crate::bench::scan::Axis;
use crate::bench::worker::Mode;
use crate::media::SourceSpec;

/// Heading of how much is measured.
const MEASURING: &str = "Measuring";
/// Heading of what is written down.
const REPORT: &str = "Report";

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Frames to measure on: a video file, a picture or a folder of pictures [default: frames made here from the
    /// bundle's own generator]
    #[arg(long, value_name = "FILE|DIR", conflicts_with = "scan", value_parser = by_name::<SourceSpec>())]
    pub source: Option<SourceSpec>,
    /// Size of the frames made here
    #[arg(long, value_name = "WxH", default_value = "640x480", conflicts_with = "source")]
    pub size: FrameSize,
    /// Images in a run of a network; several are measured one beside the other
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1, 8],
          value_parser = clap::value_parser!(u16).range(1..=256), help_heading = MEASURING)]
    pub batch: Vec<u16>,
    /// Measure each thing for at least so long, warm-up not counted
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = seconds, help_heading = MEASURING)]
    pub seconds: f32,
    /// Measure at least so many runs of each thing
    #[arg(allow_negative_numbers = true, long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = MEASURING)]
    pub samples: u32,
    /// Warm up for at least so many milliseconds
    #[arg(allow_negative_numbers = true, long, value_name = "MS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(0..=600_000), help_heading = MEASURING)]
    pub warmup: u32,
    /// Warm up for at least so many runs
    #[arg(allow_negative_numbers = true, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1_000_000), help_heading = MEASURING)]
    pub warmup_runs: u32,
    /// Parts that the time is cut into: everything is measured once in each, so that what disturbs falls on all alike
    #[arg(allow_negative_numbers = true, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = MEASURING)]
    pub rounds: u32,
    /// Fresh processes started for the cold times; 0 leaves them out
    #[arg(allow_negative_numbers = true, long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=1000), help_heading = MEASURING)]
    pub cold: u32,
    /// How long the live loop runs, in seconds; 0 leaves it out
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = seconds, help_heading = MEASURING)]
    pub live: f32,
    /// Frames a second of the camera that the live loop is shown
    #[arg(allow_negative_numbers = true, long, value_name = "FPS", default_value_t = 30.0, value_parser = frame_rate, help_heading = MEASURING)]
    pub fps: f32,
    /// Show the live loop in a window, so that capture to display ends there
    #[arg(long)]
    pub window: bool,
    /// Compare settings of the networks: every combination of threads=N,N batch=N,N precision=P,P provider=P,P
    #[arg(long, value_name = "KEY=V,V", num_args = 1.., conflicts_with_all = ["window", "batch"])]
    pub scan: Vec<Axis>,
    /// Compare two reports written with --json FILE, and measure nothing
    #[arg(long, num_args = 2, value_names = ["A.json", "B.json"], conflicts_with_all = ["scan", "csv", "plot", "times"])]
    pub compare: Option<Vec<PathBuf>>,
    /// Write the report as JSON; - is standard output
    #[arg(long, value_name = "FILE|-", help_heading = REPORT)]
    pub json: Option<PathBuf>,
    /// Write a line for every measurement and step as CSV
    #[arg(long, value_name = "FILE.csv", help_heading = REPORT)]
    pub csv: Option<PathBuf>,
    /// Write the tables as Markdown
    #[arg(long, value_name = "FILE.md", help_heading = REPORT)]
    pub markdown: Option<PathBuf>,
    /// Draw distributions and steps
    #[arg(long, value_name = "FILE.png|.html", help_heading = REPORT)]
    pub plot: Option<PathBuf>,
    /// Write every single time as CSV [default: beside the file of --json, as NAME.times.csv]
    #[arg(long, value_name = "FILE.csv", help_heading = REPORT)]
    pub times: Option<PathBuf>,
    /// Overwrite files
    #[arg(long, help_heading = REPORT)]
    pub force: bool,
    /// Seed of the generated face and noise
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = MEASURING)]
    pub seed: u64,
    /// Fail (exit code 2) where the verdict is that the numbers do not count
    #[arg(long, help_heading = REPORT)]
    pub strict: bool,
    /// The fresh process of the cold times: reads a JPEG from standard input
    #[arg(long, hide = true)]
    pub cold_child: bool,
    /// Take turns with other programs: a pass over the frames of --source for every line on standard input
    #[arg(long, hide = true, requires = "source")]
    pub worker: Option<Mode>,
}

fn seconds(text: &str) -> Result<f32, String> {
    in_range(text, 0.0, 86_400.0)
}
