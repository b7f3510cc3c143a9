//! What travels between sources, vision and sinks.

use std::time::Duration;

/// A picture from a source.
#[derive(Clone, Debug)]
pub struct Frame {
    /// RGB, 8 bits a channel, rows top to bottom.
    pub picture: image::RgbImage,
    /// Position in the source, from 0; gaps mean frames dropped before they got here.
    pub index: u64,
    /// When the frame was captured (cameras: driver clock where there is one) or is due (files), since the source's start.
    pub time: Duration,
}

/// A detected keypoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectedKeypoint {
    /// Pixels of the original picture, 0 and width are its outer edges.
    pub x: f32,
    /// Pixels of the original picture, 0 and height are its outer edges.
    pub y: f32,
    /// 0 to 1.
    pub confidence: f32,
}

/// A face: its keypoints in the order of the manifest's names, and what the parts look like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DetectedFace {
    /// Tells the faces of a picture, or the people of a run, apart: from 1, and kept for as long as somebody is followed. 0
    /// where nobody numbered it.
    pub id: u32,
    /// As many as the bundle has.
    pub keypoints: Vec<DetectedKeypoint>,
    /// `K S` numbers in [-1, 1], each part's `S` one after the other; none where the bundle reads no states.
    pub states: Vec<f32>,
    /// Values of the manifest's expressions, in their order; none unless something read them off the states.
    pub expressions: Vec<f32>,
}

impl DetectedFace {
    /// A face of which no states are known.
    pub fn new(keypoints: Vec<DetectedKeypoint>) -> Self {
        Self { keypoints, ..Self::default() }
    }

    /// Mean confidence of the keypoints, 0 to 1.
    pub fn confidence(&self) -> f32 {
        mean_confidence(&self.keypoints)
    }
}

/// Mean confidence of keypoints, 0 to 1.
pub(crate) fn mean_confidence(keypoints: &[DetectedKeypoint]) -> f32 {
    keypoints.iter().map(|k| k.confidence).sum::<f32>() / keypoints.len().max(1) as f32
}

/// The faces of a picture: the one that stands out, or is followed, and others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faces<'a> {
    first: Option<&'a DetectedFace>,
    others: &'a [DetectedFace],
}

impl<'a> Faces<'a> {
    /// The `first` one and `others`; without a first one there should be no others.
    pub fn new(first: Option<&'a DetectedFace>, others: &'a [DetectedFace]) -> Self {
        Self { first, others }
    }

    /// The one that stands out or is followed.
    pub fn first(self) -> Option<&'a DetectedFace> {
        self.first
    }

    /// All of them, the first one first.
    pub fn iter(self) -> impl Iterator<Item = &'a DetectedFace> + Clone {
        self.first.into_iter().chain(self.others)
    }

    /// How many there are.
    pub fn len(self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl<'a> From<&'a [DetectedFace]> for Faces<'a> {
    fn from(faces: &'a [DetectedFace]) -> Self {
        match faces {
            [first, others @ ..] => Self::new(Some(first), others),
            [] => Self::default(),
        }
    }
}
