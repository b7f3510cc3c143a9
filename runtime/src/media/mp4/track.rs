//! A track of an MP4 file: where its samples lie, and when they are shown.

use shiguredo_mp4::boxes::{
    Co64Box, CttsBox, ElstBox, HdlrBox, MdhdBox, StcoBox, StscBox, StssBox, StszBox, SttsBox, TkhdBox,
};
use shiguredo_mp4::{Decode, FixedPointNumber};

use super::boxes::{Boxed, at, boxes, find, word};

/// Most samples of a track: a day and a half of video at 30 frames a second.
const MAX_SAMPLES: usize = 4_000_000;

/// A frame, or a piece of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Where it lies in the file, in bytes.
    pub offset: u64,
    /// Bytes.
    pub size: u32,
    /// When it is shown in the track's own time, in ticks.
    pub time: i64,
    /// Ticks.
    pub duration: u32,
    /// Whether decoding can begin with it.
    pub sync: bool,
}

/// Which part of a track is shown, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Edit {
    /// Ticks of the track's own time that are shown first.
    pub start: i64,
    /// Ticks of its end: the first that is not shown.
    pub end: i64,
    /// Ticks by which it starts after the clip.
    pub delay: i64,
}

/// A track.
pub(super) struct Track<'a> {
    /// `vide`, `soun` or another.
    pub handler: [u8; 4],
    /// Ticks a second.
    pub timescale: u32,
    /// What its samples are: one entry, or another number of them that is not read here.
    pub entries: Vec<Boxed<'a>>,
    /// The matrix that turns its pictures.
    pub matrix: [i32; 9],
    /// Pixels that its pictures are to be shown with, before they are turned.
    pub size: (f64, f64),
    /// None where several parts are shown one after the other, or at another speed.
    pub edit: Option<Edit>,
    stbl: &'a [u8],
}

/// The tracks that can be understood, in their order.
///
/// # Errors
/// The file's boxes contradict each other.
pub(super) fn tracks(moov: &[u8]) -> Result<Vec<Track<'_>>, String> {
    let movie = at(moov, &[b"mvhd"])?.content;
    // Version 1 has dates of 8 bytes.
    let at_timescale = if movie.first() == Some(&1) { 20 } else { 12 };
    let timescale = word(movie, at_timescale).unwrap_or(0).max(1);
    let traks = boxes(moov)?.into_iter().filter(|b| &b.kind == b"trak");
    // One that is not understood is one of a kind that nobody asks for, or damaged.
    Ok(traks.filter_map(|trak| track(trak.content, timescale).ok()).collect())
}

fn track(trak: &[u8], movie_timescale: u32) -> Result<Track<'_>, String> {
    let handler: HdlrBox = decode(at(trak, &[b"mdia", b"hdlr"])?)?;
    let media: MdhdBox = decode(at(trak, &[b"mdia", b"mdhd"])?)?;
    let head: TkhdBox = decode(at(trak, &[b"tkhd"])?)?;
    let stbl = at(trak, &[b"mdia", b"minf", b"stbl"])?.content;
    // Version and flags, then the number of entries.
    let entries = boxes(at(stbl, &[b"stsd"])?.content.get(8..).unwrap_or_default())?;
    let timescale = media.timescale.get();
    let edit = match find(trak, b"edts")? {
        Some(edts) => match find(edts.content, b"elst")? {
            Some(elst) => edit(&decode(elst)?, f64::from(timescale) / f64::from(movie_timescale)),
            None => Some(WHOLE),
        },
        None => Some(WHOLE),
    };
    let size = |n: FixedPointNumber<i16, u16>| f64::from(n.integer as u16) + f64::from(n.fraction) / 65536.0;
    Ok(Track {
        handler: handler.handler_type,
        timescale,
        entries,
        matrix: head.matrix,
        size: (size(head.width), size(head.height)),
        edit,
        stbl,
    })
}

impl Edit {
    /// Whether what is at `time`, in ticks of the track's own time, is shown.
    pub fn shows(self, time: i64) -> bool {
        (self.start..self.end).contains(&time)
    }
}

/// A track without edits.
const WHOLE: Edit = Edit { start: 0, end: i64::MAX, delay: 0 };

/// The part that an edit list shows: a delay, then one part at its own speed; none if it says more.
fn edit(list: &ElstBox, ticks_per_unit: f64) -> Option<Edit> {
    let ticks = |units: u64| (units as f64 * ticks_per_unit).round() as i64;
    let mut entries = list.entries.iter().peekable();
    let mut delay = 0i64;
    while let Some(empty) = entries.next_if(|e| e.media_time == -1) {
        delay = delay.checked_add(ticks(empty.edit_duration))?;
    }
    let Some(entry) = entries.next() else { return Some(WHOLE) };
    let plain = entry.media_rate.integer == 1 && entry.media_rate.fraction == 0 && entry.media_time >= 0;
    if !plain || entries.any(|e| e.media_time != -1) {
        return None;
    }
    let start = entry.media_time;
    let end = match entry.edit_duration {
        0 => i64::MAX,
        units => start.saturating_add(ticks(units)),
    };
    Some(Edit { start, end, delay })
}

