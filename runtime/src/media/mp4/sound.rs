//! The sound track of an MP4 or QuickTime file, as it is copied into another.

use std::fs::File;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use shiguredo_mp4::boxes::{AudioSampleEntryFields, EsdsBox, Mp4aBox, SampleEntry};
use shiguredo_mp4::{Decode, FixedPointNumber};

use super::boxes::{self, Boxed, boxes, find};
use super::describe;
use super::track::{Sample, Track, decode, tracks};
use crate::error::media::{Error, Result};
use crate::media::nameless::Nameless;

/// Seconds of sound before what is heard first that decoders need to come in (80 ms for Opus, a frame for AAC).
const RUN_UP: f64 = 0.1;

/// What there is to hear in a file.
pub(in crate::media) enum Heard {
    /// Nothing.
    Silence,
    /// A track that can be copied.
    Sound(Box<Sound>),
    /// A track that is not copied as it is.
    Other,
}

/// A sound track, ready to be copied.
#[derive(Debug)]
pub(in crate::media) struct Sound {
    path: PathBuf,
    /// The file itself, where it has no name.
    temporary: Option<Nameless>,
    /// What it is, for players.
    pub(super) entry: SampleEntry,
    /// Ticks a second.
    pub(super) timescale: NonZeroU32,
    /// In their order; times are ticks since the clip's start, and negative before it.
    pub(super) pieces: Vec<Sample>,
    /// Ticks since the clip's start from which on nothing is heard.
    pub(super) end: i64,
}

impl Sound {
    /// Has the file that it lies in go with it.
    pub fn keep(mut self, file: Nameless) -> Self {
        self.temporary = Some(file);
        self
    }

    /// Opens the file that it lies in.
    pub(super) fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(Error::io(&self.path))
    }

    /// The number of the piece from which on to copy, for sound to be heard from `seconds` on.
    pub(super) fn first_for(&self, seconds: f64) -> usize {
        let wanted = ((seconds - RUN_UP) * f64::from(self.timescale.get())) as i64;
        self.pieces.partition_point(|piece| piece.time + i64::from(piece.duration) <= wanted)
    }
}

/// What there is to hear in the MP4 or QuickTime file `path`.
///
/// # Errors
/// [`Error::Damaged`] or [`Error::Io`].
pub(in crate::media) fn hear(path: &Path) -> Result<Heard> {
    let (_, length, description) = describe(path)?;
    if description.fragmented {
        return Ok(Heard::Other);
    }
    let tracks = tracks(&description.moov).map_err(|e| Error::damaged(path, e))?;
    let Some(track) = tracks.iter().find(|track| &track.handler == b"soun") else {
        return Ok(Heard::Silence);
    };
    Ok(copied(path, track, length).map_or(Heard::Other, |sound| Heard::Sound(Box::new(sound))))
}

/// The track as it can be copied; none if it cannot.
fn copied(path: &Path, track: &Track<'_>, length: u64) -> Option<Sound> {
    let [entry] = &track.entries[..] else { return None };
    let (edit, entry) = (track.edit?, entry_of(*entry)?);
    let mut pieces = track.samples(length).ok()?;
    let moved = |time: i64| time.saturating_sub(edit.start).saturating_add(edit.delay);
    pieces.iter_mut().for_each(|piece| piece.time = moved(piece.time));
    let last = pieces.last()?;
    let end = moved(edit.end).min(last.time + i64::from(last.duration));
    let timescale = NonZeroU32::new(track.timescale)?;
    Some(Sound { path: path.to_owned(), temporary: None, entry, timescale, pieces, end })
}

/// What the sound is, as MP4 says it; none for what MP4 does not hold.
fn entry_of(entry: Boxed<'_>) -> Option<SampleEntry> {
    // QuickTime has descriptions of its own, by the version.
    match (&entry.kind, boxes::half(entry.content, 8)?) {
        (b"mp4a", 0) => {
            let entry = SampleEntry::decode(entry.whole).ok()?.0;
            matches!(entry, SampleEntry::Mp4a(_)).then_some(entry)
        }
        (b"mp4a", 1) => from_quicktime(entry).ok().flatten(),
        (b"Opus" | b"fLaC" | b"alac" | b"ac-3" | b"ec-3", 0) => {
            Some(SampleEntry::decode(entry.whole).ok()?.0)
        }
        _ => None,
    }
}

/// A QuickTime sound description of version 1 as MP4 has it: with the codec's own words, which lie in a box `wave`.
fn from_quicktime(entry: Boxed<'_>) -> std::result::Result<Option<SampleEntry>, String> {
    let Some(inner) = entry.content.get(44..) else { return Ok(None) };
    let esds = match find(inner, b"wave")? {
        Some(wave) => find(wave.content, b"esds")?,
        None => boxes(inner)?.into_iter().find(|b| &b.kind == b"esds"),
    };
    let Some(esds) = esds else { return Ok(None) };
    let esds_box: EsdsBox = decode(esds)?;
    let half = |at: usize| boxes::half(entry.content, at).unwrap_or(0);
    let audio = AudioSampleEntryFields {
        data_reference_index: AudioSampleEntryFields::DEFAULT_DATA_REFERENCE_INDEX,
        channelcount: half(16),
        samplesize: AudioSampleEntryFields::DEFAULT_SAMPLESIZE,
        samplerate: FixedPointNumber::new(half(24), half(26)),
    };
    Ok(Some(SampleEntry::Mp4a(Mp4aBox { audio, esds_box, unknown_boxes: Vec::new() })))
}
