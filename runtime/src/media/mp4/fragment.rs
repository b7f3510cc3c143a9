//! A recording while it grows: a description without frames, then fragments, each of which says what is in it. A player shows
//! what there is of them, wherever the file ends.

use std::num::NonZeroU32;

use shiguredo_mp4::boxes::{HdlrBox, MoovBox, SampleEntry};
use shiguredo_mp4::mux::{Fmp4SegmentMuxer, MuxError, Sample};
use shiguredo_mp4::{Decode, Encode, TrackKind};

use super::copy::begins_at;
use super::write::TICKS;

/// Numbers of the tracks.
pub(super) const VIDEO: u32 = 1;
/// That of the sound.
pub(super) const SOUND: u32 = 2;

/// Flags of a sample that stands alone, and of one that needs those before it.
const FLAGS: [u32; 2] = [0x0200_0000, 0x0101_0000];

/// A frame or a piece of sound of a fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// Ticks of its track.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// Whether it stands alone.
    pub key: bool,
}

/// What a fragment has of a track.
pub(super) struct Run<'a> {
    /// [`VIDEO`] or [`SOUND`].
    pub track: u32,
    /// When it begins, in ticks of the track.
    pub start: u64,
    /// One after the other.
    pub pieces: &'a [Piece],
}

/// A sound track in a description without frames.
pub(super) struct SoundTrack<'a> {
    /// What it is.
    pub entry: &'a SampleEntry,
    /// Its ticks a second.
    pub timescale: NonZeroU32,
    /// When it begins after the first frame, in its ticks; negative before it.
    pub begins: i64,
}

/// The description (`moov`) of a recording whose frames lie in fragments.
///
/// # Errors
/// What the muxer says.
pub(super) fn description(video: &SampleEntry, sound: Option<SoundTrack<'_>>) -> Result<Vec<u8>, MuxError> {
    let mut muxer = Fmp4SegmentMuxer::new()?;
    let sample = |track_kind, entry: &SampleEntry, timescale, data_offset| Sample {
        track_kind,
        timescale,
        sample_entry: Some(entry.clone()),
        duration: 1,
        keyframe: true,
        composition_time_offset: None,
        data_offset,
        data_size: 1,
    };
    let ticks = NonZeroU32::MIN.saturating_add(TICKS - 1);
    let mut samples = vec![sample(TrackKind::Video, video, ticks, 0)];
    samples.extend(sound.as_ref().map(|s| sample(TrackKind::Audio, s.entry, s.timescale, 1)));
    // It learns of tracks from a fragment; this one is not written.
    muxer.create_media_segment_metadata(&samples)?;
    let bytes = muxer.init_segment_bytes()?;
    let after_type = bytes.first_chunk().map_or(0, |size| u32::from_be_bytes(*size) as usize);
    let (mut moov, _) = MoovBox::decode(bytes.get(after_type..).unwrap_or_default())?;
    for trak in &mut moov.trak_boxes {
        if trak.mdia_box.hdlr_box.handler_type == HdlrBox::HANDLER_TYPE_SOUN {
            trak.edts_box = sound.as_ref().map(|sound| begins_at(sound.begins));
        }
    }
    Ok(moov.encode_to_vec()?)
}

/// Appends what stands before the bytes of a fragment: those of its runs, one after the other.
pub(super) fn head(sequence: u32, runs: &[Run<'_>], out: &mut Vec<u8>) {
    let begin = out.len();
    let mut offsets = [0; 2];
    boxed(out, b"moof", |out| {
        boxed(out, b"mfhd", |out| words(out, &[0, sequence]));
        for (run, place) in runs.iter().zip(&mut offsets) {
            boxed(out, b"traf", |out| {
                // Offsets count from the fragment's first byte.
                boxed(out, b"tfhd", |out| words(out, &[0x2_0000, run.track]));
                boxed(out, b"tfdt", |out| {
                    words(out, &[1 << 24, (run.start >> 32) as u32, run.start as u32]);
                });
                boxed(out, b"trun", |out| {
                    words(out, &[0x701, run.pieces.len() as u32]);
                    *place = out.len();
                    words(out, &[0]);
                    for Piece { duration, size, key } in run.pieces {
                        words(out, &[*duration, *size, FLAGS[usize::from(!key)]]);
                    }
                });
            });
        }
    });
    let mut at = (out.len() - begin + 8) as u32;
    for (run, place) in runs.iter().zip(offsets) {
        out[place..place + 4].copy_from_slice(&at.to_be_bytes());
        at += run.pieces.iter().map(|piece| piece.size).sum::<u32>();
    }
    let size = at - (out.len() - begin) as u32;
    words(out, &[size]);
    out.extend_from_slice(b"mdat");
}

fn words(out: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
}

fn boxed(out: &mut Vec<u8>, kind: &[u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    words(out, &[0]);
    out.extend_from_slice(kind);
    content(out);
    let size = (out.len() - begin) as u32;
    out[begin..begin + 4].copy_from_slice(&size.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use shiguredo_mp4::boxes::MoofBox;

    use super::*;

    #[test]
    fn a_fragment_says_where_everything_in_it_lies() {
        let piece = |duration, size, key| Piece { duration, size, key };
        let (frames, sound) = ([piece(10, 7, true), piece(20, 5, false)], [piece(1024, 3, true)]);
        let runs = [
            Run { track: VIDEO, start: 1 << 33, pieces: &frames },
            Run { track: SOUND, start: 4, pieces: &sound },
        ];
        let mut out = b"before".to_vec();
        head(9, &runs, &mut out);
        let (moof, length) = MoofBox::decode(&out[6..]).unwrap();
        assert_eq!(moof.mfhd_box.sequence_number, 9);
        let [video, heard] = &moof.traf_boxes[..] else { panic!("two tracks") };
        assert_eq!(video.tfdt_box.as_ref().unwrap().base_media_decode_time, 1 << 33);
        assert!(video.tfhd_box.default_base_is_moof && heard.tfhd_box.track_id == SOUND);
        let first = length as i32 + 8;
        assert_eq!(video.trun_boxes[0].data_offset, Some(first));
        assert_eq!(heard.trun_boxes[0].data_offset, Some(first + 12));
        let samples = &video.trun_boxes[0].samples;
        assert_eq!((samples[1].duration, samples[1].size), (Some(20), Some(5)));
        let alone: Vec<_> = samples.iter().map(|s| s.flags.map(|f| f.sample_is_non_sync_sample())).collect();
        assert_eq!(alone, [Some(false), Some(true)]);
        assert_eq!(&out[6 + length..], [&23u32.to_be_bytes()[..], b"mdat"].concat());
    }
}
