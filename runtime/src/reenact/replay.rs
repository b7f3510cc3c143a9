//! Motion on disk: keypoints without a picture, recorded and played again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::RgbImage;
use lkg_bundle::files::read_at_most;
use lkg_bundle::{Manifest, Network, json};
use serde::Deserialize;

use super::ReenactError;
use super::translate::Translation;
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

/// Fewest parts that a recording of another bundle must share with the one in use.
const LEAST_SHARED: usize = 4;

/// The first line of a file.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
    bundle: BundleId,
    /// Names of the keypoints; files of earlier versions have none.
    #[serde(default)]
    parts: Vec<String>,
    /// SHA-256 of the detector that read the states: to another one they mean nothing.
    #[serde(default)]
    detector: Option<String>,
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
    #[serde(default)]
    states: Vec<f32>,
}

/// Starts a file of motion: a line that names the bundle and its parts, then one a frame with its keypoints and states.
///
/// # Errors
/// [`media::Error::Exists`] (unless `force`) or [`media::Error::Io`].
pub fn recorder(
    path: &Path,
    bundle: &BundleId,
    manifest: &Manifest,
    force: bool,
) -> media::Result<KeypointsSink> {
    let parts: Vec<&str> = manifest.keypoints.iter().map(|k| k.name.as_str()).collect();
    let detector = detector_of(manifest);
    let head = serde_json::json!({
        "format": FORMAT, "version": VERSION, "bundle": bundle, "parts": parts, "detector": detector
    });
    KeypointsSink::with_head(path, &head, force)
}

/// What tells a bundle's detector from others.
fn detector_of(manifest: &Manifest) -> Option<&str> {
    manifest.files.get(&Network::Detector.file_name()).map(|f| f.sha256.as_str())
}

/// Recorded motion.
#[derive(Clone, Debug)]
pub struct Recording {
    path: PathBuf,
    frames: Vec<(Duration, Option<DetectedFace>)>,
    notes: Vec<String>,
}

