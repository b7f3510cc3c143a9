use std::path::{Path, PathBuf};
use std::time::Duration;

use image::RgbImage;
use image::imageops::{self, FilterType};

use super::MJPG;
use super::pace::{self, Pace};
use crate::error::media::{Error, Result};
use crate::media::jpeg;
use crate::media::mark::{Origin, avi_info};
use crate::media::output::PendingFile;

/// Bytes from which no further frame fits: sizes are 32 bits, and old players stop at 2 GiB.
const MAX_BYTES: u64 = (2 << 30) - (64 << 20);

/// More than may wait in a file's buffer.
const BUFFERED: u64 = 16 << 10;

/// A tick on which the picture before it goes on.
const EMPTY: [u8; 8] = *b"00dc\0\0\0\0";

// Offsets of what is known only at the end, in the layout that `header` writes.
const RIFF_SIZE: u64 = 4;
pub(super) const MICROSECONDS: u64 = 32;
const TOTAL_FRAMES: u64 = 48;
const LARGEST_CHUNK: u64 = 60;
const STREAM_SCALE: u64 = 128;
const STREAM_RATE: u64 = 132;
const STREAM_LENGTH: u64 = 140;
const STREAM_LARGEST: u64 = 144;

/// Writes a Motion JPEG AVI. Frames keep their times: where they do not come at one rate, ticks between them stay empty.
#[derive(Debug)]
pub struct AviWriter {
    file: PendingFile,
    size: (u32, u32),
    /// Where the frames begin: the offset of the word `movi`.
    movi: u64,
    position: u64,
    index: Vec<(u32, u32)>,
    times: Vec<Duration>,
    jpeg: Vec<u8>,
    /// When the file was last made one that plays as it is.
    kept: Duration,
}

/// Longest time of a recording that only this process knows of: what a kill takes away.
const WAIT: Duration = Duration::from_secs(1);

impl AviWriter {
    /// Starts a clip of pictures of `size` pixels, marked if a network draws them.
    ///
    /// # Errors
    /// [`Error::Exists`] (unless `force`) or [`Error::Io`].
    pub fn create(path: &Path, size: (u32, u32), force: bool, origin: Option<Origin>) -> Result<Self> {
        let mut file = PendingFile::record(path, force)?;
        let head = header(size, origin);
        file.write(&head)?;
        Ok(Self {
            file,
            size,
            movi: head.len() as u64 - 4,
            position: head.len() as u64,
            index: Vec::new(),
            times: Vec::new(),
            jpeg: Vec::new(),
            kept: Duration::ZERO,
        })
    }

    /// A writer of a file that has frames already: offsets from the word `movi`, at that place, and lengths.
    pub(super) fn of(
        file: PendingFile,
        movi: u64,
        position: u64,
        index: Vec<(u32, u32)>,
        interval: Duration,
    ) -> Self {
        let times = (0..index.len() as u32).map(|i| interval * i).collect();
        Self { file, size: (0, 0), movi, position, index, times, jpeg: Vec::new(), kept: Duration::ZERO }
    }

