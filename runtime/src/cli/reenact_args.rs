//! Arguments of `reenact`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use super::args::{DEFAULT_FACES, OUTPUT, in_range, most_faces, unit_interval};
use super::by_name::by_name;
use super::edit::{MarkArgs, parse_part};
use super::live::LiveArgs;
use crate::edit::Parts;
use crate::media::detections::DetectionFormat;
use crate::media::{self, SourceSpec};
use crate::reenact::{Drive, Gains, Recording, View};
use crate::vision::choice::FaceChoice;

/// What drives a re-enactment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// The face in these frames.
    Frames(SourceSpec),
    /// Motion saved with `--save-motion`.
    Motion(PathBuf),
}

impl FromStr for Driver {
    type Err = media::Error;

    fn from_str(text: &str) -> media::Result<Self> {
        match Recording::has_name(text) {
            true => Ok(Self::Motion(Path::new(text).to_owned())),
            false => text.parse().map(Self::Frames),
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frames(source) => source.fmt(f),
            Self::Motion(path) => path.display().fmt(f),
        }
    }
}

/// What the head's own motion is called among parts.
const HEAD: &str = "head";
/// Heading of how the driver's motion is taken over.
const MOTION: &str = "Motion";

/// Arguments of `reenact`.
#[derive(Debug, Args)]
pub struct ReenactArgs {
    /// Whose appearance is kept: a photo (JPEG, PNG, WebP), seed:N, or a face saved with `runtime edit --save` (.json). Given
    /// several times, key f goes through them
    #[arg(long = "source", short = 's', value_name = "PHOTO|seed:N|FACE.json", required = true)]
    pub sources: Vec<String>,
    /// Whose motion is taken: a camera (camera://N, N, /dev/videoN, part of its name, csi://N, rtsp://HOST/PATH), a video
    /// file, a folder of pictures or numbered ones (DIR/%05d.png), exec:COMMAND, - (y4m on standard input), or motion saved
    /// with --save-motion (.jsonl) [default: the first camera that opens]
    #[arg(long, value_name = "CAMERA_OR_CLIP", value_parser = by_name::<Driver>())]
    pub driver: Option<Driver>,
    /// The driver without a flag: the same as --driver
    #[arg(value_name = "DRIVER", value_parser = by_name::<Driver>(), conflicts_with = "driver")]
    pub positional_driver: Option<Driver>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub live: LiveArgs,
    /// Most people before the camera who are followed, of whom one drives; each takes a run of the detector a frame. Key f with
    /// one --source, or a click on the driver's picture, chooses who drives
    #[arg(long, value_name = "N", default_value_t = DEFAULT_FACES, value_parser = most_faces(), help_heading = MOTION)]
    pub faces: u8,
    /// Who of several people drives: his number, from 1, as `runtime webcam --keypoints` and `runtime detect CLIP` count them,
    /// largest (one who does not move for 3 s counts half), or whoever is first seen at X,Y in pixels of the driver's picture
    #[arg(long, value_name = "N|largest|X,Y", default_value_t, allow_hyphen_values = true, help_heading = MOTION)]
    pub driver_face: FaceChoice,
    /// What is shown: photo (the source's photo, driven; also called source), face (its face alone, a square), beside (the
    /// driver's picture with the driven photo or face beside it) or driver (it over the driver's face) [default: photo where
    /// the bundle carries photos along, else beside]
    #[arg(long, alias = "paste", value_name = "VIEW")]
    pub view: Option<View>,
    /// Which motion is taken over: all, pose (the head's alone), mouth or eyes (those parts' alone); key d goes through them
    #[arg(long, value_name = "WHICH", default_value = "all", help_heading = MOTION)]
    pub drive: Drive,
    /// Factor of the driver's motion, 0 to 3, and of what it changes in the look of parts. What is too much eases towards a
    /// limit; drawn faces keep within what 99 % of the generator's own layouts reach (Mahalanobis distance)
    #[arg(allow_negative_numbers = true, long, value_name = "G", default_value_t = 1.0, value_parser = gain, help_heading = MOTION)]
    pub gain: f32,
    /// Factor of the head's motion [default: --gain]
    #[arg(allow_negative_numbers = true, long, value_name = "G", value_parser = gain, help_heading = MOTION)]
    pub gain_pose: Option<f32>,
    /// Share, 0 to 1, of the head's way across the driver's picture that the face follows: its square leaves little room
    #[arg(allow_negative_numbers = true, long, value_name = "G", default_value_t = 0.2, value_parser = unit_interval, help_heading = MOTION)]
    pub gain_shift: f32,
    /// Factor of what parts do beside the head's motion [default: --gain]
    #[arg(allow_negative_numbers = true, long, value_name = "G", value_parser = gain, help_heading = MOTION)]
    pub gain_parts: Option<f32>,
    /// Factor for a single part, a group (eyes, brows, mouth, nose) or the head, in place of --gain-parts and --gain-pose, e.g.
    /// mouth=1.3
    #[arg(long, value_name = "PART=G", value_parser = gain_of, help_heading = MOTION)]
    pub gain_of: Vec<(Parts, f32)>,
    /// A further factor of all motion across, except the head's turn and scale
    #[arg(allow_negative_numbers = true, long, value_name = "G", default_value_t = 1.0, value_parser = gain, help_heading = MOTION)]
    pub gain_x: f32,
    /// A further factor of all motion up and down, with the same exception
    #[arg(allow_negative_numbers = true, long, value_name = "G", default_value_t = 1.0, value_parser = gain, help_heading = MOTION)]
    pub gain_y: f32,
    /// Use the driver's keypoints as they are. Without it their motion relative to the driver's neutral face is used: the
    /// one that the first seconds begin with or come back to (drawn faces: the first steady second), or with key c the latest
    #[arg(long, help_heading = MOTION)]
    pub absolute: bool,
    /// A picture of the driver's neutral face, where a photo is carried along
    #[arg(long, value_name = "PICTURE", conflicts_with = "absolute", help_heading = MOTION)]
    pub neutral: Option<PathBuf>,
    /// The camera's pixel format was chosen with this
    #[arg(long, value_name = "FORMAT", hide = true, value_parser = moved_format)]
    pub format: Option<DetectionFormat>,
    /// Save the driver's motion, keypoints and states without a picture
    #[arg(long, value_name = "FILE.jsonl", help_heading = OUTPUT)]
    pub save_motion: Option<PathBuf>,
    /// Which face of a source's photo is meant: its number as `runtime detect` counts them, from 1, largest, or the one at X,Y in
    /// pixels
    #[arg(long, value_name = "N|largest|X,Y", default_value_t, allow_hyphen_values = true, help_heading = None::<&'static str>)]
    pub face: FaceChoice,
    /// Where no face in the source is certain, take the best guess
    #[arg(long, help_heading = None::<&'static str>)]
    pub anyway: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub mark: MarkArgs,
}

