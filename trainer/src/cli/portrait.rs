use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tch::Device;

use super::stage::LoopArgs;
use crate::config::Config;
use crate::dataset::{STORE_FACTOR, Store};
use crate::error::Result;
use crate::train::run::Run;
use crate::train::run::checkpoint::Checkpoint;
use crate::train::stages::portrait::{self, PortraitTraining, STAGE};
use crate::train::stages::stage;

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer portrait people/ --out runs/portrait --set architecture.states=4")]
pub struct PortraitCommand {
    /// Packs that know which pictures are of one person (`trainer data import --people`), or folders with a folder of
    /// pictures for each person, as `trainer data faces N OUT --variants V` makes.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Folder of the run: checkpoints, log, samples.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Begin a new run with the networks of a run or of a checkpoint of this stage, and learning rates from the start.
    /// Its configuration holds where none is named; one that names a larger architecture.portrait_size grows from there.
    /// From keypoints.safetensors of `trainer train` the detector alone is taken, and further keypoints begin between its own.
    #[arg(long, value_name = "RUN|CHECKPOINT", conflicts_with = "resume")]
    from: Option<PathBuf>,
    #[command(flatten)]
    common: LoopArgs,
}

impl PortraitCommand {
    pub fn run(self, device: Device) -> Result<()> {
        self.common.stop.begin();
        let LoopArgs { resume, .. } = self.common;
        let (run, stored) = match resume {
            true => Run::open(&self.out).map(|(run, config)| (Some(run), Some(config)))?,
            false => Run::planned(&self.out).map(|_| (None, None))?,
        };
        let checkpoint = run.as_ref().map(|run| Checkpoint::open(&run.checkpoint(STAGE))).transpose()?;
        let from = self.from.as_deref().map(start).transpose()?;
        let begun = from.as_ref().map(|from| portrait::begun(&from.state));
        let config = self.config(stored.or(begun))?;
        from.as_ref().map(|from| portrait::check_fit(from, &config)).transpose()?;
        let arch = &config.architecture;
        let side = arch.portrait_size.max(arch.detector_size) * STORE_FACTOR;
        let store = Arc::new(Store::load(&self.data, side as usize)?);
        let people = store.people()?.len();
        let mut training = PortraitTraining::new(&config, store.len() as u64, device)?;
        if let Some(from) = &from {
            training.begin_with(from)?;
        }
        if let Some(checkpoint) = &checkpoint {
            stage::restore(&mut training, checkpoint, &config)?;
        }
        let run = match run {
            Some(run) => run.write_config(&config).map(|()| run)?,
            None => Run::create(&self.out, &config)?,
        };
        eprintln!("{} pictures of {people} people", store.len());
        self.common.train(&mut training, checkpoint.as_ref(), (&self.data, &store), run, device)
    }

    /// The checked configuration: the one named, or else `stored`, or the defaults.
    fn config(&self, stored: Option<Config>) -> Result<Config> {
        let LoopArgs { choice, images, .. } = &self.common;
        let mut config = choice.named()?.or(stored).unwrap_or_default();
        choice.overrule(&mut config)?;
        if let Some(images) = images {
            config.portrait.images = *images;
        }
        config.check().map(|()| config)
    }
}

/// The checkpoint that `path` is, or that of the run in it.
fn start(path: &Path) -> Result<Checkpoint> {
    match path.is_dir() {
        true => Checkpoint::open(&Run::open(path)?.0.checkpoint(STAGE)),
        false => Checkpoint::open(path),
    }
    .and_then(portrait::check_start)
}
