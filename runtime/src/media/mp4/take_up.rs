//! A recording that a kill cut off: what its fragments hold becomes a whole clip.

use std::path::PathBuf;

use shiguredo_mp4::Decode;
use shiguredo_mp4::boxes::{HdlrBox, MoofBox, MoovBox, TrafBox};

use super::copy::Copied;
use super::fragment::{SOUND, VIDEO};
use super::index::{Heard, Index, What};
use crate::error::media::{Error, Result};
use crate::media::output::PendingFile;

/// Largest description of a fragment, in bytes.
const MOST: u64 = 16 << 20;

/// A box: its kind, where it begins, how many bytes its head takes and all of it.
struct Found {
    kind: [u8; 4],
    at: u64,
    head: u64,
    size: u64,
}

/// Completes the file of `length` bytes as far as its fragments are whole.
///
/// # Errors
/// [`Error::Damaged`]: there are no frames in it; [`Error::Io`].
pub(in crate::media) fn take_up(mut file: PendingFile, length: u64) -> Result<PathBuf> {
    let mut described: Option<MoovBox> = None;
    let (mut mark, mut end, mut pieces) = (Vec::new(), 0, Vec::new());
    let mut fragment: Option<(u64, MoofBox)> = None;
    while let Some(found) = next(&mut file, end, length)? {
        match &found.kind {
            b"moov" if described.is_none() => {
                let bytes = read(&mut file, &found)?;
                let (moov, _) = MoovBox::decode(&bytes).map_err(|e| Error::damaged(file.target(), e))?;
                if moov.mvex_box.is_none() {
                    // It was complete but for its name.
                    return file.finish();
                }
                described = Some(moov);
            }
            b"uuid" => mark = read(&mut file, &found)?,
            b"moof" => {
                let bytes = read(&mut file, &found)?;
                let Ok((moof, _)) = MoofBox::decode(&bytes) else { break };
                fragment = Some((found.at, moof));
            }
            b"mdat" => match fragment.take() {
                Some((begin, moof)) => {
                    let inside = found.at + found.head..found.at + found.size;
                    for traf in &moof.traf_boxes {
                        pieces.extend(samples(traf, begin).filter(|piece| {
                            inside.contains(&piece.offset)
                                && piece.offset + u64::from(piece.size) <= inside.end
                        }));
                    }
                }
                // The box around all of a whole clip.
                None if described.is_none() => {}
                None => break,
            },
            b"moov" => break,
            _ => {}
        }
        end = found.at + found.size;
    }
    let none = |file: &PendingFile| Error::damaged(file.target(), "no frames in it");
    let Some(moov) = described else { return Err(none(&file)) };
    let kind =
        |handler| moov.trak_boxes.iter().find(move |trak| trak.mdia_box.hdlr_box.handler_type == handler);
    let entry = kind(HdlrBox::HANDLER_TYPE_VIDE);
    let entry = entry.and_then(|trak| trak.mdia_box.minf_box.stbl_box.stsd_box.entries.first().cloned());
    let heard = kind(HdlrBox::HANDLER_TYPE_SOUN).and_then(|trak| {
        let timescale = trak.mdia_box.mdhd_box.timescale;
        let lead = trak.edts_box.as_ref().and_then(|e| e.elst_box.as_ref());
        let lead = lead.and_then(|list| list.entries.last()).map_or(0, |entry| entry.media_time.max(0));
        let own = || pieces.iter().filter(|piece| piece.track == SOUND);
        let begins = own().next().map_or(0, |first| first.start as i64) - lead;
        let ticks: i64 = own().map(|piece| i64::from(piece.duration)).sum();
        let copied = Copied { timescale: f64::from(timescale.get()), begins, ends: begins + ticks };
        let entry = trak.mdia_box.minf_box.stbl_box.stsd_box.entries.first()?.clone();
        Some(Heard { entry, timescale, copied })
    });
    let mut index = Index::at(file, 0, mark);
    index.entry = entry;
    for piece in &pieces {
        index.position = piece.offset;
        let what = match piece.track {
            VIDEO => What::Frame { tick: piece.start, key: piece.key },
            SOUND if heard.is_some() => What::Sound { duration: piece.duration },
            _ => continue,
        };
        index.note(what, piece.size as usize);
    }
    index.cut(heard)
}

/// A frame or a piece of sound, where it lies.
struct Placed {
    track: u32,
    offset: u64,
    size: u32,
    start: u64,
    duration: u32,
    key: bool,
}

/// What a fragment that begins at a place says of a track, as it is written here.
fn samples(traf: &TrafBox, begin: u64) -> impl Iterator<Item = Placed> + '_ {
    let mut start = traf.tfdt_box.as_ref().map_or(0, |tfdt| tfdt.base_media_decode_time);
    traf.trun_boxes.iter().flat_map(move |trun| {
        let mut offset = begin.saturating_add_signed(trun.data_offset.unwrap_or(0).into());
        trun.samples
            .iter()
            .map(move |sample| {
                let (duration, size) = (sample.duration.unwrap_or(0), sample.size.unwrap_or(0));
                let key = sample.flags.is_none_or(|flags| !flags.sample_is_non_sync_sample());
                let placed = Placed { track: traf.tfhd_box.track_id, offset, size, start, duration, key };
                offset = offset.saturating_add(size.into());
                start = start.saturating_add(duration.into());
                placed
            })
            .collect::<Vec<_>>()
    })
}

/// The box at a place, if all of it is in the file of `length` bytes.
fn next(file: &mut PendingFile, at: u64, length: u64) -> Result<Option<Found>> {
    if length.saturating_sub(at) < 8 {
        return Ok(None);
    }
    let mut bytes = [0; 8];
    file.read_back(at, &mut bytes)?;
    let [a, b, c, d, kind @ ..] = bytes;
    let (mut size, mut head) = (u64::from(u32::from_be_bytes([a, b, c, d])), 8);
    if size == 1 && length - at >= 16 {
        let mut large = [0; 8];
        file.read_back(at + 8, &mut large)?;
        (size, head) = (u64::from_be_bytes(large), 16);
    }
    Ok((size >= head && size <= length - at).then_some(Found { kind, at, head, size }))
}

fn read(file: &mut PendingFile, found: &Found) -> Result<Vec<u8>> {
    if found.size > MOST {
        return Err(Error::damaged(file.target(), format!("a box of {} bytes", found.size)));
    }
    let mut bytes = vec![0; found.size as usize];
    file.read_back(found.at, &mut bytes)?;
    Ok(bytes)
}
