use std::path::PathBuf;

use clap::Args;

use crate::cli::output::print_line;
use crate::dataset::corruption::{CorruptedSets, Corruption, corrupt};
use crate::error::Result;

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer data corrupt landmarks/wild corrupted/wild")]
pub struct CorruptArguments {
    /// Folder with train/ and test/, each with pictures and a landmarks.csv.
    set: PathBuf,
    /// The folder to write: half, dark, blurred, noisy and occluded in it, each a set with the same train/.
    out: PathBuf,
    /// Seed: the same one gives the same pictures.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

impl CorruptArguments {
    pub fn run(self) -> Result<()> {
        let written = corrupt(&CorruptedSets { set: self.set, out: self.out.clone(), seed: self.seed })?;
        eprintln!(
            "{} sets of {} pictures to fit on and {} to test on",
            Corruption::ALL.len(),
            written.train,
            written.test
        );
        for corruption in Corruption::ALL {
            print_line!("{}", self.out.join(corruption.name()).display());
        }
        Ok(())
    }
}