impl Recording {
    /// Whether a driver's name is that of such a file.
    pub fn has_name(name: &str) -> bool {
        Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case("jsonl"))
    }

    /// Reads the motion in `path`. Of another bundle than `bundle` the parts are taken that have the same names in its
    /// `manifest`, the others move with the head; states are taken of the same detector only.
    ///
    /// # Errors
    /// [`ReenactError::Recording`] that names the line and what is wrong, or [`ReenactError::OtherBundle`] where too few parts
    /// have the same names.
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
        let same = head.bundle.sha256 == bundle.sha256;
        let translation = (!same).then(|| Translation::new(&head.parts, manifest));
        if let Some(t) = &translation
            && t.shared() < LEAST_SHARED.min(manifest.keypoints.len())
        {
            let (theirs, ours) = (head.bundle.name, bundle.name.clone());
            return Err(ReenactError::OtherBundle { path: path.to_owned(), theirs, ours }.into());
        }
        let reads = manifest.dims.states.unwrap_or_default();
        let has_states = reads > 0 && (same || head.detector.as_deref() == detector_of(manifest));
        let mut notes = Vec::new();
        if let Some(t) = &translation {
            let (path, theirs, shared) = (path.display(), &head.bundle.name, t.shared());
            let states = if reads > 0 && !has_states { ", without states" } else { "" };
            notes.push(format!("{path}: recorded with {theirs}; {shared} parts have the same names{states}"));
        }
        let theirs = if same { manifest.keypoints.len() } else { head.parts.len() };
        let mut frames: Vec<(Duration, Option<DetectedFace>)> = Vec::new();
        for (i, line) in lines.enumerate() {
            let number = i + 2;
            let line = serde_json::from_str(line).map_err(|e| e.to_string()).and_then(json::from_value);
            let line: Line = line.map_err(|e| refuse(format!("line {number}: {e}")))?;
            let time = Duration::try_from_secs_f64(line.time)
                .map_err(|_| refuse(format!("line {number}: time {} is none", line.time)))?;
            if frames.last().is_some_and(|(last, _)| *last > time) {
                return Err(refuse(format!("line {number}: time runs backwards")));
            }
            let face = line.faces.into_iter().next();
            let face = face.map(|face| checked(face, theirs, reads, has_states)).transpose();
            let face = face.map_err(|reason| refuse(format!("line {number}: {reason}")))?;
            let face = match &translation {
                Some(t) => face.map(|face| t.face(&face)),
                None => face,
            };
            frames.push((time, face));
        }
        if frames.is_empty() {
            return Err(refuse("no frames in it".to_owned()));
        }
        Ok(Self { path: path.to_owned(), frames, notes })
    }

    /// What the user should know about how it was read.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The faces in it, each with its time.
    pub fn faces(&self) -> impl Iterator<Item = (Duration, &DetectedFace)> {
        self.frames.iter().filter_map(|(time, face)| Some((*time, face.as_ref()?)))
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

/// The face of a line, if it has `want` keypoints and the states of as many parts.
fn checked(
    face: LineFace,
    want: usize,
    each: usize,
    has_states: bool,
) -> std::result::Result<DetectedFace, String> {
    let LineFace { keypoints, states } = face;
    if keypoints.len() != want {
        return Err(format!("{} keypoints, the bundle has {want}", keypoints.len()));
    }
    if !keypoints.iter().flatten().all(|v| v.abs() <= FAR) {
        return Err("a keypoint beyond all pictures".to_owned());
    }
    let states = if has_states { states } else { Vec::new() };
    if !(states.is_empty() || states.len() == want * each) || !states.iter().all(|s| s.abs() <= 1.0) {
        return Err(format!("states are not {} numbers within -1 and 1", want * each));
    }
    let point = |[x, y, c]: [f32; 3]| DetectedKeypoint { x, y, confidence: c.clamp(0.0, 1.0) };
    let keypoints = keypoints.into_iter().map(point).collect();
    Ok(DetectedFace { keypoints, states, ..DetectedFace::default() })
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
        Ok(Tracked::of(face, Crop::inside(BLANK, BLANK)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::frame::Faces;
    use crate::media::sink::{Shown, Sink};
    use crate::vision::testing::manifest;

    fn id(name: &str) -> BundleId {
        BundleId { name: name.to_owned(), sha256: name.to_owned() }
    }

    #[test]
    fn what_was_recorded_is_played_and_what_is_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.jsonl");
        let mut sink = recorder(&path, &id("a"), &manifest(2), false).unwrap();
        let at = |x, y| DetectedKeypoint { x, y, confidence: 0.5 };
        let face = DetectedFace::new(vec![at(10.0, 20.0), at(30.5, 20.25)]);
        let picture = RgbImage::new(1, 1);
        for (index, face) in [(0, Some(&face)), (1, None)] {
            let time = Duration::from_millis(40 * index);
            sink.write(&Shown { faces: Faces::new(face, &[]), ..Shown::new(&picture, index, time) }).unwrap();
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
        assert_eq!(
            finder.find(&picture, Duration::ZERO).unwrap().face,
            Some(face.clone()),
            "from the start again"
        );

        // Of another bundle the parts with the same names are taken; without names, as in old files, none are.
        let other = read("b").unwrap();
        assert_eq!(other.faces().next().map(|(_, f)| f.clone()), Some(face.clone()));
        assert!(other.notes()[0].contains("recorded with a; 2 parts"), "{:?}", other.notes());
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
        fs::write(&path, sound.replace("\"point ", "\"spot ")).unwrap();
        assert!(read("b").unwrap_err().to_string().contains("another bundle (a)"));
        // A file of an earlier version names no parts.
        fs::write(&path, sound.replace("\"parts\"", "\"unknown\"")).unwrap();
        assert!(read("a").is_ok());
        assert!(read("b").unwrap_err().to_string().contains("another bundle (a)"));
    }
    #[test]
    fn states_are_played_by_the_detector_that_read_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.jsonl");
        let detector = |sha256: &str| {
            let mut m = manifest(2);
            m.dims.states = Some(2);
            let entry = lkg_bundle::manifest::FileEntry { sha256: sha256.to_owned(), bytes: 1 };
            m.files.insert(Network::Detector.file_name(), entry);
            m
        };
        let mut sink = recorder(&path, &id("a"), &detector("x"), false).unwrap();
        let at = |x, y| DetectedKeypoint { x, y, confidence: 0.5 };
        let mut face = DetectedFace::new(vec![at(10.0, 20.0), at(30.5, 20.25)]);
        face.states = vec![0.25, -0.5, 0.0, 1.0];
        let shown = RgbImage::new(1, 1);
        let time = Duration::ZERO;
        sink.write(&Shown { faces: Faces::new(Some(&face), &[]), ..Shown::new(&shown, 0, time) }).unwrap();
        Box::new(sink).finish().unwrap();
        let states = |bundle: &str, m: &Manifest| {
            Recording::read(&path, &id(bundle), m).unwrap().faces().next().unwrap().1.states.clone()
        };
        assert_eq!(states("a", &detector("x")), face.states);
        // A bundle that grew a generator on the same detector, and one of another training.
        assert_eq!(states("b", &detector("x")), face.states);
        assert!(states("b", &detector("y")).is_empty() && states("a", &manifest(2)).is_empty());
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("-0.5", "-7")).unwrap();
        let refused = Recording::read(&path, &id("a"), &detector("x")).unwrap_err().to_string();
        assert!(refused.contains("line 2: states are not 4 numbers"), "{refused}");
    }
}
