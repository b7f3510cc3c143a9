//! Where frames go, whatever the kind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use image::RgbImage;

use super::avi::AviWriter;
use super::frames::FramesSink;
#[cfg(feature = "camera")]
use super::loopback::LoopbackSink;
use super::mark::Origin;
use super::mp4::Mp4Sink;
use super::output_spec::SinkSpec;
use super::picture::{Alpha, Original};
use super::sound::ClipSound;
use super::y4m_out::Y4mSink;
use crate::error::media::Result;
use crate::frame::Faces;

/// A processed frame on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The picture with everything drawn on it.
    pub picture: &'a RgbImage,
    /// The frame's position in the source.
    pub index: u64,
    /// The frame's time since the source's start.
    pub time: Duration,
    /// The faces, in pixels of the source's picture.
    pub faces: Faces<'a>,
    /// Width and height of the source's picture, which may be shown enlarged.
    pub size: (u32, u32),
    /// Mean absolute difference of the source's picture from the frame before where the face is, in steps of 255;
    /// `None` for the first frame, and where nobody asked for it.
    pub change: Option<f32>,
    /// How much of each pixel shows, where [`Sink::wants_alpha`] asked for it.
    pub alpha: &'a Alpha,
}

impl<'a> Shown<'a> {
    /// A picture in which nobody looked for faces.
    pub fn new(picture: &'a RgbImage, index: u64, time: Duration) -> Self {
        let (faces, size) = (Faces::default(), picture.dimensions());
        Self { picture, index, time, faces, size, change: None, alpha: &Alpha::Own }
    }
}

/// Something that takes frames. Dropped before `finish`, it leaves no half-written file.
pub trait Sink {
    /// What it is, in a few words for messages: the name it was asked for by.
    fn name(&self) -> String;

    /// Called before the first frame where a network generates what is to come: files note it in their metadata.
    fn mark(&mut self, _origin: Origin) {}

    /// Called before the first frame where all frames are made of one picture: single pictures are written as it was.
    fn like(&mut self, _original: &Original) {}

    /// Whether it keeps how much of each pixel shows.
    fn wants_alpha(&self) -> bool {
        false
    }

    /// Whether what it takes stays somewhere, so that whoever is before the camera is to see that it does.
    fn keeps(&self) -> bool {
        true
    }

    /// Takes a frame.
    ///
    /// # Errors
    /// It cannot be written, e.g. on a full disk.
    fn write(&mut self, shown: &Shown<'_>) -> Result<()>;

    /// Completes what was written and says where it is, with a word on what it is.
    ///
    /// # Errors
    /// It cannot be written.
    fn finish(self: Box<Self>) -> Result<Vec<Written>>;

    /// Gives up after [`Sink::write`] failed, and says what of it is whole.
    fn abandon(self: Box<Self>) -> Vec<Written> {
        Vec::new()
    }
}

/// A file or folder that a run left behind.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// What it is: `clip`, `pictures`, `contact sheet` or `keypoints`.
    pub what: &'static str,
    /// Where it is.
    pub path: PathBuf,
}

/// How to open an output.
#[derive(Clone, Debug, Default)]
pub struct OutputOptions {
    /// Whether files may be overwritten.
    pub force: bool,
    /// Frames a second where an output has one rate [default: that of the first two frames].
    pub fps: Option<f32>,
    /// Sound of the clip that frames come from, for outputs that hold it (MP4).
    pub sound: Option<ClipSound>,
}

/// A recording whose kind nobody named, `stem` with the ending of one: MP4 where H.264 can be written, else AVI.
pub fn unnamed_recording(stem: &str) -> SinkSpec {
    if super::mp4::can_write() {
        SinkSpec::Mp4(format!("{stem}.mp4").into())
    } else {
        SinkSpec::Avi(format!("{stem}.avi").into())
    }
}

/// Prepares an output. Nothing is written before the first frame.
///
/// # Errors
/// [`Error::Exists`](super::Error::Exists) (unless `force`), the folder around it is missing, or the device takes no pictures.
pub fn open_output(spec: &SinkSpec, options: &OutputOptions) -> Result<Box<dyn Sink>> {
    let force = options.force;
    if let Some(path) = spec.path() {
        super::recover::recover(super::output::parent_of(&path));
    }
    Ok(match spec {
        SinkSpec::Avi(path) => Box::new(AviSink::create(path, force)?),
        SinkSpec::Mp4(path) => Box::new(Mp4Sink::create(path, force, options.sound.clone())?),
        SinkSpec::Folder(path) => Box::new(FramesSink::folder(path, force)?),
        SinkSpec::Numbered(pattern) => Box::new(FramesSink::numbered(pattern.clone(), force)?),
        #[cfg(feature = "camera")]
        SinkSpec::Device(path) => Box::new(LoopbackSink::open(path)?),
        #[cfg(not(feature = "camera"))]
        SinkSpec::Device(path) => {
            let reason = "built without the feature camera".to_owned();
            return Err(super::Error::NoOutputDevice { path: path.clone(), reason });
        }
        SinkSpec::Stdout => Box::new(Y4mSink::stdout(options.fps)?),
        SinkSpec::Null => Box::new(NullSink),
    })
}

