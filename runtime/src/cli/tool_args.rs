//! Arguments of the commands that see to bundle, machine and program.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The bundle [default: as for --bundle]
    #[arg(value_name = "BUNDLE")]
    pub target: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Open each camera as webcam does, and count its frames for 2 seconds
    #[arg(long)]
    pub measure: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `warm`.
#[derive(Debug, Args)]
pub struct WarmArgs {
    /// Print one JSON object a network
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell. Bash: save what is printed as ~/.local/share/bash-completion/completions/runtime; zsh: as _runtime in a
    /// folder of $fpath; fish: as ~/.config/fish/completions/runtime.fish
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Print a file with every key as a remark, for $XDG_CONFIG_HOME/lkg/config.toml or ~/.config/lkg/config.toml
    #[arg(long)]
    pub template: bool,
}

/// Arguments of `cache`.
#[derive(Debug, Args)]
pub struct CacheArgs {
    /// What to do
    #[arg(value_enum)]
    pub action: CacheAction,
    /// Print a JSON list
    #[arg(long)]
    pub json: bool,
}

/// What to do with the engines that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CacheAction {
    /// List them
    List,
    /// Delete them
    Clear,
}
