//! Motion on disk: keypoints without a picture, recorded and played again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::RgbImage;
use lkg_bundle::Manifest;
use lkg_bundle::files::read_at_most;
use serde::Deserialize;
use serde_json::json;

use super::ReenactError;
use crate::edit::BundleId;
use crate::error::{Error, Result};
use crate::frame::{DetectedFace, DetectedKeypoint, Frame};
use crate::live::Finder;
use crate::media::keypoints::KeypointsSink;
use crate::media::{self, Captured, Next, Source};
use crate::vision::crop::Crop;
use crate::vision::track::Tracked;

/// Says what the file is.
const FORMAT: &str = "latentkeypointgan-motion";
/// The version written and read.
const VERSION: u32 = 1;
/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;
/// Furthest that a keypoint may lie from the picture's corner, in pixels.
const FAR: f32 = 1e5;
/// Side of the blank pictures that stand in for the driver's, in pixels.
const BLANK: u32 = 16;

/// The first line of a file.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
    bundle: BundleId,
}

/// A frame's line, as [`KeypointsSink`] writes it.
#[derive(Deserialize)]
struct Line {
    time: f64,
    faces: Vec<LineFace>,
}

#[derive(Deserialize)]
struct LineFace {
    keypoints: Vec<[f32; 3]>,
}

/// Starts a file of motion: a line that names the bundle, then one a frame with its keypoints.
///
/// # Errors
/// [`media::Error::Exists`] (unless `force`) or [`media::Error::Io`].
pub fn recorder(path: &Path, bundle: &BundleId, force: bool) -> media::Result<KeypointsSink> {
    let head = json!({ "format": FORMAT, "version": VERSION, "bundle": bundle });
    KeypointsSink::with_head(path, &head, force)
}

/// Recorded motion.
#[derive(Clone, Debug)]
pub struct Recording {
    path: PathBuf,
    frames: Vec<(Duration, Option<DetectedFace>)>,
}

impl Recording {
    /// Whether a driver's name is that of such a file.
    pub fn has_name(name: &str) -> bool {
        Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case("jsonl"))
    }

    /// Reads the motion in `path`, which must be of `bundle`.
    ///
    /// # Errors
    /// [`ReenactError::Recording`] that names the line and what is wrong, or [`ReenactError::OtherBundle`].
    pub fn read(path: &Path, bundle: &BundleId, manifest: &Manifest) -> Result<Self> {
        let refuse = |reason: String| Error::from(ReenactError::Recording { path: path.to_owned(), reason });
        if !path.is_file() {
            return Err(refuse("no such file".to_owned()));
        }
        let text = String::from_utf8(read_at_most(path, MAX_BYTES)?)
            .map_err(|_| refuse("not a recording of motion: not UTF-8 text".to_owned()))?;
        let mut lines = text.lines();
        let head: Head = serde_json::from_str(lines.next().unwrap_or_default())
            .map_err(|_| refuse("not a recording of motion; make one with --save-motion".to_owned()))?;
        if head.format != FORMAT || head.version != VERSION {
            let (format, version) = (head.format, head.version);
            return Err(refuse(format!(
                "{format} version {version}, this program reads {FORMAT} version {VERSION}"
            )));
        }
        if head.bundle.sha256 != bundle.sha256 {
            let (theirs, ours) = (head.bundle.name, bundle.name.clone());
            return Err(ReenactError::OtherBundle { path: path.to_owned(), theirs, ours }.into());
        }
        let mut frames: Vec<(Duration, Option<DetectedFace>)> = Vec::new();
        for (i, line) in lines.enumerate() {
            let number = i + 2;
            let line: Line = serde_json::from_str(line).map_err(|e| refuse(format!("line {number}: {e}")))?;
            let time = Duration::try_from_secs_f64(line.time)
                .map_err(|_| refuse(format!("line {number}: time {} is none", line.time)))?;
            if frames.last().is_some_and(|(last, _)| *last > time) {
                return Err(refuse(format!("line {number}: time runs backwards")));
            }
            let face = line.faces.into_iter().next().map(|f| f.keypoints);
            let want = manifest.keypoints.len();
            if let Some(k) = &face {
                if k.len() != want {
                    return Err(refuse(format!(
                        "line {number}: {} keypoints, the bundle has {want}",
                        k.len()
                    )));
                }
                if !k.iter().flatten().all(|v| v.abs() <= FAR) {
                    return Err(refuse(format!("line {number}: a keypoint beyond all pictures")));
                }
            }
            let point = |[x, y, c]: [f32; 3]| DetectedKeypoint { x, y, confidence: c.clamp(0.0, 1.0) };
            let face = face.map(|k| DetectedFace { keypoints: k.into_iter().map(point).collect() });
            frames.push((time, face));
        }
        if frames.is_empty() {
            return Err(refuse("no frames in it".to_owned()));
        }
        Ok(Self { path: path.to_owned(), frames })
    }

    /// A source of blank pictures at the recording's times.
    pub fn source(&self) -> ReplaySource {
        let times = self.frames.iter().map(|(time, _)| *time).collect();
        ReplaySource { path: self.path.clone(), times, next: 0 }
    }

    /// What finds in each of those pictures what was recorded.
    pub fn finder(self) -> Replay {
        let faces = self.frames.into_iter().map(|(_, face)| face).collect();
        Replay { faces, next: 0 }
    }
}

