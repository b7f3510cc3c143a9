use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tch::Device;

use super::choice::Choice;
use super::minutes;
use super::stop::StopAfter;
use crate::cli::output::print_line;
use crate::dataset::{STORE_FACTOR, Store};
use crate::error::Result;
use crate::train::run::Run;
use crate::train::run::checkpoint::Checkpoint;
use crate::train::run::session::Session;
use crate::train::stages::portrait::{PortraitTraining, STAGE};
use crate::train::stages::stage::{self, Stage};

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer portrait people/ --out runs/portrait --set architecture.states=4")]
pub struct PortraitCommand {
    /// Folders or packs with a folder of pictures for each person, as `trainer data faces N OUT --variants V` makes.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Folder of the run: checkpoints, log, samples.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    choice: Choice,
    /// Carry on from the last checkpoint.
    #[arg(long)]
    resume: bool,
    /// Pairs to show in all (default: the configuration's).
    #[arg(long, value_name = "N")]
    images: Option<u64>,
    /// Minutes between checkpoints.
    #[arg(long, default_value = "3", value_name = "MINUTES", value_parser = minutes::any)]
    save_every: Duration,
    /// Steps between lines of the log.
    #[arg(long, default_value_t = 16, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    log_every: u64,
    #[command(flatten)]
    stop: StopAfter,
}

impl PortraitCommand {
    pub fn run(self, device: Device) -> Result<()> {
        self.stop.begin();
        let (stored, checkpoint) = if self.resume {
            let (run, config) = Run::open(&self.out)?;
            (Some(config), Some(Checkpoint::open(&run.checkpoint(STAGE))?))
        } else {
            Run::planned(&self.out)?;
            (None, None)
        };
        let mut config = self.choice.named()?.or(stored).unwrap_or_default();
        self.choice.overrule(&mut config)?;
        if let Some(images) = self.images {
            config.portrait.images = images;
        }
        config.check()?;
        let arch = &config.architecture;
        let side = arch.portrait_size.max(arch.detector_size) * STORE_FACTOR;
        let store = Arc::new(Store::load(&self.data, side as usize)?);
        let people = store.people()?;
        let mut training = PortraitTraining::new(&config, store.len() as u64, device)?;
        if let Some(checkpoint) = &checkpoint {
            stage::restore(&mut training, checkpoint, &config)?;
        }
        let run = if self.resume {
            let (run, _) = Run::open(&self.out)?;
            run.write_config(&config)?;
            run
        } else {
            Run::create(&self.out, &config)?
        };
        let first_step = training.learner().state.step;
        eprintln!("{} pictures of {} people, from step {first_step}", store.len(), people.len());
        run.trim_log(STAGE, first_step)?;
        run.begin(Session::now(STAGE, first_step, &self.data, store.len() as u64, device))?;
        stage::train(&mut training, &store, &run, self.save_every, self.log_every)?;
        print_line!("{}", run.checkpoint(STAGE).display());
        Ok(())
    }
}
