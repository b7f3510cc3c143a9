//! Whether a track is H.264 of a kind that is certain to be decoded right here, and what it says of its pictures.

use h264_reader::Context;
use h264_reader::nal::pps::PicParameterSet;
use h264_reader::nal::sps::{ChromaFormat, FrameMbsFlags, SeqParameterSet};
use h264_reader::nal::{Nal, RefNal};
use shiguredo_mp4::boxes::AvccBox;

use super::boxes::{boxes, half, word};
use super::track::{Track, decode};
use crate::media::colour::{Colours, Way};
use crate::media::frame_size;
use crate::media::shape::Shape;
use crate::media::yuv::Matrix;

/// Bytes of a sample entry before its boxes.
const ENTRY: usize = 78;

/// A track that is decoded here.
#[derive(Debug)]
pub(super) struct H264 {
    /// Stored pixels.
    pub size: (u32, u32),
    /// What a decoder must know before the first frame, with start codes.
    pub parameter_sets: Vec<u8>,
    /// Bytes of the length before each unit.
    pub length_bytes: usize,
    pub shape: Shape,
    pub matrix: Matrix,
    pub full_range: bool,
}

/// Reads what a track says of itself.
///
/// # Errors
/// In a few words what is in it that is not decoded here.
pub(super) fn understand(track: &Track<'_>) -> Result<H264, String> {
    let kind_of_video = || "this kind of video".to_owned();
    let [entry] = &track.entries[..] else { return Err("video of several kinds in a row".to_owned()) };
    if &entry.kind != b"avc1" {
        return Err(kind_of_video());
    }
    let described = boxes(entry.content.get(ENTRY..).unwrap_or_default())?;
    let described = |kind: &[u8; 4]| described.iter().find(|b| &b.kind == kind).copied();
    let config: AvccBox = decode(described(b"avcC").ok_or_else(kind_of_video)?)?;
    let said = parameter_sets(&config)?;
    let colours = colours(said.colours, described(b"colr").map(|b| b.content))?;
    let Way::Planes(matrix) = colours.way() else {
        return Err(format!("video whose colours are {}", colours.in_words()));
    };
    let [a, b, _, c, d, ..] = track.matrix;
    let turns = quarter_turns(a, b, c, d).ok_or("video that is mirrored or slanted")?;
    let pixel = match described(b"pasp").and_then(|b| Some((word(b.content, 0)?, word(b.content, 4)?))) {
        Some((w, h)) if w > 0 && h > 0 => (w, h),
        _ => said.pixel,
    };
    let shape = Shape { pixel, turns };
    // Where nothing is said of pixels, the size that they are to be shown with may say it.
    let (w, h) = track.size;
    if pixel == (1, 1) && w > 0.0 && h > 0.0 {
        let stored = f64::from(said.size.0) / f64::from(said.size.1);
        if (w / h / stored - 1.0).abs() > 0.01 {
            return Err("video that is shown in another shape than it has".to_owned());
        }
    }
    let mut sets = Vec::new();
    for unit in config.sps_list.iter().chain(&config.pps_list) {
        sets.extend_from_slice(&[0, 0, 0, 1]);
        sets.extend_from_slice(unit);
    }
    Ok(H264 {
        size: said.size,
        parameter_sets: sets,
        length_bytes: usize::from(config.length_size_minus_one.get()) + 1,
        shape,
        matrix,
        full_range: colours.full_range,
    })
}

/// What a stream says of its pictures.
struct Said {
    size: (u32, u32),
    pixel: (u32, u32),
    colours: Colours,
}

/// Lets pass what the decoder knows: whole frames of 8 bits, four pixels a colour, in the order of their blocks.
fn parameter_sets(config: &AvccBox) -> Result<Said, String> {
    let damaged = |what: &str| format!("H.264 whose {what} cannot be understood");
    let mut context = Context::new();
    let mut said: Option<Said> = None;
    for unit in config.sps_list.iter().filter(|unit| !unit.is_empty()) {
        let set = SeqParameterSet::from_bits(RefNal::new(unit, &[], true).rbsp_bits());
        let set = set.map_err(|_| damaged("parameters"))?;
        let info = &set.chroma_info;
        if info.chroma_format != ChromaFormat::YUV420
            || info.bit_depth_luma_minus8 != 0
            || info.bit_depth_chroma_minus8 != 0
            || !matches!(u8::from(set.profile_idc), 66 | 77 | 100)
        {
            return Err("H.264 of this profile".to_owned());
        }
        if set.frame_mbs_flags != FrameMbsFlags::Frames {
            return Err("interlaced video".to_owned());
        }
        let size = set.pixel_dimensions().map_err(|_| damaged("size"))?;
        frame_size::check(size)?;
        let mut this = Said { size, pixel: (1, 1), colours: Colours::default() };
        if let Some(vui) = &set.vui_parameters {
            if let Some((w, h)) = vui.aspect_ratio_info.as_ref().and_then(|a| a.get())
                && w > 0
                && h > 0
            {
                this.pixel = (w.into(), h.into());
            }
            if let Some(signal) = &vui.video_signal_type {
                this.colours.full_range = signal.video_full_range_flag;
                if let Some(named) = &signal.colour_description {
                    this.colours.primaries = named.colour_primaries;
                    this.colours.transfer = named.transfer_characteristics;
                    this.colours.matrix = named.matrix_coefficients;
                }
            }
        }
        let same = |s: &Said| (s.size, s.pixel, s.colours) == (this.size, this.pixel, this.colours);
        if said.as_ref().is_some_and(|said| !same(said)) {
            return Err("H.264 that changes on the way".to_owned());
        }
        said = Some(this);
        context.put_seq_param_set(set);
    }
    for unit in config.pps_list.iter().filter(|unit| !unit.is_empty()) {
        let set = PicParameterSet::from_bits(&context, RefNal::new(unit, &[], true).rbsp_bits());
        let set = set.map_err(|_| damaged("parameters"))?;
        if set.slice_groups.is_some() || set.redundant_pic_cnt_present_flag {
            return Err("H.264 of this profile".to_owned());
        }
    }
    said.ok_or_else(|| damaged("parameters"))
}

