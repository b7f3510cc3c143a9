//! H.264 in MP4 and QuickTime files, decoded in process.

mod boxes;
mod copy;
mod encoder;
mod fragment;
mod h264;
mod index;
mod sound;
mod take_up;
mod track;
mod write;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::RgbImage;
use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;

use self::boxes::Description;
pub(super) use self::encoder::can_write;
use self::h264::{H264, append_start_coded, stands_alone};
pub(super) use self::sound::{Heard, Sound, hear};
pub(super) use self::take_up::take_up;
use self::track::{Edit, Sample, Track};
pub(super) use self::write::Mp4Sink;
use crate::error::media::{Error, Result};
use crate::frame::Frame;
use crate::media::ffmpeg::FfmpegSource;
use crate::media::frame_pool::FramePool;
use crate::media::frame_size;
use crate::media::keypoints::rounded;
use crate::media::shape::Shaper;
use crate::media::source::{Captured, Next, Source, file_length, short_name};
use crate::media::yuv::{self, Planar};

/// Largest compressed frame that is read, in bytes.
const MAX_FRAME_BYTES: u32 = 64 << 20;

/// What a file turned out to be.
pub enum Opened {
    /// H.264, ready to read.
    H264(Box<Mp4Source>),
    /// A video that is not certain to be decoded right here: what it is, in words.
    Other(String),
}

/// Reads H.264 from an MP4 file in the order of presentation.
pub struct Mp4Source {
    path: PathBuf,
    file: BufReader<File>,
    decoder: Decoder,
    /// Those that the decoder needs, in its order.
    samples: Vec<Sample>,
    next_sample: usize,
    /// What is shown of them, in ticks.
    edit: Edit,
    timescale: f64,
    stream: H264,
    /// Times of frames that went into the decoder and have not come out, soonest first.
    due: BinaryHeap<Reverse<i64>>,
    /// Pictures that the decoder gave up at the end of the file.
    remaining: VecDeque<RgbImage>,
    flushed: bool,
    /// The sample as it lies in the file, and with start codes.
    sample: Vec<u8>,
    coded: Vec<u8>,
    shaper: Shaper,
    pool: FramePool,
    /// What goes on where the decoder failed.
    rest: Option<FfmpegSource>,
    shown: u64,
    given: u64,
    unreadable: u64,
    fps: f64,
}

impl Mp4Source {
    /// Opens `path`.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the file is not whole or has no video, or [`Error::Io`].
    pub fn open(path: &Path) -> Result<Opened> {
        let (mut file, length, description) = describe(path)?;
        if description.fragmented {
            return Ok(Opened::Other("MP4 in fragments".to_owned()));
        }
        let tracks = track::tracks(&description.moov).map_err(|e| Error::damaged(path, e))?;
        let Some(track) = tracks.iter().find(|t| &t.handler == b"vide") else {
            return Err(Error::damaged(path, "no video in it"));
        };
        track.check_count().map_err(|e| Error::damaged(path, e))?;
        match prepare(track, length, &mut file).map_err(Error::io(path))? {
            Ok(prepared) => Self::start(path, file, prepared).map(|source| Opened::H264(Box::new(source))),
            Err(what) => Ok(Opened::Other(what)),
        }
    }

    fn start(path: &Path, file: BufReader<File>, prepared: Prepared) -> Result<Self> {
        let Prepared { stream, samples, edit, timescale } = prepared;
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let decoder = Decoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(|e| Error::damaged(path, e))?;
        let shown: Vec<_> = samples.iter().filter(|s| edit.shows(s.time)).collect();
        let ticks: i64 = shown.iter().map(|s| i64::from(s.duration)).sum();
        let seconds = ticks as f64 / timescale;
        Ok(Self {
            path: path.to_owned(),
            file,
            decoder,
            shown: shown.len() as u64,
            fps: if seconds > 0.0 { shown.len() as f64 / seconds } else { 0.0 },
            samples,
            next_sample: 0,
            edit,
            timescale,
            stream,
            due: BinaryHeap::new(),
            remaining: VecDeque::new(),
            flushed: false,
            sample: Vec::new(),
            coded: Vec::new(),
            shaper: Shaper::default(),
            pool: FramePool::default(),
            rest: None,
            given: 0,
            unreadable: 0,
        })
    }

