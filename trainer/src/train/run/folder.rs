//! A run's folder: paths, what is kept, what is recorded.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tch::Tensor;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::train::run::best::{Best, Evaluator};
use crate::train::run::checkpoint::{self, State};
use crate::train::run::generator::Generator;
use crate::train::run::keep;
use crate::train::run::record::Recorder;
use crate::train::run::session::{Session, Sessions};

/// Paths of a run and what it keeps.
pub struct Run {
    dir: PathBuf,
    keep: usize,
    evaluator: Option<Box<dyn Evaluator>>,
    /// Step of the last sheet: a run that ends with one asks twice.
    sheet: Cell<Option<u64>>,
    /// Step of the last evaluation.
    evaluated: Cell<Option<u64>>,
}

impl Run {
    fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            keep: keep::DEFAULT_KEEP,
            evaluator: None,
            sheet: Cell::new(None),
            evaluated: Cell::new(None),
        }
    }

    /// Makes the directory of a new run and writes the configuration into it.
    ///
    /// # Errors
    /// [`Error::Usage`] if a run is there already.
    pub fn create(dir: &Path, config: &Config) -> Result<Self> {
        let run = Self::planned(dir)?;
        fs::create_dir_all(&run.dir).map_err(Error::io(dir))?;
        run.write_config(config)?;
        Ok(run)
    }

    /// Writes the configuration that training goes on with.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_config(&self, config: &Config) -> Result<()> {
        let text = toml::to_string_pretty(config).map_err(|e| Error::Config(e.to_string()))?;
        Ok(lkg_bundle::files::write_atomically(&self.config_path(), text.as_bytes())?)
    }

    /// Names the directory of a run that another process makes.
    pub fn elsewhere(dir: &Path) -> Self {
        Self::at(dir)
    }

    /// Names the directory of a run that is to be made.
    ///
    /// # Errors
    /// [`Error::Usage`] if a run is there already.
    pub fn planned(dir: &Path) -> Result<Self> {
        let run = Self::at(dir);
        if run.config_path().exists() {
            return Err(Error::Usage(format!(
                "{} holds a run already: carry on with --resume, or name another folder",
                dir.display()
            )));
        }
        Ok(run)
    }

    /// Opens the directory of an earlier run and reads its configuration.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no run, [`Error::Config`] if its configuration is not sound.
    pub fn open(dir: &Path) -> Result<(Self, Config)> {
        let run = Self::at(dir);
        if !run.config_path().is_file() {
            return Err(Error::Usage(format!("{}: no run here (no config.toml)", dir.display())));
        }
        let config = Config::read(&run.config_path())?;
        Ok((run, config))
    }

    /// The run's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The configuration's file.
    pub fn config_path(&self) -> PathBuf {
        self.dir.join("config.toml")
    }

    /// The latest checkpoint of a stage, `gan` or `detector`.
    pub fn checkpoint(&self, stage: &str) -> PathBuf {
        self.dir.join(format!("{stage}.safetensors"))
    }

    /// Where the sample sheet of a step goes.
    pub fn sample(&self, stage: &str, images: u64) -> PathBuf {
        self.dir.join("samples").join(format!("{stage}-{images:09}.png"))
    }

    /// The sample sheets of a stage with the images seen until then, in their order.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn samples(&self, stage: &str) -> Result<Vec<(u64, PathBuf)>> {
        let dir = self.dir.join("samples");
        if !dir.is_dir() {
            return Ok(vec![]);
        }
        let mut sheets = vec![];
        for entry in fs::read_dir(&dir).map_err(Error::io(&dir))? {
            let path = entry.map_err(Error::io(&dir))?.path();
            let images = path
                .file_stem()
                .and_then(|s| s.to_str()?.strip_prefix(stage)?.strip_prefix('-')?.parse().ok());
            sheets.extend(images.map(|n| (n, path)));
        }
        sheets.sort();
        Ok(sheets)
    }

    /// Keeps `keep` checkpoints a stage, the latest included, and the best by `evaluator`.
    pub fn keeping(self, keep: usize, evaluator: Option<Box<dyn Evaluator>>) -> Self {
        Self { keep, evaluator, ..self }
    }

    /// The best checkpoint of a stage by the metric that the run keeps the best by.
    pub fn best(&self, stage: &str) -> PathBuf {
        self.dir.join(format!("{stage}-best.safetensors"))
    }

    /// The records of a stage.
    pub fn recorder(&self, stage: &str) -> Recorder {
        Recorder::new(&self.dir, stage)
    }

    /// Notes in `run.json` that this process begins to train a stage, and makes room for its sheets: a run that was put
    /// together from parts has no folder for them.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Data`] if `run.json` is not a record.
    pub fn begin(&self, session: Session) -> Result<()> {
        let samples = self.dir.join("samples");
        fs::create_dir_all(&samples).map_err(Error::io(&samples))?;
        session.add_to(&self.dir.join("run.json"))
    }

    /// The content of `run.json`.
    ///
    /// # Errors
    /// Those of [`Sessions::read`].
    pub fn sessions(&self) -> Result<Sessions> {
        Sessions::read(&self.dir.join("run.json"))
    }

    /// Records a line: see [`crate::train::run::record`].
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn log(&self, stage: &str, line: &impl Serialize) -> Result<()> {
        self.recorder(stage).add(line)
    }

    /// Drops what steps after `step` recorded, which a resumed run records anew.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn trim_log(&self, stage: &str, step: u64) -> Result<()> {
        self.recorder(stage).trim(step)?;
        self.recorder(&scores(stage)).trim(step)
    }

    /// Records the sample sheet at `path`, and redraws the curves.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Plot`].
    pub fn sheet(&self, stage: &str, step: u64, path: &Path) -> Result<()> {
        let recorder = self.recorder(stage);
        if self.sheet.replace(Some(step)) != Some(step) {
            recorder.add_sheet(step, path)?;
        }
        recorder.draw_curves()
    }

    /// Saves a checkpoint as the latest and removes those that are not to be kept any more.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Checkpoint`]; the latest is whole in any case.
    pub fn save(&self, stage: &str, tensors: &[(String, Tensor)], state: &State) -> Result<()> {
        keep::save(&self.checkpoint(stage), state, self.keep, |p| checkpoint::save(p, tensors, state))
    }

    /// Compares a calibrated generator, drawing at `size` with `alpha`, with the best so far if the run keeps the
    /// best; `tensors` are what is saved if it wins. One that has not grown to its full size does not take part.
    ///
    /// # Errors
    /// Those of the comparison and of saving.
    pub fn keep_best(
        &self,
        stage: &str,
        generator: &Generator,
        (size, alpha): (i64, f64),
        state: &State,
        tensors: impl FnOnce() -> Vec<(String, Tensor)>,
    ) -> Result<()> {
        let Some(evaluator) = &self.evaluator else { return Ok(()) };
        let grown = size == state.config.architecture.image_size && alpha >= 1.0;
        if !grown || self.evaluated.replace(Some(state.step)) == Some(state.step) {
            return Ok(());
        }
        let (by, score) = (evaluator.metric(), evaluator.score(generator, size)?);
        let mut line = serde_json::json!({ "step": state.step, "images": state.images_seen });
        line[by.to_string()] = score.into();
        self.log(&scores(stage), &line)?;
        let record = self.dir.join(format!("{stage}-best.json"));
        let before: Option<Best> =
            std::fs::read_to_string(&record).ok().and_then(|text| serde_json::from_str(&text).ok());
        if before.is_some_and(|best| !best.is_beaten_by(by, score)) {
            return Ok(());
        }
        // First the checkpoint: killed in between, the same score is computed again and wins again.
        checkpoint::save(&self.best(stage), &tensors(), state)?;
        let best = Best { by, score, images: state.images_seen };
        let text = serde_json::to_string(&best).map_err(|e| Error::Usage(e.to_string()))? + "\n";
        Ok(lkg_bundle::files::write_atomically(&record, text.as_bytes())?)
    }
}

