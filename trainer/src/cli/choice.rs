//! Which configuration: flags shared by the commands that take one.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, overrides, presets::Preset};
use crate::error::{Error, Result};

#[derive(Clone, Debug, Default, Args)]
pub struct Choice {
    /// Configuration that comes with the program; `trainer presets` lists them.
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    preset: Option<String>,
    /// TOML file over the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Change one value, as in --set gan.batch=32. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Choice {
    /// The configuration named, if one is, before `--set`.
    ///
    /// # Errors
    /// Those of [`Preset::find`] and [`Config::read`].
    pub fn named(&self) -> Result<Option<Config>> {
        match (&self.preset, &self.config) {
            (Some(name), _) => Preset::find(name)?.config().map(Some),
            (None, Some(path)) => Config::read(path).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Applies `--set`. The result is unchecked: other flags may come on top.
    ///
    /// # Errors
    /// Those of [`overrides::apply`].
    pub fn overrule(&self, config: &mut Config) -> Result<()> {
        if !self.set.is_empty() {
            *config = overrides::apply(config, &self.set)
                .map_err(|e| Error::Usage(format!("--set: {}", reason(e))))?;
        }
        Ok(())
    }

    /// What the configuration is called in messages and tables.
    pub fn name(&self) -> String {
        match (&self.preset, &self.config) {
            (Some(name), _) => name.clone(),
            (None, Some(path)) => path.display().to_string(),
            (None, None) => "defaults".into(),
        }
    }
}

fn reason(error: Error) -> String {
    match error {
        Error::Config(reason) => reason,
        other => other.to_string(),
    }
}