    /// Puts the next compressed frame with start codes into `coded`, and gives its time.
    fn read_sample(&mut self) -> Result<Option<i64>> {
        let Some(sample) = self.samples.get(self.next_sample).copied() else { return Ok(None) };
        read(&mut self.file, sample, &mut self.sample).map_err(Error::io(&self.path))?;
        self.coded.clear();
        // Repeated at every key frame, so that decoding can pick up again after damage.
        if sample.sync || self.next_sample == 0 {
            self.coded.extend_from_slice(&self.stream.parameter_sets);
        }
        append_start_coded(&self.sample, self.stream.length_bytes, &mut self.coded);
        self.next_sample += 1;
        Ok(Some(sample.time))
    }

    /// Decodes until a picture comes out; none at the end of the file, or where another decoder has to go on.
    fn next_picture(&mut self) -> Result<Option<RgbImage>> {
        while !self.flushed {
            let Some(time) = self.read_sample()? else {
                let pictures = self.decoder.flush_remaining();
                let pictures = pictures.map_err(|e| Error::damaged(&self.path, e))?;
                self.remaining =
                    pictures.iter().filter_map(|yuv| to_rgb(yuv, &self.stream, &self.pool)).collect();
                self.flushed = true;
                break;
            };
            match self.decoder.decode(&self.coded) {
                Ok(decoded) => {
                    self.due.push(Reverse(time));
                    if let Some(picture) =
                        decoded.as_ref().and_then(|yuv| to_rgb(yuv, &self.stream, &self.pool))
                    {
                        return Ok(Some(picture));
                    }
                }
                Err(reason) => {
                    self.unreadable += 1;
                    tracing::warn!(path = %self.path.display(), sample = self.next_sample, %reason, "frame not decoded");
                    // Whatever is wrong, ffmpeg does not do worse. Where it is not, one bad frame is skipped.
                    let what = "video that the built-in decoder fails on";
                    if let Ok(rest) = FfmpegSource::after(&self.path, what, self.given) {
                        self.rest = Some(rest);
                        return Ok(None);
                    }
                }
            }
        }
        Ok(self.remaining.pop_front())
    }
}

/// Opens a file and reads what describes it.
fn describe(path: &Path) -> Result<(BufReader<File>, u64, Description)> {
    let file = File::open(path).map_err(Error::io(path))?;
    let length = file_length(&file, path)?;
    let mut file = BufReader::new(file);
    let description = boxes::description(&mut file, length).map_err(|e| Error::damaged(path, e))?;
    Ok((file, length, description))
}

/// A track that is ready to be decoded.
struct Prepared {
    stream: H264,
    samples: Vec<Sample>,
    edit: Edit,
    timescale: f64,
}

/// Reads of a track what its decoding takes, or says in words what it is instead.
fn prepare(
    track: &Track<'_>,
    length: u64,
    file: &mut BufReader<File>,
) -> std::io::Result<std::result::Result<Prepared, String>> {
    let understood = || -> std::result::Result<Prepared, String> {
        let stream = h264::understand(track)?;
        let edit = track.edit.ok_or("a clip of several parts (its edit list)")?;
        let mut samples = track.samples(length)?;
        if samples.iter().any(|s| s.size > MAX_FRAME_BYTES) {
            return Err("video of huge frames".to_owned());
        }
        // What comes after the last frame that is shown is not needed, and some of what comes before the first neither.
        while samples.pop_if(|s| s.time >= edit.end).is_some() {}
        let first = samples.iter().rposition(|s| s.sync && s.time <= edit.start).unwrap_or(0);
        samples.drain(..first);
        if !samples.iter().any(|s| edit.shows(s.time)) {
            return Err("a clip of which its edit list shows nothing".to_owned());
        }
        Ok(Prepared { stream, samples, edit, timescale: f64::from(track.timescale.max(1)) })
    };
    let prepared = match understood() {
        Ok(prepared) => prepared,
        Err(what) => return Ok(Err(what)),
    };
    let mut bytes = Vec::new();
    if let Some(first) = prepared.samples.first() {
        read(file, *first, &mut bytes)?;
    }
    if !stands_alone(&bytes, prepared.stream.length_bytes) {
        return Ok(Err("video that begins between two key frames".to_owned()));
    }
    Ok(Ok(prepared))
}

