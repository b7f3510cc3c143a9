use super::clock::StepRow;
use super::outputs::Failed;
use crate::media::sink::Written;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The source gave its last frame.
    EndOfSource,
    /// As many frames as asked for were processed.
    MaxFrames,
    /// The user closed the window or pressed its quit key.
    Quit,
    /// The user asked the process to stop.
    Interrupted,
    /// The camera was lost for good.
    CameraLost,
    /// A pipe broke off within a frame, or sent something else.
    StreamBroke,
    /// Every output failed.
    NoOutputLeft,
}

/// What a run did.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RunReport {
    /// The source in a few words.
    pub source: String,
    /// What computed, in a few words.
    pub engine: String,
    /// Why the run ended.
    pub ended: Ended,
    /// Frames processed.
    pub frames: u64,
    /// Frames with a face in them.
    pub faces: u64,
    /// Frames of a camera that came while the loop was busy.
    pub dropped: u64,
    /// How often a lost camera came back.
    pub reopened: u64,
    /// Length of the run in seconds, pauses included.
    pub seconds: f64,
    /// Frames a second over the whole run.
    pub fps: f64,
    /// Latency by step.
    #[serde(rename = "stages")]
    pub steps: Vec<StepRow>,
    /// What was written.
    pub written: Vec<Written>,
    /// What failed on the way.
    pub failed: Vec<Failed>,
    /// What of the source could not be read, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}
