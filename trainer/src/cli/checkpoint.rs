//! Which generator of a run.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Result;
use crate::train::run::Run;
use crate::train::stages::{gan, portrait};

/// A stage's checkpoint as `--checkpoint` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointChoice {
    /// The last one written.
    Latest,
    /// The best by the metric of `trainer train --keep-best`.
    Best,
    /// A file.
    File(PathBuf),
}

impl FromStr for CheckpointChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Infallible> {
        Ok(match text {
            "latest" => Self::Latest,
            "best" => Self::Best,
            file => Self::File(file.into()),
        })
    }
}

impl CheckpointChoice {
    /// Its file, where it is of `stage` in `run`.
    pub fn path(&self, run: &Run, stage: &str) -> PathBuf {
        match self {
            Self::Latest => run.checkpoint(stage),
            Self::Best => run.best(stage),
            Self::File(path) => path.clone(),
        }
    }
}

/// The stage that makes of `run` what it is: that of the generator, or that of portrait networks where it has those alone.
pub fn main_stage(run: &Run) -> &'static str {
    let draws = run.checkpoint(gan::STAGE).exists() || !run.checkpoint(portrait::STAGE).exists();
    if draws { gan::STAGE } else { portrait::STAGE }
}

/// A run and which of its generators.
#[derive(Clone, Debug)]
pub struct RunChoice {
    /// Folder of the run.
    pub dir: PathBuf,
    /// Checkpoint of its generator.
    pub checkpoint: CheckpointChoice,
}

impl RunChoice {
    /// The run, and the file of the generator's checkpoint.
    ///
    /// # Errors
    /// Those of [`Run::open`].
    pub fn open(&self) -> Result<(Run, PathBuf)> {
        let (run, _) = Run::open(&self.dir)?;
        let generator = self.checkpoint.path(&run, gan::STAGE);
        Ok((run, generator))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn words_name_checkpoints_of_the_run_and_all_else_is_a_file() {
        let run = Run::elsewhere(Path::new("run"));
        let path = |text: &str| text.parse::<CheckpointChoice>().unwrap().path(&run, "gan");
        assert_eq!(path("latest"), run.checkpoint("gan"));
        assert_eq!(path("best"), run.best("gan"));
        assert_eq!(path("best.safetensors"), Path::new("best.safetensors"));
    }
}