impl ReenactArgs {
    /// By what motion is multiplied.
    pub fn gains(&self) -> Gains {
        let or = |gain: Option<f32>| gain.unwrap_or(self.gain);
        let head = Parts::Name(HEAD.to_owned());
        let (heads, own): (Vec<_>, Vec<_>) = self.gain_of.iter().cloned().partition(|(p, _)| *p == head);
        Gains {
            shift: self.gain_shift,
            pose: heads.last().map_or_else(|| or(self.gain_pose), |(_, gain)| *gain),
            parts: or(self.gain_parts),
            axes: [self.gain_x, self.gain_y],
            own,
        }
    }
}

/// Says where `--format` of cameras went.
fn moved_format(text: &str) -> Result<DetectionFormat, String> {
    let known = text.parse::<DetectionFormat>();
    Err(known
        .err()
        .unwrap_or_else(|| "there are no keypoints to write: --save-motion has one form".to_owned()))
}

fn gain_of(text: &str) -> Result<(Parts, f32), String> {
    let (part, by) = text.split_once('=').ok_or("give a part and a gain, as eyes=1.5")?;
    Ok((parse_part(part), gain(by)?))
}

fn gain(text: &str) -> Result<f32, String> {
    in_range(text, 0.0, 3.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_frames_or_motion() {
        for (text, driver) in [
            ("camera://1", Driver::Frames("1".parse().unwrap())),
            ("a.JSONL", Driver::Motion("a.JSONL".into())),
            ("-", Driver::Frames(SourceSpec::Stdin)),
        ] {
            let read: Driver = text.parse().unwrap();
            assert_eq!((read.to_string().as_str(), &read), (text, &driver));
        }
        assert!("csi://99".parse::<Driver>().is_err());
    }
}