/// Blank pictures at recorded times.
pub struct ReplaySource {
    path: PathBuf,
    times: Vec<Duration>,
    next: usize,
}

impl Source for ReplaySource {
    fn describe(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{name} (recorded motion, {} frames)", self.times.len())
    }

    fn next(&mut self, _timeout: Duration) -> media::Result<Next> {
        let Some(time) = self.times.get(self.next).copied() else { return Ok(Next::End) };
        let frame = Frame { picture: RgbImage::new(BLANK, BLANK), index: self.next as u64, time };
        self.next += 1;
        Ok(Next::Frame(Captured { frame, taken: Instant::now(), decode: Duration::ZERO }))
    }
}

/// Gives the recorded faces one after the other, and starts anew after the last one.
pub struct Replay {
    faces: Vec<Option<DetectedFace>>,
    next: usize,
}

impl Finder for Replay {
    fn find(&mut self, _picture: &RgbImage, _time: Duration) -> Result<Tracked> {
        let face = self.faces.get(self.next % self.faces.len().max(1)).cloned().flatten();
        self.next += 1;
        let crop = Crop::inside(BLANK, BLANK);
        Ok(Tracked { face, crop, preprocess: Duration::ZERO, network: Duration::ZERO })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::media::sink::{Shown, Sink};
    use crate::vision::testing::manifest;

    fn id(name: &str) -> BundleId {
        BundleId { name: name.to_owned(), sha256: name.to_owned() }
    }

    #[test]
    fn what_was_recorded_is_played_and_what_is_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.jsonl");
        let mut sink = recorder(&path, &id("a"), false).unwrap();
        let at = |x, y| DetectedKeypoint { x, y, confidence: 0.5 };
        let face = DetectedFace { keypoints: vec![at(10.0, 20.0), at(30.5, 20.25)] };
        let picture = RgbImage::new(1, 1);
        for (index, face) in [(0, Some(&face)), (1, None)] {
            let time = Duration::from_millis(40 * index);
            sink.write(&Shown { picture: &picture, index, time, face, change: None }).unwrap();
        }
        Box::new(sink).finish().unwrap();

        let read = |bundle: &str| Recording::read(&path, &id(bundle), &manifest(2));
        let recording = read("a").unwrap();
        let mut source = recording.source();
        let mut finder = recording.finder();
        let mut seen = Vec::new();
        while let Next::Frame(captured) = source.next(Duration::ZERO).unwrap() {
            let Frame { picture, time, .. } = captured.frame;
            seen.push((time.as_millis(), finder.find(&picture, time).unwrap().face));
        }
        assert_eq!(seen, [(0, Some(face.clone())), (40, None)]);
        assert_eq!(finder.find(&picture, Duration::ZERO).unwrap().face, Some(face), "from the start again");

        assert!(read("b").unwrap_err().to_string().contains("another bundle (a)"));
        let sound = fs::read_to_string(&path).unwrap();
        for (from, to, message) in [
            ("\"version\":1", "\"version\":7", "version 7"),
            ("30.5", "1e30", "line 2: a keypoint beyond"),
            ("[30.5,20.25,0.5]", "[30.5,20.25,0.5],[1,2,0]", "line 2: 3 keypoints"),
            ("\"time\":0.04", "\"time\":-1", "line 3: time -1"),
            ("latentkeypointgan-motion", "x", "x version 1"),
            ("{\"", "{", "not a recording"),
        ] {
            assert!(sound.contains(from), "{from} in {sound}");
            fs::write(&path, sound.replace(from, to)).unwrap();
            let refused = read("a").unwrap_err().to_string();
            assert!(refused.contains(message), "{refused}");
        }
    }
}
