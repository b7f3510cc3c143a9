//! Cameras: what there is, which mode to ask for, and a stream that is never late and never hangs.
//!
//! The driver hands out the oldest frame first, blocks for ever when frames stop, and keeps what a failed attempt
//! has set. So a thread of its own does nothing but take frames, only the newest is kept, decoding happens on the
//! reader's side, and every wait has an end.

mod choose;
#[cfg(feature = "camera")]
mod decode;
#[cfg(feature = "camera")]
mod holder;
#[cfg(feature = "camera")]
mod list;
#[cfg(feature = "camera")]
mod measure;
#[cfg(feature = "camera")]
mod stream;

pub use choose::{Mode, PixelFormat};
#[cfg(feature = "camera")]
pub(super) use decode::to_rgb;
#[cfg(feature = "camera")]
pub use list::{CameraInfo, list};
#[cfg(feature = "camera")]
pub use measure::{Delivered, measure};
#[cfg(feature = "camera")]
pub use stream::{CameraOptions, CameraSource, usable};

/// How a camera is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The N of `/dev/videoN`.
    Index(u32),
    /// Part of the name the driver gives, in any case.
    Name(String),
}

impl Selector {
    /// The camera that `text` names for certain: `camera://…`, an index, or a device path. Other texts may still be
    /// part of a camera's name.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("camera://") {
            return Some(Self::parse(rest).unwrap_or_else(|| Self::Name(rest.to_owned())));
        }
        if let Ok(index) = text.parse() {
            return Some(Self::Index(index));
        }
        // Links such as /dev/v4l/by-id/… lead to the node with the number.
        let path = std::path::Path::new(text);
        if !path.starts_with("/dev") {
            return None;
        }
        let node = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        node.to_str()?.strip_prefix("/dev/video")?.parse().ok().map(Self::Index)
    }

    #[cfg(feature = "camera")]
    fn matches(&self, camera: &CameraInfo) -> bool {
        match self {
            Self::Index(index) => *index == camera.index,
            Self::Name(part) => camera.name.to_lowercase().contains(&part.to_lowercase()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_are_named_in_many_ways() {
        for text in ["camera://2", "2", "/dev/video2", "camera:///dev/video2"] {
            assert_eq!(Selector::parse(text), Some(Selector::Index(2)), "{text}");
        }
        assert_eq!(Selector::parse("camera://Logi"), Some(Selector::Name("Logi".to_owned())));
        for text in ["clip.mp4", "/dev/null", "2.avi", "-1"] {
            assert_eq!(Selector::parse(text), None, "{text}");
        }
    }

    #[test]
    fn part_of_a_name_is_enough() {
        let camera = CameraInfo {
            index: 3,
            path: "/dev/video3".into(),
            name: "HD Pro Webcam C920".to_owned(),
            modes: vec![],
        };
        assert!(Selector::Name("c920".to_owned()).matches(&camera));
        assert!(Selector::Index(3).matches(&camera));
        assert!(!Selector::Name("C922".to_owned()).matches(&camera));
    }
}
