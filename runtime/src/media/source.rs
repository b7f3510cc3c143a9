//! Where frames come from, whatever the kind: one trait, opened from a [`SourceSpec`].

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::RgbImage;
use lkg_bundle::pictures;

use super::avi::AviReader;
#[cfg(feature = "camera")]
use super::camera::{CameraOptions, CameraSource};
use super::camera::{PixelFormat, Selector};
use super::child::ChildSource;
use super::ffmpeg::FfmpegSource;
use super::mp4::{self, Mp4Source};
use super::pictures::PicturesSource;
use super::raw::RawHint;
use super::read_ahead::ReadAhead;
use super::source_spec::SourceSpec;
use super::stdin::StreamSource;
use crate::error::media::{Error, Result};
use crate::error::panic::guard;
use crate::frame::Frame;

/// A frame with what is known of its way here.
#[derive(Clone, Debug)]
pub struct Captured {
    /// The frame.
    pub frame: Frame,
    /// When the camera took it; for files, when reading it began.
    pub taken: Instant,
    /// How long decoding it took.
    pub decode: Duration,
}

/// What asking a source for a frame gives.
#[derive(Debug)]
pub enum Next {
    /// A frame. Live sources give the newest they have.
    Frame(Captured),
    /// Nothing yet: ask again. Files never say this.
    Waiting,
    /// The last frame has been given.
    End,
}

/// A source of frames.
pub trait Source: Send {
    /// The source in a few words for people: name, size, format, rate.
    fn describe(&self) -> String;

    /// The camera of this machine that frames come from, the N of `/dev/videoN`; none for other sources.
    fn camera(&self) -> Option<u32> {
        None
    }

    /// Whether frames come in real time and are lost when not fetched.
    fn is_live(&self) -> bool {
        false
    }

    /// How many frames there are in all, where that is known.
    fn frames(&self) -> Option<u64> {
        None
    }

    /// Width and height of its frames in pixels, where they are known and all alike.
    fn size(&self) -> Option<(u32, u32)> {
        None
    }

    /// Whether what came cannot be had again, as of a camera or a pipe: what was recorded of it is kept whatever happens.
    fn comes_once(&self) -> bool {
        self.is_live()
    }

    /// Once the source has ended: what of it could not be read, in a sentence.
    fn fault(&self) -> Option<String> {
        None
    }

    /// The next frame; live sources wait `timeout` at most for one.
    ///
    /// # Errors
    /// A file turned out damaged, or a camera was lost.
    fn next(&mut self, timeout: Duration) -> Result<Next>;

    /// Takes back a picture that nobody needs any more, for the next frame to be put there. It may be another one than was
    /// given, or of another size.
    fn reuse(&mut self, _picture: RgbImage) {}
}

/// How to open a source.
#[derive(Clone, Debug)]
pub struct SourceOptions {
    /// Frames a second of a folder of pictures; the rate to ask of a camera. Positive.
    pub fps: Option<f32>,
    /// Size to ask of a camera, in pixels.
    pub size: Option<(u32, u32)>,
    /// Pixel format to ask of a camera.
    pub format: Option<PixelFormat>,
    /// How long opening a camera may take.
    pub patience: Duration,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self { fps: None, size: None, format: None, patience: Duration::from_secs(10) }
    }
}

/// Frames a second of a folder of pictures when nothing else is said.
pub const PICTURES_FPS: f32 = 25.0;

/// Opens a source.
///
/// # Errors
/// The file cannot be read, or the camera cannot be had.
pub fn open(spec: &SourceSpec, options: &SourceOptions) -> Result<Box<dyn Source>> {
    let SourceOptions { fps, size, patience, .. } = *options;
    let camera = |selector: Option<&Selector>| open_camera(selector, options);
    let pictures_fps = fps.unwrap_or(PICTURES_FPS);
    Ok(match spec {
        SourceSpec::FirstCamera => camera(None)?,
        SourceSpec::Camera(selector) => camera(Some(selector))?,
        SourceSpec::Csi(sensor) => Box::new(ChildSource::csi(*sensor, options)?),
        SourceSpec::Rtsp(address) => Box::new(ChildSource::rtsp(address, options)?),
        SourceSpec::Exec(line) => Box::new(ChildSource::exec(line, options)?),
        SourceSpec::Stdin => Box::new(StreamSource::stdin(RawHint { size, fps }, patience)?),
        SourceSpec::File(path) => open_file(path, fps)?,
        SourceSpec::Folder(path) => ahead(PicturesSource::open(path, pictures_fps)?),
        SourceSpec::Numbered(pattern) => ahead(PicturesSource::numbered(pattern, pictures_fps)?),
        SourceSpec::Named(name) => match camera(Some(&Selector::Name(name.clone()))) {
            Err(Error::NoCamera) => return Err(Error::NoSuchSource(name.clone())),
            other => other?,
        },
    })
}

/// The camera named, or the first one that opens.
#[cfg(feature = "camera")]
fn open_camera(selector: Option<&Selector>, options: &SourceOptions) -> Result<Box<dyn Source>> {
    let SourceOptions { fps, size, format, patience } = *options;
    let options = CameraOptions { size, fps, format, patience };
    Ok(Box::new(match selector {
        Some(selector) => CameraSource::open(selector, &options)?,
        None => CameraSource::open_first(&options)?,
    }))
}

