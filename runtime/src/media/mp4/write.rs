//! H.264 in MP4: what telephones and browsers play.

use std::path::{Path, PathBuf};
use std::time::Duration;

use image::RgbImage;
use image::imageops::{self, FilterType};
use openh264::encoder::{Encoder, FrameType};
use openh264::formats::YUVSlices;

use super::copy::SoundCopy;
use super::encoder::{encoder, entry, without_start_code};
use super::fragment::{Piece, SoundTrack};
use super::index::{Index, SINGLE, Waiting};
use crate::error::media::{Error, Result};
use crate::media::mark::{self, Origin};
use crate::media::output::{PendingFile, check_target};
use crate::media::sink::{Shown, Sink, Written};
use crate::media::sound::ClipSound;
use crate::media::yuv::I420;

/// Steps of time in a second, as is usual for video.
pub(super) const TICKS: u32 = 90_000;

/// Most of a recording that waits to be written, in ticks and in bytes: what a kill takes away.
const WAIT: (u64, usize) = (TICKS as u64, 48 << 10);

/// Largest pictures that the encoder takes: longer and shorter side, in pixels.
const MOST: (u32, u32) = (3840, 2160);

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
                let copy = SoundCopy::begin(sound, shown.time)?;
                writer.waiting.sound_start = copy.begins().max(0) as u64;
                writer.sound = Some(copy);
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
    index: Index,
    waiting: Waiting,
    encoder: Encoder,
    size: (u32, u32),
    planes: I420,
    start: Option<Duration>,
    /// Ticks of the latest frame, and from the one before it.
    last: Option<(u64, u64)>,
    sound: Option<SoundCopy>,
    /// A piece of sound.
    sample: Vec<u8>,
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
        let mark = origin.map(mark::mp4_box).unwrap_or_default();
        Ok(Self {
            index: Index::begin(PendingFile::record(path, force)?, mark)?,
            waiting: Waiting::default(),
            encoder,
            size,
            planes: I420::default(),
            start: None,
            last: None,
            sound: None,
            sample: Vec::new(),
        })
    }

    fn add(&mut self, picture: &RgbImage, time: Duration) -> Result<()> {
        let start = *self.start.get_or_insert(time);
        let tick = (time.saturating_sub(start).as_secs_f64() * f64::from(TICKS)).round() as u64;
        let first = self.waiting.frames.first().map_or(tick, |(first, ..)| *first);
        if tick.saturating_sub(first) >= WAIT.0 || self.waiting.bytes() >= WAIT.1 {
            self.write_waiting(tick)?;
        }
        self.copy_sound(tick)?;
        if picture.dimensions() == self.size {
            self.planes.fill(picture);
        } else {
            self.planes.fill(&imageops::resize(picture, self.size.0, self.size.1, FilterType::Triangle));
        }
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let planes = (&self.planes.y[..], &self.planes.u[..], &self.planes.v[..]);
        let source = YUVSlices::new(planes, (width, height), (width, width / 2, width / 2));
        let target = self.index.file.target();
        let stream = self.encoder.encode(&source).map_err(|e| Error::damaged(target, e))?;
        let key = matches!(stream.frame_type(), FrameType::IDR | FrameType::I);
        let (mut sps, mut pps) = (None, None);
        let before = self.waiting.frame_bytes.len();
        for layer in (0..stream.num_layers()).filter_map(|i| stream.layer(i)) {
            for unit in (0..layer.nal_count()).filter_map(|i| layer.nal_unit(i)) {
                let unit = without_start_code(unit);
                match unit.first().map(|b| b & 31) {
                    Some(7) => sps = Some(unit.to_vec()),
                    Some(8) => pps = Some(unit.to_vec()),
                    Some(_) => {
                        self.waiting.frame_bytes.extend_from_slice(&(unit.len() as u32).to_be_bytes());
                        self.waiting.frame_bytes.extend_from_slice(unit);
                    }
                    None => {}
                }
            }
        }
        let size = self.waiting.frame_bytes.len() - before;
        if size == 0 {
            // The encoder saw no change worth a frame: the one before goes on.
            return Ok(());
        }
        if self.index.entry.is_none() {
            self.index.entry = Some(entry(self.size, sps, pps).ok_or_else(|| {
                Error::damaged(self.index.file.target(), "the H.264 encoder did not describe its stream")
            })?);
        }
        let before = self.last.map_or(tick, |(before, _)| before);
        self.last = Some((tick, tick.saturating_sub(before)));
        self.waiting.frames.push((tick, size as u32, key));
        Ok(())
    }

    /// Writes what waits; the next frame is shown at tick `end`.
    fn write_waiting(&mut self, end: u64) -> Result<()> {
        let sound = self.sound.as_ref().map(|sound| (sound.entry(), sound.timescale(), sound.begins()));
        let sound = sound.as_ref().map(|(entry, timescale, begins)| SoundTrack {
            entry,
            timescale: *timescale,
            begins: *begins,
        });
        self.index.write(&mut self.waiting, end, sound)
    }

    /// Copies the sound that begins before a tick.
    fn copy_sound(&mut self, tick: u64) -> Result<()> {
        let until = self.start.unwrap_or_default().as_secs_f64() + tick as f64 / f64::from(TICKS);
        while let Some(sound) = &mut self.sound
            && let Some(duration) = sound.next(until, &mut self.sample)?
        {
            self.waiting.sound_bytes.extend_from_slice(&self.sample);
            self.waiting.sound.push(Piece { duration, size: self.sample.len() as u32, key: true });
        }
        Ok(())
    }

    /// Finishes after [`Mp4Writer::add`] failed, on a full disk say.
    fn salvage(self) -> Result<PathBuf> {
        let heard = self.sound.as_ref().map(SoundCopy::heard);
        self.index.salvage(heard)
    }

    fn finish(mut self) -> Result<PathBuf> {
        if let Some((tick, length)) = self.last {
            let end = tick + if length > 0 { length } else { SINGLE };
            self.copy_sound(end)?;
            self.write_waiting(end)?;
        }
        let heard = self.sound.as_ref().map(SoundCopy::heard);
        self.index.complete(heard)
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
        writer.index.file.write(b"half a frame").unwrap();
        assert_eq!(writer.salvage().unwrap(), path);
        let Opened::H264(mut source) = Mp4Source::open(&path).unwrap() else { panic!("not H.264") };
        let mut frames = 0;
        while let Next::Frame(_) = source.next(Duration::ZERO).unwrap() {
            frames += 1;
        }
        assert!((6..12).contains(&frames), "{frames}");
    }

    /// The clip that is written of 30 frames a second for two seconds, and where each of its boxes ends that has no box around it.
    fn growing(path: &Path) -> (Vec<u8>, Vec<usize>) {
        let mut writer = Mp4Writer::create(path, (64, 48), false, Some(Origin::Generated)).unwrap();
        for i in 0..60 {
            let mut picture = gradient(64, 48);
            picture.iter_mut().for_each(|p| *p = p.saturating_add(4 * i as u8));
            writer.add(&picture, Duration::from_millis(33 * i)).unwrap();
        }
        let hidden = std::fs::read_dir(path.parent().unwrap()).unwrap().next().unwrap().unwrap().path();
        let content = std::fs::read(&hidden).unwrap();
        let (mut at, mut ends) = (0, Vec::new());
        while let Some(size) = content.get(at..at + 4) {
            at += u32::from_be_bytes(size.try_into().unwrap()) as usize;
            ends.push(at);
        }
        assert_eq!(at, content.len(), "what the system has ends with a box");
        (content, ends)
    }

    /// A recording that was killed had no index, and nothing opened it.
    #[test]
    fn what_a_kill_leaves_plays_and_is_taken_up() {
        let dir = tempfile::tempdir().unwrap();
        let (content, ends) = growing(&dir.path().join("clip.mp4"));
        assert!(content.len() > 1000 && ends.len() > 6, "{ends:?}");
        // Cut anywhere, as the last write may be.
        for length in (ends[6]..=content.len()).step_by(211).chain([content.len()]) {
            let place = tempfile::tempdir().unwrap();
            let hidden = place.path().join(".clip.mp4.4294967295-aB3dE6.recording");
            std::fs::write(&hidden, &content[..length]).unwrap();
            let found = crate::media::recover::recover(place.path());
            assert_eq!(found, [place.path().join("clip.mp4")], "{length}");
            let Opened::H264(mut source) = Mp4Source::open(&found[0]).unwrap() else { panic!("not H.264") };
            let mut times = Vec::new();
            while let Next::Frame(captured) = source.next(Duration::ZERO).unwrap() {
                times.push(captured.frame.time.as_millis() as u64);
            }
            assert!(times.len() >= 25, "{length} of {} bytes: {} frames", content.len(), times.len());
            assert!(times.iter().enumerate().all(|(i, t)| t.abs_diff(33 * i as u64) <= 1), "{times:?}");
            let whole = std::fs::read(&found[0]).unwrap();
            assert!(whole.ends_with(&mark::mp4_box(Origin::Generated)), "its mark stays");
            assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
        }
        // Nothing to play, and a name that is taken.
        let place = tempfile::tempdir().unwrap();
        let hidden = place.path().join(".clip.mp4.4294967295-aB3dE6.recording");
        std::fs::write(&hidden, &content[..ends[2]]).unwrap();
        assert!(crate::media::recover::recover(place.path()).is_empty());
        std::fs::write(&hidden, &content).unwrap();
        std::fs::write(place.path().join("clip.mp4"), "other").unwrap();
        let found = crate::media::recover::recover(place.path());
        assert_eq!(found, [place.path().join("clip-recovered.mp4")]);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
    }
}
