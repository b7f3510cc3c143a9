use std::path::PathBuf;

use clap::Args;

use crate::cli::json;
use crate::cli::output::print_line;
use crate::error::Result;
use crate::eval::motion::{STRETCH, Track, compare};

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer eval motion raw.jsonl filtered.jsonl")]
pub struct Motion {
    /// Keypoints of a clip as detected: `runtime webcam CLIP --no-smooth --keypoints RAW`.
    raw: PathBuf,
    /// Keypoints of the same clip as shown: `runtime webcam CLIP --keypoints FILTERED`.
    filtered: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Motion {
    pub fn run(self) -> Result<()> {
        let r = compare(&Track::read(&self.raw)?, &Track::read(&self.filtered)?)?;
        if self.json {
            print_line!("{}", json::line(&r)?);
            return Ok(());
        }
        print_line!("{} frames, {} with a face in both files", r.frames, r.faces);
        print_line!(
            "stillest {STRETCH} frames: from frame {}, picture changing by {:.2} of 255 a frame",
            r.still.0,
            r.still.1
        );
        for (what, j) in [("as detected", &r.raw), ("filtered", &r.filtered)] {
            print_line!(
                "jitter, {what}: {:.3} px there ({:.3} px about its trend), {:.3} px from frame to frame all along",
                j.deviation,
                j.about_trend,
                j.frame_to_frame
            );
        }
        print_line!(
            "lag of the filter: {:.1} ms ({:.1} to {:.1} ms, n = {} moving stretches of {STRETCH} frames)",
            r.lag_ms,
            r.lag_range_ms[0],
            r.lag_range_ms[1],
            r.moving
        );
        Ok(())
    }
}