#[cfg(not(feature = "camera"))]
fn open_camera(_: Option<&Selector>, _: &SourceOptions) -> Result<Box<dyn Source>> {
    Err(Error::NoCamera)
}

/// What is decoded here is decoded beside the work on the frame before.
fn ahead(source: impl Source + 'static) -> Box<dyn Source> {
    Box::new(ReadAhead::new(Box::new(source)))
}

/// Opens a file by its content, not by its name.
///
/// # Errors
/// It cannot be read, or is of no kind that can be.
pub fn open_file(path: &Path, fps: Option<f32>) -> Result<Box<dyn Source>> {
    if !path.is_file() && path.exists() {
        return Err(Error::NotRegular(path.to_owned()));
    }
    let head = head(path).map_err(Error::io(path))?;
    if head.is_empty() {
        return Err(Error::Empty(path.to_owned()));
    }
    // A library that panics on what a file holds ends nothing else.
    guard(|| open_kind(path, &head, fps)).unwrap_or_else(|said| Err(Error::damaged(path, said)))
}

fn open_kind(path: &Path, head: &[u8], fps: Option<f32>) -> Result<Box<dyn Source>> {
    let kind = sniff(head);
    tracing::debug!(path = %path.display(), ?kind, "opening a file");
    match kind {
        Kind::Picture => {
            Ok(Box::new(PicturesSource::from_files(vec![path.to_owned()], fps.unwrap_or(PICTURES_FPS))))
        }
        Kind::Avi => match AviReader::open(path)? {
            Some(reader) => Ok(ahead(reader)),
            None => through_ffmpeg(path, ANY),
        },
        Kind::Mp4 => match Mp4Source::open(path)? {
            mp4::Opened::H264(source) => Ok(ahead(*source)),
            mp4::Opened::Other(what) => through_ffmpeg(path, &what),
        },
        Kind::Y4m => match StreamSource::file(path)? {
            Some(source) => Ok(Box::new(source)),
            None => through_ffmpeg(path, "this kind of y4m"),
        },
        Kind::Other => through_ffmpeg(path, ANY),
    }
}

/// What a file begins with: as much as [`sniff`] looks at. What is no file has none: opening a pipe may never end.
fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    let mut head = Vec::new();
    fs::File::open(path)?.take(16).read_to_end(&mut head)?;
    Ok(head)
}

/// What ffmpeg reads where nothing more is known of it.
const ANY: &str = "this kind of video";

fn through_ffmpeg(path: &Path, what: &str) -> Result<Box<dyn Source>> {
    Ok(Box::new(FfmpegSource::open(path, what)?))
}

#[derive(Debug, PartialEq)]
enum Kind {
    Picture,
    Avi,
    Mp4,
    Y4m,
    Other,
}

fn sniff(head: &[u8]) -> Kind {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let webp = at(0, b"RIFF") && at(8, b"WEBP");
    // HEIC and AVIF lie in boxes as clips do; reading them as pictures says what to do.
    let boxed = at(4, b"ftyp") && pictures::refusal(head).is_some();
    if at(0, b"\x89PNG") || at(0, b"\xff\xd8\xff") || webp || boxed {
        Kind::Picture
    } else if at(0, b"RIFF") && at(8, b"AVI ") {
        Kind::Avi
    } else if at(4, b"ftyp") || at(4, b"moov") || at(4, b"mdat") || at(4, b"wide") {
        Kind::Mp4
    } else if at(0, b"YUV4MPEG2 ") {
        Kind::Y4m
    } else {
        Kind::Other
    }
}

/// Whether a file is MP4 or QuickTime, by its content.
pub(super) fn is_mp4(path: &Path) -> bool {
    head(path).is_ok_and(|head| sniff(&head) == Kind::Mp4)
}

/// Endings of clips' names, with spaces between.
const CLIP_ENDINGS: &str = "avi mp4 mov mkv webm m4v mpg mpeg ts mts m2ts vob wmv flv mxf y4m ogv";

/// Whether a file is a clip rather than a picture: by its content, and where that says nothing, by its name.
pub fn is_clip(path: &Path) -> bool {
    let Ok(head) = head(path) else { return false };
    if path.is_dir() {
        return false;
    }
    let named = path.extension().is_some_and(|e| {
        let e = e.to_string_lossy().to_ascii_lowercase();
        CLIP_ENDINGS.split(' ').any(|ending| ending == e)
    });
    match sniff(&head) {
        Kind::Picture => false,
        Kind::Avi | Kind::Mp4 | Kind::Y4m => true,
        Kind::Other => named,
    }
}

/// A path as people want to see it in a line: its last part.
pub(crate) fn short_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

/// Counts bytes, so that a file is never trusted about how much there is to read.
pub(crate) fn file_length(file: &fs::File, path: &Path) -> Result<u64> {
    file.metadata().map(|m| m.len()).map_err(Error::io(PathBuf::from(path)))
}
