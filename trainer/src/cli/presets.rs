use clap::Args;

use crate::config::presets::{PRESETS, Preset};
use crate::error::Result;

#[derive(Debug, Args)]
pub struct Presets {
    /// Print this one, a TOML file to change and pass to --config.
    name: Option<String>,
}

impl Presets {
    pub fn run(self) -> Result<()> {
        match self.name {
            Some(name) => print!("{}", Preset::find(&name)?.text),
            None => {
                let width = PRESETS.iter().map(|p| p.name.len()).max().unwrap_or_default();
                for preset in PRESETS {
                    println!("{:width$}  {}", preset.name, preset.about());
                }
            }
        }
        Ok(())
    }
}
