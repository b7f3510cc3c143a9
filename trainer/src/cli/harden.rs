use std::path::PathBuf;

use clap::Args;

use crate::dataset::harden::{Harden, Hardship, harden};
use crate::error::Result;

#[derive(Debug, Args)]
pub struct HardenArguments {
    /// Folder with train/ and test/, each with pictures and a landmarks.csv.
    set: PathBuf,
    /// The folder to write: half, dark, blurred, noisy and covered in it, each a set with the same train/.
    out: PathBuf,
    /// Seed: the same one gives the same pictures.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

impl HardenArguments {
    pub fn run(self) -> Result<()> {
        let written = harden(&Harden { set: self.set, out: self.out.clone(), seed: self.seed })?;
        eprintln!(
            "{} sets of {} pictures to fit on and {} to test on",
            Hardship::ALL.len(),
            written.train,
            written.test
        );
        for hardship in Hardship::ALL {
            println!("{}", self.out.join(hardship.name()).display());
        }
        Ok(())
    }
}
