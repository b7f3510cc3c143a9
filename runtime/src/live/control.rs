//! What people ask for while frames go by, at a window or on a page, and what is reported to them.

use std::path::PathBuf;

/// What a user asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// End the program.
    Quit,
    /// Go on with the next source face, or follow the next one in sight.
    NextFace,
    /// Follow whoever is at this point of the picture shown: shares of its width and height, 0 to 1.
    FollowAt([f32; 2]),
    /// Take over the next kind of motion.
    NextDrive,
    /// The window was closed: end the program unless there are other outputs.
    Close,
    /// Save the picture shown.
    Snapshot,
    /// Show or hide the help.
    Help,
    /// Take what is seen now as neutral.
    Calibrate,
    /// Look through the next camera.
    NextCamera,
    /// Turn something on that is off, or off that is on.
    Toggle(Switch),
    /// Turn something on or off, whatever it was.
    Set(Switch, bool),
}

impl Command {
    /// The command that a page asks for by this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "calibrate" => Some(Command::Calibrate),
            "next_face" => Some(Command::NextFace),
            "next_drive" => Some(Command::NextDrive),
            "next_camera" => Some(Command::NextCamera),
            _ => None,
        }
    }
}

/// What can be turned on and off while frames go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// Left and right swapped.
    Mirror,
    /// Pictures still.
    Pause,
    /// Keypoints drawn.
    Overlay,
    /// Their names beside the face.
    Names,
    /// The lines between them.
    Skeleton,
    /// Their heat maps drawn.
    HeatMaps,
    /// The crop that the detector sees drawn.
    #[serde(rename = "square")]
    Crop,
    /// Keypoints filtered over time.
    Smoothing,
    /// Rate, latency and expressions written on the picture.
    Numbers,
    /// A clip being recorded.
    Recording,
}

/// Who sees what is written on pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Nobody.
    #[default]
    Nobody,
    /// Those who watch at a window or page. What is recorded or handed on stays clean.
    Watchers,
    /// Files and other programs, too.
    Everyone,
}

/// Where the switches are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Switches {
    pub mirror: bool,
    pub pause: bool,
    pub overlay: bool,
    pub names: bool,
    pub skeleton: bool,
    pub heat_maps: bool,
    #[serde(rename = "square")]
    pub crop: bool,
    pub smoothing: bool,
    pub numbers: bool,
    pub recording: bool,
}

impl Switches {
    /// Where one of them is.
    pub fn of(&self, switch: Switch) -> bool {
        match switch {
            Switch::Mirror => self.mirror,
            Switch::Pause => self.pause,
            Switch::Overlay => self.overlay,
            Switch::Names => self.names,
            Switch::Skeleton => self.skeleton,
            Switch::HeatMaps => self.heat_maps,
            Switch::Crop => self.crop,
            Switch::Smoothing => self.smoothing,
            Switch::Numbers => self.numbers,
            Switch::Recording => self.recording,
        }
    }
}

/// How a run goes at the moment, for those who watch it.
#[derive(Clone, Debug)]
pub struct Status {
    /// Frames processed.
    pub frames: u64,
    /// Frames that came while the loop was busy.
    pub dropped: u64,
    /// Frames a second over the latest frames.
    pub fps: Option<f64>,
    /// How long each step of the latest frame took, in milliseconds; the whole is last.
    pub steps: Vec<(&'static str, f64)>,
    /// Whether frames come live, so that there may be another camera.
    pub live: bool,
    /// Whether a photo can be sent to be driven.
    pub takes_source: bool,
    /// The source in a few words.
    pub source: String,
    /// What computes.
    pub engine: String,
    /// What is wrong, if anything is.
    pub trouble: Option<String>,
    /// Where the switches are.
    pub switches: Switches,
    /// Clips recorded so far because a viewer asked.
    pub recordings: Vec<PathBuf>,
    /// What else can be asked for: a name that [`Command::named`] knows, and what to call it.
    pub offers: &'static [(&'static str, &'static str)],
}
