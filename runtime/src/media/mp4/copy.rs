//! A clip's sound, copied into a recording of its frames.

use std::fs::File;
use std::num::NonZeroU32;
use std::time::Duration;

use shiguredo_mp4::FixedPointNumber;
use shiguredo_mp4::boxes::{EdtsBox, ElstBox, ElstEntry, HdlrBox, MoovBox, SampleEntry};

use super::index::Heard;
use super::read;
use super::write::TICKS;
use crate::error::media::{Error, Result};
use crate::media::sound::ClipSound;

/// Sound that is being copied.
pub(super) struct SoundCopy {
    sound: ClipSound,
    file: File,
    /// When the first frame is shown, in ticks of the sound.
    from: i64,
    first: usize,
    next: usize,
}

/// What was copied, in ticks of the sound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copied {
    /// Ticks a second.
    pub timescale: f64,
    /// When the first piece begins, after the first frame is shown; negative before it.
    pub begins: i64,
    /// When nothing more is heard, after the first frame is shown.
    pub ends: i64,
}

impl SoundCopy {
    /// Begins where frames begin that are shown from `time` on.
    ///
    /// # Errors
    /// Its file is gone.
    pub fn begin(sound: ClipSound, time: Duration) -> Result<Self> {
        let track = sound.track();
        let (file, first) = (track.open()?, track.first_for(time.as_secs_f64()));
        let from = (time.as_secs_f64() * f64::from(track.timescale.get())).round() as i64;
        Ok(Self { sound, file, from, first, next: first })
    }

    /// Reads the next piece that is heard before `until`, seconds since the clip's start, and gives its length in ticks.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn next(&mut self, until: f64, bytes: &mut Vec<u8>) -> Result<Option<u32>> {
        let track = self.sound.track();
        let until = (until * f64::from(track.timescale.get())) as i64;
        let Some(piece) = track.pieces.get(self.next).filter(|p| p.time < until.min(track.end)) else {
            return Ok(None);
        };
        read(&mut self.file, *piece, bytes).map_err(Error::io("sound"))?;
        self.next += 1;
        Ok(Some(piece.duration))
    }

    /// What the sound is.
    pub fn entry(&self) -> SampleEntry {
        self.sound.track().entry.clone()
    }

    /// Its ticks a second.
    pub fn timescale(&self) -> NonZeroU32 {
        self.sound.track().timescale
    }

    /// When the first piece begins after the first frame is shown, in its ticks; negative before it.
    pub fn begins(&self) -> i64 {
        self.sound.track().pieces.get(self.first).map_or(0, |piece| piece.time - self.from)
    }

    /// What the track is, with what was copied so far.
    pub fn heard(&self) -> Heard {
        Heard { entry: self.entry(), timescale: self.timescale(), copied: self.copied() }
    }

    /// What was copied so far.
    pub fn copied(&self) -> Copied {
        let track = self.sound.track();
        let copied = track.pieces.get(self.first..self.next).unwrap_or_default();
        let begins = copied.first().map_or(0, |_| self.begins());
        let ends = copied.last().map_or(0, |p| (p.time + i64::from(p.duration)).min(track.end) - self.from);
        Copied { timescale: f64::from(track.timescale.get()), begins, ends }
    }
}

/// Completes what a muxer says of a clip whose frames are shown for `video` ticks: all times of tracks in the frames' ticks, the
/// frames' track before the sound's, and of that what is heard while they are shown.
pub(super) fn describe_sound(moov: &mut MoovBox, video: u64, sound: Option<Copied>) {
    moov.mvhd_box.timescale = NonZeroU32::MIN.saturating_add(TICKS - 1);
    moov.mvhd_box.duration = video;
    moov.trak_boxes.sort_by_key(|trak| trak.mdia_box.hdlr_box.handler_type == HdlrBox::HANDLER_TYPE_SOUN);
    for (trak, id) in moov.trak_boxes.iter_mut().zip(1..) {
        trak.tkhd_box.track_id = id;
        trak.tkhd_box.duration = video;
        if trak.mdia_box.hdlr_box.handler_type != HdlrBox::HANDLER_TYPE_SOUN {
            continue;
        }
        let Some(Copied { timescale, begins, ends }) = sound else { continue };
        let ticks = |own: i64| (own.max(0) as f64 / timescale * f64::from(TICKS)).round() as u64;
        let delay = ticks(begins).min(video);
        let heard = ticks(ends).min(video).saturating_sub(delay);
        let mut entries = Vec::new();
        if delay > 0 {
            entries.push(entry(delay, -1));
        }
        entries.push(entry(heard, (-begins).max(0)));
        trak.tkhd_box.duration = delay + heard;
        trak.edts_box = Some(edits(entries));
    }
}

/// What is shown of a track for so many of the clip's ticks, from a tick of its own on; -1 is nothing.
fn entry(edit_duration: u64, media_time: i64) -> ElstEntry {
    ElstEntry { edit_duration, media_time, media_rate: FixedPointNumber::new(1, 0) }
}

fn edits(entries: Vec<ElstEntry>) -> EdtsBox {
    EdtsBox { elst_box: Some(ElstBox { entries }), unknown_boxes: Vec::new() }
}

/// The edits of sound in a clip that grows: what lies before the first frame is not heard.
pub(super) fn begins_at(begins: i64) -> EdtsBox {
    // A duration of 0 goes on for as long as there is something.
    edits(vec![entry(0, (-begins).max(0))])
}
