//! Arguments of `reenact`.

use std::path::PathBuf;

use clap::Args;

use super::args::{in_range, unit_interval};
use super::edit_args::{MarkArgs, parse_part};
use super::live_args::LiveArgs;
use crate::edit::Parts;
use crate::reenact::{Drive, Gains, View};

/// Arguments of `reenact`.
#[derive(Debug, Args)]
pub struct ReenactArgs {
    /// Whose looks: a photo (JPEG, PNG), seed:N, or a face saved with `runtime edit --save` (.json); SOURCE, below, is
    /// whose motion, also motion saved with --save-motion (.jsonl). Given several times, key f goes through them
    #[arg(long = "source", short = 's', value_name = "PHOTO|seed:N|FACE.json", required = true)]
    pub faces: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub live: LiveArgs,
    /// Where the driven face is shown: none (a bare square beside the driver), driver (over the driver's face) or source
    /// (in the source's photo, bent as the keypoints move)
    #[arg(long, value_name = "WHERE", default_value = "none")]
    pub paste: View,
    /// Which motion is taken over: all, pose (the head's alone), mouth or eyes (those parts' alone); key d goes through them
    #[arg(long, value_name = "WHICH", default_value = "all")]
    pub drive: Drive,
    /// By what motion is multiplied, 0 to 3. Keypoints stop where their layout leaves what 99 % of the generator's own stay
    /// within (Mahalanobis distance)
    #[arg(long, value_name = "G", default_value_t = 1.0, value_parser = gain)]
    pub gain: f32,
    /// The same for the motion of the head alone [default: --gain]
    #[arg(long, value_name = "G", value_parser = gain)]
    pub gain_pose: Option<f32>,
    /// How much of the head's way across the driver's picture the face goes along, 0 to 1: the square shows little room
    #[arg(long, value_name = "G", default_value_t = 0.2, value_parser = unit_interval)]
    pub gain_shift: f32,
    /// The same as --gain for what the parts do besides [default: --gain]
    #[arg(long, value_name = "G", value_parser = gain)]
    pub gain_parts: Option<f32>,
    /// The same for single parts or groups, in place of --gain-parts, e.g. eyes=1.5
    #[arg(long, value_name = "PART=G", value_parser = gain_of)]
    pub gain_of: Vec<(Parts, f32)>,
    /// What all motion across is multiplied by besides, but for the head's turn and scale
    #[arg(long, value_name = "G", default_value_t = 1.0, value_parser = gain)]
    pub gain_x: f32,
    /// The same for motion up and down
    #[arg(long, value_name = "G", default_value_t = 1.0, value_parser = gain)]
    pub gain_y: f32,
    /// Take the driver's keypoints themselves; without it their motion against a neutral face, which the first steady
    /// second is (key c: what was seen last)
    #[arg(long)]
    pub absolute: bool,
    /// Save the driver's motion, keypoints without a picture
    #[arg(long, value_name = "FILE.jsonl")]
    pub save_motion: Option<PathBuf>,
    /// Where no face is sure in the source, take the best guess
    #[arg(long)]
    pub anyway: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub mark: MarkArgs,
}

impl ReenactArgs {
    /// By what motion is multiplied.
    pub fn gains(&self) -> Gains {
        let or = |gain: Option<f32>| gain.unwrap_or(self.gain);
        Gains {
            shift: self.gain_shift,
            pose: or(self.gain_pose),
            parts: or(self.gain_parts),
            axes: [self.gain_x, self.gain_y],
            own: self.gain_of.clone(),
        }
    }
}

fn gain_of(text: &str) -> Result<(Parts, f32), String> {
    let (part, by) = text.split_once('=').ok_or("give a part and a gain, as eyes=1.5")?;
    Ok((parse_part(part), gain(by)?))
}

fn gain(text: &str) -> Result<f32, String> {
    in_range(text, 0.0, 3.0)
}
