//! What a source of frames is, read once from the name that people give it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::camera::Selector;
use super::child::{CommandLine, RtspAddress, csi_sensor};
use super::pattern::Pattern;
use crate::error::media::{Error, Result};

/// The name of standard input.
const STDIN: &str = "-";
/// The name of the first camera that opens.
const FIRST_CAMERA: &str = "camera://";

/// A source of frames. Made from text by [`FromStr`]; [`fmt::Display`] writes what is read as the same source again, and
/// so may have a password in it: [`SourceSpec::for_people`] has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSpec {
    /// The first camera that opens: `camera://`.
    FirstCamera,
    /// A camera by number, node or part of its name: `camera://N`, `N`, `/dev/videoN`, `camera://NAME`.
    Camera(Selector),
    /// A sensor, 0 to 15, on a Jetson's CSI connectors: `csi://N`.
    Csi(u8),
    /// A network camera: `rtsp://HOST/PATH` or `rtsps://HOST/PATH`.
    Rtsp(RtspAddress),
    /// A program that writes y4m or bare RGB, started without a shell: `exec:COMMAND`.
    Exec(CommandLine),
    /// y4m or bare RGB on standard input: `-`.
    Stdin,
    /// A video file or a picture.
    File(PathBuf),
    /// A folder of pictures.
    Folder(PathBuf),
    /// Numbered pictures: `DIR/%05d.png`.
    Numbered(Pattern),
    /// None of these when it was read: part of a camera's name, if anything.
    Named(String),
}

impl SourceSpec {
    /// Whether it is a camera or something like one, whose size can be asked for or must be given.
    pub fn takes_size(&self) -> bool {
        !matches!(self, Self::File(_) | Self::Folder(_) | Self::Numbered(_))
    }

    /// Whether its frames come in their own time, so that its first two do not tell its rate.
    pub fn is_camera(&self) -> bool {
        self.takes_size() && *self != Self::Stdin
    }

    /// Where it lies, for what lies somewhere.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) | Self::Folder(path) => Some(path.clone()),
            Self::Numbered(pattern) => Some(pattern.to_path()),
            Self::Camera(Selector::Index(index)) => Some(format!("/dev/video{index}").into()),
            _ => None,
        }
    }

    /// The source as people may see it: without the name and password of an address.
    pub fn for_people(&self) -> String {
        match self {
            Self::Rtsp(address) => address.without_secret(),
            other => other.to_string(),
        }
    }
}

impl FromStr for SourceSpec {
    type Err = Error;

    /// What lies in the file system decides between files, folders and names of cameras, and is looked at once.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "" => return Err(Error::NoSuchSource(String::new())),
            STDIN => return Ok(Self::Stdin),
            FIRST_CAMERA => return Ok(Self::FirstCamera),
            _ => {}
        }
        if let Some(line) = text.strip_prefix("exec:") {
            return line.parse().map(Self::Exec);
        }
        if let Some(number) = text.strip_prefix("csi://") {
            return csi_sensor(number).map(Self::Csi);
        }
        if text.starts_with("rtsp://") || text.starts_with("rtsps://") {
            return text.parse().map(Self::Rtsp);
        }
        if let Some(selector) = Selector::parse(text) {
            return Ok(Self::Camera(selector));
        }
        let path = Path::new(text);
        Ok(if path.is_dir() {
            Self::Folder(path.to_owned())
        } else if path.exists() {
            Self::File(path.to_owned())
        } else if let Some(pattern) = Pattern::parse(path) {
            Self::Numbered(pattern)
        } else {
            Self::Named(text.to_owned())
        })
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstCamera => f.write_str(FIRST_CAMERA),
            Self::Camera(Selector::Index(index)) => write!(f, "camera://{index}"),
            Self::Camera(Selector::Name(name)) => write!(f, "camera://{name}"),
            Self::Csi(sensor) => write!(f, "csi://{sensor}"),
            Self::Rtsp(address) => address.fmt(f),
            Self::Exec(line) => write!(f, "exec:{line}"),
            Self::Stdin => f.write_str(STDIN),
            Self::File(path) | Self::Folder(path) => path.display().fmt(f),
            Self::Numbered(pattern) => pattern.to_path().display().fmt(f),
            Self::Named(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("clip.mp4");
        std::fs::write(&file, "x").unwrap();
        let (folder, file) = (dir.path().display().to_string(), file.display().to_string());
        let numbered = format!("{folder}/%05d.png");
        let camera = |index| SourceSpec::Camera(Selector::Index(index));
        let named = |name: &str| SourceSpec::Camera(Selector::Name(name.to_owned()));
        let rtsp = "rtsps://me:p%21@cam:554/h264?x=1";
        let table = [
            ("camera://", SourceSpec::FirstCamera),
            ("2", camera(2)),
            ("camera://2", camera(2)),
            ("/dev/video2", camera(2)),
            ("camera:///dev/video2", camera(2)),
            ("camera://Logi", named("Logi")),
            ("camera://-", named("-")),
            ("csi://15", SourceSpec::Csi(15)),
            (rtsp, SourceSpec::Rtsp(rtsp.parse().unwrap())),
            ("exec:cat 'a b'", SourceSpec::Exec("cat 'a b'".parse().unwrap())),
            ("-", SourceSpec::Stdin),
            (&file, SourceSpec::File((&file).into())),
            (&folder, SourceSpec::Folder((&folder).into())),
            (&numbered, SourceSpec::Numbered(Pattern::parse(Path::new(&numbered)).unwrap())),
            ("f%d.png", SourceSpec::Numbered(Pattern::parse(Path::new("f%d.png")).unwrap())),
            ("HD Pro Webcam", SourceSpec::Named("HD Pro Webcam".to_owned())),
            ("none.mp4", SourceSpec::Named("none.mp4".to_owned())),
        ];
        for (text, spec) in table {
            let read: SourceSpec = text.parse().unwrap();
            assert_eq!(read, spec, "{text}");
            assert_eq!(read.to_string().parse::<SourceSpec>().unwrap(), read, "{text}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused_with_its_kind() {
        for text in ["", "csi://16", "csi://", "csi://x", "rtsp://", "rtsp:///path", "rtsp://cam/!", "exec:"]
        {
            let error = text.parse::<SourceSpec>().unwrap_err();
            let typed = matches!(
                (text, &error),
                ("", Error::NoSuchSource(_)) | ("exec:", Error::NoCommand) | (_, Error::BadAddress { .. })
            );
            assert!(typed, "{text}: {error}");
        }
    }

    #[test]
    fn what_can_be_asked_of_a_source_follows_from_its_kind() {
        let dir = tempfile::tempdir().unwrap();
        let folder: SourceSpec = dir.path().to_str().unwrap().parse().unwrap();
        assert!(!folder.takes_size() && folder.path().is_some_and(|p| p == dir.path()));
        let stdin: SourceSpec = "-".parse().unwrap();
        assert!(stdin.takes_size() && !stdin.is_camera() && stdin.path().is_none());
        let node: SourceSpec = "7".parse().unwrap();
        assert!(node.is_camera() && node.path().is_some_and(|p| p == Path::new("/dev/video7")));
    }

    #[test]
    fn passwords_are_shown_to_nobody() {
        let spec: SourceSpec = "rtsp://me:secret@cam/1".parse().unwrap();
        assert_eq!(spec.for_people(), "rtsp://cam/1");
        assert!(!format!("{spec:?}").contains("secret"));
        let refused = "rtsp://me:secret@cam/!".parse::<SourceSpec>().unwrap_err();
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
}
