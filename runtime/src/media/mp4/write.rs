//! H.264 in MP4: what telephones and browsers play.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::RgbImage;
use image::imageops::{self, FilterType};
use openh264::encoder::{Encoder, FrameType};
use openh264::formats::YUVSlices;
use shiguredo_mp4::boxes::SampleEntry;
use shiguredo_mp4::mux::{FinalizedBoxes, Mp4FileMuxer, MuxError, Sample};
use shiguredo_mp4::{Encode, TrackKind};

use super::copy::{SoundCopy, describe_sound};
use super::encoder::{encoder, entry, without_start_code};
use crate::error::media::{Error, Result};
use crate::media::mark::{self, Origin};
use crate::media::output::{PendingFile, check_target};
use crate::media::sink::{Shown, Sink, Written};
use crate::media::sound::ClipSound;
use crate::media::yuv::I420;

/// Steps of time in a second, as is usual for video.
pub(super) const TICKS: u32 = 90_000;

/// How long the last frame is shown, in ticks, if there is none before it to tell: a 25th of a second.
const SINGLE: u64 = TICKS as u64 / 25;

/// Largest pictures that the encoder takes: longer and shorter side, in pixels.
const MOST: (u32, u32) = (3840, 2160);

/// More than may wait in a file's buffer, and what the description of a clip without frames takes.
const SPARE: u64 = 20 << 10;

/// Most that a frame takes in the description of the clip, in bytes.
const DESCRIBED: u64 = 24;

/// A frame in the file, or a piece of sound.
struct Stored {
    what: What,
    offset: u64,
    size: usize,
}

/// What is stored.
enum What {
    /// A frame: when it is shown, and whether it stands alone.
    Frame { tick: u64, key: bool },
    /// Sound of so many ticks of its own.
    Sound { duration: u32 },
}

/// Writes a clip whose frames keep their own times.
pub(in crate::media) struct Mp4Sink {
    path: PathBuf,
    force: bool,
    sound: Option<ClipSound>,
    writer: Option<Mp4Writer>,
    origin: Option<Origin>,
}

impl Mp4Sink {
    /// Prepares the file. Frames keep of `sound` what is heard while they are shown.
    ///
    /// # Errors
    /// [`Error::Exists`] (unless `force`) or the folder around it is missing.
    pub fn create(path: &Path, force: bool, sound: Option<ClipSound>) -> Result<Self> {
        check_target(path, force)?;
        Ok(Self { path: path.to_owned(), force, sound, writer: None, origin: None })
    }
}

impl Sink for Mp4Sink {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn mark(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    fn write(&mut self, shown: &Shown<'_>) -> Result<()> {
        if self.writer.is_none() {
            let size = shown.picture.dimensions();
            let mut writer = Mp4Writer::create(&self.path, size, self.force, self.origin)?;
            if let Some(sound) = self.sound.take() {
                writer.sound = Some(SoundCopy::begin(sound, shown.time)?);
            }
            self.writer = Some(writer);
        }
        self.writer.as_mut().map_or(Ok(()), |w| w.add(shown.picture, shown.time))
    }

    fn abandon(self: Box<Self>) -> Vec<Written> {
        let saved = self.writer.and_then(|w| w.salvage().ok());
        saved.map(|path| Written { what: "clip", path }).into_iter().collect()
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        let path = self.writer.map(Mp4Writer::finish).transpose()?;
        Ok(path.map(|path| Written { what: "clip", path }).into_iter().collect())
    }
}

struct Mp4Writer {
    file: PendingFile,
    encoder: Encoder,
    size: (u32, u32),
    position: u64,
    planes: I420,
    start: Duration,
    stored: Vec<Stored>,
    /// Ticks of the latest frame, and from the one before it.
    last: Option<(u64, u64)>,
    sound: Option<SoundCopy>,
    /// A compressed frame or a piece of sound.
    sample: Vec<u8>,
    /// What the stream is, known from the first frame on.
    entry: Option<SampleEntry>,
    origin: Option<Origin>,
}

impl Mp4Writer {
    fn create(path: &Path, (width, height): (u32, u32), force: bool, origin: Option<Origin>) -> Result<Self> {
        if width.max(height) > MOST.0 || width.min(height) > MOST.1 {
            let (path, form, most) = (path.to_owned(), "an MP4", "3840x2160");
            return Err(Error::TooLarge { path, size: (width, height), form, most });
        }
        // H.264 shares colours among four pixels.
        let size = (width & !1, height & !1);
        let encoder = encoder().map_err(|e| Error::damaged(path, e))?;
        let muxer = Mp4FileMuxer::new().map_err(|e| Error::damaged(path, e))?;
        let mut file = PendingFile::create(path, force)?;
        let head = muxer.initial_boxes_bytes();
        file.write(head)?;
        let position = head.len() as u64;
        Ok(Self {
            file,
            encoder,
            size,
            position,
            planes: I420::default(),
            start: Duration::ZERO,
            stored: Vec::new(),
            last: None,
            sound: None,
            sample: Vec::new(),
            entry: None,
            origin,
        })
    }

