use clap::Args;

use super::json;
use crate::cli::output::print_line;
use crate::config::presets::{PRESETS, Preset};
use crate::error::Result;

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer presets faces64-edge")]
pub struct Presets {
    /// Print this one, a TOML file to change and pass to --config.
    #[arg(value_name = "NAME", value_parser = Preset::find)]
    preset: Option<Preset>,
    /// With a name: print every key, also those that keep their defaults, as JSON.
    #[arg(long, requires = "preset")]
    json: bool,
}

impl Presets {
    pub fn run(self) -> Result<()> {
        match self.preset {
            Some(preset) if self.json => print_line!("{}", json::pretty(&preset.config()?)?),
            Some(preset) => print_line!("{}", preset.text.trim_end()),
            None => {
                let width = PRESETS.iter().map(|p| p.name.len()).max().unwrap_or_default();
                for preset in PRESETS {
                    print_line!("{:width$}  {}", preset.name, preset.about());
                }
            }
        }
        Ok(())
    }
}
