//! Which configuration: flags shared by the commands that take one.

use std::fmt;
use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, overrides, presets::Preset};
use crate::error::{Error, Result};

/// Where a configuration is from.
#[derive(Clone, Debug)]
pub enum Source {
    /// It comes with the program.
    Preset(Preset),
    /// A TOML file.
    File(PathBuf),
}

impl Source {
    /// The configuration.
    ///
    /// # Errors
    /// Those of [`Preset::config`] and [`Config::read`].
    pub fn read(&self) -> Result<Config> {
        match self {
            Self::Preset(preset) => preset.config(),
            Self::File(path) => Config::read(path),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preset(preset) => f.write_str(preset.name),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

#[derive(Clone, Debug, Default, Args)]
pub struct Choice {
    /// Configuration that comes with the program; `trainer presets` lists them.
    #[arg(long, help_heading = "Configuration", value_name = "NAME", conflicts_with = "config", value_parser = Preset::find)]
    preset: Option<Preset>,
    /// TOML file over the defaults.
    #[arg(long, help_heading = "Configuration", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Change one value, as in --set gan.batch=32. May be repeated.
    #[arg(long, help_heading = "Configuration", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Choice {
    /// Where the configuration named is from, if one is.
    pub fn source(&self) -> Option<Source> {
        let file = || self.config.clone().map(Source::File);
        self.preset.map(Source::Preset).or_else(file)
    }

    /// The configuration named, if one is, before `--set`.
    ///
    /// # Errors
    /// Those of [`Source::read`].
    pub fn named(&self) -> Result<Option<Config>> {
        self.source().map(|source| source.read()).transpose()
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
        self.source().map_or_else(|| "defaults".into(), |source| source.to_string())
    }
}

fn reason(error: Error) -> String {
    match error {
        Error::Config(reason) => reason,
        other => other.to_string(),
    }
}