    fn add(&mut self, picture: &RgbImage, time: Duration) -> Result<()> {
        if self.stored.is_empty() {
            self.start = time;
        }
        let tick = (time.saturating_sub(self.start).as_secs_f64() * f64::from(TICKS)).round() as u64;
        self.copy_sound(tick)?;
        if picture.dimensions() == self.size {
            self.planes.fill(picture);
        } else {
            self.planes.fill(&imageops::resize(picture, self.size.0, self.size.1, FilterType::Triangle));
        }
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let planes = (&self.planes.y[..], &self.planes.u[..], &self.planes.v[..]);
        let source = YUVSlices::new(planes, (width, height), (width, width / 2, width / 2));
        let stream = self.encoder.encode(&source).map_err(|e| Error::damaged(self.file.target(), e))?;
        let key = matches!(stream.frame_type(), FrameType::IDR | FrameType::I);
        let (mut sps, mut pps) = (None, None);
        self.sample.clear();
        for layer in (0..stream.num_layers()).filter_map(|i| stream.layer(i)) {
            for unit in (0..layer.nal_count()).filter_map(|i| layer.nal_unit(i)) {
                let unit = without_start_code(unit);
                match unit.first().map(|b| b & 31) {
                    Some(7) => sps = Some(unit.to_vec()),
                    Some(8) => pps = Some(unit.to_vec()),
                    Some(_) => {
                        self.sample.extend_from_slice(&(unit.len() as u32).to_be_bytes());
                        self.sample.extend_from_slice(unit);
                    }
                    None => {}
                }
            }
        }
        if self.sample.is_empty() {
            // The encoder saw no change worth a frame: the one before goes on.
            return Ok(());
        }
        if self.entry.is_none() {
            self.entry = Some(entry(self.size, sps, pps).ok_or_else(|| {
                Error::damaged(self.file.target(), "the H.264 encoder did not describe its stream")
            })?);
        }
        let before = self.last.map_or(tick, |(before, _)| before);
        self.last = Some((tick, tick.saturating_sub(before)));
        self.store(What::Frame { tick, key })
    }

    /// Writes what is in `sample`.
    fn store(&mut self, what: What) -> Result<()> {
        self.file.write(&self.sample)?;
        let (offset, size) = (self.position, self.sample.len());
        self.position += size as u64;
        self.stored.push(Stored { what, offset, size });
        Ok(())
    }

    /// Copies the sound that begins before a tick.
    fn copy_sound(&mut self, tick: u64) -> Result<()> {
        let until = self.start.as_secs_f64() + tick as f64 / f64::from(TICKS);
        while let Some(sound) = &mut self.sound
            && let Some(duration) = sound.next(until, &mut self.sample)?
        {
            self.store(What::Sound { duration })?;
        }
        Ok(())
    }

    /// Finishes after [`Mp4Writer::add`] failed, on a full disk say: gives up frames at the end until their room is enough
    /// for the description of the others.
    fn salvage(mut self) -> Result<PathBuf> {
        let end = self.position;
        while let Some(last) = self.stored.pop() {
            self.position = last.offset;
            if end - self.position >= SPARE + DESCRIBED * self.stored.len() as u64 {
                break;
            }
        }
        if !self.stored.iter().any(|s| matches!(s.what, What::Frame { .. })) {
            return Err(Error::damaged(self.file.target(), "nothing could be saved"));
        }
        self.file.cut(self.position)?;
        self.complete()
    }

    fn finish(mut self) -> Result<PathBuf> {
        if let Some((tick, length)) = self.last {
            self.copy_sound(tick + if length > 0 { length } else { SINGLE })?;
        }
        self.complete()
    }

    /// Writes what describes the clip.
    fn complete(mut self) -> Result<PathBuf> {
        let wrong = |path: &Path, e: String| Error::damaged(path, e);
        let boxes = self.describe().map_err(|e| wrong(self.file.target(), e.to_string()))?;
        let mut moov = boxes.moov_box().clone();
        let video: u64 = self.lengths().map(u64::from).sum();
        describe_sound(&mut moov, video, self.sound.as_ref().map(SoundCopy::copied));
        let moov = moov.encode_to_vec().map_err(|e| wrong(self.file.target(), e.to_string()))?;
        for (offset, bytes) in boxes.offset_and_bytes_pairs() {
            // The description comes last, and it is ours.
            if offset < self.position {
                self.file.patch(offset, bytes)?;
            }
        }
        self.file.patch(self.position, &moov)?;
        if let Some(origin) = self.origin {
            self.file.patch(self.position + moov.len() as u64, &mark::mp4_box(origin))?;
        }
        self.file.finish()
    }

