//! A run's directory: configuration, checkpoints, log and samples.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::config::Config;
use crate::error::{Error, Result};

/// Paths of a run and its log.
pub struct Run {
    dir: PathBuf,
}

impl Run {
    /// Makes the directory of a new run and writes the configuration into it.
    ///
    /// # Errors
    /// [`Error::Usage`] if a run is there already.
    pub fn create(dir: &Path, config: &Config) -> Result<Self> {
        let run = Self { dir: dir.to_owned() };
        if run.config_path().exists() {
            return Err(Error::Usage(format!(
                "{} holds a run already: carry on with --resume, or name another folder",
                dir.display()
            )));
        }
        fs::create_dir_all(run.dir.join("samples")).map_err(Error::io(dir))?;
        run.write_config(config)?;
        Ok(run)
    }

    /// Writes the configuration that training goes on with.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_config(&self, config: &Config) -> Result<()> {
        let text = toml::to_string_pretty(config).map_err(|e| Error::Config(e.to_string()))?;
        Ok(models::files::write_atomically(&self.config_path(), text.as_bytes())?)
    }

    /// Opens the directory of an earlier run and reads its configuration.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no run, [`Error::Config`] if its configuration is not sound.
    pub fn open(dir: &Path) -> Result<(Self, Config)> {
        let run = Self { dir: dir.to_owned() };
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

    /// The log of a stage: one JSON object a line.
    pub fn log_path(&self, stage: &str) -> PathBuf {
        self.dir.join(format!("{stage}.jsonl"))
    }

    /// Appends a line to the log.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn log(&self, stage: &str, line: &impl Serialize) -> Result<()> {
        let path = self.log_path(stage);
        let mut text = serde_json::to_string(line).map_err(|e| Error::Usage(e.to_string()))?;
        text.push('\n');
        let mut file =
            fs::OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io(&path))?;
        file.write_all(text.as_bytes()).map_err(Error::io(&path))
    }

    /// Drops log lines of steps after `step`, which a resumed run writes anew, and a last line cut short.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn trim_log(&self, stage: &str, step: u64) -> Result<()> {
        let path = self.log_path(stage);
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        let kept: String = text
            .split_inclusive('\n')
            .filter(|line| {
                let parsed: Option<Value> = serde_json::from_str(line).ok();
                parsed.and_then(|v| v["step"].as_u64()).is_some_and(|s| s <= step) && line.ends_with('\n')
            })
            .collect();
        Ok(models::files::write_atomically(&path, kept.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_not_overwritten_and_can_be_opened() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { seed: 42, ..Config::default() };
        Run::create(dir.path(), &config).unwrap();
        assert!(Run::create(dir.path(), &config).err().unwrap().to_string().contains("--resume"));
        assert_eq!(Run::open(dir.path()).unwrap().1, config);
    }

    #[test]
    fn the_log_is_cut_back_to_the_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        let run = Run::create(dir.path(), &Config::default()).unwrap();
        for step in 1..=4 {
            run.log("gan", &serde_json::json!({ "step": step })).unwrap();
        }
        let path = run.log_path("gan");
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"step\": 2, \"lo").unwrap();
        run.trim_log("gan", 3).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }
}
