//! H.264 in MP4 and QuickTime files, decoded in process.

mod boxes;
mod write;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::{RgbImage, imageops};
use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;
use re_mp4::{Avc1Box, Mp4, Sample, StsdBoxContent, TrackKind};

use crate::error::media::{Error, Result};
use crate::frame::Frame;
use crate::media::frame_pool::FramePool;
use crate::media::source::{Captured, Next, Source, file_length, short_name};

pub(super) use self::write::Mp4Sink;

/// Largest compressed frame that is read, in bytes.
const MAX_FRAME_BYTES: u64 = 64 << 20;

/// Longest side of a picture that is decoded, in pixels.
const MAX_SIDE: usize = 8192;

/// What a file turned out to be.
pub enum Opened {
    /// H.264, ready to read.
    H264(Box<Mp4Source>),
    /// A video of a codec that is not decoded here.
    OtherCodec,
}

/// Reads H.264 from an MP4 file in the order of presentation.
pub struct Mp4Source {
    path: PathBuf,
    file: BufReader<File>,
    decoder: Decoder,
    samples: Vec<Sample>,
    next_sample: usize,
    parameter_sets: Vec<u8>,
    length_bytes: usize,
    turns: u8,
    /// Times of frames that went into the decoder and have not come out, soonest first.
    due: BinaryHeap<Reverse<Duration>>,
    /// Pictures that the decoder gave up at the end of the file.
    remaining: VecDeque<RgbImage>,
    flushed: bool,
    /// The sample as it lies in the file, and with start codes.
    sample: Vec<u8>,
    stream: Vec<u8>,
    pool: FramePool,
    given: u64,
    unreadable: u64,
    size: (u16, u16),
    fps: f64,
}

impl Mp4Source {
    /// Opens `path`.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the file is not whole or has no video, or [`Error::Io`].
    pub fn open(path: &Path) -> Result<Opened> {
        let file = File::open(path).map_err(Error::io(path))?;
        let length = file_length(&file, path)?;
        let mut file = BufReader::new(file);
        let mp4 = parse(&mut file, length).map_err(|e| Error::damaged(path, e))?;
        let track = mp4.tracks().values().find(|t| t.kind == Some(TrackKind::Video) && !t.samples.is_empty());
        let track = track.ok_or_else(|| Error::damaged(path, "no video in it"))?;
        let trak = track.trak(&mp4);
        let StsdBoxContent::Avc1(avc1) = &trak.mdia.minf.stbl.stsd.contents else {
            return Ok(Opened::OtherCodec);
        };
        // 4:2:0 at 8 bits is what the decoder knows.
        if avc1.avcc.contents.avc_profile_indication > 100 {
            return Ok(Opened::OtherCodec);
        }
        for sample in &track.samples {
            let end = sample.offset.checked_add(sample.size);
            if sample.size > MAX_FRAME_BYTES || end.is_none_or(|end| end > length) {
                return Err(Error::damaged(path, format!("frame {} lies outside the file", sample.id)));
            }
        }
        let m = &trak.tkhd.matrix;
        let seconds = track.duration as f64 / track.timescale.max(1) as f64;
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let decoder = Decoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(|e| Error::damaged(path, e))?;
        Ok(Opened::H264(Box::new(Self {
            path: path.to_owned(),
            file,
            decoder,
            samples: track.samples.clone(),
            next_sample: 0,
            parameter_sets: parameter_sets(avc1),
            length_bytes: usize::from(avc1.avcc.contents.length_size_minus_one) + 1,
            turns: quarter_turns(m.a, m.b, m.c, m.d),
            due: BinaryHeap::new(),
            remaining: VecDeque::new(),
            flushed: false,
            sample: Vec::new(),
            stream: Vec::new(),
            pool: FramePool::default(),
            given: 0,
            unreadable: 0,
            size: (avc1.width, avc1.height),
            fps: if seconds > 0.0 { track.samples.len() as f64 / seconds } else { 0.0 },
        })))
    }

    /// Puts the next compressed frame with start codes into `stream`, and gives its time.
    fn read_sample(&mut self) -> Result<Option<Duration>> {
        let Some(sample) = self.samples.get(self.next_sample).copied() else { return Ok(None) };
        self.sample.resize(sample.size as usize, 0);
        self.file.seek(SeekFrom::Start(sample.offset)).map_err(Error::io(&self.path))?;
        self.file.read_exact(&mut self.sample).map_err(Error::io(&self.path))?;
        self.stream.clear();
        // Repeated at every key frame, so that decoding can pick up again after damage.
        if sample.is_sync || self.next_sample == 0 {
            self.stream.extend_from_slice(&self.parameter_sets);
        }
        append_start_coded(&self.sample, self.length_bytes, &mut self.stream);
        self.next_sample += 1;
        let units = sample.composition_timestamp.max(0) as f64;
        Ok(Some(Duration::from_secs_f64(units / sample.timescale.max(1) as f64)))
    }

