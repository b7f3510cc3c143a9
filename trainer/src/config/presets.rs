//! Configurations that come with the program, as the TOML files that they are in `trainer/presets`.

use super::Config;
use crate::error::{Error, Result};

/// A configuration by name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// What `--preset` takes.
    pub name: &'static str,
    /// The file, over the defaults.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        &[$(Preset { name: $name, text: include_str!(concat!("../../presets/", $name, ".toml")) }),*]
    };
}

/// All of them: faces from the lightest on, another category, the published forms.
pub const PRESETS: &[Preset] =
    presets!["faces64-edge", "faces128", "faces256", "cartoons64", "paper", "brief"];

impl Preset {
    /// The preset called `name`.
    ///
    /// # Errors
    /// [`Error::Usage`] that lists the names.
    pub fn find(name: &str) -> Result<Self> {
        PRESETS.iter().find(|p| p.name == name).copied().ok_or_else(|| {
            let names: Vec<&str> = PRESETS.iter().map(|p| p.name).collect();
            Error::Usage(format!("no preset named {name}: there are {}", names.join(", ")))
        })
    }

    /// What it is for: the first line of the file.
    pub fn about(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
    }

    /// The configuration.
    ///
    /// # Errors
    /// [`Error::Config`] if the file is wrong.
    pub fn config(&self) -> Result<Config> {
        Config::parse(self.text, &format!("preset {}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_sound_and_say_what_they_are_for() {
        for preset in PRESETS {
            preset.config().unwrap();
            assert!(preset.text.starts_with("# ") && preset.about().ends_with('.'), "{}", preset.name);
        }
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/presets")).unwrap();
        let mut files: Vec<_> = files.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        let mut names: Vec<_> = PRESETS.iter().map(|p| format!("{}.toml", p.name)).collect();
        files.sort();
        names.sort();
        assert_eq!(files, names);
        assert!(Preset::find("face64").unwrap_err().to_string().contains("faces64-edge, faces128"));
    }

    #[test]
    fn presets_are_what_the_shipped_models_were_trained_with() {
        let shipped = [
            ("faces64-edge", include_str!("../../../models/faces64-edge/train.toml")),
            ("faces128", include_str!("../../../models/faces128/train.toml")),
        ];
        for (name, text) in shipped {
            let shipped: Config = toml::from_str(text).unwrap();
            let mut preset = Preset::find(name).unwrap().config().unwrap();
            // For as long as there was time.
            preset.gan.images.clone_from(&shipped.gan.images);
            (preset.detector.images, preset.encoder.images) =
                (shipped.detector.images, shipped.encoder.images);
            assert_eq!(preset, shipped, "{name}");
        }
    }
}
