use clap::Args;

use crate::config::presets::{PRESETS, Preset};
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub struct Presets {
    /// Print this one, a TOML file to change and pass to --config.
    name: Option<String>,
    /// With a name: print every key, also those that keep their defaults, as JSON.
    #[arg(long, requires = "name")]
    json: bool,
}

impl Presets {
    pub fn run(self) -> Result<()> {
        match self.name {
            Some(name) if self.json => {
                let config = Preset::find(&name)?.config()?;
                println!(
                    "{}",
                    serde_json::to_string_pretty(&config).map_err(|e| Error::Usage(e.to_string()))?
                );
            }
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