    /// Adds a frame shown at `time`; one of another size is scaled, since an AVI has one size.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add(&mut self, picture: &RgbImage, time: Duration) -> Result<()> {
        let mut jpeg = std::mem::take(&mut self.jpeg);
        jpeg.clear();
        let encoded = if picture.dimensions() == self.size {
            jpeg::encode(picture, &mut jpeg)
        } else {
            let scaled = imageops::resize(picture, self.size.0, self.size.1, FilterType::Triangle);
            jpeg::encode(&scaled, &mut jpeg)
        };
        encoded.map_err(|reason| Error::damaged(self.file.target(), reason))?;
        let length = jpeg.len() as u32;
        if jpeg.len() % 2 == 1 {
            jpeg.push(0);
        }
        self.file.write(b"00dc")?;
        self.file.write(&length.to_le_bytes())?;
        self.file.write(&jpeg)?;
        self.index.push(((self.position - self.movi) as u32, length));
        self.position += 8 + jpeg.len() as u64;
        self.times.push(time);
        self.jpeg = jpeg;
        if self.times.len() == 1 {
            self.kept = time;
        }
        if time.saturating_sub(self.kept) >= WAIT {
            self.kept = time;
            self.keep()?;
        }
        Ok(())
    }

    /// Hands all to the system, and makes the head tell of it: what is there plays, wherever this process ends.
    fn keep(&mut self) -> Result<()> {
        self.file.flush()?;
        let (first, last) = (self.times.first().copied(), self.times.last().copied());
        let length = last.unwrap_or_default().saturating_sub(first.unwrap_or_default()).as_secs_f64();
        let gaps = (self.times.len() - 1).max(1) as f64;
        let rate = if length > 0.0 { gaps / length } else { 25.0 };
        let frames = self.index.len() as u32;
        self.tell(self.position, self.position, rate, pace::fraction(rate), frames)?;
        self.file.flush()
    }

    /// Writes the numbers of the head: where the frames and the file end, ticks a second, and how many there are.
    fn tell(
        &mut self,
        movi_end: u64,
        end: u64,
        rate: f64,
        (scale, per): (u32, u32),
        ticks: u32,
    ) -> Result<()> {
        let interval = (1e6 / rate).round().clamp(1.0, 1e9) as u32;
        let largest = self.index.iter().map(|(_, length)| length + 8).max().unwrap_or(0);
        for (offset, value) in [
            (RIFF_SIZE, (end - 8) as u32),
            (MICROSECONDS, interval),
            (TOTAL_FRAMES, ticks),
            (LARGEST_CHUNK, largest),
            (STREAM_SCALE, scale),
            (STREAM_RATE, per),
            (STREAM_LENGTH, ticks),
            (STREAM_LARGEST, largest),
            (self.movi - 4, (movi_end - self.movi) as u32),
        ] {
            self.file.patch(offset, &value.to_le_bytes())?;
        }
        Ok(())
    }

    /// Completes a file of which nothing more comes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn finish_cut(mut self) -> Result<PathBuf> {
        self.file.cut(self.position)?;
        let pace = Pace::mean(&self.times);
        self.complete(&pace)
    }

    /// Whether the format's limit is near: finish, and go on in another file.
    pub fn is_full(&self) -> bool {
        self.position > MAX_BYTES
    }

    /// Finishes after [`AviWriter::add`] failed, on a full disk say: gives up frames at the end until their room is
    /// enough for the index.
    ///
    /// # Errors
    /// [`Error::Io`], or nothing is left.
    pub fn salvage(mut self) -> Result<PathBuf> {
        let end = self.position;
        // The frame that failed may have left nothing, so it does not count, nor does what is buffered.
        while let Some((offset, _)) = self.index.pop() {
            self.position = u64::from(offset) + self.movi;
            if end - self.position >= BUFFERED + 16 * self.index.len() as u64 {
                break;
            }
        }
        if self.index.is_empty() {
            return Err(Error::damaged(self.file.target(), "nothing could be saved"));
        }
        self.file.cut(self.position)?;
        self.times.truncate(self.index.len());
        // There may be no room for more than that.
        let pace = Pace::mean(&self.times);
        self.complete(&pace)
    }

    /// Writes the index and the numbers of the header, and gives the file its name.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<PathBuf> {
        let mut pace = Pace::of(&self.times);
        if pace.ticks as usize > self.index.len() && !self.reserve(&pace)? {
            pace = Pace::mean(&self.times);
        }
        self.spread(&pace)?;
        self.complete(&pace)
    }

    /// Makes sure that there is room for empty ticks and their index, as nothing can be undone later; false if there is not.
    fn reserve(&mut self, pace: &Pace) -> Result<bool> {
        let ticks = u64::from(pace.ticks);
        let room = EMPTY.len() as u64 * (ticks - self.index.len() as u64) + 16 * ticks;
        let block = [0; 1 << 16];
        let (mut left, mut fits) = (room, true);
        while left > 0 && fits {
            let now = left.min(block.len() as u64);
            fits = self.file.write(&block[..now as usize]).is_ok();
            left -= now;
        }
        fits &= self.file.flush().is_ok();
        if !fits {
            self.file.cut(self.position)?;
        }
        Ok(fits)
    }

    /// Moves frames apart for the empty ticks between them, the last one first.
    fn spread(&mut self, pace: &Pace) -> Result<()> {
        let empty = u64::from(pace.ticks) - self.index.len() as u64;
        if empty == 0 {
            return Ok(());
        }
        let step = EMPTY.len() as u64;
        let mut bytes = Vec::new();
        let mut index = Vec::with_capacity(pace.ticks as usize);
        let (mut next, mut end) = (pace.ticks, self.position);
        for (i, (offset, length)) in self.index.iter().enumerate().rev() {
            let (old, place) = (u64::from(*offset) + self.movi, pace.places[i]);
            // As many empty ticks lie before it as its place is greater than its number.
            let new = old + step * (u64::from(place) - i as u64);
            bytes.resize((end - old) as usize, 0);
            self.file.read_back(old, &mut bytes)?;
            end = old;
            let after = new + bytes.len() as u64 - self.movi;
            for empty in (0..next - place - 1).rev() {
                bytes.extend_from_slice(&EMPTY);
                index.push(((after + step * u64::from(empty)) as u32, 0));
            }
            index.push(((new - self.movi) as u32, *length));
            self.file.patch(new, &bytes)?;
            next = place;
        }
        index.reverse();
        self.index = index;
        self.position += step * empty;
        self.file.cut(self.position)
    }

    fn complete(mut self, pace: &Pace) -> Result<PathBuf> {
        let movi_end = self.position;
        let mut index = Vec::with_capacity(8 + 16 * self.index.len());
        index.extend_from_slice(b"idx1");
        index.extend_from_slice(&(16 * self.index.len() as u32).to_le_bytes());
        for (offset, length) in &self.index {
            index.extend_from_slice(b"00dc");
            // 0x10: a key frame, as every JPEG is.
            let flags = if *length > 0 { 0x10 } else { 0 };
            for word in [flags, *offset, *length] {
                index.extend_from_slice(&word.to_le_bytes());
            }
        }
        self.file.write(&index)?;
        let end = movi_end + index.len() as u64;
        let ticks = self.index.len() as u32;
        self.tell(movi_end, end, pace.rate, pace.fraction(), ticks)?;
        self.file.finish()
    }
}

