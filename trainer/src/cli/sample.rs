use std::path::PathBuf;

use clap::Args;
use tch::Device;

use super::checkpoint::CheckpointChoice;
use crate::cli::output::print_line;
use crate::error::{Error, Result};
use crate::train::run::Run;
use crate::train::run::checkpoint::Checkpoint;
use crate::train::run::generator::Generator;
use crate::train::run::sheet::{self, Sheet};
use crate::train::stages::gan;

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer sample --run runs/faces --out samples.png")]
pub struct Sample {
    /// Folder of the run.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Generator to sample: latest, best (see `trainer train --keep-best`) or a checkpoint file.
    #[arg(long, value_name = "CHECKPOINT", default_value = "latest")]
    checkpoint: CheckpointChoice,
    /// PNG to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Seed of the noise.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Pictures a row.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=64))]
    columns: u16,
    /// Rows.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=64))]
    rows: u16,
    /// Leave out the second copy of each row with its keypoints.
    #[arg(long)]
    plain: bool,
    /// Overwrite an existing file.
    #[arg(long)]
    force: bool,
}

impl Sample {
    pub fn run(self, device: Device) -> Result<()> {
        if self.out.exists() && !self.force {
            return Err(Error::exists(&self.out, "overwrite with --force"));
        }
        let (run, _) = Run::open(&self.run)?;
        let checkpoint = Checkpoint::open(&self.checkpoint.path(&run, gan::STAGE))?;
        let generator = Generator::finished(&checkpoint, device)?;
        let (columns, rows) = (i64::from(self.columns), i64::from(self.rows));
        let sheet = Sheet { columns, rows, seed: self.seed, keypoints: !self.plain };
        sheet::write(&self.out, &generator, &sheet, checkpoint.state.config.architecture.image_size, 1.0)?;
        print_line!("{}", self.out.display());
        Ok(())
    }
}