/// A sample as it lies in the file.
fn read(file: &mut (impl Read + Seek), sample: Sample, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    bytes.resize(sample.size as usize, 0);
    file.seek(SeekFrom::Start(sample.offset))?;
    file.read_exact(bytes)
}

impl Source for Mp4Source {
    fn describe(&self) -> String {
        let fps = rounded(self.fps, 2);
        let (w, h) = self.stream.shape.shown(self.stream.size);
        format!("{} ({w}x{h}, H.264, {fps} fps)", short_name(&self.path))
    }

    fn frames(&self) -> Option<u64> {
        Some(self.shown)
    }

    fn size(&self) -> Option<(u32, u32)> {
        Some(self.stream.shape.shown(self.stream.size))
    }

    fn fault(&self) -> Option<String> {
        let given = self.rest.as_ref().map_or(self.given, FfmpegSource::given);
        let missing = self.shown.saturating_sub(given);
        let all = self.shown;
        (missing > 0).then(|| format!("{}: {missing} of {all} frames cannot be decoded", self.path.display()))
    }

    fn next(&mut self, timeout: Duration) -> Result<Next> {
        let taken = Instant::now();
        loop {
            if let Some(rest) = &mut self.rest {
                return rest.next(timeout);
            }
            let Some(picture) = self.next_picture()? else {
                if self.rest.is_some() {
                    continue;
                }
                return if self.given == 0 {
                    let reason = format!("none of {} frames can be decoded", self.unreadable);
                    Err(Error::damaged(&self.path, reason))
                } else {
                    Ok(Next::End)
                };
            };
            // Pictures leave the decoder in the order of presentation, so the soonest time is this one's.
            let time = self.due.pop().map_or(0, |Reverse(time)| time);
            if !self.edit.shows(time) {
                self.pool.give(picture);
                continue;
            }
            let picture = self.shaper.apply(self.stream.shape, picture, &self.pool);
            let index = self.given;
            self.given += 1;
            let ticks = (time - self.edit.start).saturating_add(self.edit.delay).max(0);
            let time = Duration::from_secs_f64(ticks as f64 / self.timescale);
            let frame = Frame { picture, index, time };
            return Ok(Next::Frame(Captured { frame, taken, decode: taken.elapsed() }));
        }
    }

    fn reuse(&mut self, picture: RgbImage) {
        match &mut self.rest {
            Some(rest) => rest.reuse(picture),
            None => self.pool.give(picture),
        }
    }
}

fn to_rgb(yuv: &DecodedYUV<'_>, stream: &H264, pool: &FramePool) -> Option<RgbImage> {
    let (w, h) = yuv.dimensions();
    let (width, height) = (u32::try_from(w).ok()?, u32::try_from(h).ok()?);
    frame_size::check((width, height)).ok()?;
    let (matrix, full_range) = (stream.matrix, stream.full_range);
    let mut picture = pool.take(width, height);
    let (luma, colours, _) = yuv.strides();
    let format = Planar { width, height, block: Some((2, 2)), matrix, full_range };
    yuv::to_rgb(format, [yuv.y(), yuv.u(), yuv.v()], [luma, colours], &mut picture);
    Some(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_file_is_told_from_a_whole_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.mp4");
        let ftyp = b"\0\0\0\x18ftypisom\0\0\0\0isommp41";
        for tail in [&b""[..], b"\0\0\x10\0mdat\0\0", b"\0\0\0\x10moov\0\0\0\0\0\0\0\0"] {
            std::fs::write(&path, [ftyp, tail].concat()).unwrap();
            assert!(matches!(Mp4Source::open(&path), Err(Error::Damaged { .. })));
        }
    }
}