/// Takes everything and keeps nothing.
struct NullSink;

impl Sink for NullSink {
    fn name(&self) -> String {
        SinkSpec::Null.to_string()
    }

    fn keeps(&self) -> bool {
        false
    }

    fn write(&mut self, _shown: &Shown<'_>) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        Ok(Vec::new())
    }
}

/// Writes a Motion JPEG AVI, and goes on in a further file when one is full.
struct AviSink {
    path: PathBuf,
    force: bool,
    writer: Option<AviWriter>,
    done: Vec<Written>,
    /// The latest part's number, from 1.
    part: u32,
    origin: Option<Origin>,
}

impl AviSink {
    fn create(path: &Path, force: bool) -> Result<Self> {
        super::output::check_target(path, force)?;
        Ok(Self { path: path.to_owned(), force, writer: None, done: Vec::new(), part: 0, origin: None })
    }

    /// `clip.avi`, then the next free one of `clip-2.avi` and so on.
    fn part_path(&mut self) -> PathBuf {
        loop {
            self.part += 1;
            let path = match self.part {
                1 => return self.path.clone(),
                n => super::output::numbered(&self.path, n),
            };
            // One of another recording is passed over.
            if self.force || path.symlink_metadata().is_err() {
                return path;
            }
        }
    }

    fn close_part(&mut self) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            self.done.push(Written { what: "clip", path: writer.finish()? });
        }
        Ok(())
    }
}

impl Sink for AviSink {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn mark(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    fn abandon(self: Box<Self>) -> Vec<Written> {
        let Self { writer, mut done, .. } = *self;
        let saved = writer.and_then(|w| w.salvage().ok());
        done.extend(saved.map(|path| Written { what: "clip", path }));
        done
    }

    fn write(&mut self, shown: &Shown<'_>) -> Result<()> {
        if self.writer.as_ref().is_some_and(AviWriter::is_full) {
            self.close_part()?;
        }
        if self.writer.is_none() {
            let (size, path) = (shown.picture.dimensions(), self.part_path());
            self.writer = Some(AviWriter::create(&path, size, self.force, self.origin)?);
        }
        self.writer.as_mut().map_or(Ok(()), |w| w.add(shown.picture, shown.time))
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Written>> {
        self.close_part()?;
        Ok(self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Error;
    use crate::media::testing::gradient;

    fn open(path: &Path, force: bool) -> Result<Box<dyn Sink>> {
        open_output(&path.to_str().unwrap().parse()?, &OutputOptions { force, ..OutputOptions::default() })
    }

    #[test]
    fn the_name_decides_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let picture = gradient(32, 24);
        for (name, what) in
            [("clip.avi", "clip"), ("clip.mp4", "clip"), ("folder", "pictures"), ("f%03d.png", "pictures")]
        {
            let path = dir.path().join(name);
            let mut sink = open(&path, false).unwrap();
            assert_eq!(sink.name(), path.display().to_string());
            assert!(!path.exists(), "nothing before the first frame");
            for index in 0..2 {
                let time = Duration::from_millis(index * 40);
                sink.write(&Shown::new(&picture, index, time)).unwrap();
            }
            assert_eq!(sink.finish().unwrap(), [Written { what, path: path.clone() }]);
            assert!(matches!(open(&path, false), Err(Error::Exists(_))), "{name}");
            assert!(open(&path, true).is_ok());
        }
        assert!(dir.path().join("f001.png").is_file());
        for odd in ["clip.xyz", "still.png"] {
            assert!(matches!(open(&dir.path().join(odd), false), Err(Error::UnknownOutput(_))), "{odd}");
        }
        assert!(open(&dir.path().join("none/clip.avi"), false).is_err());
        assert!(
            open_output(&SinkSpec::Null, &OutputOptions::default()).unwrap().finish().unwrap().is_empty()
        );
    }

    /// A recording of more than 2 GB stopped where a file had the name of its second part.
    #[test]
    fn parts_of_a_long_recording_pass_over_names_that_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("clip-2.avi"), "another").unwrap();
        let mut sink = AviSink::create(&dir.path().join("clip.avi"), false).unwrap();
        let names = [0, 1, 2].map(|_| sink.part_path().file_name().unwrap().to_owned());
        assert_eq!(names, ["clip.avi", "clip-3.avi", "clip-4.avi"]);
    }

    #[test]
    fn a_device_must_take_pictures() {
        let refused = |name: &str| {
            let device = SinkSpec::Device(name.into());
            open_output(&device, &OutputOptions::default()).err().unwrap().to_string()
        };
        assert!(refused("/dev/video4711").contains("v4l2loopback"));
        assert!(refused("/dev/null").contains("takes no pictures"));
    }
}
