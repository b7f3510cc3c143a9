use std::path::PathBuf;

use clap::Args;

use crate::cli::output::print_line;
use crate::dataset::faces::{self, Faces, Rendered};
use crate::error::Result;

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer data faces 20000 rendered/")]
pub struct FacesArguments {
    /// Pictures (people, with --variants) that OUT shall hold; those in it count. The same command carries on after Ctrl-C.
    #[arg(value_name = "N")]
    count: usize,
    /// Folder for the pictures, 256 x 256 JPEGs named by seed.
    out: PathBuf,
    /// Pictures of each person that differ in pose and expression, in a folder named by seed.
    #[arg(long, value_name = "V", value_parser = clap::value_parser!(u16).range(2..=64))]
    variants: Option<u16>,
    /// Seed of the first picture (default: after the last in OUT, or 1300).
    #[arg(long, value_name = "SEED")]
    first_seed: Option<u32>,
    /// Allow seeds under 1300, which are kept for testing.
    #[arg(long)]
    test_seeds: bool,
    /// With --variants: replace by one of smaller moves what the detector of this bundle is not certain of.
    #[arg(long, value_name = "BUNDLE", requires = "variants")]
    detector: Option<PathBuf>,
    /// Pictures rendered at once (default: a processor thread each).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
}

impl FacesArguments {
    pub fn run(self) -> Result<()> {
        let jobs = self.jobs.map_or_else(rayon::current_num_threads, usize::from);
        let Rendered { now, held, replaced } = faces::render(&Faces {
            out: self.out.clone(),
            count: self.count,
            variants: self.variants.map_or(0, usize::from),
            first_seed: self.first_seed,
            test_seeds: self.test_seeds,
            jobs,
            detector: self.detector.clone(),
        })?;
        eprintln!(
            "{now} {} rendered, {held} there; where they come from is in SOURCE.txt beside them",
            if self.variants.is_some() { "people" } else { "faces" }
        );
        if self.detector.is_some() {
            eprintln!("{replaced} broken pictures replaced");
        }
        print_line!("{}", self.out.display());
        Ok(())
    }
}
