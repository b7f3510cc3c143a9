use std::num::NonZeroUsize;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tch::Device;

use crate::config::Config;
use crate::dataset::Store;
use crate::error::Result;
use crate::eval::evaluator::GeneratorEvaluator;
use crate::train::best::{BestBy, Evaluator};
use crate::train::keep::DEFAULT_KEEP;
use crate::train::run::Run;

/// How many checkpoints stay.
#[derive(Debug, Args)]
pub struct Keep {
    /// Checkpoints to keep: the latest and N - 1 before it, named by the images they have seen.
    #[arg(long, value_name = "N", default_value_t = default_keep(), help_heading = "Checkpoints and records")]
    keep: NonZeroUsize,
}

/// Which checkpoint is kept besides.
#[derive(Debug, Args)]
pub struct KeepBest {
    /// Keep the best checkpoint besides, compared at every sample sheet once the full image size is reached: by KID of
    /// 500 samples against training crops (needs `scripts/setup features`), or by the health of the keypoints.
    #[arg(long, value_name = "METRIC", help_heading = "Checkpoints and records")]
    keep_best: Option<By>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Kid,
    Health,
}

fn default_keep() -> NonZeroUsize {
    NonZeroUsize::new(DEFAULT_KEEP).unwrap_or(NonZeroUsize::MIN)
}

impl Keep {
    /// Has `run` keep that much.
    pub fn apply(&self, run: Run, evaluator: Option<Box<dyn Evaluator>>) -> Run {
        run.keeping(self.keep.get(), evaluator)
    }
}

impl KeepBest {
    /// The evaluator that was asked for.
    pub fn evaluator(
        &self,
        store: &Arc<Store>,
        config: &Config,
        device: Device,
    ) -> Result<Option<Box<dyn Evaluator>>> {
        let by = self.keep_best.map(|by| match by {
            By::Kid => BestBy::Kid,
            By::Health => BestBy::Health,
        });
        let evaluator = by.map(|by| GeneratorEvaluator::new(by, store, config, device)).transpose()?;
        Ok(evaluator.map(|evaluator| Box::new(evaluator) as Box<dyn Evaluator>))
    }
}