/// The name that the scores of a stage are recorded under.
fn scores(stage: &str) -> String {
    format!("{stage}-scores")
}

#[cfg(test)]
mod tests {
    use super::super::best::BestBy;
    use super::*;

    /// Scores a generator by how little its keypoints vary, as the health of keypoints does.
    struct Spread;

    impl Evaluator for Spread {
        fn metric(&self) -> BestBy {
            BestBy::Health
        }

        fn score(&self, generator: &Generator, _: i64) -> Result<f64> {
            tch::manual_seed(5);
            let keypoints = tch::no_grad(|| generator.sample_latents(100).keypoints);
            Ok(-keypoints
                .std_dim(Some([0i64].as_slice()), true, false)
                .mean(tch::Kind::Float)
                .double_value(&[]))
        }
    }

    #[test]
    fn a_run_is_not_overwritten_and_can_be_opened() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { seed: 42, ..Config::default() };
        Run::create(dir.path(), &config).unwrap();
        assert!(Run::create(dir.path(), &config).err().unwrap().to_string().contains("--resume"));
        assert_eq!(Run::open(dir.path()).unwrap().1, config);
    }

    #[test]
    fn the_best_is_kept_and_the_latest_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.architecture.generator_channels = vec![4; 5];
        config.architecture.image_size = 64;
        let run = Run::create(&dir.path().join("run"), &config).unwrap().keeping(2, Some(Box::new(Spread)));
        let generator = Generator::new(&config.architecture, tch::Device::Cpu);
        // Far enough from the centre to be healthy.
        let mut weight = generator.store.variables()["keypoints.pose.2.weight"].shallow_clone();
        let _ = tch::no_grad(|| weight.g_mul_scalar_(40.0));
        let state = |step: u64| State { step, images_seen: step * 4, ..State::new("gan", &config, 1) };
        run.keep_best("gan", &generator, (32, 1.0), &state(1), Vec::new).unwrap();
        assert!(!run.best("gan").exists(), "not grown to its size yet");
        run.keep_best("gan", &generator, (64, 1.0), &state(2), Vec::new).unwrap();
        let images = |p: PathBuf| checkpoint::peek(&p).unwrap().images_seen;
        assert_eq!(images(run.best("gan")), 8);
        // Keypoints that do not move any more are worse: the best stays.
        let _ = tch::no_grad(|| weight.zero_());
        run.keep_best("gan", &generator, (64, 1.0), &state(3), Vec::new).unwrap();
        run.keep_best("gan", &generator, (64, 1.0), &state(3), Vec::new).unwrap();
        assert_eq!(images(run.best("gan")), 8);
        let lines = std::fs::read_to_string(run.recorder("gan-scores").lines()).unwrap();
        assert_eq!(lines.lines().count(), 2);
        run.trim_log("gan", 2).unwrap();
        assert_eq!(std::fs::read_to_string(run.recorder("gan-scores").lines()).unwrap().lines().count(), 1);
    }
}
