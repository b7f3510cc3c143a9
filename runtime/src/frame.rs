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

/// A picture looked at where it lies, for instance in memory of a camera or of another language: RGB, 8 bits a channel, rows
/// top to bottom without gaps. An [`image::RgbImage`] is one by `into`.
#[derive(Clone, Copy, Debug)]
pub struct PictureRef<'a> {
    size: (u32, u32),
    bytes: &'a [u8],
}

impl<'a> PictureRef<'a> {
    /// The picture of `width` by `height` pixels whose 3 x width x height values begin `bytes`; `None` where there are fewer.
    pub fn new(width: u32, height: u32, bytes: &'a [u8]) -> Option<Self> {
        let length = 3u64.checked_mul(u64::from(width))?.checked_mul(u64::from(height))?;
        let bytes = bytes.get(..usize::try_from(length).ok()?)?;
        Some(Self { size: (width, height), bytes })
    }

    /// Pixels a row.
    pub fn width(self) -> u32 {
        self.size.0
    }

    /// Rows.
    pub fn height(self) -> u32 {
        self.size.1
    }

    /// Width and height in pixels.
    pub fn dimensions(self) -> (u32, u32) {
        self.size
    }

    /// Red, green and blue of each pixel, row by row.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> From<&'a image::RgbImage> for PictureRef<'a> {
    fn from(picture: &'a image::RgbImage) -> Self {
        Self { size: picture.dimensions(), bytes: picture.as_raw() }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_as_many_bytes_as_its_pixels_need() {
        let bytes = [7; 20];
        let picture = PictureRef::new(3, 2, &bytes).unwrap();
        assert_eq!((picture.dimensions(), picture.bytes().len()), ((3, 2), 18));
        assert!(PictureRef::new(7, 1, &bytes).is_none());
        assert!(PictureRef::new(u32::MAX, u32::MAX, &bytes).is_none());
        assert!(PictureRef::new(0, 9, &bytes).unwrap().bytes().is_empty());
    }
}
