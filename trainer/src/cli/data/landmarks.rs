use std::path::PathBuf;

use clap::Args;

use super::collect::CollectArguments;
use crate::cli::output::print_line;
use crate::dataset::landmark_set::{self, LandmarkSet};
use crate::error::Result;

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer data landmarks celeba/ landmarks/wild --wild")]
pub struct LandmarksArguments {
    /// The folder of the set.
    source: PathBuf,
    /// The folder to write, with train/ and test/.
    out: PathBuf,
    #[command(flatten)]
    collect: CollectArguments,
    /// Side of the written pictures in pixels.
    #[arg(long, default_value_t = 128, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(8..=2048))]
    size: u32,
}

impl LandmarksArguments {
    pub fn run(self) -> Result<()> {
        let out = self.out.clone();
        let written = landmark_set::write(&LandmarkSet {
            source: self.source,
            out: self.out,
            options: self.collect.options(),
            side: self.size,
        })?;
        eprintln!(
            "{} pictures to fit on, {} to test on; {} broken, {} left out",
            written.train, written.test, written.broken, written.filtered
        );
        print_line!("{}", out.display());
        Ok(())
    }
}
