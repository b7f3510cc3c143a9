//! What an output is, read once from the name that people give it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::pattern::Pattern;
use crate::error::media::{Error, Result};

/// The port of a page where none is named.
pub const PAGE_PORT: u16 = 8080;

/// The name of a window.
const WINDOW: &str = "window";
/// The name of standard output.
const STDOUT: &str = "-";
/// The name of an output that takes everything and keeps nothing.
const NULL: &str = "null";

/// Where frames go: to somebody who watches, or to a [`SinkSpec`]. Made from text by [`FromStr`]; [`fmt::Display`] writes
/// what is read as the same output again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputSpec {
    /// A window: `window`.
    Window,
    /// A page for browsers: `http://ADDRESS:PORT`.
    Page(SocketAddr),
    /// What takes frames without being watched.
    Sink(SinkSpec),
}

/// What takes frames, whoever watches them later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkSpec {
    /// A clip, Motion JPEG: `FILE.avi`.
    Avi(PathBuf),
    /// A clip, H.264: `FILE.mp4`.
    Mp4(PathBuf),
    /// A folder of numbered pictures: a name without extension, or a folder that is there.
    Folder(PathBuf),
    /// Numbered pictures: `DIR/%05d.png` or `.jpg`.
    Numbered(Pattern),
    /// A camera for other programs, by v4l2loopback: `/dev/videoN`.
    Device(PathBuf),
    /// y4m on standard output: `-`.
    Stdout,
    /// Nothing: `null`.
    Null,
}

impl OutputSpec {
    /// The file, folder or device that it names.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Sink(sink) => sink.path(),
            Self::Window | Self::Page(_) => None,
        }
    }
}

impl SinkSpec {
    /// The file, folder or device that it names.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Avi(path) | Self::Mp4(path) | Self::Folder(path) | Self::Device(path) => Some(path.clone()),
            Self::Numbered(pattern) => Some(pattern.to_path()),
            Self::Stdout | Self::Null => None,
        }
    }
}

impl FromStr for OutputSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == WINDOW {
            return Ok(Self::Window);
        }
        match text.strip_prefix("http://") {
            Some(place) => page(place).map(Self::Page).ok_or_else(|| Error::BadPage(text.to_owned())),
            None => text.parse().map(Self::Sink),
        }
    }
}

/// An address with or without a port; `localhost` is the only name.
fn page(place: &str) -> Option<SocketAddr> {
    let place = place.trim_end_matches('/');
    let place = match place.strip_prefix("localhost") {
        Some(port) => format!("{}{port}", Ipv4Addr::LOCALHOST),
        None => place.to_owned(),
    };
    place.parse().ok().or_else(|| Some(SocketAddr::new(place.parse::<IpAddr>().ok()?, PAGE_PORT)))
}

impl FromStr for SinkSpec {
    type Err = Error;

    /// A folder that is there is one whatever its name; else the name decides.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            STDOUT => return Ok(Self::Stdout),
            NULL => return Ok(Self::Null),
            _ => {}
        }
        let path = Path::new(text);
        if text.starts_with("/dev/") {
            return Ok(Self::Device(path.to_owned()));
        }
        let unknown = || Error::UnknownOutput(path.to_owned());
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            _ if path.is_dir() => Ok(Self::Folder(path.to_owned())),
            Some("avi") => Ok(Self::Avi(path.to_owned())),
            Some("mp4") => Ok(Self::Mp4(path.to_owned())),
            Some("png" | "jpg" | "jpeg") => Pattern::parse(path).map(Self::Numbered).ok_or_else(unknown),
            None if path.file_name().is_some() => Ok(Self::Folder(path.to_owned())),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for OutputSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window => f.write_str(WINDOW),
            Self::Page(address) => write!(f, "http://{address}"),
            Self::Sink(sink) => sink.fmt(f),
        }
    }
}

impl fmt::Display for SinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str(STDOUT),
            Self::Null => f.write_str(NULL),
            Self::Numbered(pattern) => pattern.to_path().display().fmt(f),
            Self::Avi(path) | Self::Mp4(path) | Self::Folder(path) | Self::Device(path) => {
                path.display().fmt(f)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("x.avi");
        std::fs::create_dir(&there).unwrap();
        let there = there.display().to_string();
        let page = |address: &str| OutputSpec::Page(address.parse().unwrap());
        let sink = OutputSpec::Sink;
        let table = [
            ("window", OutputSpec::Window),
            ("http://127.0.0.1:9000", page("127.0.0.1:9000")),
            ("http://localhost:9000/", page("127.0.0.1:9000")),
            ("http://localhost", page("127.0.0.1:8080")),
            ("http://[::1]:80", page("[::1]:80")),
            ("http://0.0.0.0", page("0.0.0.0:8080")),
            ("-", sink(SinkSpec::Stdout)),
            ("null", sink(SinkSpec::Null)),
            ("./null", sink(SinkSpec::Folder("./null".into()))),
            ("/dev/video9", sink(SinkSpec::Device("/dev/video9".into()))),
            ("a.avi", sink(SinkSpec::Avi("a.avi".into()))),
            ("b/A.AVI", sink(SinkSpec::Avi("b/A.AVI".into()))),
            ("a.mp4", sink(SinkSpec::Mp4("a.mp4".into()))),
            ("frames", sink(SinkSpec::Folder("frames".into()))),
            (&there, sink(SinkSpec::Folder((&there).into()))),
            ("f/%05d.png", sink(SinkSpec::Numbered(Pattern::parse(Path::new("f/%05d.png")).unwrap()))),
            ("%d.jpg", sink(SinkSpec::Numbered(Pattern::parse(Path::new("%d.jpg")).unwrap()))),
        ];
        for (text, spec) in table {
            let read: OutputSpec = text.parse().unwrap();
            assert_eq!(read, spec, "{text}");
            assert_eq!(read.to_string().parse::<OutputSpec>().unwrap(), read, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused_with_its_kind() {
        for text in ["clip.xyz", "still.png", "", "https://127.0.0.1/x.y"] {
            assert!(matches!(text.parse::<OutputSpec>(), Err(Error::UnknownOutput(_))), "{text}");
        }
        for text in ["http://camera.example:80", "http://127.0.0.1:80/page", "http://", "http://:80"] {
            assert!(matches!(text.parse::<OutputSpec>(), Err(Error::BadPage(_))), "{text}");
        }
    }
}
