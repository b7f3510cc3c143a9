//! The file of a recording: fragments as long as it grows, one description of all in the end.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use shiguredo_mp4::boxes::SampleEntry;
use shiguredo_mp4::mux::{FinalizedBoxes, Mp4FileMuxer, MuxError, Sample};
use shiguredo_mp4::{Encode, TrackKind};

use super::copy::{Copied, describe_sound};
use super::fragment::{self, Piece, Run, SOUND, SoundTrack, VIDEO};
use super::write::TICKS;
use crate::error::media::{Error, Result};
use crate::media::output::PendingFile;

/// How long the last frame is shown, in ticks, if there is none before it to tell: a 25th of a second.
pub(super) const SINGLE: u64 = TICKS as u64 / 25;

/// More than may wait in a file's buffer, and what the description of a clip without frames takes.
const SPARE: u64 = 20 << 10;

/// Most that a frame takes in the description of the clip, in bytes, alone in its fragment.
const DESCRIBED: u64 = 40;

/// A frame in the file, or a piece of sound.
pub(super) struct Stored {
    pub what: What,
    pub offset: u64,
    pub size: usize,
}

/// What is stored.
pub(super) enum What {
    /// A frame: when it is shown, and whether it stands alone.
    Frame { tick: u64, key: bool },
    /// Sound of so many ticks of its own.
    Sound { duration: u32 },
}

/// A sound track as it is described.
#[derive(Clone)]
pub(super) struct Heard {
    /// What it is.
    pub entry: SampleEntry,
    /// Its ticks a second.
    pub timescale: NonZeroU32,
    /// What there is of it.
    pub copied: Copied,
}

/// Frames and sound that wait to be written together.
#[derive(Default)]
pub(super) struct Waiting {
    /// Each frame's tick, bytes and whether it stands alone.
    pub frames: Vec<(u64, u32, bool)>,
    pub frame_bytes: Vec<u8>,
    /// When the first piece of sound begins, in its own ticks.
    pub sound_start: u64,
    pub sound: Vec<Piece>,
    pub sound_bytes: Vec<u8>,
}

impl Waiting {
    /// Bytes in all.
    pub fn bytes(&self) -> usize {
        self.frame_bytes.len() + self.sound_bytes.len()
    }

    fn clear(&mut self) {
        self.sound_start += self.sound.iter().map(|piece| u64::from(piece.duration)).sum::<u64>();
        self.frames.clear();
        self.frame_bytes.clear();
        self.sound.clear();
        self.sound_bytes.clear();
    }
}

/// A file with the frames and the sound that are in it.
pub(super) struct Index {
    pub file: PendingFile,
    /// What the stream is, known from the first frame on.
    pub entry: Option<SampleEntry>,
    /// In the order of their places, none before the first fragment.
    pub stored: Vec<Stored>,
    /// Where the next fragment goes.
    pub position: u64,
    /// The mark that says how the frames came about; empty if there is nothing to say.
    pub mark: Vec<u8>,
    fragments: u32,
    /// Room for a fragment's head and frames.
    head: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Index {
    /// Begins a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin(mut file: PendingFile, mark: Vec<u8>) -> Result<Self> {
        let muxer = Mp4FileMuxer::new().map_err(|e| Error::damaged(file.target(), e))?;
        let mut head = muxer.initial_boxes_bytes().to_vec();
        // Before it is complete there stands an empty box for the head of one around all fragments.
        let free = [&(LARGE_HEAD as u32).to_be_bytes()[..], b"free", &[0; 8]].concat();
        head.truncate(head.len().saturating_sub(LARGE_HEAD));
        head.extend_from_slice(&free);
        file.write(&head)?;
        let position = head.len() as u64;
        Ok(Self::at(file, position, mark))
    }

    /// A file of which nothing is known that lies before `position`.
    pub fn at(file: PendingFile, position: u64, mark: Vec<u8>) -> Self {
        Self {
            file,
            entry: None,
            stored: Vec::new(),
            position,
            mark,
            fragments: 0,
            head: Vec::new(),
            pieces: Vec::new(),
        }
    }

