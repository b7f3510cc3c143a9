use std::num::NonZeroUsize;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tch::Device;

use crate::config::Config;
use crate::dataset::Store;
use crate::error::Result;
use crate::train::judge::{BestBy, Judge};
use crate::train::keep::DEFAULT_KEEP;
use crate::train::run::Run;

/// How many checkpoints stay.
#[derive(Debug, Args)]
pub struct Keep {
    /// Checkpoints to keep: the latest and N - 1 before it, named by the images they have seen.
    #[arg(long, value_name = "N", default_value_t = default_keep())]
    keep: NonZeroUsize,
}

/// Which checkpoint is kept besides.
#[derive(Debug, Args)]
pub struct KeepBest {
    /// Keep the best checkpoint besides, compared at every sample sheet once the full image size is reached: by KID of
    /// 500 samples against training crops (needs `scripts/setup features`), or by the health of the keypoints.
    #[arg(long, value_name = "METRIC")]
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
    /// Tells `run` what to keep.
    pub fn apply(&self, run: Run, judge: Option<Judge>) -> Run {
        run.keeping(self.keep.get(), judge)
    }
}

impl KeepBest {
    /// The judge that was asked for.
    pub fn judge(&self, store: &Arc<Store>, config: &Config, device: Device) -> Result<Option<Judge>> {
        let by = self.keep_best.map(|by| match by {
            By::Kid => BestBy::Kid,
            By::Health => BestBy::Health,
        });
        by.map(|by| Judge::new(by, store, config, device)).transpose()
    }
}