/// What stream and file say together.
fn colours(stream: Colours, colr: Option<&[u8]>) -> Result<Colours, String> {
    let file = colr.filter(|c| c.starts_with(b"nclx") || c.starts_with(b"nclc"));
    let Some(file) = file else { return Ok(stream) };
    let code = |at| half(file, at).and_then(|code| u8::try_from(code).ok()).unwrap_or(2);
    let file = Colours {
        primaries: code(4),
        transfer: code(6),
        matrix: code(8),
        full_range: file.starts_with(b"nclx") && file.get(10).is_some_and(|b| b & 0x80 != 0),
    };
    if stream.matrix == 2 && stream.transfer == 2 && stream.primaries == 2 {
        return Ok(Colours { full_range: file.full_range || stream.full_range, ..file });
    }
    if file.matrix != 2 && file.way() != stream.way() {
        return Err("video whose colours are named twice and differently".to_owned());
    }
    Ok(stream)
}

/// Clockwise quarter turns that a track's matrix asks for, as telephones held upright record; none for anything else.
pub(super) fn quarter_turns(a: i32, b: i32, c: i32, d: i32) -> Option<u8> {
    match (a.signum(), b.signum(), c.signum(), d.signum()) {
        (1, 0, 0, 1) | (0, 0, 0, 0) => Some(0),
        (0, 1, -1, 0) => Some(1),
        (-1, 0, 0, -1) => Some(2),
        (0, -1, 1, 0) => Some(3),
        _ => None,
    }
}

/// Whether a frame, as it lies in the file, is one that nothing before it is needed for.
pub(super) fn stands_alone(sample: &[u8], length_bytes: usize) -> bool {
    units(sample, length_bytes).any(|unit| unit.first().is_some_and(|head| head & 31 == 5))
}

/// Replaces the length before each unit by a start code; a length beyond the end takes what there is.
pub(super) fn append_start_coded(sample: &[u8], length_bytes: usize, out: &mut Vec<u8>) {
    for unit in units(sample, length_bytes) {
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(unit);
    }
}

fn units(mut sample: &[u8], length_bytes: usize) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if sample.len() <= length_bytes {
            return None;
        }
        let (length, rest) = sample.split_at(length_bytes);
        let length = length.iter().fold(0usize, |n, byte| n << 8 | usize::from(*byte)).min(rest.len());
        let (unit, rest) = rest.split_at(length);
        sample = rest;
        Some(unit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_become_start_codes() {
        let mut out = Vec::new();
        append_start_coded(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 1, 9], 4, &mut out);
        assert_eq!(out, [0, 0, 0, 1, 7, 8, 0, 0, 0, 1, 9]);
        out.clear();
        append_start_coded(&[0, 9, 1, 2], 2, &mut out);
        assert_eq!(out, [0, 0, 0, 1, 1, 2]);
        assert!(stands_alone(&[0, 0, 0, 1, 0x09, 0, 0, 0, 2, 0x65, 1], 4));
        assert!(!stands_alone(&[0, 0, 0, 1, 0x41], 4));
    }

    #[test]
    fn matrices_of_telephones_are_understood() {
        let one = 1 << 16;
        assert_eq!(quarter_turns(one, 0, 0, one), Some(0));
        assert_eq!(quarter_turns(0, one, -one, 0), Some(1));
        assert_eq!(quarter_turns(-one, 0, 0, -one), Some(2));
        assert_eq!(quarter_turns(0, -one, one, 0), Some(3));
        assert_eq!(quarter_turns(-one, 0, 0, one), None, "a mirror");
    }

    #[test]
    fn colours_of_stream_and_file_go_together() {
        let bt709 = Colours { primaries: 1, transfer: 1, matrix: 1, full_range: false };
        let nclx = |code: u8, full: u8| [&b"nclx"[..], &[0, code, 0, code, 0, code, full]].concat();
        assert_eq!(colours(Colours::default(), None), Ok(Colours::default()));
        assert_eq!(colours(Colours::default(), Some(&nclx(1, 0))), Ok(bt709));
        let full = colours(Colours::default(), Some(&nclx(1, 0x80))).unwrap();
        assert!(full.full_range);
        assert_eq!(colours(bt709, Some(&nclx(1, 0))), Ok(bt709));
        assert!(colours(bt709, Some(&nclx(6, 0))).is_err());
        assert_eq!(colours(bt709, Some(b"prof\0")), Ok(bt709));
    }
}
