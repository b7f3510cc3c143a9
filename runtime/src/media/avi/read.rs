use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::RgbImage;

use super::MJPG;
use crate::error::media::{Error, Result};
use crate::frame::Frame;
use crate::media::frame_pool::FramePool;
use crate::media::frame_size;
use crate::media::jpeg;
use crate::media::keypoints::rounded;
use crate::media::source::{Captured, Next, Source, file_length, short_name};

/// Largest compressed frame that is read, in bytes.
const MAX_FRAME_BYTES: u64 = 64 << 20;

/// Reads Motion JPEG from an AVI, frame by frame.
#[derive(Debug)]
pub struct AviReader {
    path: PathBuf,
    file: BufReader<File>,
    frames: Vec<Stored>,
    /// Ticks in all, and how long each is.
    ticks: u64,
    interval: Duration,
    size: (u32, u32),
    position: usize,
    /// The frame as it lies in the file.
    compressed: Vec<u8>,
    pool: FramePool,
}

/// A frame in the file.
#[derive(Clone, Copy, Debug)]
struct Stored {
    offset: u64,
    length: u32,
    /// On which tick it is shown.
    tick: u64,
}

/// What the walk over the chunks found.
#[derive(Default)]
struct Found {
    streams: u8,
    video: Option<u8>,
    /// Microseconds a frame, from the stream's rate, else from the file's.
    interval_us: f64,
    size: (u32, u32),
    motion_jpeg: bool,
    frames: Vec<Stored>,
    ticks: u64,
}

impl AviReader {
    /// Opens `path`; none if its video is not Motion JPEG.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the file is not a whole AVI, or [`Error::Io`].
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let file = File::open(path).map_err(Error::io(path))?;
        let length = file_length(&file, path)?;
        let mut walk = Walk { path, file: BufReader::new(file), found: Found::default() };
        let mut at = 0;
        // Files above 1 GiB go on in further RIFF chunks.
        while at + 12 <= length {
            let (id, size) = walk.chunk_head(at)?;
            if &id != b"RIFF" {
                break;
            }
            let end = at + 8 + u64::from(size);
            if size < 4 || end > length {
                return Err(Error::damaged(path, format!("{length} bytes of {end}")));
            }
            walk.list(at + 12, end, 0)?;
            at = end + u64::from(size % 2);
        }
        let found = walk.found;
        if found.video.is_none() || found.size.0 == 0 || found.size.1 == 0 {
            return Err(Error::damaged(path, "no video in it"));
        }
        frame_size::check(found.size).map_err(|reason| Error::Picture { path: path.to_owned(), reason })?;
        if !found.motion_jpeg {
            return Ok(None);
        }
        if found.frames.is_empty() {
            return Err(Error::damaged(path, "no frames in it"));
        }
        if !(found.interval_us.is_finite() && found.interval_us >= 1.0) {
            return Err(Error::damaged(path, "no frame rate"));
        }
        Ok(Some(Self {
            path: path.to_owned(),
            file: walk.file,
            frames: found.frames,
            ticks: found.ticks,
            interval: Duration::from_secs_f64(found.interval_us / 1e6),
            size: found.size,
            position: 0,
            compressed: Vec::new(),
            pool: FramePool::default(),
        }))
    }
}

impl Source for AviReader {
    fn describe(&self) -> String {
        let fps = self.frames.len() as f64 / (self.ticks.max(1) as f64 * self.interval.as_secs_f64());
        let fps = rounded(fps, 2);
        let (w, h) = self.size;
        format!("{} ({w}x{h}, Motion JPEG, {fps} fps)", short_name(&self.path))
    }

    fn frames(&self) -> Option<u64> {
        Some(self.frames.len() as u64)
    }

    fn size(&self) -> Option<(u32, u32)> {
        Some(self.size)
    }

