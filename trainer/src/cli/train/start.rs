//! Arguments, the run's folder and checkpoints resolved into what a run begins with.

use std::path::Path;

use super::Train;
use crate::config::Config;
use crate::dataset::Store;
use crate::error::{Error, Result};
use crate::support::fingerprint;
use crate::train::ranks::{self, Ranks};
use crate::train::run::Run;
use crate::train::run::checkpoint::Checkpoint;
use crate::train::stages::{gan, keypoints};

/// What a run begins with.
pub struct Start {
    pub run: Run,
    pub config: Config,
    pub checkpoint: Option<Checkpoint>,
    /// That of `--detector`.
    pub detector: Option<Checkpoint>,
}

impl Train {
    /// The checked configuration and the checkpoints, the same on all ranks. Rank 0 alone reads the run's folder: other
    /// machines need not have it.
    pub(super) fn resolve(&self, out: &Path, ranks: &dyn Ranks) -> Result<Start> {
        let given = ranks::together(ranks, self.choice.named())?;
        let found = match self.resume && ranks.leads() {
            true => Run::open(out).and_then(|(run, stored)| {
                let path = run.checkpoint(gan::STAGE);
                // Stopped while it learned its keypoints, a run has no generator yet.
                let begun = path.exists() || !run.checkpoint(keypoints::STAGE).exists();
                let checkpoint = begun.then(|| Checkpoint::open(&path)).transpose()?;
                Ok((run, Some(stored), checkpoint))
            }),
            // Refused now rather than when all is read and trained.
            false if ranks.leads() && self.dump_gradients.as_ref().is_some_and(|p| p.exists()) => {
                Err(Error::Usage("the file of --dump-gradients exists: name another".into()))
            }
            false if ranks.leads() => Run::planned(out).and_then(|run| match &self.from {
                Some(path) => {
                    let checkpoint = Checkpoint::open(path)?;
                    Ok((run, Some(checkpoint.state.config.clone()), Some(checkpoint)))
                }
                None => Ok((run, None, None)),
            }),
            false => Ok((Run::elsewhere(out), None, None)),
        };
        let (run, mut stored, mut checkpoint) = ranks::together(ranks, found)?;
        if (self.resume || self.from.is_some()) && ranks.size() > 1 {
            let content = checkpoint.as_ref().map(|c| c.content().to_vec()).unwrap_or_default();
            let content = ranks::from_first(ranks, content);
            let text = stored.as_ref().map(toml::to_string).transpose();
            let text = text.map_err(|e| Error::Config(e.to_string()))?.unwrap_or_default();
            let text = ranks::from_first(ranks, text.into_bytes());
            if !ranks.leads() {
                checkpoint = Some(Checkpoint::parse(&run.checkpoint(gan::STAGE), content)?);
                stored = Some(
                    toml::from_str(&String::from_utf8_lossy(&text))
                        .map_err(|e| Error::Config(e.to_string()))?,
                );
            }
        }
        let mut config = given.or(stored).unwrap_or_default();
        let detector = self.detector.as_ref().map(|path| Checkpoint::open(path)).transpose();
        let detector = ranks::together(ranks, detector)?;
        let checked = self.override_config(&mut config).and_then(|()| {
            config.gan.share(ranks.size())?;
            if let Some(checkpoint) = checkpoint.as_ref().filter(|c| c.state.stage == keypoints::STAGE) {
                keypoints::check_detector(checkpoint, &config)?;
                // Taken as they are, however many pictures the configuration would have shown.
                config.keypoints.images = checkpoint.state.images_seen;
                config.check()?;
            } else if let Some(checkpoint) = &checkpoint {
                checkpoint.check_grows(&config)?;
                let (planned, seen) = (config.gan.images.iter().sum::<u64>(), checkpoint.state.images_seen);
                if self.from.is_some() && planned <= seen {
                    return Err(Error::Usage(format!(
                        "{}: it has seen {seen} images, and gan.images {:?} ends there: name more with --set \
                         gan.images=[…]",
                        self.from.as_deref().unwrap_or(out).display(),
                        config.gan.images
                    )));
                }
            }
            if let Some(detector) = &detector {
                keypoints::check_replacement(detector, checkpoint.as_ref(), &config)?;
                if checkpoint.is_none() {
                    // What its keypoints were learned from is what this run's are.
                    config.keypoints.images = detector.state.config.keypoints.images;
                    config.check()?;
                }
            }
            // The pictures are counted before anything is written.
            let pictures = Store::count(&self.data, config.gan.batch)?;
            gan::check_requirements(&config)?;
            config.gan.resolve_epochs(pictures as u64);
            Ok(())
        });
        ranks::together(ranks, checked)?;
        let text = toml::to_string(&config).map_err(|e| Error::Config(e.to_string()))?;
        let fix = "start all with the same --config and flags";
        let print = fingerprint([text.as_bytes(), format!("{:?}", self.images).as_bytes()]);
        ranks::check_same(ranks, "another configuration", fix, print)?;
        Ok(Start { run, config, checkpoint, detector })
    }
}