    /// Decodes until a picture comes out; none at the end of the file.
    fn next_picture(&mut self) -> Result<Option<RgbImage>> {
        while !self.flushed {
            let Some(time) = self.read_sample()? else {
                let pictures = self.decoder.flush_remaining();
                let pictures = pictures.map_err(|e| Error::damaged(&self.path, e))?;
                let shown = pictures.iter().filter_map(|yuv| to_rgb(yuv, self.turns, &self.pool));
                self.remaining = shown.collect();
                self.flushed = true;
                break;
            };
            match self.decoder.decode(&self.stream) {
                Ok(decoded) => {
                    self.due.push(Reverse(time));
                    if let Some(picture) =
                        decoded.as_ref().and_then(|yuv| to_rgb(yuv, self.turns, &self.pool))
                    {
                        return Ok(Some(picture));
                    }
                }
                // One bad frame is skipped; a file of nothing else is an error at its end.
                Err(_) => self.unreadable += 1,
            }
        }
        Ok(self.remaining.pop_front())
    }
}

impl Source for Mp4Source {
    fn describe(&self) -> String {
        let fps = (self.fps * 100.0).round() / 100.0;
        let (w, h) = if self.turns.is_multiple_of(2) { self.size } else { (self.size.1, self.size.0) };
        format!("{} ({w}x{h}, H.264, {fps} fps)", short_name(&self.path))
    }

    fn frames(&self) -> Option<u64> {
        Some(self.samples.len() as u64)
    }

    fn next(&mut self, _timeout: Duration) -> Result<Next> {
        let taken = Instant::now();
        let Some(picture) = self.next_picture()? else {
            return if self.given == 0 {
                Err(Error::damaged(&self.path, format!("none of {} frames can be decoded", self.unreadable)))
            } else {
                Ok(Next::End)
            };
        };
        // Pictures leave the decoder in the order of presentation, so the soonest time is this one's.
        let time = self.due.pop().map_or(Duration::ZERO, |Reverse(time)| time);
        let index = self.given;
        self.given += 1;
        Ok(Next::Frame(Captured { frame: Frame { picture, index, time }, taken, decode: taken.elapsed() }))
    }

    fn reuse(&mut self, picture: RgbImage) {
        self.pool.give(picture);
    }
}

/// The parser loops for ever on boxes of size 0, hence the check, and panics on some inconsistent sample tables,
/// hence the catch.
fn parse(file: &mut BufReader<File>, length: u64) -> std::result::Result<Mp4, String> {
    boxes::check(file, length)?;
    file.rewind().map_err(|e| e.to_string())?;
    match catch_unwind(AssertUnwindSafe(|| Mp4::read(file, length))) {
        Ok(parsed) => parsed.map_err(|e| e.to_string()),
        Err(_) => Err("its tables contradict each other".to_owned()),
    }
}

fn parameter_sets(avc1: &Avc1Box) -> Vec<u8> {
    let avcc = &avc1.avcc.contents;
    let mut out = Vec::new();
    for unit in avcc.sequence_parameter_sets.iter().chain(&avcc.picture_parameter_sets) {
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(&unit.bytes);
    }
    out
}

/// Replaces the length before each unit by a start code; a length beyond the end takes what there is.
fn append_start_coded(mut data: &[u8], length_bytes: usize, out: &mut Vec<u8>) {
    while data.len() > length_bytes {
        let (length, rest) = data.split_at(length_bytes);
        let length = length.iter().fold(0usize, |n, byte| n << 8 | usize::from(*byte)).min(rest.len());
        let (unit, rest) = rest.split_at(length);
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(unit);
        data = rest;
    }
}

/// Clockwise quarter turns that a track's matrix asks for, as telephones held upright record.
fn quarter_turns(a: i32, b: i32, c: i32, d: i32) -> u8 {
    match (a.signum(), b.signum(), c.signum(), d.signum()) {
        (0, 1, -1, 0) => 1,
        (-1, 0, 0, -1) => 2,
        (0, -1, 1, 0) => 3,
        _ => 0,
    }
}

fn to_rgb(yuv: &DecodedYUV<'_>, turns: u8, pool: &FramePool) -> Option<RgbImage> {
    let (w, h) = yuv.dimensions();
    if w == 0 || h == 0 || w > MAX_SIDE || h > MAX_SIDE {
        return None;
    }
    let (w, h) = (w as u32, h as u32);
    let mut picture = pool.take(w, h);
    yuv.write_rgb8(&mut picture);
    if turns == 0 {
        return Some(picture);
    }
    let mut turned = if turns == 2 { pool.take(w, h) } else { pool.take(h, w) };
    let done = match turns {
        1 => imageops::rotate90_in(&picture, &mut turned),
        2 => imageops::rotate180_in(&picture, &mut turned),
        _ => imageops::rotate270_in(&picture, &mut turned),
    };
    pool.give(picture);
    done.ok().map(|()| turned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_become_start_codes() {
        let mut out = Vec::new();
        append_start_coded(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 1, 9], 4, &mut out);
        assert_eq!(out, [0, 0, 0, 1, 7, 8, 0, 0, 0, 1, 9]);
        out.clear();
        append_start_coded(&[0, 9, 1, 2], 2, &mut out);
        assert_eq!(out, [0, 0, 0, 1, 1, 2]);
    }

    #[test]
    fn matrices_of_telephones_are_understood() {
        let one = 1 << 16;
        assert_eq!(quarter_turns(one, 0, 0, one), 0);
        assert_eq!(quarter_turns(0, one, -one, 0), 1);
        assert_eq!(quarter_turns(-one, 0, 0, -one), 2);
        assert_eq!(quarter_turns(0, -one, one, 0), 3);
    }

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