    fn next(&mut self, _timeout: Duration) -> Result<Next> {
        let taken = Instant::now();
        let Some(Stored { offset, length, tick }) = self.frames.get(self.position).copied() else {
            return Ok(Next::End);
        };
        self.compressed.resize(length as usize, 0);
        self.file.seek(SeekFrom::Start(offset)).map_err(Error::io(&self.path))?;
        self.file.read_exact(&mut self.compressed).map_err(Error::io(&self.path))?;
        let index = self.position as u64;
        let mut picture = self.pool.take(self.size.0, self.size.1);
        jpeg::decode_into(&self.compressed, &mut picture)
            .map_err(|e| Error::damaged(&self.path, format!("frame {index}: {e}")))?;
        self.position += 1;
        let time = Duration::from_secs_f64(self.interval.as_secs_f64() * tick as f64);
        Ok(Next::Frame(Captured { frame: Frame { picture, index, time }, taken, decode: taken.elapsed() }))
    }

    fn reuse(&mut self, picture: RgbImage) {
        self.pool.give(picture);
    }
}

struct Walk<'a> {
    path: &'a Path,
    file: BufReader<File>,
    found: Found,
}

impl Walk<'_> {
    fn bytes<const N: usize>(&mut self, at: u64) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|e| Error::damaged(self.path, e))?;
        Ok(bytes)
    }

    fn word(&mut self, at: u64) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes(at)?))
    }

    fn chunk_head(&mut self, at: u64) -> Result<([u8; 4], u32)> {
        Ok((self.bytes(at)?, self.word(at + 4)?))
    }

    /// Visits the chunks from `at` to `end`; lists nest at most four deep in any sane file.
    fn list(&mut self, mut at: u64, end: u64, depth: u8) -> Result<()> {
        if depth > 4 {
            return Err(Error::damaged(self.path, "lists nested too deep"));
        }
        while at + 8 <= end {
            let (id, size) = self.chunk_head(at)?;
            let chunk_end = at + 8 + u64::from(size);
            if chunk_end > end {
                return Err(Error::damaged(
                    self.path,
                    format!("a chunk reaches beyond its list at byte {at}"),
                ));
            }
            match &id {
                b"LIST" if size >= 4 => self.list(at + 12, chunk_end, depth + 1)?,
                b"avih" if size >= 40 => {
                    self.found.interval_us = f64::from(self.word(at + 8)?);
                    self.found.size = (self.word(at + 40)?, self.word(at + 44)?);
                }
                b"strh" if size >= 32 => self.stream_header(at + 8)?,
                b"strf" if size >= 40 && self.found.video == self.found.streams.checked_sub(1) => {
                    self.found.motion_jpeg = self.bytes::<4>(at + 24)?.eq_ignore_ascii_case(MJPG);
                }
                _ => self.data_chunk(id, at + 8, size)?,
            }
            at = chunk_end + u64::from(size % 2);
        }
        Ok(())
    }

    fn stream_header(&mut self, at: u64) -> Result<()> {
        let number = self.found.streams;
        self.found.streams = number.saturating_add(1);
        if &self.bytes::<4>(at)? == b"vids" && self.found.video.is_none() {
            self.found.video = Some(number);
            let (scale, rate) = (f64::from(self.word(at + 20)?), f64::from(self.word(at + 24)?));
            if scale > 0.0 && rate > 0.0 {
                self.found.interval_us = scale / rate * 1e6;
            }
        }
        Ok(())
    }

    /// Notes a chunk like `00dc`: two digits for the stream, `dc` or `db` for a picture.
    fn data_chunk(&mut self, id: [u8; 4], at: u64, size: u32) -> Result<()> {
        let [tens @ b'0'..=b'9', ones @ b'0'..=b'9', b'd', b'c' | b'b'] = id else { return Ok(()) };
        if self.found.video != Some((tens - b'0') * 10 + ones - b'0') {
            return Ok(());
        }
        if u64::from(size) > MAX_FRAME_BYTES {
            return Err(Error::damaged(self.path, format!("a frame of {size} bytes")));
        }
        // On an empty chunk the picture before it goes on.
        if size > 0 {
            self.found.frames.push(Stored { offset: at, length: size, tick: self.found.ticks });
        }
        self.found.ticks += 1;
        Ok(())
    }
}
