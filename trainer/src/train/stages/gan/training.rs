//! The loop: batches of real pictures in, records, sample sheets and checkpoints out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tch::{Kind, Tensor};

use super::poses::Poses;
use super::{Gan, SHEET, STAGE};
use crate::dataset::{Batches, Loader, Pick, Store};
use crate::error::Result;
use crate::nets::layers::Norm;
use crate::support::progress::Progress;
use crate::support::share::Share;
use crate::train::run::{Run, sheet};
use crate::train::stages::cadence::Cadence;

/// Real pictures whose poses are known.
const POSES: usize = 2048;
/// As many at a time.
const POSES_A_BATCH: usize = 64;

/// Steps after which it is checked whether all losses are finite: each check waits for the device.
const CHECK_EVERY: u64 = 16;

/// How often and for how long.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Stop after this many real images in all, if before the configuration's end.
    pub until_images: Option<u64>,
    /// Time between checkpoints.
    pub save_every: Duration,
    /// Images between sample sheets.
    pub sample_every: u64,
    /// Steps between log lines.
    pub log_every: u64,
}

impl Gan {
    /// Trains until the configuration's end, `schedule.until_images` or Ctrl-C, whichever comes first, saving as
    /// it goes and at the end.
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`] after Ctrl-C (what was trained is saved), [`crate::Error::Diverged`] (it is not, and the
    /// checkpoint is the last sound one).
    pub fn train(&mut self, store: Arc<Store>, run: &Run, schedule: &Schedule) -> Result<()> {
        let planned: u64 = self.config.gan.images.iter().sum();
        let end = schedule.until_images.map_or(planned, |u| u.min(planned));
        let leads = self.ranks.leads();
        let mut progress = Progress::resumed("training", self.state.images_seen, end);
        self.observe_poses(&store)?;
        let mut loader: Option<(i64, Loader)> = None;
        let mut cadence = Cadence::start(schedule.save_every, schedule.log_every);
        let mut note = String::new();
        while self.state.images_seen < end {
            let (size, alpha) = self.resolution();
            if loader.as_ref().is_none_or(|(s, _)| *s != size) {
                loader = Some((size, self.load(&store, size)?));
            }
            let Some((_, loader)) = &mut loader else { continue };
            let real = loader.next_batch()?.to_device(self.device);
            let sampled = self.state.images_seen / schedule.sample_every;
            let measured = self.step(&real, size, alpha)?;
            self.state.seconds += cadence.lap();
            // Reading numbers waits for the device, so they are read only where someone wants to see them.
            let logged = cadence.logs(measured.step);
            if logged || progress.is_due() || measured.step.is_multiple_of(CHECK_EVERY) {
                self.watch.check(self.saved)?;
            }
            if logged {
                let report = measured.report_over(&*self.ranks)?;
                note = report.note();
                if leads {
                    run.log(STAGE, &report)?;
                }
            } else if progress.is_due() {
                // Only this rank knows that it is due, so the numbers are those of its share.
                note = measured.report()?.note();
            }
            progress.advance(self.config.gan.batch as u64, &note);
            if leads && self.state.images_seen / schedule.sample_every != sampled {
                self.write_sheet(run)?;
            }
            if cadence.saves(&*self.ranks) {
                self.save(run)?;
                cadence.saved(&*self.ranks)?;
            }
        }
        progress.finish(&note);
        if leads {
            self.write_sheet(run)?;
        }
        self.save(run)
    }

    /// This rank's share of batches of `size` pixels from the step that is next on.
    fn load(&self, store: &Arc<Store>, size: i64) -> Result<Loader> {
        Ok(Loader::start(
            store.clone(),
            self.state.step,
            Batches {
                crops: self.config.crop.clone(),
                seed: self.config.seed,
                count: self.config.gan.share(self.ranks.size())? as usize,
                size: size as usize,
                share: self.ranks.share(),
                pick: Pick::Single,
            },
        ))
    }

    /// Finds keypoints in real pictures, the first that training shows and the same after every resume: generated poses are
    /// held against these.
    ///
    /// # Errors
    /// Those of the loader.
    fn observe_poses(&mut self, store: &Arc<Store>) -> Result<()> {
        let inference = &self.networks.inference;
        if !inference.detector_is_fixed || self.config.gan.pose.weight == 0.0 {
            return Ok(());
        }
        let what = Batches {
            crops: self.config.crop.clone(),
            seed: self.config.seed,
            count: POSES_A_BATCH,
            size: self.config.architecture.image_size as usize,
            share: Share::WHOLE,
            pick: Pick::Single,
        };
        let mut loader = Loader::start(store.clone(), 0, what);
        let mut poses = Vec::new();
        for _ in 0..POSES / POSES_A_BATCH {
            let real = loader.next_batch()?.to_device(self.device);
            let inferred = tch::no_grad(|| inference.forward(&real, true, false, Kind::Float, Norm::Running));
            poses.extend(inferred.keypoints.map(|keypoints| keypoints.flatten(1, 2)));
        }
        self.poses = Some(Poses::new(&Tensor::cat(&poses, 0)));
        Ok(())
    }

    /// Writes a sheet of the averaged generator's samples, the same noise every time.
    fn write_sheet(&mut self, run: &Run) -> Result<PathBuf> {
        self.watch.check(self.saved)?;
        let (size, alpha) = self.resolution();
        let (average, kind) = (&self.networks.average, self.config.precision.kind(self.device));
        average.calibrate(sheet::CALIBRATION, size, alpha, kind);
        let path = run.sample(STAGE, self.state.images_seen);
        sheet::write(&path, average, &SHEET, size, alpha)?;
        run.sheet(STAGE, self.state.step, &path)?;
        run.keep_best(STAGE, average, (size, alpha), &self.state, || self.tensors())?;
        Ok(path)
    }
}