    /// How long each frame is shown, in ticks: until the next one, and the last as long as the one before.
    fn lengths(&self) -> impl Iterator<Item = u32> {
        let ticks = || {
            self.stored.iter().filter_map(|s| match s.what {
                What::Frame { tick, .. } => Some(tick),
                What::Sound { .. } => None,
            })
        };
        let mut length = SINGLE as u32;
        let next = ticks().skip(1).map(Some).chain(std::iter::once(None));
        ticks().zip(next).map(move |(tick, next)| {
            if let Some(next) = next {
                length = u32::try_from(next.saturating_sub(tick)).unwrap_or(u32::MAX).max(1);
            }
            length
        })
    }

    /// Tells the muxer of all frames: how long each is shown is known when the next one is there, and that the last is in
    /// the file only now.
    fn describe(&mut self) -> std::result::Result<FinalizedBoxes, MuxError> {
        let mut muxer = Mp4FileMuxer::new()?;
        let (mut entry, mut heard) = (self.entry.take(), self.sound.as_ref().map(SoundCopy::entry));
        let mut lengths = self.lengths();
        let ticks = NonZeroU32::MIN.saturating_add(TICKS - 1);
        for stored in &self.stored {
            let (track_kind, sample_entry, keyframe, timescale, duration) = match stored.what {
                What::Frame { key, .. } => {
                    (TrackKind::Video, entry.take(), key, ticks, lengths.next().unwrap_or(1))
                }
                What::Sound { duration } => {
                    let timescale = self.sound.as_ref().map_or(ticks, SoundCopy::timescale);
                    (TrackKind::Audio, heard.take(), true, timescale, duration)
                }
            };
            muxer.append_sample(&Sample {
                track_kind,
                sample_entry,
                keyframe,
                timescale,
                duration,
                composition_time_offset: None,
                data_offset: stored.offset,
                data_size: stored.size,
            })?;
        }
        muxer.finalize().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::mp4::{Mp4Source, Opened};
    use crate::media::source::{Next, Source};
    use crate::media::testing::{gradient, largest_difference};

    #[test]
    fn what_was_written_is_read_back_with_its_own_times() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.mp4");
        let times = [0, 40, 80, 200, 233, 1000].map(|ms| Duration::from_millis(500 + ms));
        let mut sink = Box::new(Mp4Sink::create(&path, false, None).unwrap());
        sink.mark(Origin::Generated);
        let mut pictures = Vec::new();
        for (i, time) in times.into_iter().enumerate() {
            // Both sides odd: the last row and column are given up.
            let mut picture = gradient(65, 49);
            picture.iter_mut().for_each(|p| *p = p.saturating_add(15 * i as u8));
            sink.write(&Shown::new(&picture, i as u64, time)).unwrap();
            pictures.push(imageops::resize(&picture, 64, 48, FilterType::Triangle));
        }
        assert_eq!(sink.finish().unwrap(), [Written { what: "clip", path: path.clone() }]);
        let Opened::H264(mut source) = Mp4Source::open(&path).unwrap() else { panic!("not H.264") };
        for (i, time) in times.into_iter().enumerate() {
            let Next::Frame(captured) = source.next(Duration::ZERO).unwrap() else { panic!("frame {i}") };
            let wanted = time - times[0];
            assert!(captured.frame.time.abs_diff(wanted) < Duration::from_millis(1), "frame {i}");
            let difference = largest_difference(&captured.frame.picture, &pictures[i]);
            assert!(difference < 40, "frame {i}: {difference}");
        }
        assert!(matches!(source.next(Duration::ZERO).unwrap(), Next::End));
        // The mark is the last box of the file.
        let content = std::fs::read(&path).unwrap();
        let wanted = mark::mp4_box(Origin::Generated);
        assert!(content.ends_with(&wanted));
        assert_eq!(wanted.len(), u32::from_be_bytes(wanted[..4].try_into().unwrap()) as usize);
    }

    #[test]
    fn what_came_before_a_failure_is_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.mp4");
        let mut writer = Mp4Writer::create(&path, (320, 240), false, Some(Origin::Edited)).unwrap();
        let mut noise = 1u32;
        for i in 0..12 {
            let picture = RgbImage::from_fn(320, 240, |_, _| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                image::Rgb([(noise >> 24) as u8; 3])
            });
            writer.add(&picture, Duration::from_millis(40 * i)).unwrap();
        }
        writer.file.write(b"half a frame").unwrap();
        assert_eq!(writer.salvage().unwrap(), path);
        let Opened::H264(mut source) = Mp4Source::open(&path).unwrap() else { panic!("not H.264") };
        let mut frames = 0;
        while let Next::Frame(_) = source.next(Duration::ZERO).unwrap() {
            frames += 1;
        }
        assert!((6..12).contains(&frames), "{frames}");
    }
}