impl Track<'_> {
    /// Lets only as many samples pass as are read anywhere, here or by another program.
    ///
    /// # Errors
    /// There are more.
    pub fn check_count(&self) -> Result<(), String> {
        // Version and flags, the size of all, then the number.
        let count = find(self.stbl, b"stsz")?.and_then(|sizes| word(sizes.content, 8)).unwrap_or_default();
        if count as usize > MAX_SAMPLES {
            return Err(format!("{count} frames, at most {MAX_SAMPLES} are read: cut it into parts"));
        }
        Ok(())
    }

    /// Its samples in the order that they are decoded in. None reaches beyond the file's `length`.
    ///
    /// # Errors
    /// Its tables contradict each other or the file.
    pub fn samples(&self, length: u64) -> Result<Vec<Sample>, String> {
        let table = |kind| at(self.stbl, &[kind]);
        let sizes: StszBox = decode(table(b"stsz")?)?;
        let count = match &sizes {
            StszBox::Fixed { sample_count, .. } => *sample_count as usize,
            StszBox::Variable { entry_sizes } => entry_sizes.len(),
        };
        // Each has a byte at least where all have one size; where each has its own, the table is there.
        let least = match &sizes {
            StszBox::Fixed { sample_size, .. } => u64::from(sample_size.get()),
            StszBox::Variable { .. } => 0,
        };
        if count > MAX_SAMPLES || least * count as u64 > length {
            return Err(format!("{count} samples in {length} bytes"));
        }
        let size_of = |i: usize| match &sizes {
            StszBox::Fixed { sample_size, .. } => sample_size.get(),
            StszBox::Variable { entry_sizes } => entry_sizes[i],
        };
        let durations: SttsBox = decode(table(b"stts")?)?;
        let mut durations = runs(durations.entries.iter().map(|e| (e.sample_count, e.sample_delta)));
        let offsets: Option<CttsBox> = find(self.stbl, b"ctts")?.map(decode).transpose()?;
        let offsets = offsets.map(|o| o.entries).unwrap_or_default();
        let mut offsets = runs(offsets.iter().map(|e| (e.sample_count, e.sample_offset)));
        let syncs: Option<StssBox> = find(self.stbl, b"stss")?.map(decode).transpose()?;
        let mut syncs = syncs.map(|s| s.sample_numbers.into_iter().map(|n| n.get() as usize).peekable());
        let mut places = self.places()?.into_iter();
        let (mut samples, mut decoded) = (Vec::with_capacity(count), 0i64);
        let mut place = (0u64, 0u32);
        for i in 0..count {
            while place.1 == 0 {
                place = places.next().ok_or("fewer places than samples")?;
            }
            let size = size_of(i);
            let end = place.0.checked_add(size.into()).filter(|end| *end <= length);
            let next = end.ok_or_else(|| format!("sample {i} lies outside the file"))?;
            let duration = durations.next().unwrap_or_default();
            let time = decoded.checked_add(offsets.next().unwrap_or_default()).ok_or("times out of range")?;
            // Numbers count from 1 and grow.
            let sync = syncs.as_mut().is_none_or(|syncs| {
                while syncs.next_if(|n| *n < i + 1).is_some() {}
                syncs.next_if_eq(&(i + 1)).is_some()
            });
            samples.push(Sample { offset: place.0, size, time, duration, sync });
            decoded = decoded.checked_add(duration.into()).ok_or("times out of range")?;
            place = (next, place.1 - 1);
        }
        Ok(samples)
    }

    /// For every chunk where it begins and how many samples are in it.
    fn places(&self) -> Result<Vec<(u64, u32)>, String> {
        let begins: Vec<u64> = match find(self.stbl, b"co64")? {
            Some(large) => decode::<Co64Box>(large)?.chunk_offsets,
            None => {
                let small: StcoBox = decode(at(self.stbl, &[b"stco"])?)?;
                small.chunk_offsets.into_iter().map(u64::from).collect()
            }
        };
        let chunks: StscBox = decode(at(self.stbl, &[b"stsc"])?)?;
        let mut entries = chunks.entries.iter().peekable();
        let mut per_chunk = 0;
        let places = begins.into_iter().enumerate().map(|(i, begin)| {
            while let Some(entry) = entries.next_if(|e| e.first_chunk.get() as usize <= i + 1) {
                per_chunk = entry.sample_per_chunk;
            }
            (begin, per_chunk)
        });
        Ok(places.collect())
    }
}

/// Every value as often as it is said to come.
fn runs<T: Copy>(runs: impl Iterator<Item = (u32, T)>) -> impl Iterator<Item = T> {
    runs.flat_map(|(count, value)| std::iter::repeat_n(value, count as usize))
}

/// A box as a parser has it.
pub(super) fn decode<B: Decode>(of: Boxed<'_>) -> Result<B, String> {
    B::decode(of.whole).map(|(decoded, _)| decoded).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use shiguredo_mp4::boxes::ElstEntry;

    use super::*;

    fn list(entries: &[(u64, i64)]) -> ElstBox {
        let entry = |(edit_duration, media_time): &(u64, i64)| ElstEntry {
            edit_duration: *edit_duration,
            media_time: *media_time,
            media_rate: FixedPointNumber::new(1, 0),
        };
        ElstBox { entries: entries.iter().map(entry).collect() }
    }

    #[test]
    fn an_edit_list_shows_one_part() {
        assert_eq!(edit(&list(&[]), 15.0), Some(WHOLE));
        assert_eq!(edit(&list(&[(800, 18_432)]), 15.0), Some(Edit { start: 18_432, end: 30_432, delay: 0 }));
        let late = Edit { start: 10, end: i64::MAX, delay: 7500 };
        assert_eq!(edit(&list(&[(500, -1), (0, 10)]), 15.0), Some(late));
        assert_eq!(edit(&list(&[(500, 0), (500, 9000)]), 15.0), None);
        let mut slow = list(&[(500, 0)]);
        slow.entries[0].media_rate = FixedPointNumber::new(0, i16::MAX);
        assert_eq!(edit(&slow, 15.0), None);
    }
}