    /// Writes what waits as a fragment, before the first one the description; `end` is the tick at which its last frame is
    /// followed by the next. Nothing waits then. It is the system's from now on, which keeps it if this process is killed.
    ///
    /// # Errors
    /// [`Error::Io`]: the file has then all that it had before, and maybe more bytes.
    pub fn write(&mut self, waiting: &mut Waiting, end: u64, sound: Option<SoundTrack<'_>>) -> Result<()> {
        if waiting.frames.is_empty() && waiting.sound.is_empty() {
            return Ok(());
        }
        self.head.clear();
        if self.fragments == 0 {
            let wrong = |e: String| Error::damaged(self.file.target(), e);
            let entry = self.entry.as_ref().ok_or_else(|| wrong("no frames in it".to_owned()))?;
            let described = fragment::description(entry, sound).map_err(|e| wrong(e.to_string()))?;
            self.head.extend_from_slice(&described);
            self.head.extend_from_slice(&self.mark);
        }
        let next = waiting.frames.iter().skip(1).map(|(tick, ..)| *tick).chain([end]);
        let lasting = |(frame, next): (&(u64, u32, bool), u64)| Piece {
            duration: u32::try_from(next.saturating_sub(frame.0)).unwrap_or(u32::MAX),
            size: frame.1,
            key: frame.2,
        };
        self.pieces.clear();
        self.pieces.extend(waiting.frames.iter().zip(next).map(lasting));
        let start = waiting.frames.first().map_or(0, |(tick, ..)| *tick);
        let video = Run { track: VIDEO, start, pieces: &self.pieces };
        let heard = Run { track: SOUND, start: waiting.sound_start, pieces: &waiting.sound };
        let number = self.fragments + 1;
        match (waiting.frames.is_empty(), waiting.sound.is_empty()) {
            (false, false) => fragment::head(number, &[video, heard], &mut self.head),
            (false, true) => fragment::head(number, &[video], &mut self.head),
            _ => fragment::head(number, &[heard], &mut self.head),
        }
        self.file.write(&self.head)?;
        self.file.write(&waiting.frame_bytes)?;
        self.file.write(&waiting.sound_bytes)?;
        self.file.flush()?;
        self.fragments = number;
        self.position += self.head.len() as u64;
        for (tick, size, key) in &waiting.frames {
            self.note(What::Frame { tick: *tick, key: *key }, *size as usize);
        }
        for piece in &waiting.sound {
            self.note(What::Sound { duration: piece.duration }, piece.size as usize);
        }
        waiting.clear();
        Ok(())
    }

    /// Notes that the next bytes of the file are this.
    pub fn note(&mut self, what: What, size: usize) {
        self.stored.push(Stored { what, offset: self.position, size });
        self.position += size as u64;
    }

    /// Completes the file after a write failed, on a full disk say: gives up frames at the end until their room is enough
    /// for the description of the others.
    ///
    /// # Errors
    /// [`Error::Io`], or nothing is left.
    pub fn salvage(mut self, sound: Option<Heard>) -> Result<PathBuf> {
        let end = self.position;
        while self.stored.pop().is_some() {
            self.position = self.stored.last().map_or(0, |last| last.offset + last.size as u64);
            if end - self.position >= SPARE + DESCRIBED * self.stored.len() as u64 {
                break;
            }
        }
        self.cut(sound)
    }

    /// Completes the file as far as it is known.
    ///
    /// # Errors
    /// [`Error::Io`], or there are no frames.
    pub fn cut(mut self, sound: Option<Heard>) -> Result<PathBuf> {
        if !self.stored.iter().any(|s| matches!(s.what, What::Frame { .. })) {
            return Err(Error::damaged(self.file.target(), "nothing could be saved"));
        }
        self.file.cut(self.position)?;
        self.complete(sound)
    }

    /// Writes what describes the clip, and last of all the head of the box that all fragments then are in: until then they count.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn complete(mut self, sound: Option<Heard>) -> Result<PathBuf> {
        let wrong = |path: &Path, e: String| Error::damaged(path, e);
        let copied = sound.as_ref().map(|heard| heard.copied);
        let boxes = self.describe(sound).map_err(|e| wrong(self.file.target(), e.to_string()))?;
        let mut moov = boxes.moov_box().clone();
        let video: u64 = self.lengths().map(u64::from).sum();
        describe_sound(&mut moov, video, copied);
        let moov = moov.encode_to_vec().map_err(|e| wrong(self.file.target(), e.to_string()))?;
        self.file.patch(self.position, &moov)?;
        self.file.patch(self.position + moov.len() as u64, &self.mark)?;
        self.file.flush()?;
        for (offset, bytes) in boxes.offset_and_bytes_pairs() {
            // The description comes last, and it is ours.
            if offset < self.position {
                self.file.patch(offset, bytes)?;
            }
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
    fn describe(&mut self, sound: Option<Heard>) -> std::result::Result<FinalizedBoxes, MuxError> {
        let mut muxer = Mp4FileMuxer::new()?;
        let mut at = muxer.initial_boxes_bytes().len() as u64;
        let ticks = NonZeroU32::MIN.saturating_add(TICKS - 1);
        let own = sound.as_ref().map_or(ticks, |heard| heard.timescale);
        let (mut entry, mut heard) = (self.entry.take(), sound.map(|heard| heard.entry));
        let mut lengths = self.lengths();
        for stored in &self.stored {
            let (track_kind, sample_entry, keyframe, timescale, duration) = match stored.what {
                What::Frame { key, .. } => {
                    (TrackKind::Video, entry.take(), key, ticks, lengths.next().unwrap_or(1))
                }
                What::Sound { duration } => (TrackKind::Audio, heard.take(), true, own, duration),
            };
            // What lies between are heads of fragments.
            muxer.advance_position(stored.offset.saturating_sub(at))?;
            at = stored.offset + stored.size as u64;
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

/// Bytes of the head of a box whose size takes 64 bits.
pub(super) const LARGE_HEAD: usize = 16;