fn header((width, height): (u32, u32), origin: Option<Origin>) -> Vec<u8> {
    let words = |values: &[u32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let (half_w, half_h) = ((width as u16).to_le_bytes(), (height as u16).to_le_bytes());
    let mut head = Vec::with_capacity(512);
    head.extend_from_slice(b"RIFF\0\0\0\0AVI ");
    head.extend_from_slice(b"LIST");
    head.extend(words(&[192]));
    head.extend_from_slice(b"hdrlavih");
    // 0x10: the file has an index.
    head.extend(words(&[56, 0, 0, 0, 0x10, 0, 0, 1, 0, width, height, 0, 0, 0, 0]));
    head.extend_from_slice(b"LIST");
    head.extend(words(&[116]));
    head.extend_from_slice(b"strlstrh");
    head.extend(words(&[56]));
    head.extend_from_slice(b"vids");
    head.extend_from_slice(MJPG);
    // Rate over scale is frames a second, known at the end.
    head.extend(words(&[0, 0, 0, 0, 1_000_000, 0, 0, 0, u32::MAX, 0]));
    head.extend_from_slice(&[0, 0, 0, 0]);
    head.extend_from_slice(&half_w);
    head.extend_from_slice(&half_h);
    head.extend_from_slice(b"strf");
    head.extend(words(&[40, 40, width, height, 1 | 24 << 16]));
    head.extend_from_slice(MJPG);
    head.extend(words(&[width * height * 3, 0, 0, 0, 0]));
    head.extend(origin.map(avi_info).unwrap_or_default());
    head.extend_from_slice(b"LIST\0\0\0\0movi");
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_known_at_the_end_have_their_place() {
        let head = header((0x1234, 0x56), None);
        assert_eq!(&head[head.len() - 12..head.len() - 8], b"LIST");
        assert_eq!(&head[head.len() - 4..], b"movi");
        let rate = STREAM_SCALE as usize + 4;
        assert_eq!(head[rate..rate + 4], 1_000_000u32.to_le_bytes());
        assert_eq!(&head[MICROSECONDS as usize - 8..MICROSECONDS as usize - 4], b"avih");
        let list = u32::from_le_bytes([head[16], head[17], head[18], head[19]]) as u64;
        assert_eq!(20 + list, head.len() as u64 - 12);
    }
}
